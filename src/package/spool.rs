//! A compressed payload on its way: in an anonymous file beside the package, digested as it grows.
//!
//! A header that states sizes and digests stands before the payload in both formats, so the payload
//! is made first and copied behind it. It never lies in memory; the kernel drops the file when the
//! program ends, however it ends.

use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::digest::{Digest, DigestWriter};
use crate::platform::Codec;

use super::compress::Encoder;

/// What a payload is written to.
pub(super) type Sink = Encoder<DigestWriter<BufWriter<std::fs::File>>>;

/// A finished payload.
#[derive(Debug)]
pub(super) struct Spool {
    file: std::fs::File,
    /// Its compressed length in bytes.
    pub(super) size: u64,
    /// The digest of its compressed bytes.
    pub(super) digest: Digest,
}

impl Spool {
    /// Lets `write` make a payload that will stand in the package at `path`.
    pub(super) fn write<T>(
        path: &Path,
        codec: Codec,
        write: impl FnOnce(&mut Sink) -> io::Result<T>,
    ) -> io::Result<(T, Self)> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let file = tempfile::tempfile_in(folder.unwrap_or(Path::new(".")))?;
        let buffered = BufWriter::with_capacity(1 << 18, file);
        let mut sink = Encoder::new(codec, DigestWriter::new(buffered))?;
        let value = write(&mut sink)?;
        let (digest, size, buffered) = sink.finish()?.finish();
        let file = buffered
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok((value, Self { file, size, digest }))
    }

    /// Copies the payload to a writer.
    pub(super) fn copy_to(&mut self, writer: &mut impl Write) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; 1 << 17];
        let mut left = self.size;
        while left > 0 {
            let count = self.file.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            writer.write_all(&buffer[..count])?;
            left = left.saturating_sub(count as u64);
        }
        Ok(())
    }
}

/// A reader that hashes what is read.
pub(super) struct HashingReader<R, D> {
    inner: R,
    hasher: D,
}

impl<R: Read, D: sha2::Digest> HashingReader<R, D> {
    /// Hashes what is read from `inner` from here on.
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            hasher: D::new(),
        }
    }

    /// The hash in lower-case hexadecimal digits.
    pub(super) fn finish(self) -> String {
        crate::digest::hex(self.hasher.finalize().as_slice())
    }
}

impl<R: Read, D: sha2::Digest> Read for HashingReader<R, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
