//! Removes what is old or too much, while nobody uses the store.
//!
//! Sets go first and wheels that no set names any more after them, so that a run that is killed
//! leaves wheels without a set, never a set without its wheels.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fs_err as fs;

use crate::error::Result;

use super::{StoredSet, StoredWheel, WheelStore};

/// A wheel without a set may be of a build that was stopped, and is to go on soon.
const GRACE: Duration = Duration::from_hours(1);
/// How long damaged files are kept to be looked at.
const DAMAGED_KEPT: Duration = Duration::from_hours(7 * 24);

/// What may stay.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Sets that were not used for longer go.
    pub older: Option<Duration>,
    /// Sets go, those first that were not used for longest, until the wheels have no more bytes.
    pub max_size: Option<u64>,
}

/// What was removed, or would be, and what stays.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Pruned {
    /// Sets that were removed.
    pub sets: usize,
    /// Wheels that were removed.
    pub wheels: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Sets that stay.
    pub sets_left: usize,
    /// Wheels that stay.
    pub wheels_left: usize,
    /// Their bytes.
    pub bytes_left: u64,
}

/// What goes and what stays.
struct Verdict {
    sets: Vec<StoredSet>,
    wheels: Vec<StoredWheel>,
    result: Pruned,
}

impl WheelStore {
    /// What [`prune`](Self::prune) would remove now.
    pub fn would_prune(&self, limits: Limits) -> Result<Pruned> {
        Ok(self.judge(limits)?.result)
    }

    /// Removes sets beyond the limits, wheels without a set, what killed runs left, and damaged
    /// files of long ago. An error when somebody uses the store.
    pub fn prune(&self, limits: Limits) -> Result<Pruned> {
        if !self.version.is_dir() {
            return Ok(Pruned::default());
        }
        let _alone = self.alone("pruning")?;
        let verdict = self.judge(limits)?;
        for stored in &verdict.sets {
            fs::remove_file(&stored.path)?;
        }
        for stored in &verdict.wheels {
            let path = self.path(&stored.wheel);
            fs::remove_file(&path)?;
            // Those above are removed when they are empty, and stay otherwise.
            for folder in path.ancestors().skip(1).take(2) {
                drop(std::fs::remove_dir(folder));
            }
        }
        empty(&self.temporary_folder(), Duration::ZERO)?;
        empty(&self.damaged_folder(), DAMAGED_KEPT)?;
        empty(&self.version.join("locks"), Duration::ZERO)?;
        Ok(verdict.result)
    }

    /// What [`clear`](Self::clear) would remove now.
    pub fn would_clear(&self) -> Result<Pruned> {
        let survey = self.survey()?;
        Ok(Pruned {
            sets: survey.sets.len(),
            wheels: survey.wheels.len(),
            bytes: survey.size(),
            ..Pruned::default()
        })
    }

    /// Removes everything. An error when somebody uses the store.
    pub fn clear(&self) -> Result<Pruned> {
        if !self.version.is_dir() {
            return Ok(Pruned::default());
        }
        let _alone = self.alone("clearing")?;
        let result = self.would_clear()?;
        // Never the lock: somebody may wait for it, and a new file would be another lock.
        for name in ["sets", "wheels", "tmp", "damaged", "locks"] {
            let folder = self.version.join(name);
            if folder.is_dir() {
                fs::remove_dir_all(&folder)?;
            }
        }
        Ok(result)
    }

