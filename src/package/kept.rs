//! Compressed segments that were made before, by the digest of what decides their bytes.
//!
//! ```text
//! <root>/                    the caller's, with the format's version: segments of v1
//!     <first two digits>/
//!         <digest>           compressed bytes, a record of them, the record's length, a digest of it all
//! ```
//!
//! A file that doesn't fit together is treated as absent and made anew: packages are read by users,
//! so every byte is checked before it is used, by BLAKE3: a processor without instructions for SHA-256
//! would need longer for that than for copying. What nobody used for long is removed by who adds
//! something. Knows no format of packages.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::fsutil::Staged;

use super::compress::Part;

/// A compressed portion: the first bytes of a file.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) file: std::fs::File,
    pub(super) length: u64,
    pub(super) record: Record,
}

/// What is kept beside the compressed bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// What a stream has to know of them.
    pub(super) part: Part,
    /// For each entry of the segment the checksum that the format wants, empty for what is no file.
    pub(super) checksums: Vec<String>,
}

/// The length of the record's length, and of the digest in hexadecimal digits.
const NUMBER: u64 = 8;
const DIGITS: u64 = 64;

/// How long a segment is kept that nobody uses.
const KEPT: Duration = Duration::from_hours(30 * 24);

/// A folder of segments, or none.
#[derive(Debug, Clone, Default)]
pub struct SegmentStore {
    root: Option<PathBuf>,
    trouble: Arc<OnceLock<Error>>,
}

impl SegmentStore {
    /// The store in a folder, which need not be there yet.
    pub fn new(root: &Path) -> Self {
        Self {
            root: Some(root.to_owned()),
            trouble: Arc::default(),
        }
    }

    /// A store that keeps nothing.
    pub fn nowhere() -> Self {
        Self::default()
    }

    /// Whether it keeps anything.
    pub(super) fn keeps(&self) -> bool {
        self.root.is_some()
    }

    /// The segment of a key, when there is a whole one.
    pub(super) fn get(&self, key: &Digest) -> Option<Piece> {
        let piece = read(&self.path(key)?).ok()??;
        // Only tells when it was last used; a store that can't be written is as good.
        drop(piece.file.set_modified(SystemTime::now()));
        Some(piece)
    }

    /// What kept it from keeping something, the first time.
    pub fn trouble(&self) -> Option<&Error> {
        self.trouble.get()
    }

    /// Keeps what `fill` writes; `None` when it can't be kept, which [`trouble`](Self::trouble) explains
    /// and which is not tried again.
    pub(super) fn put(
        &self,
        key: &Digest,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<Record>,
    ) -> Option<Piece> {
        if self.trouble.get().is_some() {
            return None;
        }
        let kept = self.try_put(key, fill);
        kept.map_err(|error| self.trouble.set(error)).ok()
    }

    fn try_put(
        &self,
        key: &Digest,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<Record>,
    ) -> Result<Piece> {
        let nowhere = || Error::new(Kind::Internal, "there is no store for compressed segments");
        let path = self.path(key).ok_or_else(nowhere)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut staged = Staged::create(folder)?;
        let mut output = Hashed::new(staged.writer());
        let write = || {
            let record = fill(&mut output)?;
            let size = output.hasher.count();
            let text = serde_json::to_vec(&record)?;
            output.write_all(&text)?;
            output.write_all(&(text.len() as u64).to_le_bytes())?;
            let digits = output.hasher.finalize().to_hex();
            output.inner.write_all(digits.as_bytes())?;
            Ok((record, size))
        };
        let (record, length) = write().map_err(|error| Error::io("write", &path, &error))?;
        staged.commit(&path)?;
        self.remove_unused();
        let (opened, _) = fs::File::open(&path)?.into_parts();
        Ok(Piece {
            file: opened,
            length,
            record,
        })
    }

    fn path(&self, key: &Digest) -> Option<PathBuf> {
        let digits = key.as_str();
        Some(self.root.as_ref()?.join(&digits[..2]).join(digits))
    }

    /// Removes what nobody used for long, and what killed runs left. Who still reads it has it open;
    /// what can't be removed stays.
    fn remove_unused(&self) {
        let Some(root) = &self.root else {
            return;
        };
        let Some(before) = SystemTime::now().checked_sub(KEPT) else {
            return;
        };
        for entry in walkdir::WalkDir::new(root)
            .min_depth(2)
            .into_iter()
            .flatten()
        {
            let used = entry.metadata().ok().and_then(|it| it.modified().ok());
            if used.is_some_and(|used| used < before) {
                drop(fs::remove_file(entry.path()));
            }
        }
    }
}

/// Digests what goes through it.
struct Hashed<W> {
    inner: W,
    hasher: blake3::Hasher,
}

impl<W: Write> Hashed<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: blake3::Hasher::new(),
        }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The segment in a file; `None` when it does not fit together.
fn read(path: &Path) -> io::Result<Option<Piece>> {
    let (mut file, _) = fs::OpenOptions::new()
        .read(true)
        .append(true)
        .open(path)
        .or_else(|_| fs::File::open(path))?
        .into_parts();
    let size = file.metadata()?.len();
    let Some(end) = size.checked_sub(NUMBER + DIGITS) else {
        return Ok(None);
    };
    let mut number = [0; 8];
    file.seek(SeekFrom::Start(end))?;
    file.read_exact(&mut number)?;
    let mut digits = String::new();
    file.read_to_string(&mut digits)?;
    let Some(length) = end.checked_sub(u64::from_le_bytes(number)) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    let mut body = (&file).take(length);
    loop {
        let count = body.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    let mut record = Vec::new();
    (&file).take(end - length).read_to_end(&mut record)?;
    hasher.update(&record).update(&number);
    if hasher.finalize().to_hex().as_str() != digits {
        return Ok(None);
    }
    let Ok(record) = serde_json::from_slice(&record) else {
        return Ok(None);
    };
    Ok(Some(Piece {
        file,
        length,
        record,
    }))
}
