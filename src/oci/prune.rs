//! What of kept images goes: records that nobody used for long, and blobs that no record names.
//!
//! Removes nothing while a run holds the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use fs_err as fs;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::fsutil::{self, Lock};

use super::{ContentDigest, ImageStore};

/// What may stay.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageLimits {
    /// Images that were not used for longer go.
    pub older: Option<Duration>,
    /// Images go, those first that were not used for longest, until layers have no more bytes.
    pub max_size: Option<u64>,
}

/// What was removed, or would be, and what stays.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct PrunedImages {
    /// Images that were removed.
    pub images: usize,
    /// Layers and other blobs that were removed.
    pub layers: usize,
    /// Their bytes on the disk.
    pub bytes: u64,
    /// Images that stay.
    pub images_left: usize,
    /// Layers and other blobs that stay.
    pub layers_left: usize,
    /// Their bytes on the disk.
    pub bytes_left: u64,
}

/// A record of something that was made.
struct Record {
    path: PathBuf,
    used: SystemTime,
    is_image: bool,
    blobs: BTreeSet<String>,
}

impl ImageStore {
    fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Nobody prunes while this is held. Waits for who does; blocks the thread.
    ///
    /// # Errors
    /// Of a folder that can't be written.
    pub fn hold(&self) -> Result<Lock> {
        Lock::shared(&self.lock())
    }

    /// Removes what is beyond the limits, and what belongs to nothing; without `remove` only says so. `None`
    /// where nothing is kept.
    ///
    /// # Errors
    /// [`Kind::Busy`] while a run makes images.
    pub fn prune(&self, limits: ImageLimits, remove: bool) -> Result<Option<PrunedImages>> {
        if !self.root.is_dir() {
            return Ok(None);
        }
        let Some(_alone) = Lock::try_exclusive(&self.lock())? else {
            let text = format!("a run uses the images in `{}`", self.root.display());
            return Err(Error::new(Kind::Busy, text).hint("wait for its end, and run this again"));
        };
        let sizes = self.sizes()?;
        let mut records = self.records()?;
        records.sort_by(|one, other| (one.used, &one.path).cmp(&(other.used, &other.path)));
        let oldest = limits
            .older
            .and_then(|older| SystemTime::now().checked_sub(older));
        let mut stay = Vec::new();
        let mut go = Vec::new();
        for record in records {
            let whole = record.blobs.iter().all(|blob| sizes.contains_key(blob));
            let is_old = oldest.is_some_and(|oldest| record.used < oldest);
            if is_old || !whole {
                go.push(record);
            } else {
                stay.push(record);
            }
        }
        let size = |records: &[Record]| -> u64 {
            let named: BTreeSet<&String> = records.iter().flat_map(|it| &it.blobs).collect();
            named.iter().filter_map(|name| sizes.get(*name)).sum()
        };
        while limits.max_size.is_some_and(|most| size(&stay) > most) {
            go.push(stay.remove(0));
        }
        let named: BTreeSet<&String> = stay.iter().flat_map(|it| &it.blobs).collect();
        let count = |records: &[Record]| records.iter().filter(|it| it.is_image).count();
        let mut pruned = PrunedImages {
            images: count(&go),
            images_left: count(&stay),
            ..PrunedImages::default()
        };
        for record in go.iter().filter(|_| remove) {
            fs::remove_file(&record.path)?;
        }
        for (name, bytes) in &sizes {
            if named.contains(name) {
                pruned.layers_left += 1;
                pruned.bytes_left += bytes;
                continue;
            }
            pruned.layers += 1;
            pruned.bytes += bytes;
            if remove {
                fs::remove_file(self.blobs().join(name))?;
            }
        }
        Ok(Some(pruned))
    }

    /// The blobs and their lengths in bytes. Whoever stages one removes what killed runs left.
    fn sizes(&self) -> Result<BTreeMap<String, u64>> {
        let mut sizes = BTreeMap::new();
        for path in files(self.blobs())? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.starts_with(fsutil::TEMPORARY_PREFIX) {
                sizes.insert(name.into_owned(), fs::metadata(&path)?.len());
            }
        }
        Ok(sizes)
    }

    fn records(&self) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for path in files(self.root.join("records"))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(fsutil::TEMPORARY_PREFIX) {
                continue;
            }
            let value: Value = fsutil::read_json(&path).unwrap_or_default();
            let mut blobs = BTreeSet::new();
            named(&value, &mut blobs);
            records.push(Record {
                used: fs::metadata(&path)?.modified()?,
                is_image: value.get("manifest").is_some(),
                blobs,
                path,
            });
        }
        Ok(records)
    }
}

