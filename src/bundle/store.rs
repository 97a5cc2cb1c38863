//! Layers that were made before, by the digest of what they are made from.
//!
//! ```text
//! <root>/                        the caller's, with the format's version: layers/v1
//!     lock                       held while a damaged layer is removed
//!     <first two digits>/
//!         <digest>/              committed whole, never changed
//!             layer.json
//!             data
//! ```
//!
//! A layer that doesn't fit together is treated as absent and made anew. Knows nothing about what
//! a layer is made from.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::bundle::layer::{Layer, LayerWriter};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::fsutil::{Lock, commit_folder};

/// A folder of layers.
#[derive(Debug, Clone)]
pub struct LayerStore {
    root: PathBuf,
}

impl LayerStore {
    /// The store in a folder, which need not be there yet.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The layer of a digest, when there is a whole one.
    pub fn get(&self, digest: &Digest) -> Option<Layer> {
        Layer::open(&self.folder(digest))
    }

    /// Makes the layer of a digest and keeps it. When another run was faster, theirs is returned:
    /// a layer is a pure function of its digest.
    pub fn put(
        &self,
        digest: &Digest,
        origin: &str,
        fill: impl FnOnce(&mut LayerWriter) -> Result<()>,
    ) -> Result<Layer> {
        let folder = self.folder(digest);
        self.remove_damaged(&folder)?;
        commit_folder(&folder, |place| {
            let mut writer = LayerWriter::create(place, origin)?;
            fill(&mut writer)?;
            writer.finish()
        })?;
        Layer::open(&folder).ok_or_else(|| {
            Error::new(
                Kind::Internal,
                format!(
                    "the layer of `{origin}` in `{}` can't be read back",
                    folder.display()
                ),
            )
            .hint("remove that folder and run the command again")
        })
    }

    /// A damaged folder would stay in the way of a good one. Looked at again under the lock, so
    /// that what another run just put there is not removed.
    fn remove_damaged(&self, folder: &Path) -> Result<()> {
        if folder.symlink_metadata().is_err() || Layer::open(folder).is_some() {
            return Ok(());
        }
        let _lock = Lock::exclusive(&self.root.join("lock"))?;
        let Ok(metadata) = folder.symlink_metadata() else {
            return Ok(());
        };
        if Layer::open(folder).is_some() {
            return Ok(());
        }
        if metadata.is_dir() {
            fs::remove_dir_all(folder)?;
        } else {
            fs::remove_file(folder)?;
        }
        Ok(())
    }

    fn folder(&self, digest: &Digest) -> PathBuf {
        let digits = digest.as_str();
        self.root.join(&digits[..2]).join(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsutil::sorted_walk;

    fn fill(text: &'static str) -> impl FnOnce(&mut LayerWriter) -> Result<()> {
        move |writer| {
            writer.add_file("opt/x/a", 0o644, &mut text.as_bytes(), None)?;
            Ok(())
        }
    }

    #[test]
    fn a_layer_is_made_once_and_found_again() {
        let root = tempfile::tempdir().unwrap();
        let store = LayerStore::new(root.path());
        let digest = Digest::of("key");
        assert!(store.get(&digest).is_none());
        let made = store.put(&digest, "one.whl", fill("text")).unwrap();
        let found = store.get(&digest).unwrap();
        assert_eq!(made.manifest(), found.manifest());
        assert_eq!(found.manifest().data_size, 4);
    }

    #[test]
    fn a_failed_layer_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let store = LayerStore::new(root.path());
        let digest = Digest::of("key");
        let failed = store.put(&digest, "one.whl", |writer| {
            fill("half")(writer)?;
            Err(Error::new(Kind::Conflict, "stopped"))
        });
        assert_eq!(failed.unwrap_err().kind(), Kind::Conflict);
        assert!(store.get(&digest).is_none());
        assert!(sorted_walk(root.path()).unwrap().is_empty());
    }

    #[test]
    fn a_damaged_layer_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let store = LayerStore::new(root.path());
        let digest = Digest::of("key");
        store.put(&digest, "one.whl", fill("text")).unwrap();
        let folder = root
            .path()
            .join(&digest.as_str()[..2])
            .join(digest.as_str());
        let damages: [(&str, &[u8]); 2] = [("data", b"tex"), ("layer.json", b"{")];
        for (file, bytes) in damages {
            fs::write(folder.join(file), bytes).unwrap();
            assert!(store.get(&digest).is_none(), "{file}");
            store.put(&digest, "one.whl", fill("text")).unwrap();
            assert!(store.get(&digest).is_some(), "{file}");
        }
    }
}
