//! `[build]`: how much each container may take.
//!
//! Checks words; limits nothing.

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::text;

/// Enough for a compiler on every core of a large machine; a fork bomb ends there.
const DEFAULT_PROCESSES: u32 = 16_384;
/// Docker takes no less: 6 MB.
const LEAST_MEMORY: u64 = 6_000_000;

/// `[build]` as it stands in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawBuild {
    memory: Option<String>,
    processes: Option<u32>,
}

/// What a container may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildConfig {
    /// Memory in bytes; all of the machine's, when nobody says.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub processes: u32,
}

impl Default for BuildConfig {
    fn default() -> Self {
        Self {
            memory: None,
            processes: DEFAULT_PROCESSES,
        }
    }
}

impl RawBuild {
    /// These, and where they are silent those of `under`.
    pub(super) fn over(self, under: Self) -> Self {
        Self {
            memory: self.memory.or(under.memory),
            processes: self.processes.or(under.processes),
        }
    }

    /// What it says, checked.
    pub(super) fn check(self) -> Result<BuildConfig> {
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
        let processes = self.processes.unwrap_or(DEFAULT_PROCESSES);
        if processes == 0 {
            return Err(
                Error::new(Kind::Config, "build.processes: `0` lets nothing run").hint(
                    "write how many processes and threads a container may have, such as `4096`",
                ),
            );
        }
        Ok(BuildConfig {
            memory: memory.transpose()?,
            processes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<BuildConfig> {
        toml::from_str::<RawBuild>(text).unwrap().check()
    }

    #[test]
    fn limits_are_sizes_and_numbers() {
        assert_eq!(check("").unwrap(), BuildConfig::default());
        let both = check("memory = '4G'\nprocesses = 100").unwrap();
        assert_eq!(both.memory, Some(4_000_000_000));
        assert_eq!(both.processes, 100);
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
