//! Compressed streams whose bytes depend on the input alone, not on the machine's cores or clock.
//!
//! Knows nothing of packages. The levels are constants: a level is a trade that was measured once,
//! not a thing each project should have to find out.

use std::io::{self, Write};

use liblzma::stream::{Check, MtStreamBuilder};

use crate::platform::Codec;

use super::gzip::{self, GzipEncoder};

/// gzip's level, 1 to 9: above 6 the time doubles for less than one percent.
pub(super) const GZIP_LEVEL: u32 = 6;

/// xz's preset, 0 to 9. Who asks for xz asks for size: 6 is what the native tools take, a quarter
/// smaller than zstd at [`ZSTD_LEVEL`] for some fifty times the processor time. 2 would be four
/// times as fast as 6 for 17 % more bytes, no smaller than zstd at 9.
pub(super) const XZ_LEVEL: u32 = 6;

/// What one xz thread compresses on its own, in bytes: preset 6 looks back 8 MiB, and three times
/// that is where the loss at the borders falls under one percent.
const XZ_BLOCK: u64 = 24 << 20;

/// Each xz thread takes about 150 MiB at preset 6.
const XZ_THREADS: u32 = 4;

/// Zstandard's level, 1 to 19: 3 takes a third of the time of 9 for 16 % more bytes (measured on
/// 108 MB of installed Python packages), and packing is what is left of a rebuild when everything
/// else comes from a cache.
pub(super) const ZSTD_LEVEL: i32 = 3;

/// Zstandard cuts its input into jobs when it has workers, whatever their number; always having
/// the same number keeps the bytes the same on every machine.
const ZSTD_WORKERS: u32 = 2;

/// A compressing writer.
pub(super) enum Encoder<W: Write> {
    /// RFC 1952.
    Gzip(GzipEncoder<W>),
    /// The .xz file format.
    Xz(Box<liblzma::write::XzEncoder<W>>),
    /// RFC 8878.
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    /// Compresses what is written to `inner` from here on.
    pub(super) fn new(codec: Codec, inner: W) -> io::Result<Self> {
        match codec {
            Codec::Gzip => Ok(Self::Gzip(GzipEncoder::new(inner, GZIP_LEVEL)?)),
            Codec::Xz => {
                let stream = MtStreamBuilder::new()
                    .threads(gzip::threads().min(XZ_THREADS))
                    .block_size(XZ_BLOCK)
                    .preset(XZ_LEVEL)
                    .check(Check::Crc64)
                    .encoder()
                    .map_err(io::Error::other)?;
                Ok(Self::Xz(Box::new(liblzma::write::XzEncoder::new_stream(
                    inner, stream,
                ))))
            }
            Codec::Zstd => {
                let mut encoder = zstd::Encoder::new(inner, ZSTD_LEVEL)?;
                encoder.multithread(ZSTD_WORKERS)?;
                encoder.include_checksum(true)?;
                Ok(Self::Zstd(encoder))
            }
        }
    }

    /// Writes what is left and gives the writer back.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Xz(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Xz(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Xz(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}
