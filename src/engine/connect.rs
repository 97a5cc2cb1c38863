//! Which engine is wanted, and the connection to it.
//!
//! The only place that names all kinds of engines.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::platform::{Arch, EngineKind};

use super::{Engine, docker, sandbox};

/// An engine that the configuration names.
#[derive(Debug, Clone)]
pub struct Configured<'a> {
    /// The key, for messages.
    pub place: String,
    /// An address, or the name of a Docker context.
    pub value: &'a str,
}

/// Which engine is wanted.
#[derive(Debug, Clone)]
pub struct Choice<'a> {
    /// Its kind.
    pub kind: EngineKind,
    /// Where it listens: `unix://`, `tcp://`, `https://` or `ssh://`; without it where `DOCKER_HOST`,
    /// `DOCKER_CONTEXT`, the configuration or the current Docker context says, or at a local socket.
    pub address: Option<&'a str>,
    /// What the configuration says.
    pub configured: Option<Configured<'a>>,
    /// Whether what the configuration says wins over all of this: an engine that is named for the
    /// architecture of another machine.
    pub is_for_other_machine: bool,
    /// Where the sandbox keeps its images, unless `OMNIBUILD_SANDBOX_DIR` says otherwise.
    pub store: &'a Path,
}

/// An engine that answers.
pub struct Connected {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Where it is: what tells its containers from those of another one.
    pub address: String,
    /// The architecture that its containers have without emulation, where it says one.
    pub arch: Option<Arch>,
    /// Why it is this one, where that was not asked for, or why it works less well than it could.
    pub why: Option<String>,
}

/// Connects to an engine. Without a wish it is the Docker or Podman that is named or listens here, and
/// where none is named and none answers, the sandbox.
pub async fn connect(choice: Choice<'_>) -> Result<Connected> {
    let daemon = async |named| {
        let docker = docker::Docker::connect(choice.kind, named).await?;
        Ok::<_, Error>(Connected {
            address: docker.address().to_owned(),
            arch: if choice.is_for_other_machine {
                // Its socket may be of this machine, at the end of a tunnel.
                docker.about().await?.arch
            } else {
                docker.arch().await?
            },
            engine: Arc::new(docker),
            why: None,
        })
    };
    let folder = sandbox_folder(choice.store);
    match choice.kind {
        EngineKind::Docker | EngineKind::Podman => daemon(docker::named(&choice)?).await,
        EngineKind::Sandbox => {
            let sandbox = sandbox::Sandbox::open(&folder).await?;
            Ok(Connected {
                address: sandbox.address(),
                arch: Arch::of_this_machine(),
                why: sandbox.weakness(),
                engine: Arc::new(sandbox),
            })
        }
        EngineKind::Auto => {
            let named = docker::named(&choice)?;
            let is_named = named.is_some();
            let absent = match daemon(named).await {
                Ok(connected) => return Ok(connected),
                Err(error) if is_named => return Err(error),
                Err(error) => error,
            };
            match sandbox::Sandbox::open(&folder).await {
                Ok(sandbox) => {
                    let podman = docker::podman_at_rest().map(|text| format!("; {text}"));
                    Ok(Connected {
                        address: sandbox.address(),
                        arch: Arch::of_this_machine(),
                        why: Some(format!(
                            "building in the sandbox, as {}: {}{}",
                            absent.message(),
                            sandbox.describe(),
                            podman.unwrap_or_default()
                        )),
                        engine: Arc::new(sandbox),
                    })
                }
                Err(error) => {
                    let absent = absent.hint(error.message());
                    Err(error.hints().iter().cloned().fold(absent, Error::hint))
                }
            }
        }
    }
}

/// Where the sandbox's images are.
pub(super) fn sandbox_folder(store: &Path) -> PathBuf {
    let folder = std::env::var_os("OMNIBUILD_SANDBOX_DIR").filter(|folder| !folder.is_empty());
    folder.map_or_else(|| store.to_owned(), Into::into)
}
