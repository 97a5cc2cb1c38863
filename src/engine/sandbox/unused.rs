//! Removes images that were not used for long or take too much, and layers that no image needs, while
//! nobody uses the store.
//!
//! Names and images go first and what they are made of after them, under another name before it is
//! taken apart: a kill leaves layers without an image, and no layer that looks whole.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;

use super::store::{PARTS, Record, Store};
use super::way::Way;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::fsutil::{self, Lock, TEMPORARY_PREFIX};
use crate::oci::{ImageLimits, PrunedImages};

/// An image that the store knows.
#[derive(Debug)]
struct Stored {
    id: String,
    names: Vec<PathBuf>,
    layers: Vec<Digest>,
    used: SystemTime,
}

/// A layer, as one of the ways keeps it.
#[derive(Debug)]
struct Layer {
    way: Way,
    key: Digest,
    bytes: u64,
}

/// The right to use a store: nothing is removed from it meanwhile.
pub(super) fn hold(folder: &Path) -> Result<Lock> {
    Lock::try_shared(&lock(folder))?.ok_or_else(|| busy("removes unused images from it"))
}

fn busy(what: &str) -> Error {
    let text = format!("another omnibuild uses the sandbox's images or {what}");
    Error::new(Kind::Busy, text).hint("wait for its end, and run this again")
}

fn lock(folder: &Path) -> PathBuf {
    folder.join("lock")
}

/// Removes what is beyond the limits, or says what that is; `None` where there is no store.
pub(super) async fn prune(
    folder: &Path,
    limits: ImageLimits,
    remove: bool,
) -> Result<Option<PrunedImages>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let folder = std::path::absolute(folder)?;
    let _alone = if remove {
        let alone = Lock::try_exclusive(&lock(&folder))?;
        Some(alone.ok_or_else(|| busy("builds with them"))?)
    } else {
        None
    };
    let (images, layers) = (images(&folder)?, layers(&folder)?);
    let (go, stay) = judge(images, &layers, limits);
    let needed = needed(&stay);
    let (left, unneeded): (Vec<&Layer>, Vec<&Layer>) =
        layers.iter().partition(|layer| is_needed(layer, &needed));
    let bytes = |layers: &[&Layer]| layers.iter().map(|layer| layer.bytes).sum();
    let result = PrunedImages {
        images: go.len(),
        layers: unneeded.len(),
        bytes: bytes(&unneeded),
        images_left: stay.len(),
        layers_left: left.len(),
        bytes_left: bytes(&left),
    };
    if remove {
        for image in &go {
            let record = record(&folder, &image.id);
            for path in image.names.iter().chain([&record]) {
                fs::remove_file(path)?;
            }
        }
        for layer in unneeded {
            discard(&folder, layer).await?;
        }
    }
    Ok(Some(result))
}

fn record(folder: &Path, id: &str) -> PathBuf {
    folder.join("images").join(format!("{id}.json"))
}

/// Those that are beyond the limits or can't be found any more, and those that stay.
fn judge(images: Vec<Stored>, layers: &[Layer], limits: ImageLimits) -> (Vec<Stored>, Vec<Stored>) {
    let now = SystemTime::now();
    let age = |image: &Stored| now.duration_since(image.used).unwrap_or_default();
    let (mut go, mut stay): (Vec<_>, Vec<_>) = images.into_iter().partition(|image| {
        let old = limits.older.is_some_and(|limit| age(image) > limit);
        let whole = Way::ALL.into_iter().any(|way| {
            let mut needed = way.needed(&image.layers).iter();
            needed.all(|key| layers.iter().any(|it| it.way == way && it.key == *key))
        });
        old || !whole || image.names.is_empty()
    });
    // The one that was used last at the end.
    stay.sort_by_key(|image| std::cmp::Reverse(image.used));
    while let Some(limit) = limits.max_size {
        let needed = needed(&stay);
        let mut kept: Vec<_> = layers.iter().collect();
        kept.retain(|layer| is_needed(layer, &needed));
        if kept.iter().map(|layer| layer.bytes).sum::<u64>() <= limit {
            break;
        }
        match stay.pop() {
            Some(oldest) => go.push(oldest),
            None => break,
        }
    }
    (go, stay)
}

/// The layers of images, by the ways that need them.
fn needed(images: &[Stored]) -> BTreeSet<(&'static str, &Digest)> {
    let of = |way: Way| {
        let layers = images
            .iter()
            .flat_map(move |image| way.needed(&image.layers));
        layers.map(move |key| (way.layers(), key))
    };
    Way::ALL.into_iter().flat_map(of).collect()
}

fn is_needed(layer: &Layer, needed: &BTreeSet<(&'static str, &Digest)>) -> bool {
    needed.contains(&(layer.way.layers(), &layer.key))
}

/// Every image with the names that lead to it.
fn images(folder: &Path) -> Result<Vec<Stored>> {
    let mut names: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in entries(&folder.join("names"))? {
        let id = fs::read_to_string(&path)?;
        names.entry(id.trim().to_owned()).or_default().push(path);
    }
    let mut images = Vec::new();
    for path in entries(&folder.join("images"))? {
        let id = path.file_stem().unwrap_or_default();
        let id = id.to_string_lossy().into_owned();
        images.push(Stored {
            names: names.remove(&id).unwrap_or_default(),
            layers: fsutil::read_json::<Record>(&path)
                .map(|record| record.layers)
                .unwrap_or_default(),
            used: fs::metadata(&path)?.modified()?,
            id,
        });
    }
    Ok(images)
}

/// Every layer, in whatever way it was made.
fn layers(folder: &Path) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for way in Way::ALL {
        for path in entries(&folder.join(way.layers()))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if let Ok(key) = name.parse() {
                let bytes = size(&path);
                layers.push(Layer { way, key, bytes });
            }
        }
    }
    Ok(layers)
}

