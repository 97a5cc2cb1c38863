//! The cache of wheels, on disk:
//!
//! ```text
//! <wheel folder>/CACHEDIR.TAG
//! <wheel folder>/v1/
//!     wheels/<2 digits>/<sha256>/<file name>    a wheel, stored once for all
//!     sets/<platform>/<key>.json                which wheels a key stands for, sealed
//!     tmp/                                      what is being written, or was when it was killed
//!     damaged/                                  what was found damaged, until it is pruned
//!     lock                                      shared by who uses the store, alone for who prunes
//!     locks/<key>.lock                          held by who makes what the key stands for
//!     locks/mend.lock                           held while something damaged is replaced
//! ```
//!
//! An entry is there whole or not at all: it is written in `tmp`, synced, renamed, and its folder
//! synced. A wheel that is there never changes. A lookup costs no more than the file's length, so
//! the length is all it knows; whoever reads the content asks [`WheelStore::verify`] first. A set
//! names its wheels by digest; one whose wheel is missing or damaged is a miss.
//!
//! A folder that can't be written serves what it has. Knows nothing about how wheels are made.

mod damage;
mod lock;
mod prune;
mod survey;
mod transfer;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, DigestWriter, Key};
use crate::error::{Error, Kind, Result};
use crate::fsutil::Staged;
use crate::platform::{PlatformId, TargetId};

pub use self::damage::Inspection;
pub use self::lock::{InUse, KeyLock};
pub use self::prune::{Limits, Pruned};
pub use self::survey::{StoredSet, StoredWheel, Survey};
pub use self::transfer::Transferred;

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

    /// Whether it was compiled on a builder and is for one platform only; others have `any` or a
    /// tag that many platforms have in common (PEP 600, PEP 656).
    pub fn is_compiled_here(&self) -> bool {
        let tags = self.file_name.trim_end_matches(".whl").rsplit('-').next();
        tags.is_some_and(|tags| tags.split('.').all(|tag| tag.starts_with("linux_")))
    }
}

/// The wheels that a key stands for, sorted by file name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WheelSet {
    schema: u32,
    /// When it was made, in seconds since 1970.
    pub made: u64,
    /// The distribution that it was made for: of its older sets the newest says what has changed.
    pub project: String,
    /// What decided it.
    pub key: Key,
    /// The wheels.
    pub wheels: Vec<Wheel>,
}

impl WheelSet {
    /// The set as it is in its file.
    pub(super) fn to_sealed_json(&self) -> Result<Vec<u8>> {
        let sealed = SealedSet::new(self.clone())?;
        Ok(serde_json::to_vec_pretty(&sealed).map_err(std::io::Error::from)?)
    }

    /// The set in such a file, when it is what was written and can be what it says.
    pub(super) fn from_sealed_json(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().and_then(SealedSet::open)
    }
}

/// A set as it is in its file. What a reader gets is what was written, or nothing.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedSet {
    /// The digest of the set, written without spaces.
    seal: Digest,
    set: WheelSet,
}

impl SealedSet {
    fn new(set: WheelSet) -> Result<Self> {
        let seal = seal(&set)?;
        Ok(Self { seal, set })
    }

    /// The set, when it is what was written and can be what it says.
    fn open(self) -> Option<WheelSet> {
        let sound = seal(&self.set).is_ok_and(|seal| seal == self.seal)
            && self.set.schema == SCHEMA
            && self.set.key.is_sound()
            && self.set.wheels.iter().all(Wheel::has_good_name);
        sound.then_some(self.set)
    }
}

fn seal(set: &WheelSet) -> Result<Digest> {
    let text = serde_json::to_vec(set).map_err(std::io::Error::from)?;
    Ok(Digest::of(text))
}

impl Wheel {
    /// A file name that names nothing but a file.
    fn has_good_name(&self) -> bool {
        let stem = self.file_name.strip_suffix(".whl");
        stem.is_some_and(|stem| !stem.is_empty() && !stem.contains(['/', '\\', '\0']))
    }
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

    /// Whether anything was ever put in.
    pub fn is_there(&self) -> bool {
        self.version.is_dir()
    }

