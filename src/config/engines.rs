//! `[engines]`: which engine makes the containers of each architecture.
//!
//! Checks words; connects to nothing.

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::platform::{Arch, ENGINE_SCHEMES};

/// Engines by architecture: addresses, or names of Docker contexts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Engines {
    default: Option<String>,
    amd64: Option<String>,
    arm64: Option<String>,
}

impl Engines {
    /// The engine of an architecture, else the default one, with the key that names it.
    pub fn of(&self, arch: Arch) -> Option<(String, &str)> {
        self.own(arch)
            .map(|value| (format!("engines.{}", arch.debian()), value))
            .or_else(|| Some(("engines.default".to_owned(), self.default.as_deref()?)))
    }

    /// The engine that is named for an architecture.
    pub fn own(&self, arch: Arch) -> Option<&str> {
        match arch {
            Arch::Amd64 => self.amd64.as_deref(),
            Arch::Arm64 => self.arm64.as_deref(),
        }
    }

    /// These, and where they are silent those of `under`.
    pub(super) fn over(self, under: Self) -> Self {
        Self {
            default: self.default.or(under.default),
            amd64: self.amd64.or(under.amd64),
            arm64: self.arm64.or(under.arm64),
        }
    }

    /// Refuses what is neither an address nor a name.
    pub(super) fn check(&self) -> Result<()> {
        for (key, value) in [
            ("default", &self.default),
            ("amd64", &self.amd64),
            ("arm64", &self.arm64),
        ] {
            let Some(value) = value else { continue };
            let is_address = ENGINE_SCHEMES.iter().any(|scheme| {
                value
                    .strip_prefix(scheme)
                    .is_some_and(|rest| !rest.is_empty())
            });
            if !is_address && !is_context(value) {
                return Err(Error::new(
                    Kind::Config,
                    format!("engines.{key}: `{value}` is neither the address of an engine nor the name of a Docker context"),
                )
                .hint("write `ssh://user@host`, `tcp://host:2376`, `unix:///path`, or a name that `docker context ls` lists"));
            }
        }
        Ok(())
    }
}

/// What Docker takes for a context's name.
fn is_context(name: &str) -> bool {
    let rest = name.strip_prefix(|first: char| first.is_ascii_alphanumeric());
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || "_.+-".contains(it))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engines(text: &str) -> Engines {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_architecture_has_its_engine_else_the_default_one() {
        let both = engines("default = 'near'\narm64 = 'ssh://builder'");
        assert_eq!(
            both.of(Arch::Arm64),
            Some(("engines.arm64".into(), "ssh://builder"))
        );
        assert_eq!(
            both.of(Arch::Amd64),
            Some(("engines.default".into(), "near"))
        );
        assert_eq!(engines("arm64 = 'far'").of(Arch::Amd64), None);
        let over = engines("amd64 = 'x1'").over(both);
        assert_eq!(over.of(Arch::Amd64), Some(("engines.amd64".into(), "x1")));
        assert_eq!(over.of(Arch::Arm64).unwrap().1, "ssh://builder");
    }

    #[test]
    fn what_is_neither_an_address_nor_a_name_is_refused() {
        for good in [
            "ssh://me@builder:22",
            "tcp://[::1]:2376",
            "unix:///run/x.sock",
            "far-1",
        ] {
            engines(&format!("default = '{good}'")).check().unwrap();
        }
        for bad in [
            "",
            "x",
            "ssh://",
            "ftp://x",
            "-x",
            "two words",
            "builder:22",
        ] {
            let error = engines(&format!("arm64 = '{bad}'")).check().unwrap_err();
            assert!(error.message().starts_with("engines.arm64: "), "{error}");
            assert!(error.hints()[0].contains("docker context ls"));
        }
    }
}
