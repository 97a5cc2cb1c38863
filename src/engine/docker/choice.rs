//! Which engine is meant: the command line, the environment, the configuration, Docker's contexts, the
//! usual sockets, in this order, as Docker's own client has it; what the configuration names for another
//! machine's architecture comes before them all. Podman's client has a variable of its own
//! and knows no current context.
//!
//! Connects to nothing.

use crate::engine::Choice;
use crate::error::Result;
use crate::platform::EngineKind;

use super::address::{Address, docker_folder, set};
use super::context;

/// The engine that somebody names: `--host`, `CONTAINER_HOST` where Podman is asked for, `DOCKER_HOST`,
/// `DOCKER_CONTEXT`, `[engines]`, the current Docker context.
pub(in crate::engine) fn named(choice: &Choice<'_>) -> Result<Option<Address>> {
    let folder = docker_folder();
    let find = |name: &str, source: &str| context::find(folder.as_deref(), name, source);
    let configured = || match &choice.configured {
        Some(configured) if configured.value.contains("://") => {
            Address::written(configured.value, &configured.place).map(Some)
        }
        Some(configured) => find(configured.value, &configured.place),
        None => Ok(None),
    };
    if choice.is_for_other_machine {
        return configured();
    }
    if let Some(url) = choice.address.filter(|url| !url.is_empty()) {
        return Address::written(url, "--host").map(Some);
    }
    let podman = choice.kind == EngineKind::Podman;
    if let Some(url) = set("CONTAINER_HOST").filter(|_| podman) {
        return Address::written(&url, "CONTAINER_HOST").map(Some);
    }
    if let Some(url) = set("DOCKER_HOST") {
        return Address::written(&url, "DOCKER_HOST").map(Some);
    }
    if let Some(name) = set("DOCKER_CONTEXT") {
        return find(&name, "DOCKER_CONTEXT");
    }
    match &choice.configured {
        Some(_) => configured(),
        None if podman => Ok(None),
        None => match folder.as_deref().map(context::current).transpose()? {
            Some(Some(name)) => find(&name, "currentContext"),
            _ => Ok(None),
        },
    }
}