    /// Where a wheel is. Its content may be damaged: who reads it asks [`verify`](Self::verify).
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

    /// The set of a key, if it is whole and all its wheels are there. `Err` says why it can't be
    /// used although it is there. Reads no wheel and changes nothing.
    pub fn get(&self, platform: &PlatformId, key: &Digest) -> Result<Option<WheelSet>, String> {
        let Some(set) = self.set(platform, key)? else {
            return Ok(None);
        };
        match set.wheels.iter().find(|wheel| !self.has(wheel)) {
            None => Ok(Some(set)),
            Some(wheel) => {
                let path = self.path(wheel);
                Err(format!("`{}` is missing or not whole", path.display()))
            }
        }
    }

    /// The set of a key without a look at its wheels.
    fn set(&self, platform: &PlatformId, key: &Digest) -> Result<Option<WheelSet>, String> {
        match read_set(&self.set_path(platform, key))? {
            Some(set) if set.key.digest != *key => Err(format!(
                "`{}` is of another key",
                self.set_path(platform, key).display()
            )),
            set => Ok(set),
        }
    }

    /// Whether a wheel is there, with the length it should have.
    pub fn has(&self, wheel: &Wheel) -> bool {
        fs::metadata(self.path(wheel)).is_ok_and(|file| file.is_file() && file.len() == wheel.size)
    }