    fn judge(&self, limits: Limits) -> Result<Verdict> {
        let survey = self.survey()?;
        let now = SystemTime::now();
        let age = |time: SystemTime| now.duration_since(time).unwrap_or_default();
        let wheels_before: BTreeSet<_> = survey
            .wheels
            .iter()
            .map(|stored| stored.wheel.identity())
            .collect();
        let orphans: BTreeSet<_> = survey
            .without_set()
            .map(|stored| stored.wheel.identity())
            .collect();
        let young = |stored: &StoredWheel| {
            orphans.contains(&stored.wheel.identity()) && age(stored.put) < GRACE
        };

        let (mut go, mut stay): (Vec<_>, Vec<_>) = survey
            .sets
            .iter()
            .partition(|stored| limits.older.is_some_and(|limit| age(stored.used) > limit));
        // The one that was used last at the end.
        stay.sort_by_key(|stored| std::cmp::Reverse(stored.used));
        while let Some(limit) = limits.max_size {
            let named: BTreeSet<_> = stay
                .iter()
                .flat_map(|stored| &stored.set.wheels)
                .map(|wheel| (wheel.identity(), wheel.size))
                .filter(|(identity, _)| wheels_before.contains(identity))
                .collect();
            let bytes: u64 = named.iter().map(|(_, size)| size).sum();
            if bytes <= limit {
                break;
            }
            match stay.pop() {
                Some(oldest) => go.push(oldest),
                None => break,
            }
        }
        let named: BTreeSet<_> = stay
            .iter()
            .flat_map(|stored| &stored.set.wheels)
            .map(super::Wheel::identity)
            .collect();
        let (left, wheels): (Vec<_>, Vec<_>) = survey
            .wheels
            .iter()
            .partition(|stored| named.contains(&stored.wheel.identity()) || young(stored));
        let bytes =
            |wheels: &[&StoredWheel]| wheels.iter().map(|stored| stored.wheel.size).sum::<u64>();
        let result = Pruned {
            sets: go.len(),
            wheels: wheels.len(),
            bytes: bytes(&wheels),
            sets_left: stay.len(),
            wheels_left: left.len(),
            bytes_left: bytes(&left),
        };
        Ok(Verdict {
            sets: go.into_iter().cloned().collect(),
            wheels: wheels.into_iter().cloned().collect(),
            result,
        })
    }
}

