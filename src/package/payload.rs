//! A compressed payload, put together from portions, of which those that are kept are not made again.
//!
//! Portions are made side by side, each into a file of its own: a kept one into the segment store,
//! any other into one without a name beside the package, which the kernel drops when the program
//! ends, however it ends. The same portions give the same bytes, whether kept or not.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::platform::Compression;

use super::compress::{self, Cores, PartWriter};
use super::kept::{Piece, Record, SegmentStore};

/// Writes a portion as the format has it; answers the checksum of each of its entries.
pub(super) type WritePortion<'a> =
    dyn Fn(&mut dyn Write) -> io::Result<Vec<String>> + Send + Sync + 'a;

/// What is compressed as one.
pub(super) struct Portion<'a> {
    /// What it is kept under, if it is.
    pub(super) key: Option<Digest>,
    /// About how many bytes it writes.
    pub(super) size: u64,
    /// Whether it is the payload's first and begins in a way of its own. Such a one isn't kept.
    pub(super) first: bool,
    /// Writes it.
    pub(super) write: Box<WritePortion<'a>>,
}

impl<'a> Portion<'a> {
    /// A small one that is made anew for each package.
    pub(super) fn own(
        write: impl Fn(&mut dyn Write) -> io::Result<Vec<String>> + Send + Sync + 'a,
    ) -> Self {
        Self {
            key: None,
            size: 0,
            first: false,
            write: Box::new(write),
        }
    }
}

/// A finished payload.
#[derive(Debug)]
pub(super) struct Payload {
    head: Vec<u8>,
    pieces: Vec<Piece>,
    tail: Vec<u8>,
    /// Its compressed length in bytes.
    pub(super) size: u64,
    /// Its length before it was compressed, in bytes.
    pub(super) plain_size: u64,
}

impl Payload {
    /// Makes what is not kept of a payload that will stand in the package at `path`.
    pub(super) fn make(
        path: &Path,
        compression: Compression,
        store: &SegmentStore,
        portions: &[Portion<'_>],
    ) -> Result<Self> {
        let size = portions.iter().map(|portion| portion.size).sum();
        let workshop = Workshop {
            path,
            compression,
            store,
            cores: compress::cores(compression.codec, size),
        };
        let pieces = workshop.make_all(portions)?;
        let head = compress::head(compression);
        let parts: Vec<_> = pieces.iter().map(|piece| &piece.record.part).collect();
        let tail = compress::tail(compression.codec, &parts);
        let lengths: u64 = pieces.iter().map(|piece| piece.length).sum();
        Ok(Self {
            size: head.len() as u64 + lengths + tail.len() as u64,
            plain_size: parts.iter().map(|part| part.size).sum(),
            head,
            pieces,
            tail,
        })
    }

    /// The checksums that each portion answered, in the portions' order.
    pub(super) fn checksums(&self) -> impl Iterator<Item = &[String]> {
        self.pieces
            .iter()
            .map(|piece| piece.record.checksums.as_slice())
    }

    /// Copies the payload to a writer.
    pub(super) fn copy_to(&self, writer: &mut impl Write) -> io::Result<()> {
        writer.write_all(&self.head)?;
        let mut buffer = vec![0; 1 << 18];
        for piece in &self.pieces {
            let mut file = &piece.file;
            file.seek(SeekFrom::Start(0))?;
            let mut left = piece.length;
            while left > 0 {
                let wanted = buffer
                    .len()
                    .min(usize::try_from(left).unwrap_or(usize::MAX));
                let count = file.read(&mut buffer[..wanted])?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                writer.write_all(&buffer[..count])?;
                left -= count as u64;
            }
        }
        writer.write_all(&self.tail)
    }
}

/// Where portions are made.
struct Workshop<'a> {
    path: &'a Path,
    compression: Compression,
    store: &'a SegmentStore,
    cores: Arc<Cores>,
}

impl Workshop<'_> {
    /// All portions, in their order; the largest are begun first, so that no core waits at the end.
    fn make_all(&self, portions: &[Portion<'_>]) -> Result<Vec<Piece>> {
        let mut order: Vec<usize> = (0..portions.len()).collect();
        order.sort_by_key(|number| std::cmp::Reverse(portions[*number].size));
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let made = Mutex::new(Vec::with_capacity(portions.len()));
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let Some(number) = order.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                let piece = self.make(&portions[*number]);
                failed.fetch_or(piece.is_err(), Ordering::Relaxed);
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                made.push((*number, piece));
            }
        };
        // One core does everything in order on this thread.
        std::thread::scope(|scope| {
            for _ in 1..self.cores.count().min(portions.len()) {
                scope.spawn(work);
            }
            work();
        });
        let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
        made.sort_by_key(|(number, _)| *number);
        let pieces: Result<Vec<Piece>> = made.into_iter().map(|(_, piece)| piece).collect();
        let pieces = pieces?;
        if pieces.len() == portions.len() {
            return Ok(pieces);
        }
        Err(Error::new(
            Kind::Internal,
            "a portion of the package is missing",
        ))
    }

    fn make(&self, portion: &Portion<'_>) -> Result<Piece> {
        if let Some(key) = &portion.key
            && self.store.keeps()
        {
            let fill = |output: &mut dyn Write| self.compress(portion, output);
            let kept = self.store.get(key);
            // A cache that is full or can't be written keeps no package from being made.
            if let Some(piece) = kept.or_else(|| self.store.put(key, fill)) {
                return Ok(piece);
            }
        }
        let failed = |error: io::Error| Error::io("write", self.path, &error);
        let folder = self.path.parent();
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        let file = tempfile::tempfile_in(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        let mut output = Counted {
            inner: io::BufWriter::with_capacity(1 << 16, file),
            count: 0,
        };
        let record = self.compress(portion, &mut output).map_err(failed)?;
        let length = output.count;
        let file = output
            .inner
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        Ok(Piece {
            file,
            length,
            record,
        })
    }

    fn compress(&self, portion: &Portion<'_>, output: &mut dyn Write) -> io::Result<Record> {
        let part = if portion.first {
            PartWriter::first
        } else {
            PartWriter::new
        };
        let mut writer = part(self.compression, output, portion.size, &self.cores);
        let checksums = (portion.write)(&mut writer)?;
        let (_, part) = writer.finish()?;
        Ok(Record { part, checksums })
    }
}

struct Counted<W> {
    inner: W,
    count: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
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
