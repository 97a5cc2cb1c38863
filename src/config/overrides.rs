//! What the command line and the environment say, which wins over the files.
//!
//! Plain data; the edge fills it in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::platform::Channel;

use super::build::SshOverrides;
use super::cache::CacheOverrides;
use super::index::IndexOverrides;
use super::places::Places;
use super::signing::SigningOverrides;

/// Values of the command line and the environment that win over the files.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--tag`.
    pub version: Option<String>,
    /// `--channel`.
    pub channel: Option<Channel>,
    /// `--wheel-dir`, `WHEEL_DIR`.
    pub wheel_dir: Option<PathBuf>,
    /// `--ca-bundle`, `SSL_CERT_FILE`.
    pub ca_bundle: Option<PathBuf>,
    /// `--mirror`, `OMNIBUILD_MIRROR`.
    pub mirror: Option<String>,
    /// `OMNIBUILD_PYTHON_MIRROR`.
    pub python_mirror: Option<String>,
    /// `--network`.
    pub network: Option<String>,
    /// `--index-url`, `PIP_INDEX_URL`.
    pub index_url: Option<String>,
    /// Of the ssh-agent.
    pub ssh: SshOverrides,
    /// Of who asks the indexes.
    pub index: IndexOverrides,
    /// `http_proxy` and its kin.
    pub proxies: BTreeMap<String, String>,
    /// Of the remote cache.
    pub cache: CacheOverrides,
    /// Of signing.
    pub signing: SigningOverrides,
}

impl Overrides {
    /// Forgets where the files say what was said here: what is wrong with it stands elsewhere.
    pub(super) fn forget_places(&self, places: &mut Places) {
        let SigningOverrides { key, key_file, .. } = &self.signing;
        let CacheOverrides { remote, scope, .. } = &self.cache;
        for (said, key) in [
            (self.version.is_some(), "version"),
            (self.ca_bundle.is_some(), "ca-bundle"),
            (key.is_some() || key_file.is_some(), "signing"),
            (remote.is_some() || scope.is_some(), "cache"),
        ] {
            if said {
                places.forget(key);
            }
        }
    }
}
