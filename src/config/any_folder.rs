//! What a configuration says to commands that work in any folder, be it a project's or not.
//!
//! Reads the same two files as [`Config`](super::Config), and checks what these commands use alone.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::lint;

use super::PyProject;
use super::cache::{CacheOverrides, RawCache, RemoteConfig};
use super::engines::Engines;
use super::project::RawConfig;
use super::signing::{RawSigning, SigningConfig, SigningOverrides};

/// What commands want to know that work in any folder, be it a project's or not.
#[derive(Debug, Default)]
pub struct AnyFolder {
    /// Where its files want wheels to be kept.
    pub wheel_dir: Option<PathBuf>,
    /// The platforms that they list.
    pub platforms: Vec<String>,
    /// Certificates to trust.
    pub ca_bundle: Option<PathBuf>,
    /// The mirror that base images are bootstrapped from.
    pub mirror: Option<String>,
    /// The engine's network for stages that need one.
    pub network: Option<String>,
    /// Engines by architecture.
    pub engines: Engines,
    /// What lint may find.
    pub lint: lint::Policy,
    cache: RawCache,
    signing: RawSigning,
}

impl AnyFolder {
    /// Reads the files of a project, as far as they are there.
    pub fn read(root: &Path) -> Result<Self> {
        let raw = RawConfig::read(root, &mut PyProject::read(root)?)?;
        let lint = raw.lint.unwrap_or_default();
        lint.check()?;
        let engines = raw.engines.unwrap_or_default();
        engines.check()?;
        Ok(Self {
            wheel_dir: raw.wheel_dir.map(|folder| root.join(folder)),
            platforms: raw.platforms.unwrap_or_default(),
            ca_bundle: raw.ca_bundle.map(|path| root.join(path)),
            mirror: raw.mirror,
            network: raw.network,
            engines,
            lint,
            cache: raw.cache.unwrap_or_default(),
            signing: raw.signing.unwrap_or_default(),
        })
    }

    /// Who signs packages, when somebody does.
    pub fn signing(&self, root: &Path, said: SigningOverrides) -> Result<Option<SigningConfig>> {
        SigningConfig::check(root, self.signing.clone(), said)
    }

    /// The remote cache, when one is named.
    pub fn remote(self, root: &Path, overrides: CacheOverrides) -> Result<Option<RemoteConfig>> {
        RemoteConfig::check(root, self.cache, overrides)
    }
}
