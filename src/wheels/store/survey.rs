//! What is in the store, from names and lengths alone.
//!
//! Reads manifests and no wheel; changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;

use crate::digest::Digest;
use crate::error::Result;
use crate::fsutil::TEMPORARY_PREFIX;
use crate::platform::PlatformId;

use super::{Wheel, WheelSet, WheelStore, read_set};

/// A set, and what its file says.
#[derive(Debug, Clone)]
pub struct StoredSet {
    /// Whose it is.
    pub platform: PlatformId,
    /// The set.
    pub set: WheelSet,
    /// When it was used last.
    pub used: SystemTime,
    /// Its file.
    pub(super) path: PathBuf,
}

/// A wheel's file.
#[derive(Debug, Clone)]
pub struct StoredWheel {
    /// The wheel, as path and length have it.
    pub wheel: Wheel,
    /// When it was put in.
    pub(super) put: SystemTime,
}

/// Everything that is in the store.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// The sets, by platform and key.
    pub sets: Vec<StoredSet>,
    /// The wheels, by digest.
    pub wheels: Vec<StoredWheel>,
    /// Files that should be sets.
    pub(super) damaged_sets: Vec<PathBuf>,
    /// What has no place in the store, one text each.
    pub(super) strangers: Vec<String>,
}

impl StoredSet {
    /// The bytes of its wheels.
    pub fn size(&self) -> u64 {
        self.set.wheels.iter().map(|wheel| wheel.size).sum()
    }
}

impl Survey {
    /// The bytes of wheels, each counted once.
    pub fn size(&self) -> u64 {
        self.wheels.iter().map(|stored| stored.wheel.size).sum()
    }

    /// Wheels that no set names.
    pub fn without_set(&self) -> impl Iterator<Item = &StoredWheel> {
        let named: BTreeSet<(&Digest, &str)> = self
            .sets
            .iter()
            .flat_map(|stored| &stored.set.wheels)
            .map(Wheel::identity)
            .collect();
        self.wheels
            .iter()
            .filter(move |stored| !named.contains(&stored.wheel.identity()))
    }

    /// The wheels of each platform, each once.
    pub fn by_platform(&self) -> BTreeMap<&PlatformId, BTreeMap<(&Digest, &str), &Wheel>> {
        let mut platforms: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for stored in &self.sets {
            let wheels = stored.set.wheels.iter();
            platforms
                .entry(&stored.platform)
                .or_default()
                .extend(wheels.map(|wheel| (wheel.identity(), wheel)));
        }
        platforms
    }
}

impl Wheel {
    /// What tells it from others in the store.
    pub(super) fn identity(&self) -> (&Digest, &str) {
        (&self.digest, &self.file_name)
    }
}

impl WheelStore {
    /// Lists everything.
    pub fn survey(&self) -> Result<Survey> {
        let mut survey = Survey::default();
        for platform in names(&self.sets_folder())? {
            let folder = self.sets_folder().join(&platform);
            for name in names(&folder)? {
                survey.add_set(&platform, folder.join(&name), &name)?;
            }
        }
        for digits in names(&self.wheels_folder())? {
            let folder = self.wheels_folder().join(&digits);
            for digest in names(&folder)? {
                let folder = folder.join(&digest);
                for name in names(&folder)? {
                    survey.add_wheel(&digits, &digest, &folder.join(&name), name)?;
                }
            }
        }
        Ok(survey)
    }
}

impl Survey {
    fn add_set(&mut self, platform: &str, path: PathBuf, name: &str) -> Result<()> {
        let platform = platform.parse::<PlatformId>();
        let key = name.strip_suffix(".json").map(str::parse::<Digest>);
        let (Ok(platform), Some(Ok(key))) = (platform, key) else {
            self.strangers
                .push(format!("`{}` is no set", path.display()));
            return Ok(());
        };
        match read_set(&path) {
            Ok(Some(set)) if set.key.digest == key => {
                let Some(metadata) = present(fs::metadata(&path))? else {
                    return Ok(());
                };
                let used = metadata.modified()?;
                self.sets.push(StoredSet {
                    platform,
                    set,
                    used,
                    path,
                });
            }
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => self.damaged_sets.push(path),
        }
        Ok(())
    }

    fn add_wheel(
        &mut self,
        digits: &str,
        digest: &str,
        path: &Path,
        file_name: String,
    ) -> Result<()> {
        let Some(metadata) = present(fs::symlink_metadata(path))? else {
            return Ok(());
        };
        let digest = digest.parse::<Digest>();
        match digest {
            Ok(digest) if metadata.is_file() && digest.as_str().starts_with(digits) => {
                self.wheels.push(StoredWheel {
                    wheel: Wheel {
                        file_name,
                        digest,
                        size: metadata.len(),
                        origin: None,
                    },
                    put: metadata.modified()?,
                });
            }
            _ => self
                .strangers
                .push(format!("`{}` is no wheel", path.display())),
        }
        Ok(())
    }
}

/// What is in a folder, sorted, without what is being written; nothing where there is none.
fn names(folder: &Path) -> Result<Vec<String>> {
    let Some(entries) = present(fs::read_dir(folder))? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with(TEMPORARY_PREFIX) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Nothing for what is not there: another run may remove entries meanwhile.
fn present<T>(result: io::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