fn files(folder: PathBuf) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

/// The blobs that a record names: all digests in it but those of plain archives, which nobody keeps.
fn named(value: &Value, blobs: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().map(|text| text.to_owned().try_into()) {
                    Some(Ok::<ContentDigest, Error>(digest)) if name == "digest" => {
                        blobs.insert(digest.digest().to_string());
                    }
                    _ => named(value, blobs),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| named(value, blobs)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::oci::Descriptor;
    use serde_json::json;

    /// An image with a layer of its own and one that all have; used so many days ago.
    fn put(store: &ImageStore, name: &str, days: u64) -> Descriptor {
        let blob = |content: &str| store.put("text/plain", content.as_bytes()).unwrap();
        let own = blob(&format!("layer of {name}"));
        let (manifest, base) = (blob(name), blob("base"));
        let key = Digest::of(name);
        let layers = [(&base, "a"), (&own, "b")].map(|(layer, diff_id)| {
            json!({ "descriptor": layer, "diff_id": format!("sha256:{}", Digest::of(diff_id)) })
        });
        let image = json!({ "manifest": manifest, "layers": layers });
        store.put_record(&key, &image).unwrap();
        let path = store.root.join("records").join(format!("{key}.json"));
        let file = std::fs::File::options().write(true).open(path).unwrap();
        let used = SystemTime::now() - Duration::from_hours(days * 24);
        file.set_modified(used).unwrap();
        manifest
    }

    #[test]
    fn what_is_old_or_too_much_goes_and_what_is_shared_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::new(&folder.path().join("images"));
        let nothing = ImageLimits::default();
        assert_eq!(store.prune(nothing, true).unwrap(), None);
        for (name, days) in [("old", 30), ("older", 40), ("new", 0)] {
            put(&store, name, days);
        }
        let stray = store.put("text/plain", b"nobody's").unwrap();
        let pruned = store.prune(nothing, false).unwrap().unwrap();
        assert_eq!((pruned.images, pruned.layers, pruned.bytes), (0, 1, 8));
        assert!(store.has(&stray));
        store.prune(nothing, true).unwrap();
        assert!(!store.has(&stray));

        let older = ImageLimits {
            older: Some(Duration::from_hours(35 * 24)),
            max_size: None,
        };
        let pruned = store.prune(older, true).unwrap().unwrap();
        assert_eq!((pruned.images, pruned.layers), (1, 2));
        assert_eq!((pruned.images_left, pruned.layers_left), (2, 5));
        // The base, and the newest.
        let small = ImageLimits {
            older: None,
            max_size: Some(pruned.bytes_left - 1),
        };
        let pruned = store.prune(small, true).unwrap().unwrap();
        assert_eq!((pruned.images, pruned.layers_left), (1, 3));
        assert!(store.record::<Value>(&Digest::of("new")).is_some());
        let none = ImageLimits {
            older: None,
            max_size: Some(0),
        };
        let pruned = store.prune(none, true).unwrap().unwrap();
        assert_eq!((pruned.images_left, pruned.layers_left), (0, 0));
    }

    #[test]
    fn an_image_that_is_asked_for_was_used() {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::new(&folder.path().join("images"));
        put(&store, "old", 30);
        assert!(store.record::<Value>(&Digest::of("old")).is_some());
        let older = ImageLimits {
            older: Some(Duration::from_hours(24)),
            max_size: None,
        };
        assert_eq!(store.prune(older, true).unwrap().unwrap().images, 0);
    }

    #[test]
    fn nothing_goes_while_a_run_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::new(&folder.path().join("images"));
        let manifest = put(&store, "old", 30);
        let held = store.hold().unwrap();
        let none = ImageLimits {
            older: None,
            max_size: Some(0),
        };
        assert_eq!(store.prune(none, true).unwrap_err().kind(), Kind::Busy);
        drop(held);
        store.prune(none, true).unwrap();
        assert!(!store.has(&manifest));
    }
}
