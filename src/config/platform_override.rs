//! What `[platform.…]` of a project changes of a platform.
//!
//! Plain data.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::platform::{ImageRef, PlatformId};

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
    python: Option<String>,
}

impl RawPlatformOverride {
    /// The checked table.
    pub(super) fn check(self, id: &PlatformId) -> Result<PlatformOverride> {
        let python = self.python.map(|text| text.parse()).transpose();
        Ok(PlatformOverride {
            build_depends: self.build_depends,
            depends: self.depends,
            requirements: self.requirements,
            constraints: self.constraints,
            extras: self.extras,
            image: self.image,
            mirror: self.mirror,
            python: python.map_err(|error: Error| error.context(format!("platform.{id}")))?,
        })
    }
}
