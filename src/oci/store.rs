//! The blobs of images on this machine, by digest, and small records by key:
//!
//! ```text
//! v1/images/blobs/sha256/<digest>      layers, configurations, manifests
//! v1/images/records/<key>.json         what was made under a key
//! ```
//!
//! The time of a record is that of its last use. Two runs may put the same blob: the last one wins, and both have the same bytes.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::{Digest, DigestWriter};
use crate::error::Result;
use crate::fsutil::{self, Staged};

use super::Descriptor;

/// Blobs and records.
#[derive(Debug, Clone)]
pub struct ImageStore {
    pub(super) root: PathBuf,
}

impl ImageStore {
    /// In this folder.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    /// Where a blob is, or would be.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.as_str())
    }

    /// Whether a blob is there with the length that it should have: what is torn has no name, and what
    /// was altered is found by whoever it is sent to.
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        fs_err::metadata(self.blob(descriptor.digest.digest()))
            .is_ok_and(|data| data.len() == descriptor.size)
    }

    /// Keeps content.
    pub fn put(&self, media_type: &str, content: &[u8]) -> Result<Descriptor> {
        let descriptor = Descriptor::of(media_type, content);
        if !self.has(&descriptor) {
            fsutil::commit_bytes(&self.blob(descriptor.digest.digest()), content)?;
        }
        Ok(descriptor)
    }

    /// Keeps what `write` writes.
    pub fn put_with<T>(
        &self,
        media_type: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<T>,
    ) -> Result<(Descriptor, T)> {
        let mut staged = Staged::create(&self.blobs())?;
        let mut writer = DigestWriter::new(BufWriter::new(staged.writer()));
        let value = write(&mut writer)?;
        writer.flush()?;
        let (digest, size, _) = writer.finish();
        let path = self.blob(&digest);
        staged.commit(&path)?;
        Ok((Descriptor::new(media_type, digest, size), value))
    }

    fn record_path(&self, key: &Digest) -> PathBuf {
        self.root.join("records").join(format!("{key}.json"))
    }

    /// What was recorded under a key, which is used by that; nothing where it can't be read.
    pub fn record<T: DeserializeOwned>(&self, key: &Digest) -> Option<T> {
        let path = self.record_path(key);
        let record = fsutil::read_json(&path)?;
        fsutil::mark_used(&path);
        Some(record)
    }

    /// Records what was made under a key.
    pub fn put_record(&self, key: &Digest, value: &impl Serialize) -> Result<()> {
        fsutil::commit_json(&self.record_path(key), value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_found_by_its_digest_and_only_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::new(folder.path());
        let small = store.put("text/plain", b"content").unwrap();
        let (streamed, count) = store
            .put_with("text/plain", |writer| Ok(writer.write(b"content")?))
            .unwrap();
        assert_eq!((&small, count), (&streamed, 7));
        assert!(store.has(&small));
        fs_err::write(store.blob(small.digest.digest()), "conten").unwrap();
        assert!(!store.has(&small));
        let key = Digest::of("key");
        assert_eq!(store.record::<String>(&key), None);
        store.put_record(&key, &"made").unwrap();
        assert_eq!(store.record::<String>(&key).as_deref(), Some("made"));
    }
}