/// What has a name in a folder that others look for; nothing when it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with(TEMPORARY_PREFIX) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// The bytes that a folder takes on the disk, without what is in folders that only others may read:
/// those of users that exist in images alone hold next to nothing.
fn size(folder: &Path) -> u64 {
    let mut seen = BTreeSet::new();
    let entries = walkdir::WalkDir::new(folder).into_iter().flatten();
    let data = entries.filter_map(|entry| entry.metadata().ok());
    data.filter(|data| data.nlink() < 2 || data.is_dir() || seen.insert(data.ino()))
        .map(|data| data.blocks() * 512)
        .sum()
}

/// Takes a layer apart, by whoever may.
async fn discard(folder: &Path, layer: &Layer) -> Result<()> {
    let above = folder.join(layer.way.layers());
    let key = layer.key.as_str();
    let aside = above.join(format!("{TEMPORARY_PREFIX}{key}"));
    fsutil::set_aside(&above.join(key), &aside)?;
    Store::new(folder, layer.way).clear(&aside, &PARTS).await?;
    fsutil::remove_tree(&aside)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oci::ExecutionConfig;

    /// A store of whole trees whose images were used so many hours ago.
    fn store(images: &[(&str, u64)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), Way::Trees);
        for (name, hours) in images {
            let mut record = Record::of_layer(Digest::of("base"), &ExecutionConfig::default());
            record.layers.push(Digest::of(name));
            let image = store.keep(&record, name).unwrap();
            let used = SystemTime::now() - Duration::from_hours(*hours);
            let record = super::record(folder.path(), &image.id);
            fs::File::open(record).unwrap().set_modified(used).unwrap();
            let tree = folder.path().join("trees").join(Digest::of(name).as_str());
            fs::create_dir_all(tree.join("upper")).unwrap();
            fs::write(tree.join("upper/file"), vec![1; 100_000]).unwrap();
        }
        folder
    }

    async fn pruned(folder: &Path, limits: ImageLimits) -> (usize, usize, usize, usize) {
        let would = prune(folder, limits, false).await.unwrap().unwrap();
        let pruned = prune(folder, limits, true).await.unwrap().unwrap();
        assert_eq!(pruned, would);
        let bytes = pruned.layers as u64 * 100_000;
        assert!(pruned.bytes >= bytes, "{pruned:?}");
        (
            pruned.images,
            pruned.layers,
            pruned.images_left,
            pruned.layers_left,
        )
    }

    #[tokio::test]
    async fn what_was_not_used_for_long_goes_with_its_layers_and_names() {
        let folder = store(&[("old", 100), ("new", 1)]);
        let limits = |hours| ImageLimits {
            older: Some(Duration::from_hours(hours)),
            max_size: None,
        };
        assert_eq!(pruned(folder.path(), limits(200)).await, (0, 0, 2, 2));
        assert_eq!(pruned(folder.path(), limits(50)).await, (1, 1, 1, 1));
        let store = Store::new(folder.path(), Way::Trees);
        assert!(store.find("old").is_none());
        assert!(store.find("new").is_some());
        assert_eq!(entries(&folder.path().join("names")).unwrap().len(), 1);
        assert_eq!(entries(&folder.path().join("trees")).unwrap().len(), 1);
    }

    #[tokio::test]
    async fn images_go_until_the_rest_has_room_and_what_is_found_was_used() {
        let folder = store(&[("one", 3), ("two", 2), ("three", 1)]);
        assert!(Store::new(folder.path(), Way::Trees).find("one").is_some());
        let limits = ImageLimits {
            older: None,
            max_size: Some(250_000),
        };
        assert_eq!(pruned(folder.path(), limits).await, (1, 1, 2, 2));
        assert!(Store::new(folder.path(), Way::Trees).find("two").is_none());
    }

    #[tokio::test]
    async fn without_a_limit_only_what_belongs_to_no_name_goes() {
        let folder = store(&[("one", 1), ("two", 1)]);
        let store = Store::new(folder.path(), Way::Trees);
        let two = store.find("two").unwrap();
        store.keep(&two, "one").unwrap();
        let limits = ImageLimits::default();
        assert_eq!(pruned(folder.path(), limits).await, (1, 1, 1, 1));
        let layer = folder.path().join("layers").join(Digest::of("x").as_str());
        fs::create_dir_all(&layer).unwrap();
        fs::write(layer.join("file"), vec![1; 100_000]).unwrap();
        assert_eq!(pruned(folder.path(), limits).await, (0, 1, 1, 1));
    }

    #[tokio::test]
    async fn nothing_goes_while_somebody_uses_the_store() {
        let folder = store(&[("one", 9)]);
        let limits = ImageLimits {
            older: Some(Duration::ZERO),
            max_size: None,
        };
        let held = hold(folder.path()).unwrap();
        let error = prune(folder.path(), limits, true).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
        drop(held);
        assert_eq!(pruned(folder.path(), limits).await, (1, 1, 0, 0));
        let none = folder.path().join("none");
        assert_eq!(prune(&none, limits, true).await.unwrap(), None);
    }
}
