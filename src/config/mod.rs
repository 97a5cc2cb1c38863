//! What the user configured: read, merged, checked once. Defaults and cross-field rules live here
//! and nowhere else.

mod any_folder;
mod build;
mod ca_bundle;
mod cache;
mod dockerfile;
mod engines;
mod images;
mod index;
mod license;
mod overrides;
pub mod package;
mod places;
pub mod platform_override;
pub mod platforms;
pub mod project;
mod project_file;
pub mod pyproject;
pub mod pythons;
pub mod repository;
mod rules;
mod signing;
mod texts;
mod toml_error;
mod verify;

pub use self::any_folder::AnyFolder;
pub use self::build::{BuildConfig, SshConfig, SshOverrides};
pub use self::cache::{Access, CacheOverrides, RemoteConfig};
pub use self::dockerfile::{CopyLine, DockerfileLine, Instruction};
pub use self::engines::Engines;
pub use self::images::{HealthCheck, ImageConfig, Port, RepositoryName, RunConfig, TagTemplate};
pub use self::index::{IndexConfig, IndexOverrides};
pub use self::overrides::Overrides;
pub use self::package::{PackageConfig, PerFamily};
pub use self::places::Places;
pub use self::platforms::{OWN_TABLE, Platform, PlatformTable};
pub use self::project::{Config, PyProject};
pub use self::pyproject::ProjectTable;
pub use self::pythons::{ArchivePlace, PythonChoice, Pythons};
pub use self::repository::{RepositoryConfig, Signed};
pub use self::rules::{IgnoredVulnerability, LicenseRules, Rules, StatedLicense};
pub use self::signing::{SigningConfig, SigningOverrides};
pub(crate) use self::toml_error::{nearest, parse as parse_toml};
pub use self::verify::VerifyConfig;
/// Whom packages are made for, as the configuration and the command line say it, and by what.
pub use crate::platform::{Arch, Channel, EngineKind};
