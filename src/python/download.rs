//! A file from a server by HTTP: certificates, proxies, time limits, retries.
//!
//! Streams into a staged file; believes nothing, since whoever asks knows the digest.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;

use crate::digest::{Digest, DigestWriter};
use crate::error::{Error, Kind, Result};
use crate::fsutil::Staged;
use crate::plan::NetworkPlan;
use crate::plan::requirements::without_credentials;

/// How long a server may take to be reached, and to send the next bytes.
const CONNECT: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_mins(1);
/// Each wait before another try; a server that is busy says so for a moment.
const WAITS: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(4),
];

/// Why one try came to nothing.
enum Failure {
    /// Another may do better.
    Passing(String),
    /// No other will.
    Final(String),
    /// It has nothing to do with the server.
    Own(Error),
}

/// The file at an address, staged in a folder, and its digest.
///
/// Fails with [`Kind::Network`].
pub(super) async fn fetch(
    network: &NetworkPlan,
    url: &str,
    folder: &Path,
) -> Result<(Staged, Digest)> {
    let client = client(network)?;
    let mut waits = WAITS.into_iter();
    loop {
        let mut staged = Staged::create(folder)?;
        let why = match attempt(&client, url, &mut staged).await {
            Ok(digest) => return Ok((staged, digest)),
            Err(Failure::Own(error)) => return Err(error),
            Err(Failure::Final(why)) => return Err(failed(url, &why)),
            Err(Failure::Passing(why)) => why,
        };
        let Some(wait) = waits.next() else {
            return Err(failed(url, &why));
        };
        tokio::time::sleep(wait).await;
    }
}

async fn attempt(
    client: &reqwest::Client,
    url: &str,
    staged: &mut Staged,
) -> std::result::Result<Digest, Failure> {
    let answer = client
        .get(url)
        .send()
        .await
        .map_err(|error| told(error, url))?;
    let status = answer.status();
    if status.is_server_error() || status == reqwest::StatusCode::TOO_MANY_REQUESTS {
        return Err(Failure::Passing(format!("the server says {status}")));
    }
    if !status.is_success() {
        return Err(Failure::Final(format!("the server says {status}")));
    }
    let mut writer = DigestWriter::new(staged.writer());
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| told(error, url))?;
        writer
            .write_all(&piece)
            .map_err(|error| Failure::Own(error.into()))?;
    }
    Ok(writer.finish().0)
}

/// What the client says, without the address, which may hold a password.
fn told(error: reqwest::Error, url: &str) -> Failure {
    let is_final =
        error.is_builder() || !(url.starts_with("http://") || url.starts_with("https://"));
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    if is_final {
        Failure::Final(text)
    } else {
        Failure::Passing(text)
    }
}

fn failed(url: &str, why: &str) -> Error {
    Error::new(
        Kind::Network,
        format!(
            "the archive of Python can't be fetched from {}: {why}",
            without_credentials(url)
        ),
    )
    .hint("check the network, the proxy variables and --ca-bundle")
    .hint("set OMNIBUILD_PYTHON_MIRROR or `python-mirror` to a mirror or a folder that has it, or name a file in `[python.archive]` of platforms.toml; `omnibuild python build` makes one")
}

fn client(network: &NetworkPlan) -> Result<reqwest::Client> {
    // The one that is set already is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let bad = |error: reqwest::Error| {
        Error::new(Kind::Config, format!("the client for HTTP: {error}"))
            .hint("check the proxy variables and the certificates of --ca-bundle")
    };
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        // The environment's proxies are those that the configuration has.
        .no_proxy();
    if let Some(path) = &network.ca_bundle {
        let pem = fs_err::read(path)?;
        builder =
            builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&pem).map_err(bad)?);
    }
    let variable = |names: &[&str]| {
        let mut values = names.iter().filter_map(|name| network.proxies.get(*name));
        values.next().cloned()
    };
    let excluded =
        variable(&["no_proxy", "NO_PROXY"]).and_then(|hosts| reqwest::NoProxy::from_string(&hosts));
    let https = variable(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]);
    let http = variable(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]);
    if let Some(proxy) = https {
        let proxy = reqwest::Proxy::https(proxy).map_err(bad)?;
        builder = builder.proxy(proxy.no_proxy(excluded.clone()));
    }
    if let Some(proxy) = http {
        let proxy = reqwest::Proxy::http(proxy).map_err(bad)?;
        builder = builder.proxy(proxy.no_proxy(excluded));
    }
    builder.build().map_err(bad)
}
