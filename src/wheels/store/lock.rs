//! Who may do what with the store while others use it.
//!
//! Everything here is `flock`: the system frees it when its holder ends, so nobody waits for a dead
//! one. Two kinds: the store's, shared by builds and held alone by who removes entries; and one for
//! each key, so that two runs that miss the same thing make it once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::fsutil::Lock;

use super::WheelStore;

/// A process that was forked and has not begun its program yet holds its parent's locks for a moment,
/// so a lock that was just dropped may look held: it is asked for again.
const TRIES: usize = 5;
const FORK: Duration = Duration::from_millis(20);

/// The right to use the store: what is in it is not removed meanwhile.
#[derive(Debug)]
#[must_use = "a lock that is dropped protects nothing"]
pub struct InUse {
    /// None in a folder that can't be written and has no lock: who could remove something there?
    _lock: Option<Lock>,
}

/// The right to make what a key stands for.
#[derive(Debug)]
#[must_use = "a lock that is dropped protects nothing"]
pub struct KeyLock {
    /// None in a folder that can't be written.
    _key: Option<Lock>,
    /// Locks of keys are removed by who has the store alone: one that is held keeps the store.
    _store: InUse,
}

/// The store without anybody else.
#[derive(Debug)]
#[must_use = "a lock that is dropped protects nothing"]
pub(super) struct Alone {
    _lock: Lock,
}

impl WheelStore {
    /// The right to use the store. `waits` is told whom for, when somebody has it alone.
    pub async fn hold(&self, waits: impl FnOnce(&str)) -> Result<InUse> {
        let path = self.lock_path();
        match Lock::try_shared(&path) {
            Ok(Some(lock)) => Ok(InUse { _lock: Some(lock) }),
            Ok(None) => {
                waits(&holder(&path));
                let lock = on_own_thread(path, Lock::shared).await?;
                Ok(InUse { _lock: Some(lock) })
            }
            Err(error) if error.kind() == Kind::Internal && !path.exists() => {
                Ok(InUse { _lock: None })
            }
            Err(error) => self.explain(Err(error)),
        }
    }

    /// The right to make what a key stands for, for one run at a time. `waits` is told whom for,
    /// when another has it; who has waited looks into the store again, and finds what was made.
    ///
    /// One at a time: two who wait for each other's second lock would wait for ever.
    pub async fn lock(&self, key: &Digest, waits: impl FnOnce(&str)) -> Result<KeyLock> {
        let store = self.hold(|_| {}).await?;
        let path = self.version.join("locks").join(format!("{key}.lock"));
        let mut lock = match Lock::try_exclusive(&path) {
            Ok(Some(lock)) => lock,
            Ok(None) => {
                waits(&holder(&path));
                on_own_thread(path, Lock::exclusive).await?
            }
            // Nothing can be put in there, so nobody makes anything for others.
            Err(error) if error.kind() == Kind::Internal => {
                return Ok(KeyLock {
                    _key: None,
                    _store: store,
                });
            }
            Err(error) => return self.explain(Err(error)),
        };
        lock.sign(&own_name());
        Ok(KeyLock {
            _key: Some(lock),
            _store: store,
        })
    }

    /// The store alone; an error when somebody uses it.
    pub(super) fn alone(&self, what_for: &str) -> Result<Alone> {
        let mut found = None;
        for _ in 0..TRIES {
            found = self.explain(Lock::try_exclusive(&self.lock_path()))?;
            if found.is_some() {
                break;
            }
            std::thread::sleep(FORK);
        }
        match found {
            Some(mut lock) => {
                lock.sign(&format!("{what_for}, {}", own_name()));
                Ok(Alone { _lock: lock })
            }
            None => Err(Error::new(
                Kind::Busy,
                format!("builds use the wheels in `{}`", self.root.display()),
            )
            .hint("run the command again when they are done; nothing was removed")),
        }
    }

    fn lock_path(&self) -> PathBuf {
        self.version.join("lock")
    }
}

/// Waits where it hinders nobody: not on a thread of the runtime, which a run that is stopped would
/// wait for.
async fn on_own_thread(path: PathBuf, take: fn(&Path) -> Result<Lock>) -> Result<Lock> {
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .name("lock".to_owned())
        // When nobody wants the lock any more it is dropped, and free.
        .spawn(move || drop(sender.send(take(&path))))?;
    receiver
        .await
        .map_err(|error| Error::new(Kind::Internal, format!("no lock: {error}")))?
}

fn holder(path: &Path) -> String {
    Lock::holder(path).unwrap_or_else(|| "another run".to_owned())
}

/// This run, as those who wait for it know it.
fn own_name() -> String {
    let machine = fs_err::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("process {} on {}", std::process::id(), machine.trim())
}
