//! The cache of wheels, on disk:
//!
//! ```text
//! <wheel folder>/CACHEDIR.TAG
//! <wheel folder>/v1/wheels/<2 digits>/<sha256>/<file name>    a wheel, stored once for all
//! <wheel folder>/v1/sets/<platform>/<key>.json                which wheels a key stands for
//! ```
//!
//! A set names its wheels by digest; a set whose wheel is missing or damaged is a miss. Knows
//! nothing about how wheels are made.

use std::io::Read;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, DigestWriter, Key};
use crate::error::{Error, Result};
use crate::fsutil;
use crate::platform::PlatformId;

const SCHEMA: u32 = 1;
/// <https://bford.info/cachedir/>: backup programs leave such folders out.
const CACHEDIR_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This folder is a cache of omnibuild. It can be removed, and will be made again.\n";

/// A wheel in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wheel {
    /// Its file name (PEP 427), which says name, version and tags.
    pub file_name: String,
    /// The digest of the file.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// What it came from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// The file that a wheel is, or was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Where it was fetched from, without credentials.
    pub url: String,
    /// The digest of the file at `url`: the wheel's own, or the source distribution's.
    pub digest: Digest,
}

impl Wheel {
    /// The distribution's name, as the file name has it.
    pub fn distribution(&self) -> &str {
        self.file_name.split('-').next().unwrap_or_default()
    }

    /// The distribution's version, as the file name has it.
    pub fn version(&self) -> &str {
        self.file_name.split('-').nth(1).unwrap_or_default()
    }
}

/// The wheels that a key stands for, sorted by file name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WheelSet {
    schema: u32,
    /// The distribution that it was made for: of its older sets the newest says what has changed.
    pub project: String,
    /// What decided it.
    pub key: Key,
    /// The wheels.
    pub wheels: Vec<Wheel>,
}

/// The store.
#[derive(Debug, Clone)]
pub struct WheelStore {
    root: PathBuf,
    version: PathBuf,
}

