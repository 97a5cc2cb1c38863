//! From an address to an object store: certificates, proxies, time limits, retries.
//!
//! The only file that knows kinds of servers. Sends nothing.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig};

use reqwest::header::HeaderMap;

use crate::error::{Error, Kind, Result};

use super::{RemoteSettings, Timing};

/// Retries wait at least so long, then more and more, by chance.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(3);
const RETRIES: usize = 4;

/// An object store, and where in it the cache is.
pub(super) struct Place {
    /// To read from: silence is a failure soon.
    pub(super) reading: Arc<dyn ObjectStore>,
    /// To write to: a part has to be sent before an answer comes.
    pub(super) writing: Arc<dyn ObjectStore>,
    /// Of every object.
    pub(super) prefix: Path,
}

impl Place {
    /// The place at an address.
    pub(super) fn open(settings: &RemoteSettings) -> Result<Self> {
        // The one that is set already is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let (scheme, rest) = settings
            .address
            .split_once("://")
            .ok_or_else(|| bad("it has no scheme"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let open = |silence| -> Result<Arc<dyn ObjectStore>> {
            let client = client(settings, scheme, silence)?;
            store(settings, scheme, host, client)
        };
        // The path of an https address is a part of every object's name, too.
        Ok(Self {
            reading: open(settings.timing.silence)?,
            writing: open(settings.timing.writing)?,
            prefix: Path::parse(path.trim_matches('/')).map_err(bad)?,
        })
    }
}

fn store(
    settings: &RemoteSettings,
    scheme: &str,
    host: &str,
    client: ClientOptions,
) -> Result<Arc<dyn ObjectStore>> {
    let retry = retry(&settings.timing);
    let variables = settings
        .access
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value));
    Ok(match scheme {
        "s3" => {
            let start = AmazonS3Builder::new().with_client_options(client);
            let builder = variables.fold(start, |builder, (name, value)| match name.parse() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            });
            let builder = builder.with_bucket_name(host).with_retry(retry);
            Arc::new(builder.build().map_err(bad)?)
        }
        "gs" => {
            let start = GoogleCloudStorageBuilder::new().with_client_options(client);
            let builder = variables.fold(start, |builder, (name, value)| match name.parse() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            });
            let builder = builder.with_bucket_name(host).with_retry(retry);
            Arc::new(builder.build().map_err(bad)?)
        }
        "https" => {
            let (server, headers) = without_credentials(host)?;
            let builder = HttpBuilder::new()
                .with_url(server)
                .with_client_options(client.with_default_headers(headers))
                .with_retry(retry);
            Arc::new(builder.build().map_err(bad)?)
        }
        "file" => Arc::new(LocalFileSystem::new().with_fsync(true)),
        _ => return Err(bad(format!("`{scheme}` is no kind of remote cache"))),
    })
}

/// A server's address, and the header for the user and password that stood in it: an address is in
/// every error.
fn without_credentials(host: &str) -> Result<(String, HeaderMap)> {
    let client = reqwest::Client::builder()
        .tls_certs_only([])
        .build()
        .map_err(bad)?;
    let request = client.get(format!("https://{host}")).build();
    // The client's error would repeat the address.
    let request = request.map_err(|error| bad(error.without_url()))?;
    let headers = request.headers().clone();
    Ok((request.url().to_string(), headers))
}

fn retry(timing: &Timing) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: FIRST_WAIT,
            max_backoff: LONGEST_WAIT,
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: timing.retries,
    }
}

fn client(settings: &RemoteSettings, scheme: &str, silence: Duration) -> Result<ClientOptions> {
    let mut client = ClientOptions::new()
        .with_connect_timeout(settings.timing.connect)
        .with_read_timeout(silence)
        // A large wheel takes as long as it takes.
        .with_timeout_disabled();
    if let Some(path) = &settings.ca_bundle {
        let pem = fs_err::read(path)?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(bad)? {
            client = client.with_root_certificate(certificate);
        }
    }
    let variable = |names: &[&str]| {
        let mut values = names.iter().filter_map(|name| settings.proxies.get(*name));
        values.next().cloned()
    };
    let plain = scheme == "s3"
        && settings
            .access
            .get("AWS_ENDPOINT_URL")
            .or(settings.access.get("AWS_ENDPOINT"))
            .is_some_and(|endpoint| endpoint.starts_with("http://"));
    let proxy = if plain {
        variable(&["http_proxy", "all_proxy", "ALL_PROXY"])
    } else {
        variable(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
    };
    if let Some(proxy) = proxy {
        client = client.with_proxy_url(proxy);
        if let Some(excludes) = variable(&["no_proxy", "NO_PROXY"]) {
            client = client.with_proxy_excludes(excludes);
        }
    }
    Ok(client)
}

fn bad(why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Config, format!("cache.remote: {why}"))
        .hint("check the address of the remote cache and the variables of its kind")
}
