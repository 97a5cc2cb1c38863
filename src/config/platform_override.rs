//! What `[platform.…]` of a project changes of a platform.
//!
//! Plain data.

use serde::Deserialize;

use crate::platform::ImageRef;

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
}

impl From<RawPlatformOverride> for PlatformOverride {
    fn from(raw: RawPlatformOverride) -> Self {
        Self {
            build_depends: raw.build_depends,
            depends: raw.depends,
            requirements: raw.requirements,
            constraints: raw.constraints,
            extras: raw.extras,
            image: raw.image,
            mirror: raw.mirror,
        }
    }
}