impl WheelStore {
    /// The store in a folder, which need not be there yet.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            version: root.join("v1"),
        }
    }

    /// Where a wheel is.
    pub fn path(&self, wheel: &Wheel) -> PathBuf {
        let digest = wheel.digest.as_str();
        self.version
            .join("wheels")
            .join(&digest[..2])
            .join(digest)
            .join(&wheel.file_name)
    }

    /// The wheel with this name and digest.
    pub fn find(&self, file_name: &str, digest: &Digest) -> Option<Wheel> {
        let mut wheel = Wheel {
            file_name: file_name.to_owned(),
            digest: digest.clone(),
            size: 0,
            origin: None,
        };
        wheel.size = fs::metadata(self.path(&wheel)).ok()?.len();
        Some(wheel)
    }

    /// The set of a key, if it and all its wheels are whole. `Err` says why it can't be used
    /// although it is there.
    pub fn get(&self, platform: &PlatformId, key: &Digest) -> Result<Option<WheelSet>, String> {
        let path = self.set_path(platform, key);
        if !path.is_file() {
            return Ok(None);
        }
        let set: WheelSet = fsutil::read_json(&path)
            .filter(|set: &WheelSet| set.schema == SCHEMA && set.key.digest == *key)
            .ok_or_else(|| format!("`{}` is damaged", path.display()))?;
        for wheel in &set.wheels {
            let path = self.path(wheel);
            let size = fs::metadata(&path)
                .map(|metadata| metadata.len())
                .unwrap_or_default();
            if size != wheel.size {
                return Err(format!("`{}` is missing or not whole", path.display()));
            }
        }
        Ok(Some(set))
    }

    /// The set of a kind that was made last for a project on a platform, to say what has changed since.
    pub fn latest(&self, platform: &PlatformId, project: &str, kind: &str) -> Option<WheelSet> {
        let folder = fs::read_dir(self.version.join("sets").join(platform.as_str())).ok()?;
        folder
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let time = entry.metadata().ok()?.modified().ok()?;
                let set: WheelSet = fsutil::read_json(&entry.path())?;
                let of_kind = set.key.fields.get("schema")?.starts_with(kind);
                (of_kind && set.project == project).then_some((time, set))
            })
            .max_by_key(|(time, _)| *time)
            .map(|(_, set)| set)
    }

    /// Puts a wheel in; one that is there already stays.
    pub fn put(&self, file_name: &str, content: &mut dyn Read) -> Result<Wheel> {
        self.tag()?;
        let folder = self.version.join("wheels");
        fs::create_dir_all(&folder)?;
        let temporary = tempfile::Builder::new()
            .prefix(fsutil::TEMPORARY_PREFIX)
            .tempfile_in(&folder)?;
        let mut writer = DigestWriter::new(temporary.as_file());
        std::io::copy(content, &mut writer)?;
        let (digest, size, _) = writer.finish();
        let wheel = Wheel {
            file_name: file_name.to_owned(),
            digest,
            size,
            origin: None,
        };
        let place = self.path(&wheel);
        if fs::metadata(&place).is_ok_and(|metadata| metadata.len() == size) {
            return Ok(wheel);
        }
        let mut again = fs::File::open(temporary.path())?;
        fsutil::commit_file(&place, |file| {
            std::io::copy(&mut again, file).map_err(|error| Error::io("write", &place, &error))?;
            Ok(())
        })?;
        Ok(wheel)
    }

    /// Records which wheels a key stands for.
    pub fn put_set(
        &self,
        platform: &PlatformId,
        project: &str,
        key: Key,
        mut wheels: Vec<Wheel>,
    ) -> Result<WheelSet> {
        self.tag()?;
        wheels.sort_by(|left, right| left.file_name.cmp(&right.file_name));
        let set = WheelSet {
            schema: SCHEMA,
            project: project.to_owned(),
            key,
            wheels,
        };
        fsutil::commit_json(&self.set_path(platform, &set.key.digest), &set)?;
        Ok(set)
    }

    fn set_path(&self, platform: &PlatformId, key: &Digest) -> PathBuf {
        self.version
            .join("sets")
            .join(platform.as_str())
            .join(format!("{key}.json"))
    }

    fn tag(&self) -> Result<()> {
        let path = self.root.join("CACHEDIR.TAG");
        if path.exists() {
            return Ok(());
        }
        fsutil::commit_bytes(&path, CACHEDIR_TAG.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::KeyBuilder;

    #[test]
    fn a_set_is_found_while_its_wheels_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = WheelStore::new(folder.path());
        let platform: PlatformId = "debian-12".parse().unwrap();
        let key = KeyBuilder::new("wheels", 1).field("a", "b").finish();
        assert!(store.get(&platform, &key.digest).unwrap().is_none());
        let wheel = store
            .put("x-1-py3-none-any.whl", &mut &b"content"[..])
            .unwrap();
        assert_eq!(
            (wheel.distribution(), wheel.version(), wheel.size),
            ("x", "1", 7)
        );
        store
            .put_set(&platform, "p", key.clone(), vec![wheel.clone()])
            .unwrap();
        assert_eq!(
            store.get(&platform, &key.digest).unwrap().unwrap().wheels,
            std::slice::from_ref(&wheel)
        );
        assert!(store.latest(&platform, "another", "wheels").is_none());
        assert_eq!(store.latest(&platform, "p", "wheels").unwrap().key, key);
        fs::write(store.path(&wheel), "short").unwrap();
        assert!(
            store
                .get(&platform, &key.digest)
                .unwrap_err()
                .contains("not whole")
        );
        store
            .put("x-1-py3-none-any.whl", &mut &b"content"[..])
            .unwrap();
        assert!(
            store.get(&platform, &key.digest).unwrap().is_some(),
            "mended by putting it again"
        );
    }

    #[test]
    fn one_wheel_of_two_platforms_is_stored_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = WheelStore::new(folder.path());
        let one = store
            .put("x-1-py3-none-any.whl", &mut &b"content"[..])
            .unwrap();
        let two = store
            .put("x-1-py3-none-any.whl", &mut &b"content"[..])
            .unwrap();
        assert_eq!(one, two);
        let files = fsutil::sorted_walk(folder.path()).unwrap();
        assert_eq!(files.len(), 2, "the wheel and CACHEDIR.TAG: {files:?}");
    }
}
