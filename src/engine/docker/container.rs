//! How containers are made: what they run, and what they may and may not.
//!
//! Asks nothing of the engine.

use std::pin::Pin;

use bollard::models::{ContainerCreateBody, HostConfig};
use tokio::io::AsyncWrite;

use crate::engine::{ContainerSpec, DEFAULT_PROCESSES, Network};

use super::hash_map;

/// Of those that Docker gives by default (capabilities(7)) all but `MKNOD` and `NET_RAW`; the first are what
/// containers without a network have.
const CAPABILITIES: [&str; 12] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "AUDIT_WRITE",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETPCAP",
    "SYS_CHROOT",
];
const OFFLINE_CAPABILITIES: usize = 7;

/// The writing end of a container's standard input.
pub(super) type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// A container as the API has it.
pub(super) fn body(spec: &ContainerSpec<'_>) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(spec.image.to_owned()),
        // Ends with its input, which ends with this program, however that ends.
        entrypoint: Some(vec!["/bin/cat".to_owned()]),
        cmd: Some(Vec::new()),
        open_stdin: Some(true),
        stdin_once: Some(true),
        env: Some(
            spec.env
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        labels: Some(hash_map(&spec.labels)),
        host_config: Some(host_config(spec)),
        ..ContainerCreateBody::default()
    }
}

/// What a container may and may not: as little as its commands need, and no more for what they start.
fn host_config(spec: &ContainerSpec<'_>) -> HostConfig {
    // Root of a container without a network writes files and changes owners and users. With one, it also
    // installs packages, and what these run. Neither makes devices nor raw packets, as by default.
    let capabilities: &[&str] = match spec.network {
        Network::None => &CAPABILITIES[..OFFLINE_CAPABILITIES],
        Network::Named(_) => &CAPABILITIES,
    };
    HostConfig {
        network_mode: network_mode(&spec.network),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(capabilities.iter().map(|&name| name.to_owned()).collect()),
        memory: spec
            .limits
            .memory
            .and_then(|bytes| i64::try_from(bytes).ok()),
        pids_limit: Some(spec.limits.processes.unwrap_or(DEFAULT_PROCESSES).into()),
        ..HostConfig::default()
    }
}

/// A network as the API has it.
pub(super) fn network_mode(network: &Network) -> Option<String> {
    match network {
        Network::None => Some("none".to_owned()),
        Network::Named(name) => name.clone(),
    }
}
