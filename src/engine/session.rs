//! One run of omnibuild, as its containers know it.
//!
//! Every container carries the session's label. The session holds a lock on a file while it lives,
//! so a later run can tell the containers of a dead session from those of a live one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::fsutil::Lock;

use super::Engine;

/// The label that names the session of a container.
pub const SESSION_LABEL: &str = "org.omnibuild.session";
/// The label that names the machine the session runs on: locks say nothing about other machines.
pub const MACHINE_LABEL: &str = "org.omnibuild.machine";

/// A running omnibuild.
pub struct Session {
    id: String,
    machine: String,
    folder: PathBuf,
    _lock: Lock,
}

impl Session {
    /// Begins a session whose lock file lies in `folder`.
    pub fn begin(folder: &Path) -> Result<Self> {
        let machine = machine();
        let started = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let id = format!("{}-{}", std::process::id(), started.as_nanos());
        let lock = Lock::exclusive(&lock_path(folder, &id))?;
        Ok(Self {
            id,
            machine,
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// The labels that each container of this session carries.
    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (SESSION_LABEL.to_owned(), self.id.clone()),
            (MACHINE_LABEL.to_owned(), self.machine.clone()),
        ])
    }

    /// Removes every container of this session.
    pub async fn sweep(&self, engine: &dyn Engine) -> Result<()> {
        for (id, labels) in engine.containers(SESSION_LABEL).await? {
            if labels.get(SESSION_LABEL) == Some(&self.id) {
                engine.remove(&id).await?;
            }
        }
        Ok(())
    }

    /// Removes the containers of sessions of this machine that are dead; answers how many.
    pub async fn sweep_dead(&self, engine: &dyn Engine) -> Result<usize> {
        let mut dead = self.dead_locks()?;
        let mut removed = 0;
        for (id, labels) in engine.containers(SESSION_LABEL).await? {
            let ours = labels.get(MACHINE_LABEL) == Some(&self.machine);
            let session = labels.get(SESSION_LABEL).filter(|_| ours);
            if session.is_some_and(|session| dead.contains_key(&lock_path(&self.folder, session))) {
                engine.remove(&id).await?;
                removed += 1;
            }
        }
        // Not earlier: a session whose lock is gone is one that nobody can tell from a live one.
        while let Some((path, lock)) = dead.pop_first() {
            // Another run may have been faster.
            drop(fs_err::remove_file(path));
            drop(lock);
        }
        Ok(removed)
    }

    /// The locks that nobody holds, held from now on. A session that ended well leaves its lock,
    /// too: the engine may still be making the container it was asked for last.
    fn dead_locks(&self) -> Result<BTreeMap<PathBuf, Lock>> {
        let mut dead = BTreeMap::new();
        for entry in fs_err::read_dir(&self.folder)? {
            let path = entry?.path();
            if path != lock_path(&self.folder, &self.id)
                && let Some(lock) = Lock::try_exclusive(&path)?
            {
                dead.insert(path, lock);
            }
        }
        Ok(dead)
    }
}

/// What tells this machine since its last start from others.
pub(super) fn machine() -> String {
    let id = fs_err::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn lock_path(folder: &Path, session: &str) -> PathBuf {
    folder.join(format!("{session}.lock"))
}