    /// The set of a kind that was used last by a project on a platform and architecture, to say what has
    /// changed since.
    pub fn latest(&self, target: &TargetId, project: &str, kind: &str) -> Option<WheelSet> {
        let folder = fs::read_dir(self.sets_folder().join(target.platform().as_str())).ok()?;
        let machine = target.arch().machine();
        folder
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let time = entry.metadata().ok()?.modified().ok()?;
                let set = read_set(&entry.path()).ok()??;
                let of_kind = set.key.fields.get("schema")?.starts_with(kind);
                let architecture = set.key.fields.get("architecture");
                let runs_there = architecture.is_none_or(|name| name == machine);
                (of_kind && runs_there && set.project == project).then_some((time, set))
            })
            .max_by_key(|(time, _)| *time)
            .map(|(_, set)| set)
    }

    /// Remembers that a set was used now: those that were not for long are pruned first. Only a
    /// hint for later, so a folder that can't be written is no failure.
    pub fn touch(&self, platform: &PlatformId, set: &WheelSet) {
        self.set_used(platform, set, SystemTime::now());
    }

    fn set_used(&self, platform: &PlatformId, set: &WheelSet, time: SystemTime) {
        let path = self.set_path(platform, &set.key.digest);
        drop(fs::File::open(path).map(|file| file.set_modified(time)));
    }

    /// Puts a wheel in; a whole one that is there already stays.
    pub fn put(&self, file_name: &str, content: &mut dyn Read) -> Result<Wheel> {
        self.explain(self.try_put(file_name, content, None))
    }

    /// Puts a wheel in if it has this digest.
    pub fn put_known(
        &self,
        file_name: &str,
        digest: &Digest,
        content: &mut dyn Read,
    ) -> Result<Wheel> {
        self.explain(self.try_put(file_name, content, Some(digest)))
    }

    fn try_put(
        &self,
        file_name: &str,
        content: &mut dyn Read,
        expected: Option<&Digest>,
    ) -> Result<Wheel> {
        self.tag()?;
        let mut staged = Staged::create(&self.temporary_folder())?;
        let mut writer = DigestWriter::new(staged.writer());
        std::io::copy(content, &mut writer)
            .map_err(|error| Error::io("write", &self.version.join(file_name), &error))?;
        let (digest, size, _) = writer.finish();
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            return Err(Error::new(
                Kind::Damaged,
                format!("`{file_name}` has the SHA-256 {digest} and should have {expected}"),
            ));
        }
        let wheel = Wheel {
            file_name: file_name.to_owned(),
            digest,
            size,
            origin: None,
        };
        if !wheel.has_good_name() {
            return Err(Error::new(
                Kind::Conflict,
                format!("`{file_name}` can't be the name of a wheel's file"),
            )
            .hint("a wheel is named `name-version-python-abi-platform.whl`"));
        }
        let place = self.path(&wheel);
        if place.symlink_metadata().is_err() {
            staged.commit(&place)?;
            return Ok(wheel);
        }
        // It is there already, or something else is in its place.
        if !self.is_whole(&wheel) {
            let _mending = self.mending()?;
            if !self.is_whole(&wheel) {
                self.move_aside(&place)?;
                staged.commit(&place)?;
            }
        }
        Ok(wheel)
    }

    /// Records which wheels a key stands for. They must have been put in before.
    pub fn put_set(
        &self,
        platform: &PlatformId,
        project: &str,
        key: Key,
        mut wheels: Vec<Wheel>,
    ) -> Result<WheelSet> {
        wheels.sort_by(|left, right| left.file_name.cmp(&right.file_name));
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let set = WheelSet {
            schema: SCHEMA,
            made: now.unwrap_or_default().as_secs(),
            project: project.to_owned(),
            key,
            wheels,
        };
        self.explain(self.try_put_set(platform, set))
    }

    /// Records a set that was made elsewhere. It counts as used when it was made: what travels from
    /// machine to machine and nobody uses must grow old, too. A whole one that is there stays.
    pub fn put_made_set(&self, platform: &PlatformId, set: WheelSet) -> Result<WheelSet> {
        if let Ok(Some(set)) = self.get(platform, &set.key.digest) {
            return Ok(set);
        }
        let set = self.explain(self.try_put_set(platform, set))?;
        self.set_used(platform, &set, UNIX_EPOCH + Duration::from_secs(set.made));
        Ok(set)
    }

    fn try_put_set(&self, platform: &PlatformId, set: WheelSet) -> Result<WheelSet> {
        self.tag()?;
        let place = self.set_path(platform, &set.key.digest);
        let sealed = SealedSet::new(set)?;
        let mut staged = Staged::create(&self.temporary_folder())?;
        serde_json::to_writer_pretty(staged.writer(), &sealed).map_err(std::io::Error::from)?;
        let mut mending = None;
        if place.symlink_metadata().is_ok() {
            mending = Some(self.mending()?);
            if self.set(platform, &sealed.set.key.digest).is_err() {
                self.move_aside(&place)?;
            }
        }
        staged.commit(&place)?;
        drop(mending);
        Ok(sealed.set)
    }

    /// Says what can be done about a failure to write.
    fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| match error.kind() {
            Kind::Internal => error.hint(format!(
                "wheels are kept in `{}`; `--wheel-dir` names another folder",
                self.root.display()
            )),
            Kind::Missing => error.hint(format!(
                "`{}` can't be made, or was removed while it was used: run the command again, or name \
                 another folder with `--wheel-dir`",
                self.root.display()
            )),
            _ => error,
        })
    }

    fn set_path(&self, platform: &PlatformId, key: &Digest) -> PathBuf {
        self.sets_folder()
            .join(platform.as_str())
            .join(format!("{key}.json"))
    }

    fn sets_folder(&self) -> PathBuf {
        self.version.join("sets")
    }

    fn wheels_folder(&self) -> PathBuf {
        self.version.join("wheels")
    }

    /// On the same file system as all the rest; what is in it while nobody uses the store is dead.
    fn temporary_folder(&self) -> PathBuf {
        self.version.join("tmp")
    }

    fn tag(&self) -> Result<()> {
        let path = self.root.join("CACHEDIR.TAG");
        if path.exists() {
            return Ok(());
        }
        let mut staged = Staged::create(&self.temporary_folder())?;
        std::io::Write::write_all(staged.writer(), CACHEDIR_TAG.as_bytes())?;
        staged.commit(&path)
    }
}

/// The set in a file; `Err` says why there is none although there is a file.
fn read_set(path: &Path) -> Result<Option<WheelSet>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    match WheelSet::from_sealed_json(&bytes) {
        Some(set) => Ok(Some(set)),
        None => Err(format!("`{}` is damaged", path.display())),
    }
}

#[cfg(test)]
mod tests;
