//! What `[platform.…]` of a project changes of a platform.
//!
//! Plain data.

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
