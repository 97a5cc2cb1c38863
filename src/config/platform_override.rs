//! What `[platform.…]` of a project changes of a platform.
//!
//! Plain data.

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::platform::{Arch, ImageRef, PlatformId};

use super::pythons::PythonChoice;

/// What a platform's table changes.
#[derive(Debug, Clone, Default)]
pub struct PlatformOverride {
    /// In place of the family's list.
    pub build_depends: Option<Vec<String>>,
    /// In place of the family's list.
    pub depends: Option<Vec<String>>,
    /// In place of the project's.
    pub requirements: Option<Vec<String>>,
    /// In place of the project's.
    pub constraints: Option<Vec<String>>,
    /// In place of the project's.
    pub extras: Option<Vec<String>>,
    /// In place of the platform's base image.
    pub image: Option<ImageRef>,
    /// In place of the project's.
    pub mirror: Option<String>,
    /// In place of the project's.
    pub architectures: Option<Vec<Arch>>,
    /// In place of the project's.
    pub python: Option<PythonChoice>,
}

/// `[platform.<id>]` as it stands in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawPlatformOverride {
    build_depends: Option<Vec<String>>,
    depends: Option<Vec<String>>,
    requirements: Option<Vec<String>>,
    constraints: Option<Vec<String>>,
    extras: Option<Vec<String>>,
    image: Option<ImageRef>,
    mirror: Option<String>,
    architectures: Option<Vec<Arch>>,
    python: Option<String>,
}

impl RawPlatformOverride {
    /// The checked table.
    pub(super) fn check(self, id: &PlatformId) -> Result<PlatformOverride> {
        let key = format!("platform.{id}.architectures");
        check_architectures(&key, self.architectures.as_deref())?;
        let python = self.python.map(|text| text.parse()).transpose();
        Ok(PlatformOverride {
            build_depends: self.build_depends,
            depends: self.depends,
            requirements: self.requirements,
            constraints: self.constraints,
            extras: self.extras,
            image: self.image,
            mirror: self.mirror,
            architectures: self.architectures,
            python: python.map_err(|error: Error| error.context(format!("platform.{id}")))?,
        })
    }
}

/// Refuses a list that would silently build nothing.
pub(super) fn check_architectures(key: &str, list: Option<&[Arch]>) -> Result<()> {
    if list.is_some_and(<[Arch]>::is_empty) {
        return Err(
            Error::new(Kind::Config, format!("{key}: the list is empty")).hint(
                "name `amd64`, `arm64` or both, or leave the key out: then it is this machine's",
            ),
        );
    }
    Ok(())
}
