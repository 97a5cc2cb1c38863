//! `[build]`: how much each container may take, what is lent to those that make wheels, and where builder
//! images are shared.
//!
//! Checks words; limits and lends nothing.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::text;

use super::RepositoryName;

/// Docker takes no less: 6 MB.
const LEAST_MEMORY: u64 = 6_000_000;

/// `[build]` as it stands in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawBuild {
    memory: Option<String>,
    processes: Option<u32>,
    ssh_agent: Option<bool>,
    known_hosts: Option<PathBuf>,
    builder_repository: Option<RepositoryName>,
}

/// What the command line and the environment say of ssh.
#[derive(Debug, Clone, Default)]
pub struct SshOverrides {
    /// `--ssh-agent`.
    pub lent: bool,
    /// `SSH_AUTH_SOCK`.
    pub socket: Option<PathBuf>,
    /// `~/.ssh/known_hosts`, where it is.
    pub known_hosts: Option<PathBuf>,
}

/// The user's ssh-agent, lent to the stage that makes wheels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshConfig {
    /// Where it listens; `None`: nobody said.
    pub socket: Option<PathBuf>,
    /// The file of the servers' keys; `None`: there is none.
    pub known_hosts: Option<PathBuf>,
}

/// What a container may take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildConfig {
    /// Memory in bytes; all of the machine's, when nobody says.
    pub memory: Option<u64>,
    /// Processes and threads; what the engine lets each have, when nobody says.
    pub processes: Option<u32>,
    /// The ssh-agent, when it is lent.
    pub ssh: Option<SshConfig>,
    /// Where machines share builder images.
    pub builder_repository: Option<RepositoryName>,
}

impl RawBuild {
    /// These, and where they are silent those of `under`.
    pub(super) fn over(self, under: Self) -> Self {
        Self {
            memory: self.memory.or(under.memory),
            processes: self.processes.or(under.processes),
            ssh_agent: self.ssh_agent.or(under.ssh_agent),
            known_hosts: self.known_hosts.or(under.known_hosts),
            builder_repository: self.builder_repository.or(under.builder_repository),
        }
    }

    /// What it says, checked.
    pub(super) fn check(self, root: &Path, said: SshOverrides) -> Result<BuildConfig> {
        let memory = self.memory.map(|text| {
            text::size(&text)
                .filter(|size| (LEAST_MEMORY..=i64::MAX.unsigned_abs()).contains(size))
                .ok_or_else(|| {
                    Error::new(
                        Kind::Config,
                        format!("build.memory: `{text}` is no size of memory"),
                    )
                    .hint("write a whole number and M or G, such as `4G`")
                })
        });
        if self.processes == Some(0) {
            return Err(
                Error::new(Kind::Config, "build.processes: `0` lets nothing run").hint(
                    "write how many processes and threads a container may have, such as `4096`",
                ),
            );
        }
        let lent = said.lent || self.ssh_agent.unwrap_or_default();
        let named = self.known_hosts.map(|path| root.join(path));
        if let Some(path) = named.as_deref().filter(|path| lent && !path.is_file()) {
            return Err(Error::new(
                Kind::Missing,
                format!("build.known-hosts: there is no file `{}`", path.display()),
            )
            .hint("name the file with the keys of the servers, as `ssh-keyscan HOST` prints them once they are compared, or leave the key out: then it is ~/.ssh/known_hosts"));
        }
        Ok(BuildConfig {
            memory: memory.transpose()?,
            processes: self.processes,
            ssh: lent.then(|| SshConfig {
                socket: said.socket,
                known_hosts: named.or(said.known_hosts),
            }),
            builder_repository: self.builder_repository,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<BuildConfig> {
        let raw = toml::from_str::<RawBuild>(text).unwrap();
        raw.check(Path::new("/p"), SshOverrides::default())
    }

    #[test]
    fn an_agent_is_lent_when_somebody_says_so() {
        assert_eq!(check("known-hosts = 'hosts'").unwrap().ssh, None);
        let said = SshOverrides {
            lent: true,
            socket: Some("/s".into()),
            known_hosts: Some("/h".into()),
        };
        let lent = RawBuild::default().check(Path::new("/p"), said).unwrap();
        let expected = SshConfig {
            socket: Some("/s".into()),
            known_hosts: Some("/h".into()),
        };
        assert_eq!(lent.ssh, Some(expected));
        assert!(check("ssh-agent = true").unwrap().ssh.is_some());
        let error = check("ssh-agent = true\nknown-hosts = 'hosts'").unwrap_err();
        assert_eq!(error.kind(), Kind::Missing);
        assert!(error.message().contains("`/p/hosts`"), "{error}");
    }

    #[test]
    fn limits_are_sizes_and_numbers() {
        assert_eq!(check("").unwrap(), BuildConfig::default());
        let both = check("memory = '4G'\nprocesses = 100").unwrap();
        assert_eq!(both.memory, Some(4_000_000_000));
        assert_eq!(both.processes, Some(100));
        for (bad, key) in [
            ("memory = '4'", "build.memory: "),
            ("memory = 'much'", "build.memory: "),
            ("memory = '9999999999G'", "build.memory: "),
            ("processes = 0", "build.processes: "),
        ] {
            let error = check(bad).unwrap_err();
            assert!(error.message().starts_with(key), "{error}");
            assert_eq!(error.kind(), Kind::Config);
        }
    }
}
