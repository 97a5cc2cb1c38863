//! Temporary files and folders that killed runs left.
//!
//! One is locked while it is filled, and the system frees the lock however the writer ends; so one
//! that can be locked is nobody's. Where locks are not to be had nothing is removed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::TEMPORARY_PREFIX;

/// Makes a temporary file or folder in `folder` and locks it until the handle is closed; removes
/// those that nobody fills any more.
pub(super) fn make<P: AsRef<Path>>(
    folder: &Path,
    make: impl Fn() -> io::Result<(File, P)>,
) -> io::Result<(File, P)> {
    remove_from(folder);
    loop {
        let (handle, path) = make()?;
        if claim(&handle, path.as_ref()) {
            return Ok((handle, path));
        }
    }
}

/// Locks what was just made; false when somebody who took it for abandoned was faster, and it is
/// gone.
fn claim(handle: &File, path: &Path) -> bool {
    // Who removes it has the lock for a moment. Where there are no locks nobody removes it.
    drop(handle.lock());
    let found = path.symlink_metadata();
    !found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Removes what is temporary in a folder and nobody's. What can't be removed stays: it is in
/// nobody's way.
fn remove_from(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let prefix = TEMPORARY_PREFIX.as_bytes();
        if name.as_encoded_bytes().starts_with(prefix)
            && let Ok(kind) = entry.file_type()
        {
            drop(remove(&entry.path(), kind));
        }
    }
}

/// The temporary folders in a folder that nobody fills any more.
pub fn abandoned_folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_abandoned = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        let temporary = name
            .as_encoded_bytes()
            .starts_with(TEMPORARY_PREFIX.as_bytes());
        let handle = fs::File::open(path).ok().filter(|_| path.is_dir());
        temporary && handle.is_some_and(|handle| handle.file().try_lock().is_ok())
    };
    entries
        .map(|entry| entry.path())
        .filter(is_abandoned)
        .collect()
}

fn remove(path: &Path, kind: std::fs::FileType) -> io::Result<()> {
    if !kind.is_file() && !kind.is_dir() {
        return Ok(());
    }
    let handle = fs::File::open(path)?;
    match handle.file().try_lock() {
        Err(_) => Ok(()),
        Ok(()) if kind.is_dir() => fs::remove_dir_all(path),
        Ok(()) => fs::remove_file(path),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Staged, commit_bytes, commit_files, commit_folder, sorted_walk};
    use super::*;

    #[test]
    fn what_a_killed_run_left_goes_and_what_is_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let staged = Staged::create(folder).unwrap();
        let left = ["left", "folder/file"].map(|name| format!("{TEMPORARY_PREFIX}{name}"));
        let strange = folder.join("left");
        fs::write(&strange, "stays").unwrap();
        let leave = || {
            fs::create_dir(folder.join(format!("{TEMPORARY_PREFIX}folder"))).unwrap();
            for name in &left {
                fs::write(folder.join(name), "left").unwrap();
            }
        };
        let gone = || {
            let there = |name| folder.join(name).exists();
            !left.iter().any(there)
        };
        leave();
        commit_bytes(&folder.join("bytes"), b"x").unwrap();
        assert!(gone() && strange.exists());
        leave();
        commit_files(folder, |place| {
            assert!(gone());
            fs::write(place.join("one"), "1")?;
            // Whoever else makes one here leaves the folder alone.
            commit_bytes(&folder.join("bytes"), b"y")?;
            Ok(fs::write(place.join("two"), "2")?)
        })
        .unwrap();
        leave();
        let place = folder.join("place");
        commit_folder(&folder.join("whole"), |place| {
            Ok(fs::write(place.join("data"), "x")?)
        })
        .unwrap();
        staged.commit(&place).unwrap();
        let names = ["bytes", "left", "one", "place", "two", "whole/data"].map(Path::new);
        assert_eq!(sorted_walk(folder).unwrap(), names);
        // What has its name is locked by nobody.
        for path in [place, folder.join("whole")] {
            let handle = fs::File::open(path).unwrap();
            assert!(handle.file().try_lock().is_ok());
        }
    }

    #[test]
    fn what_was_removed_before_it_was_locked_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let times = std::cell::Cell::new(0);
        let (_handle, path) = make(folder.path(), || {
            let (file, path) = tempfile::NamedTempFile::new_in(folder.path())?.into_parts();
            times.set(times.get() + 1);
            if times.get() == 1 {
                fs::remove_file(&path)?;
            }
            Ok((file, path))
        })
        .unwrap();
        assert!(path.exists());
        assert_eq!(times.get(), 2);
    }
}
