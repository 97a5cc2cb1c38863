//! Architectures, and what packages are built for: a platform on one of them.
//!
//! Words only; asks no machine what it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

use super::PlatformId;

/// The architecture of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit x86 (`amd64`, `x86_64`).
    Amd64,
    /// 64-bit ARM (`arm64`, `aarch64`).
    Arm64,
}

impl Arch {
    /// That of this machine; `None` where packages are made for no such.
    pub fn of_this_machine() -> Option<Self> {
        Self::from_any_name(std::env::consts::ARCH)
    }

    /// The name in Debian and in OCI.
    pub fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The name in RPM and in wheel tags, that of `uname -m`.
    pub fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// The architecture that has this name in any of the vocabularies.
    pub fn from_any_name(name: &str) -> Option<Self> {
        [Self::Amd64, Self::Arm64]
            .into_iter()
            .find(|arch| arch.debian() == name || arch.machine() == name)
    }
}

impl FromStr for Arch {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::from_any_name(name).ok_or_else(|| {
            let text = format!("`{name}` is no architecture that packages are made for");
            Error::new(Kind::Platform, text).hint("write amd64 or arm64")
        })
    }
}

/// What packages are built for: a platform on an architecture. Where it is one word it is written as
/// `debian-12/arm64`, and without an architecture for amd64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetId {
    platform: PlatformId,
    arch: Arch,
    text: String,
}

impl TargetId {
    /// The one of a platform on an architecture.
    pub fn new(platform: PlatformId, arch: Arch) -> Self {
        let text = match arch {
            Arch::Amd64 => platform.to_string(),
            Arch::Arm64 => format!("{platform}/{}", arch.debian()),
        };
        Self {
            platform,
            arch,
            text,
        }
    }

    /// The platform.
    pub fn platform(&self) -> &PlatformId {
        &self.platform
    }

    /// The architecture.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of files and folders of its own, and part of the tags of images: `debian-12_arm64`, which is
    /// no platform's name.
    pub fn stem(&self) -> String {
        self.text.replace('/', "_")
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for TargetId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (platform, arch) = match text.split_once('/') {
            None => (text, Arch::Amd64),
            Some((platform, arch)) => (platform, arch.parse()?),
        };
        Ok(Self::new(platform.parse()?, arch))
    }
}

impl TryFrom<String> for TargetId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<TargetId> for String {
    fn from(target: TargetId) -> Self {
        target.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_architecture_is_found_under_each_of_its_names() {
        assert_eq!(Arch::from_any_name("x86_64"), Some(Arch::Amd64));
        assert_eq!(Arch::from_any_name("arm64"), Some(Arch::Arm64));
        assert_eq!(Arch::from_any_name("vax"), None);
        assert_eq!("aarch64".parse::<Arch>().unwrap(), Arch::Arm64);
        assert_eq!("vax".parse::<Arch>().unwrap_err().kind(), Kind::Platform);
    }

    #[test]
    fn a_target_is_told_from_every_other_by_its_text_and_by_its_files() {
        let platform = || "debian-12".parse().unwrap();
        for (arch, text, stem) in [
            (Arch::Amd64, "debian-12", "debian-12"),
            (Arch::Arm64, "debian-12/arm64", "debian-12_arm64"),
        ] {
            let target = TargetId::new(platform(), arch);
            assert_eq!((target.as_str(), target.stem().as_str()), (text, stem));
            assert_eq!(text.parse::<TargetId>().unwrap(), target);
            assert!(stem == text || stem.parse::<PlatformId>().is_err());
        }
        assert_eq!(
            "debian-12/amd64".parse::<TargetId>().unwrap().as_str(),
            "debian-12"
        );
        for bad in ["debian-12/", "debian-12/vax", "/arm64", "a/b/arm64", ""] {
            assert!(bad.parse::<TargetId>().is_err(), "{bad}");
        }
    }
}
