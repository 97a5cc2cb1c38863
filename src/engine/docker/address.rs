//! Where the engine listens, when nobody says: the environment, Docker's contexts, the usual
//! sockets. And the way to an engine behind `ssh://`.
//!
//! Connects to nothing but ssh; knows nothing of the API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::platform::EngineKind;

/// How often it is looked whether ssh has made the socket.
const TUNNEL_POLL: Duration = Duration::from_millis(20);

/// `DOCKER_HOST`, then the current Docker context, then the sockets that Docker and Podman use.
pub(super) fn default_address(kind: EngineKind) -> String {
    if let Some(host) = named_address() {
        return host;
    }
    let of_user = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let mut sockets = Vec::new();
    if kind != EngineKind::Podman {
        sockets.push(PathBuf::from("/var/run/docker.sock"));
        sockets.extend(of_user.as_ref().map(|folder| folder.join("docker.sock")));
    }
    if kind != EngineKind::Docker {
        sockets.extend(of_user.map(|folder| folder.join("podman/podman.sock")));
        sockets.push(PathBuf::from("/run/podman/podman.sock"));
    }
    let socket = sockets
        .iter()
        .find(|socket| socket.exists())
        .unwrap_or(&sockets[0]);
    format!("unix://{}", socket.display())
}

/// Whether the environment or a Docker context names an engine.
pub(in crate::engine) fn is_named() -> bool {
    named_address().is_some()
}

fn named_address() -> Option<String> {
    let host = std::env::var("DOCKER_HOST").ok();
    host.filter(|host| !host.is_empty())
        .or_else(context_address)
}

/// The address of the current Docker context, which the client library does not read.
fn context_address() -> Option<String> {
    let folder = std::env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| Some(directories::BaseDirs::new()?.home_dir().join(".docker")))?;
    let name = std::env::var("DOCKER_CONTEXT").ok().or_else(|| {
        let config: serde_json::Value =
            serde_json::from_slice(&fs_err::read(folder.join("config.json")).ok()?).ok()?;
        Some(config.get("currentContext")?.as_str()?.to_owned())
    })?;
    if name.is_empty() || name == "default" {
        return None;
    }
    let meta = folder
        .join("contexts/meta")
        .join(crate::digest::Digest::of(&name).as_str())
        .join("meta.json");
    let meta: serde_json::Value = serde_json::from_slice(&fs_err::read(meta).ok()?).ok()?;
    Some(meta.pointer("/Endpoints/docker/Host")?.as_str()?.to_owned())
}

/// A local socket that ssh forwards to an engine's; it is closed when this is dropped.
pub(super) struct Tunnel {
    socket: PathBuf,
    _process: tokio::process::Child,
    _folder: tempfile::TempDir,
}

impl Tunnel {
    /// The local socket.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

/// Forwards a local socket to the engine of another machine; the client library's own ssh transport
/// loses the user and the port.
pub(super) async fn open_tunnel(address: &str) -> Result<Tunnel> {
    let failed = |why: String| {
        Error::new(
            Kind::Engine,
            format!("can't reach the engine at `{address}`: {why}"),
        )
        .hint(format!(
            "check that `ssh {}` works without a password",
            &address["ssh://".len()..]
        ))
    };
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("docker.sock");
    let mut process = tokio::process::Command::new("ssh")
        .args([
            "-nNT",
            "-o",
            "BatchMode=yes",
            "-o",
            "ExitOnForwardFailure=yes",
        ])
        .args(["-o", "ConnectTimeout=15", "-L"])
        .arg(format!("{}:/var/run/docker.sock", socket.display()))
        .arg(address)
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    // ssh makes the socket when it is connected and has no way to tell; so look until it ends.
    while !socket.exists() {
        if process.try_wait()?.is_some() {
            let output = process.wait_with_output().await?;
            return Err(failed(
                String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            ));
        }
        tokio::time::sleep(TUNNEL_POLL).await;
    }
    Ok(Tunnel {
        socket,
        _process: process,
        _folder: folder,
    })
}
