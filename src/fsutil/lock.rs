//! Advisory locks on files (`flock`), which the system frees when their holder ends, however it does.
//!
//! No lock is a file that is there or not, or that holds a process's number: after a kill or a
//! power loss nobody could tell it from a live one.

use std::io::{ErrorKind, Write};
use std::path::Path;

use fs_err as fs;

use crate::error::{Error, Result};

/// An advisory lock on a file; released when dropped, also by a kill.
#[derive(Debug)]
#[must_use = "a lock that is dropped protects nothing"]
pub struct Lock {
    file: fs::File,
}

impl Lock {
    /// Waits for the lock. Blocks the thread.
    pub fn exclusive(path: &Path) -> Result<Self> {
        let file = open(path)?;
        let locked = file.file().lock();
        locked.map_err(|error| Error::io("lock", path, &error))?;
        Ok(Self { file })
    }

    /// Waits until nobody holds the lock exclusively; any number may share it. Blocks the thread.
    pub fn shared(path: &Path) -> Result<Self> {
        let file = open(path)?;
        let locked = file.file().lock_shared();
        locked.map_err(|error| Error::io("lock", path, &error))?;
        Ok(Self { file })
    }

    /// Takes the lock when it is free.
    pub fn try_exclusive(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        let locked = file.file().try_lock();
        Self::tried(file, path, locked)
    }

    /// Shares the lock when nobody holds it exclusively.
    pub fn try_shared(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        let locked = file.file().try_lock_shared();
        Self::tried(file, path, locked)
    }

    fn tried(
        file: fs::File,
        path: &Path,
        locked: Result<(), std::fs::TryLockError>,
    ) -> Result<Option<Self>> {
        match locked {
            Ok(()) => Ok(Some(Self { file })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(Error::io("lock", path, &error)),
        }
    }

    /// Writes into the file who holds the lock, for [`holder`](Self::holder). It is only for
    /// messages, so it may be half or old, and a file that can't be written is no failure.
    pub fn sign(&mut self, name: &str) {
        let written = self.file.set_len(0);
        drop(written.and_then(|()| self.file.write_all(name.as_bytes())));
    }

    /// Who holds the lock, as far as that is known.
    pub fn holder(path: &Path) -> Option<String> {
        let text = fs::read_to_string(path).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}

/// Opens the file of a lock; one that can't be written can be locked as well.
fn open(path: &Path) -> Result<fs::File> {
    let opened = super::make_folder(super::parent(path)).and_then(|()| {
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        Ok(file?)
    });
    match opened {
        Ok(file) => Ok(file),
        Err(failure) => match fs::File::open(path) {
            Ok(file) => Ok(file),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(failure),
            Err(error) => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_exclusive_until_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = Lock::exclusive(&path).unwrap();
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
        assert!(Lock::try_shared(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::try_exclusive(&path).unwrap().is_some());
    }

    #[test]
    fn a_shared_lock_keeps_out_only_who_wants_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/lock");
        let one = Lock::shared(&path).unwrap();
        let two = Lock::try_shared(&path).unwrap().unwrap();
        drop(one);
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
        drop(two);
        assert!(Lock::try_exclusive(&path).unwrap().is_some());
    }

    #[test]
    fn a_waiter_can_tell_whom_it_waits_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert_eq!(Lock::holder(&path), None);
        for name in ["a long name of the first", "the second"] {
            Lock::exclusive(&path).unwrap().sign(name);
            assert_eq!(Lock::holder(&path).as_deref(), Some(name));
        }
    }
}