/// Removes the files of a folder that are at least so old.
fn empty(folder: &Path, age: Duration) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let is_old = entry
            .metadata()?
            .modified()?
            .elapsed()
            .is_ok_and(|elapsed| elapsed >= age);
        if entry.file_type()?.is_file() && (age.is_zero() || is_old) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::KeyBuilder;
    use crate::platform::PlatformId;
    use crate::wheels::store::Wheel;

    const DAY: Duration = Duration::from_hours(24);

    struct Sample {
        folder: tempfile::TempDir,
        store: WheelStore,
        platform: PlatformId,
    }

    impl Sample {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self {
                store: WheelStore::new(folder.path()),
                folder,
                platform: "debian-12".parse().unwrap(),
            }
        }

        fn wheel(&self, name: &str, size: usize) -> Wheel {
            let content = vec![name.as_bytes()[0]; size];
            let file_name = format!("{name}-1-py3-none-any.whl");
            self.store.put(&file_name, &mut &content[..]).unwrap()
        }

        /// A set that was used so long ago.
        fn set(&self, name: &str, wheels: &[&Wheel], age: Duration) {
            let key = KeyBuilder::new("wheels", 1).field("name", name).finish();
            let wheels = wheels.iter().map(|wheel| (*wheel).clone()).collect();
            let set = self.store.put_set(&self.platform, "p", key, wheels);
            let path = self
                .store
                .set_path(&self.platform, &set.unwrap().key.digest);
            set_age(&path, age);
        }

        fn names(&self) -> Vec<String> {
            let survey = self.store.survey().unwrap();
            let mut names: Vec<String> = survey
                .sets
                .iter()
                .map(|stored| stored.set.key.fields["name"].clone())
                .chain(
                    survey
                        .wheels
                        .iter()
                        .map(|stored| stored.wheel.distribution().to_owned()),
                )
                .collect();
            names.sort();
            names
        }
    }

    fn set_age(path: &Path, age: Duration) {
        let file = fs::File::open(path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    #[test]
    fn old_sets_go_with_wheels_that_no_other_names() {
        let sample = Sample::new();
        let (a, b, c) = (
            sample.wheel("a", 10),
            sample.wheel("b", 10),
            sample.wheel("c", 10),
        );
        sample.set("new", &[&a, &b], DAY);
        sample.set("old", &[&b, &c], 40 * DAY);
        let limits = Limits {
            older: Some(30 * DAY),
            ..Limits::default()
        };
        let would = sample.store.would_prune(limits).unwrap();
        assert_eq!(sample.names(), ["a", "b", "c", "new", "old"]);
        let pruned = sample.store.prune(limits).unwrap();
        assert_eq!(pruned, would);
        assert_eq!((pruned.sets, pruned.wheels, pruned.bytes), (1, 1, 10));
        assert_eq!((pruned.sets_left, pruned.bytes_left), (1, 20));
        assert_eq!(sample.names(), ["a", "b", "new"]);
    }

    #[test]
    fn the_least_recently_used_go_until_the_rest_fits() {
        let sample = Sample::new();
        let (a, b, c) = (
            sample.wheel("a", 10),
            sample.wheel("b", 10),
            sample.wheel("c", 10),
        );
        sample.set("first", &[&a], 3 * DAY);
        sample.set("second", &[&b], 2 * DAY);
        sample.set("third", &[&c], DAY);
        let set = sample.store.survey().unwrap().sets;
        let first = set
            .iter()
            .find(|stored| stored.set.key.fields["name"] == "first");
        sample.store.touch(&sample.platform, &first.unwrap().set);
        let limits = |max_size| Limits {
            max_size: Some(max_size),
            ..Limits::default()
        };
        assert_eq!(sample.store.prune(limits(30)).unwrap().sets, 0);
        assert_eq!(sample.store.prune(limits(29)).unwrap().sets, 1);
        assert_eq!(sample.names(), ["a", "c", "first", "third"]);
        sample.store.prune(limits(10)).unwrap();
        assert_eq!(sample.names(), ["a", "first"]);
        sample.store.prune(limits(0)).unwrap();
        assert!(sample.names().is_empty());
    }

    #[test]
    fn a_set_that_came_from_elsewhere_is_as_old_as_it_is() {
        let sample = Sample::new();
        let wheel = sample.wheel("a", 10);
        let limits = Limits {
            older: Some(30 * DAY),
            ..Limits::default()
        };
        sample.set("made", &[&wheel], Duration::ZERO);
        let mut set = sample.store.survey().unwrap().sets.remove(0).set;
        sample.store.clear().unwrap();
        set.made -= 40 * DAY.as_secs();
        for used in [true, false] {
            sample.wheel("a", 10);
            sample
                .store
                .put_made_set(&sample.platform, set.clone())
                .unwrap();
            if used {
                sample.store.touch(&sample.platform, &set);
                // Once more from elsewhere: it is used here all the same.
                let again = sample.store.put_made_set(&sample.platform, set.clone());
                assert_eq!(again.unwrap(), set);
            }
            let pruned = sample.store.prune(limits).unwrap();
            assert_eq!(pruned.sets, usize::from(!used));
            sample.store.clear().unwrap();
        }
    }

    #[test]
    fn wheels_without_a_set_stay_for_a_while() {
        let sample = Sample::new();
        let (young, old) = (sample.wheel("young", 1), sample.wheel("old", 1));
        set_age(&sample.store.path(&old), 2 * GRACE);
        sample.store.prune(Limits::default()).unwrap();
        assert!(sample.store.has(&young) && !sample.store.has(&old));
        assert_eq!(sample.names(), ["young"]);
    }

    #[test]
    fn what_killed_runs_left_goes() {
        let sample = Sample::new();
        sample.wheel("a", 1);
        let left = sample.store.temporary_folder().join(".omnibuild-tmp-x");
        fs::write(&left, "half").unwrap();
        sample.store.prune(Limits::default()).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn a_store_in_use_is_neither_pruned_nor_cleared() {
        use crate::error::Kind;
        let sample = Sample::new();
        let wheel = sample.wheel("a", 1);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let in_use = runtime.block_on(sample.store.hold(|_| {})).unwrap();
        let limits = Limits {
            max_size: Some(0),
            ..Limits::default()
        };
        for refused in [sample.store.prune(limits), sample.store.clear()] {
            assert_eq!(refused.unwrap_err().kind(), Kind::Busy);
        }
        assert!(sample.store.has(&wheel));
        drop(in_use);
        assert_eq!(sample.store.clear().unwrap().wheels, 1);
        assert!(sample.names().is_empty());
        assert!(sample.folder.path().join("CACHEDIR.TAG").is_file());
    }
}
