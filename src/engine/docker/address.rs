//! The address of an engine, and with whose certificates it is spoken to.
//!
//! Connects to nothing; `choice` says which one is meant.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::platform::{ENGINE_SCHEMES, EngineKind};

/// Where an engine listens, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Address {
    /// `unix://`, `tcp://`, `http://`, `https://` or `ssh://`.
    pub(super) url: String,
    /// Who names it, as messages have it; nobody for the usual sockets.
    pub(super) source: Option<String>,
    /// The folder of `ca.pem`, `cert.pem` and `key.pem`, when TLS is spoken.
    pub(super) certificates: Option<PathBuf>,
}

impl Address {
    /// An address as somebody wrote it, with TLS where the environment wants it.
    pub(super) fn written(url: &str, source: &str) -> Result<Self> {
        let url = url.trim_end_matches('/');
        if !ENGINE_SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(Error::new(
                Kind::Engine,
                format!("{source}: `{url}` is not the address of an engine"),
            )
            .hint(
                "write it as unix:///path, tcp://host:port, https://host:port or ssh://user@host",
            ));
        }
        let wanted = set("DOCKER_TLS_VERIFY").or_else(|| set("DOCKER_TLS"));
        let tls = url.starts_with("https://") || (url.starts_with("tcp://") && wanted.is_some());
        let folder =
            || set("DOCKER_CERT_PATH").map_or_else(docker_folder, |path| Some(path.into()));
        Ok(Self {
            url: url.to_owned(),
            source: Some(source.to_owned()),
            certificates: if tls { folder() } else { None },
        })
    }

    /// Variables by which a process with another environment finds the same engine.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("OMNIBUILD_ENGINE", "docker".to_owned()),
            ("DOCKER_HOST", self.url.clone()),
        ];
        if let Some(folder) = &self.certificates {
            variables.push(("DOCKER_TLS_VERIFY", "1".to_owned()));
            variables.push(("DOCKER_CERT_PATH", folder.display().to_string()));
        }
        let agent = self.url.starts_with("ssh://").then(|| set("SSH_AUTH_SOCK"));
        variables.extend(agent.flatten().map(|agent| ("SSH_AUTH_SOCK", agent)));
        variables
    }

    /// Whether it is on this machine.
    pub(super) fn is_local(&self) -> bool {
        self.url.starts_with("unix://")
    }

    /// The address with who names it.
    pub(super) fn described(&self) -> String {
        match &self.source {
            Some(source) => format!("`{}`, named by {source}", self.url),
            None => format!("`{}`", self.url),
        }
    }

    /// The sockets of engines that nobody names, Docker's before Podman's: the first that there is, or
    /// the most usual one; and the others that there are.
    pub(super) fn usual(kind: EngineKind) -> (Self, Vec<Self>) {
        let of_user = set("XDG_RUNTIME_DIR").map_or_else(
            || Path::new("/run/user").join(rustix::process::getuid().as_raw().to_string()),
            PathBuf::from,
        );
        let mut sockets = Vec::new();
        if kind != EngineKind::Podman {
            sockets.push(PathBuf::from("/var/run/docker.sock"));
            sockets.push(of_user.join("docker.sock"));
        }
        if kind != EngineKind::Docker {
            sockets.push(PathBuf::from("/run/podman/podman.sock"));
            sockets.push(of_user.join("podman/podman.sock"));
        }
        let address = |socket: &PathBuf| Self {
            url: format!("unix://{}", socket.display()),
            source: None,
            certificates: None,
        };
        let mut there = sockets.iter().filter(|socket| socket.exists()).map(address);
        let first = there.next().unwrap_or_else(|| address(&sockets[0]));
        (first, there.collect())
    }
}

/// A variable that is set to something.
pub(super) fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The folder of Docker's client.
pub(super) fn docker_folder() -> Option<PathBuf> {
    let home = || Some(directories::BaseDirs::new()?.home_dir().join(".docker"));
    set("DOCKER_CONFIG").map_or_else(home, |folder| Some(Path::new(&folder).to_owned()))
}
