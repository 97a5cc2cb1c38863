//! What a project's folder remembers of its builds:
//!
//! ```text
//! .omnibuild/state/<target>.json      the last good build: key, artifacts
//! .omnibuild/state/inventory/<target>.json
//!                                     what is in its bundle, with the texts of licences
//! .omnibuild/state/metadata.json      the metadata of a source whose backend decides it
//! .omnibuild/state/failed.json        targets that failed last time
//! .omnibuild/repository/<target>/<digest>/
//!                                     packages of an earlier version that a repository had
//! .omnibuild/logs/<target>.log        everything its commands printed
//! packages/<platform>/                the packages, what is told of each, and the record of their
//!                                     verification
//! ```
//!
//! A target is a platform on an architecture ([`TargetId::stem`]); the architectures of a platform share
//! the folder of packages.
//!
//! A record is trusted only while the digests in it hold. Knows nothing of stages.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Key};
use crate::error::Result;
use crate::fsutil;
use crate::inventory::Inventory;
use crate::package::{Artifact, Built};
use crate::plan::metadata::ProjectMetadata;
use crate::platform::{PlatformId, TargetId};

const SCHEMA: u32 = 1;

/// A platform's last good build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildRecord {
    schema: u32,
    /// All that decided it.
    pub key: Key,
    /// Its packages.
    pub packages: Vec<Built>,
    /// What is told of them, in files beside them; records of old have none.
    #[serde(default)]
    pub documents: Vec<Artifact>,
    /// Whether they passed verification: the record beside the packages decides whether that holds,
    /// this only which build was good enough to upgrade from.
    #[serde(default)]
    verified: bool,
    /// The packages of the last good build of another version.
    #[serde(default)]
    previous: Vec<Built>,
}

impl BuildRecord {
    /// The names of its package files, and of those of the build before.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        let packages = self.packages.iter().chain(&self.previous);
        packages.map(|built| built.artifact.file_name.as_str())
    }
}

#[derive(Serialize, Deserialize)]
struct MetadataRecord {
    schema: u32,
    source: Digest,
    metadata: ProjectMetadata,
}

/// The records of one project.
#[derive(Debug, Clone)]
pub struct State {
    root: PathBuf,
}

impl State {
    /// The records of the project in `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The folder of a platform's packages.
    pub fn packages(&self, platform: &PlatformId) -> PathBuf {
        self.root.join("packages").join(platform.as_str())
    }

    /// The folder of packages that a repository had for a platform.
    pub fn repository(&self, target: &TargetId) -> PathBuf {
        let folder = self.root.join(".omnibuild/repository");
        folder.join(target.stem())
    }

    /// A platform's log.
    pub fn log(&self, target: &TargetId) -> PathBuf {
        self.root
            .join(".omnibuild/logs")
            .join(format!("{}.log", target.stem()))
    }

    fn state(&self, name: &str) -> PathBuf {
        self.root
            .join(".omnibuild/state")
            .join(format!("{name}.json"))
    }

    /// The last good build of a platform.
    pub fn build(&self, target: &TargetId) -> Option<BuildRecord> {
        let record: BuildRecord = fsutil::read_json(&self.state(&target.stem()))?;
        (record.schema == SCHEMA).then_some(record)
    }

    /// Records a good build, not verified yet.
    pub fn put_build(
        &self,
        target: &TargetId,
        key: Key,
        packages: Vec<Built>,
        documents: Vec<Artifact>,
    ) -> Result<()> {
        let names = |packages: &[Built]| -> Vec<String> {
            let names = packages.iter();
            names
                .map(|built| built.artifact.file_name.clone())
                .collect()
        };
        let previous = match self.build(target) {
            None => Vec::new(),
            Some(last) if names(&last.packages) == names(&packages) => last.previous,
            Some(last) if last.verified || last.previous.is_empty() => last.packages,
            Some(last) => last.previous,
        };
        let record = BuildRecord {
            schema: SCHEMA,
            key,
            packages,
            documents,
            verified: false,
            previous,
        };
        fsutil::commit_json(&self.state(&target.stem()), &record)
    }

    /// Records that the packages of a build passed verification.
    pub fn put_verified(&self, target: &TargetId, mut record: BuildRecord) -> Result<()> {
        record.verified = true;
        fsutil::commit_json(&self.state(&target.stem()), &record)
    }

    /// The packages of the last good build of another version, when all are there as they were.
    pub fn previous(&self, target: &TargetId, record: &BuildRecord) -> Vec<PathBuf> {
        let folder = self.packages(target.platform());
        let artifacts = record.previous.iter().map(|built| &built.artifact);
        if !hold(&folder, artifacts.clone()) {
            return Vec::new();
        }
        artifacts
            .map(|artifact| folder.join(&artifact.file_name))
            .collect()
    }

    /// Whether every package of a record, and what is told of them, is there with the digest it had.
    pub fn holds(&self, target: &TargetId, record: &BuildRecord) -> bool {
        let folder = self.packages(target.platform());
        let packages = record.packages.iter().map(|package| &package.artifact);
        !record.documents.is_empty() && hold(&folder, packages.chain(&record.documents))
    }

    /// What the bundle of a platform's last build holds.
    pub fn inventory(&self, target: &TargetId) -> Option<Inventory> {
        fsutil::read_json(&self.inventory_path(target)).filter(Inventory::is_current)
    }

    /// Records what the bundle of a platform holds.
    pub fn put_inventory(&self, inventory: &Inventory) -> Result<()> {
        fsutil::commit_json(&self.inventory_path(&inventory.target()), inventory)
    }

    fn inventory_path(&self, target: &TargetId) -> PathBuf {
        self.state(&format!("inventory/{}", target.stem()))
    }

    /// The metadata that was read from the wheel of this source.
    pub fn metadata(&self, source: &Digest) -> Option<ProjectMetadata> {
        let record: MetadataRecord = fsutil::read_json(&self.state("metadata"))?;
        (record.schema == SCHEMA && record.source == *source).then_some(record.metadata)
    }

    /// Records the metadata of a source.
    pub fn put_metadata(&self, source: &Digest, metadata: &ProjectMetadata) -> Result<()> {
        let record = MetadataRecord {
            schema: SCHEMA,
            source: source.clone(),
            metadata: metadata.clone(),
        };
        fsutil::commit_json(&self.state("metadata"), &record)
    }

    /// What the project's build backend asked for beside `[build-system] requires`.
    pub fn backend_requires(&self) -> Vec<String> {
        fsutil::read_json(&self.state("backend-requires")).unwrap_or_default()
    }

    /// Records what the backend asked for.
    pub fn put_backend_requires(&self, requires: &[String]) -> Result<()> {
        fsutil::commit_json(&self.state("backend-requires"), &requires)
    }

    /// The platforms that failed last time.
    pub fn failed(&self) -> Vec<TargetId> {
        fsutil::read_json(&self.state("failed")).unwrap_or_default()
    }

    /// Records which platforms failed.
    pub fn put_failed(&self, platforms: &[TargetId]) -> Result<()> {
        fsutil::commit_json(&self.state("failed"), &platforms)
    }
}

fn hold<'a>(folder: &Path, mut artifacts: impl Iterator<Item = &'a Artifact>) -> bool {
    artifacts.all(|artifact| {
        Digest::of_file(&folder.join(&artifact.file_name))
            .is_ok_and(|digest| digest == artifact.digest)
    })
}
