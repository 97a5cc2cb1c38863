//! The connection to an engine: by which way, how long it is waited for, whether the engine will do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::errors::Error as ClientError;
use tokio::sync::OnceCell;

use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::platform::{Arch, EngineKind};

use super::Docker;
use super::address::Address;
use super::failure::absent;
use super::make::Make;
use super::tls::Certificates;
use super::tunnel::Tunnel;

/// Builds and uploads get no answer until their body is in, so the client's limit is long and the
/// first call, which tells whether anybody is there, has its own.
const CALL_LIMIT_SECONDS: u64 = 3600;
const FIRST_ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// The same for another machine's.
const FIRST_ANSWER_LIMIT_ELSEWHERE: Duration = Duration::from_secs(20);
/// How long one that is busy may take to say who it is.
const BUSY_LIMIT: Duration = Duration::from_mins(5);
/// Engine 20.10, in Debian 11 and 12.
const OLDEST_API: (usize, usize) = (1, 41);

impl Docker {
    /// Connects to an engine, or to the first that answers at the usual places.
    pub(in crate::engine) async fn connect(
        kind: EngineKind,
        named: Option<Address>,
    ) -> Result<Self> {
        let (first, others) = match named {
            Some(address) => (address, Vec::new()),
            None => Address::usual(kind),
        };
        let mut absent = match Self::at(first, kind).await {
            Ok(this) => return Ok(this),
            Err(error) => error,
        };
        for address in others {
            match Self::at(address, kind).await {
                Ok(this) => return Ok(this),
                Err(error) => absent = absent.hint(error.message()),
            }
        }
        Err(absent)
    }

    /// Connects to the engine at an address.
    async fn at(address: Address, kind: EngineKind) -> Result<Self> {
        let limit = if address.is_local() {
            FIRST_ANSWER_LIMIT
        } else {
            FIRST_ANSWER_LIMIT_ELSEWHERE
        };
        let no_answer = |_elapsed| absent(&address, &ClientError::RequestTimeoutError);
        let tunnel = if address.url.starts_with("ssh://") {
            let opening = tokio::time::timeout(limit, Tunnel::open(&address, kind));
            Some(opening.await.map_err(no_answer)??)
        } else {
            None
        };
        let client = client(&address, tunnel.as_ref())?
            .with_timeout(Duration::from_secs(CALL_LIMIT_SECONDS))
            .with_request_modifier(fix_credentials_alphabet);
        let mut negotiating = Box::pin(client.clone().negotiate_version());
        let negotiated = match tokio::time::timeout(limit, &mut negotiating).await {
            Ok(negotiated) => negotiated,
            // Podman looks at each of its containers before it says who it is, and waits for those that
            // are at work.
            Err(elapsed) => match tokio::time::timeout(limit, client.ping()).await {
                Ok(Ok(_)) => tokio::time::timeout(BUSY_LIMIT, negotiating)
                    .await
                    .map_err(no_answer)?,
                Ok(Err(_)) | Err(_) => return Err(no_answer(elapsed)),
            },
        };
        let client = negotiated.map_err(|error| {
            let said = tunnel.as_ref().map(Tunnel::said).unwrap_or_default();
            let absent = absent(&address, &error);
            if said.is_empty() {
                absent
            } else {
                absent.hint(format!("ssh said: {said}"))
            }
        })?;
        let version = client.client_version();
        if (version.major_version, version.minor_version) < OLDEST_API {
            return Err(Error::new(
                Kind::Engine,
                format!(
                    "the engine at `{}` speaks API {version}, and 1.41 is the oldest that serves",
                    address.url
                ),
            )
            .hint("upgrade the engine to Docker 20.10 or Podman 4, or name another with --host"));
        }
        let this = Self {
            client,
            address,
            version: OnceCell::new(),
            creating: Arc::default(),
            inputs: Mutex::default(),
            _tunnel: tunnel,
        };
        if kind == EngineKind::Podman {
            this.must_be_podman().await?;
        }
        Ok(this)
    }

    /// Where it listens.
    pub(in crate::engine) fn address(&self) -> &str {
        &self.address.url
    }

    /// Refuses another engine where Podman is asked for.
    async fn must_be_podman(&self) -> Result<()> {
        if self.make().await? == Make::Podman {
            return Ok(());
        }
        let about = self.about().await?;
        Err(Error::new(
            Kind::Engine,
            format!(
                "the engine at {} is {} {}, and Podman is asked for",
                self.address.described(),
                about.name,
                about.version
            ),
        )
        .hint("name Podman's with --host or CONTAINER_HOST, or take this one: `--engine docker`"))
    }

    /// The architecture that its containers have without emulation, where it says one.
    pub(in crate::engine) async fn arch(&self) -> Result<Option<Arch>> {
        // An engine of this machine makes what this machine runs.
        if self.address.is_local() {
            return Ok(Arch::of_this_machine());
        }
        Ok(self.about().await?.arch)
    }
}

/// The client library's connection, which asks for nothing yet.
fn client(address: &Address, tunnel: Option<&Tunnel>) -> Result<bollard::Docker> {
    let version = bollard::API_DEFAULT_VERSION;
    let limit = CALL_LIMIT_SECONDS;
    let client = if let Some(tunnel) = tunnel {
        let socket = tunnel.socket().display().to_string();
        bollard::Docker::connect_with_unix(&socket, limit, version)
    } else if let Some(socket) = address.url.strip_prefix("unix://") {
        bollard::Docker::connect_with_unix(socket, limit, version)
    } else {
        let host = address.url.split_once("://").map_or("", |(_, host)| host);
        match &address.certificates {
            Some(folder) => {
                let files = Certificates::in_folder(folder)?;
                let host = with_port(host, 2376);
                bollard::Docker::connect_with_ssl(
                    &host,
                    &files.key,
                    &files.cert,
                    &files.ca,
                    limit,
                    version,
                )
            }
            None => bollard::Docker::connect_with_http(&with_port(host, 2375), limit, version),
        }
    };
    client.map_err(|error| absent(address, &error))
}

/// A host with the port that Docker uses when none is written.
fn with_port(host: &str, port: u16) -> String {
    let name_end = host.rfind(']').unwrap_or(0);
    if host[name_end..].contains(':') {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    }
}

/// Registries want base64url; bollard encodes with the standard alphabet (its issue 169).
fn fix_credentials_alphabet(mut request: bollard::BollardRequest) -> bollard::BollardRequest {
    for name in ["x-registry-auth", "x-registry-config"] {
        let fixed = request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.replace('+', "-").replace('/', "_").parse().ok());
        if let (Some(fixed), Some(value)) = (fixed, request.headers_mut().get_mut(name)) {
            *value = fixed;
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_a_port_has_dockers() {
        for (host, whole) in [
            ("far.example", "far.example:2376"),
            ("far.example:1", "far.example:1"),
            ("[::1]", "[::1]:2376"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(with_port(host, 2376), whole);
        }
    }
}
