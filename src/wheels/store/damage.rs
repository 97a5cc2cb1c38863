//! Damage: content that is not what was put in. Found before it is used, put aside, and told of.
//!
//! Repairs nothing: what is put aside is a miss, and whoever needs it makes it again.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::fsutil::{self, Lock};

use super::{Wheel, WheelStore, read_set};

/// How many damaged files are kept to be looked at; a disk that rots must not fill up with them.
const KEPT: usize = 64;

const AGAIN: &str = "run the command again: what is missing in the wheel cache is made again";

/// What a look at every entry found.
#[derive(Debug, Default, Clone, serde::Serialize)]
pub struct Inspection {
    /// How many wheels there are.
    pub wheels: usize,
    /// How many sets there are.
    pub sets: usize,
    /// How many bytes were digested.
    pub bytes: u64,
    /// What is wrong, one text each.
    pub damaged: Vec<String>,
    /// Sets that miss a wheel, one text each.
    pub incomplete: Vec<String>,
}

impl WheelStore {
    /// Where a wheel is, after its content was found to be what was put in. Damaged content is put
    /// aside, so that the wheel is missing from then on, and the error says so.
    pub fn verify(&self, wheel: &Wheel) -> Result<PathBuf> {
        let path = self.path(wheel);
        if self.is_whole(wheel) {
            return Ok(path);
        }
        let damage = self.put_wheel_aside(wheel).map_err(|error| {
            error
                .context(format!(
                    "`{}` is damaged and can't be put aside",
                    path.display()
                ))
                .of_kind(Kind::Damaged)
        })?;
        match damage {
            Some(damage) => Err(Error::new(Kind::Damaged, damage).hint(AGAIN)),
            // Another run was faster, and made it again.
            None => Ok(path),
        }
    }

    /// Where wheels are, like [`verify`](Self::verify): looks at all before it fails, so that all
    /// damaged ones can be made again at once.
    pub fn verify_all<'w>(&self, wheels: impl Iterator<Item = &'w Wheel>) -> Result<Vec<PathBuf>> {
        let (mut paths, mut damages) = (Vec::new(), Vec::new());
        for wheel in wheels {
            match self.verify(wheel) {
                Ok(path) => paths.push(path),
                Err(error) => damages.push(error.message().to_owned()),
            }
        }
        if damages.is_empty() {
            return Ok(paths);
        }
        Err(Error::new(Kind::Damaged, damages.join("; ")).hint(AGAIN))
    }

    /// Whether a wheel is there with the content it should have. One that can't be read is not.
    pub(super) fn is_whole(&self, wheel: &Wheel) -> bool {
        let digest = || Digest::of_file(&self.path(wheel));
        self.has(wheel) && digest().is_ok_and(|digest| digest == wheel.digest)
    }

    /// Puts a wheel aside if it is damaged still, and says what was wrong with it.
    fn put_wheel_aside(&self, wheel: &Wheel) -> Result<Option<String>> {
        let path = self.path(wheel);
        let _mending = self.mending()?;
        if self.is_whole(wheel) {
            return Ok(None);
        }
        let was = if path.symlink_metadata().is_ok() {
            self.move_aside(&path)?;
            "was damaged and is put aside"
        } else {
            "is missing"
        };
        Ok(Some(format!("`{}` {was}", path.display())))
    }

    /// Puts the file of a set aside if it is damaged still, and says so.
    fn put_set_aside(&self, path: &Path) -> Result<Option<String>> {
        let _mending = self.mending()?;
        if read_set(path).is_ok() {
            return Ok(None);
        }
        self.move_aside(path)?;
        let text = format!("`{}` was damaged and is put aside", path.display());
        Ok(Some(text))
    }

    /// Held between a last look at something damaged and what is done about it: nobody may take
    /// away what another run has just put in its place.
    pub(super) fn mending(&self) -> Result<Lock> {
        Lock::exclusive(&self.version.join("locks/mend.lock"))
    }

    /// Moves a file to the damaged ones; removes it when there are many.
    pub(super) fn move_aside(&self, path: &Path) -> Result<()> {
        let folder = self.damaged_folder();
        let above = path.parent().and_then(Path::file_name).unwrap_or_default();
        let name = path.file_name().unwrap_or_default();
        let aside = folder.join(format!(
            "{}-{}",
            above.to_string_lossy(),
            name.to_string_lossy()
        ));
        let full = fs::read_dir(&folder).is_ok_and(|entries| entries.count() >= KEPT);
        if full || path.is_dir() {
            return match fs::symlink_metadata(path) {
                Ok(metadata) if metadata.is_dir() => Ok(fs::remove_dir_all(path)?),
                Ok(_) => Ok(fs::remove_file(path)?),
                Err(_) => Ok(()),
            };
        }
        fsutil::set_aside(path, &aside)
    }

    pub(super) fn damaged_folder(&self) -> PathBuf {
        self.version.join("damaged")
    }

    /// Looks at every entry, content and all; with `put_aside` nobody will find damaged ones again.
    pub fn inspect(&self, put_aside: bool) -> Result<Inspection> {
        let survey = self.survey()?;
        let mut found = Inspection {
            wheels: survey.wheels.len(),
            sets: survey.sets.len(),
            damaged: survey.strangers.clone(),
            ..Inspection::default()
        };
        for stored in &survey.wheels {
            found.bytes += stored.wheel.size;
            if !self.is_whole(&stored.wheel) {
                let path = self.path(&stored.wheel);
                let aside = put_aside.then(|| self.put_wheel_aside(&stored.wheel));
                found.damaged.extend(damage_text(&path, aside));
            }
        }
        for path in &survey.damaged_sets {
            let aside = put_aside.then(|| self.put_set_aside(path));
            found.damaged.extend(damage_text(path, aside));
        }
        for stored in &survey.sets {
            let missing = stored.set.wheels.iter().find(|wheel| !self.has(wheel));
            if put_aside && missing.is_some() {
                // It stands for nothing; who needs it makes it again, and the next look is clean.
                fs::remove_file(self.set_path(&stored.platform, &stored.set.key.digest))?;
            }
            found.incomplete.extend(missing.map(|wheel| {
                format!(
                    "{}: set {} misses `{}`",
                    stored.platform,
                    stored.set.key.digest.short(),
                    wheel.file_name
                )
            }));
        }
        Ok(found)
    }
}

/// What there is to say of something damaged, after trying to put it aside or without; nothing when
/// another run has mended it meanwhile.
fn damage_text(path: &Path, aside: Option<Result<Option<String>>>) -> Option<String> {
    let path = path.display();
    match aside {
        None => Some(format!("`{path}` is damaged")),
        Some(Ok(text)) => text,
        Some(Err(error)) => Some(format!(
            "`{path}` is damaged and can't be put aside: {error}"
        )),
    }
}
