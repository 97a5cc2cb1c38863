//! Files from servers by HTTP: certificates, proxies, limits of time and size, retries.
//!
//! Streams into staged files, and believes nothing: whoever asks knows the digest, and gives the file its
//! name or not.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, Client, NoProxy, Proxy, StatusCode};

use crate::digest::{Digest, DigestWriter};
use crate::error::{Error, Kind, Result};
use crate::fsutil::Staged;
use crate::plan::NetworkPlan;
use crate::plan::requirements::without_credentials;

/// A server that takes no connection for so long is asked no more.
const CONNECT: Duration = Duration::from_secs(20);
/// Nor one that says nothing for so long.
const SILENCE: Duration = Duration::from_mins(1);
/// No file is longer, in bytes.
const LARGEST: u64 = 1 << 30;
/// The waits before further tries, where a server is busy or a connection broke.
const WAITS: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(4),
];

/// Fetches files.
#[derive(Debug, Clone)]
pub struct Downloads(Client);

/// Why one try came to nothing.
enum Failure {
    /// Another may do better.
    Passing(String),
    /// No other will.
    Final(Error),
}

/// A client that goes by these proxies and trusts these certificates, and those in `more` files. Its servers
/// may be silent for so long, while they are sent something, too.
///
/// # Errors
/// [`Kind::Config`] for certificates or a proxy that can't be used.
pub fn client(
    network: &NetworkPlan,
    more: &[PathBuf],
    silence: Option<Duration>,
) -> Result<Client> {
    // The one that is set already is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let bad = |what: &str, error: reqwest::Error| {
        Error::new(Kind::Config, format!("{what}: {}", error.without_url()))
            .hint("check the proxy variables and the certificates of --ca-bundle")
    };
    // The environment was read by who made the plan.
    let mut builder = Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT)
        .user_agent(concat!("omnibuild/", env!("CARGO_PKG_VERSION")));
    if let Some(silence) = silence {
        builder = builder.read_timeout(silence);
    }
    for path in network.ca_bundle.iter().chain(more) {
        let certificates = Certificate::from_pem_bundle(&fs_err::read(path)?);
        let place = path.display().to_string();
        builder = builder.tls_certs_merge(certificates.map_err(|error| bad(&place, error))?);
    }
    let except = variable(&network.proxies, &["no_proxy", "NO_PROXY"]);
    let except = except.and_then(NoProxy::from_string);
    for (names, scheme) in [
        (["http_proxy", "HTTP_PROXY"], "http"),
        (["https_proxy", "HTTPS_PROXY"], "https"),
        (["all_proxy", "ALL_PROXY"], "all"),
    ] {
        let Some(address) = variable(&network.proxies, &names) else {
            continue;
        };
        let proxy = match scheme {
            "http" => Proxy::http(address),
            "https" => Proxy::https(address),
            _ => Proxy::all(address),
        };
        let proxy = proxy.map_err(|error| bad(names[0], error))?;
        builder = builder.proxy(proxy.no_proxy(except.clone()));
    }
    let client = builder.build();
    client.map_err(|error| bad("the network client", error))
}

impl Downloads {
    /// By these proxies, trusting these certificates.
    ///
    /// # Errors
    /// [`Kind::Config`] for certificates or a proxy that can't be used.
    pub fn new(network: &NetworkPlan) -> Result<Self> {
        client(network, &[], Some(SILENCE)).map(Self)
    }

    /// The file at an address, staged in a folder, and its digest.
    ///
    /// # Errors
    /// [`Kind::Network`] when the server does not give it, which says the address without a password;
    /// [`Kind::Damaged`] when it has no end.
    pub async fn get(&self, address: &str, folder: &Path) -> Result<(Staged, Digest)> {
        let mut waits = WAITS.into_iter();
        loop {
            let mut staged = Staged::create(folder)?;
            let why = match self.attempt(address, &mut staged).await {
                Ok(digest) => return Ok((staged, digest)),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(why)) => why,
            };
            let Some(wait) = waits.next() else {
                return Err(refused(address, &why));
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(
        &self,
        address: &str,
        staged: &mut Staged,
    ) -> std::result::Result<Digest, Failure> {
        let told = |error| told(address, error);
        let mut answer = self.0.get(address).send().await.map_err(told)?;
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Failure::Passing(format!("the server says {status}")));
        }
        if !status.is_success() {
            let why = format!("the server says {status}");
            return Err(Failure::Final(refused(address, &why)));
        }
        let mut writer = DigestWriter::new(staged.writer());
        let mut length = 0;
        while let Some(piece) = answer.chunk().await.map_err(told)? {
            length += piece.len() as u64;
            if length > LARGEST {
                let text = format!(
                    "{}: it has more than {LARGEST} bytes",
                    without_credentials(address)
                );
                return Err(Failure::Final(Error::new(Kind::Damaged, text)));
            }
            let written = writer.write_all(&piece);
            written.map_err(|error| Failure::Final(error.into()))?;
        }
        Ok(writer.finish().0)
    }
}

/// What the client says and why, without the address, which may hold a password.
pub fn explained(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn told(address: &str, error: reqwest::Error) -> Failure {
    // Nobody listens there in a moment, either; what broke off may go on.
    let is_passing = !error.is_builder() && (!error.is_connect() || error.is_timeout());
    let text = explained(error);
    if is_passing {
        Failure::Passing(text)
    } else {
        Failure::Final(refused(address, &text))
    }
}

fn refused(address: &str, why: &str) -> Error {
    let address = without_credentials(address);
    Error::new(Kind::Network, format!("{address}: {why}"))
}

fn variable<'a>(proxies: &'a BTreeMap<String, String>, names: &[&str]) -> Option<&'a str> {
    names
        .iter()
        .find_map(|name| proxies.get(*name))
        .map(String::as_str)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    /// A server that gives each request the next of these answers: a status and content.
    pub(crate) fn server(answers: Vec<(u16, &'static [u8])>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for (status, content) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).unwrap();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    content.len()
                );
                stream.write_all(head.as_bytes()).unwrap();
                stream.write_all(content).unwrap();
            }
        });
        address
    }

    async fn get(address: &str) -> Result<Digest> {
        let folder = tempfile::tempdir().unwrap();
        let downloads = Downloads::new(&NetworkPlan::default()).unwrap();
        let (_staged, digest) = downloads.get(address, folder.path()).await?;
        Ok(digest)
    }

    #[tokio::test]
    async fn a_server_that_is_busy_is_asked_again() {
        let address = server(vec![(503, b"busy"), (429, b"wait"), (200, b"content")]);
        assert_eq!(get(&address).await.unwrap(), Digest::of("content"));
    }

    #[tokio::test]
    async fn what_is_not_there_is_told_without_a_password() {
        let address = server(vec![(404, b"nothing")]);
        let secret = address.replace("http://", "http://user:secret@");
        let error = get(&secret).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Network);
        assert!(error.message().contains("404"), "{error}");
        assert!(!error.message().contains("secret"), "{error}");
        // Nobody listens, which no wait changes.
        let error = get("http://127.0.0.1:1/file").await.unwrap_err();
        assert!(
            error.message().starts_with("http://127.0.0.1:1/file: "),
            "{error}"
        );
        let error = get("nothing://x").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Network);
    }
}
