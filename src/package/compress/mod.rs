//! Compressed streams put together from parts, whose bytes depend on the input alone, not on the
//! machine's cores or clock.
//!
//! A *part* is input that was compressed on its own, so it can be kept and used again in another
//! stream of the same codec and level. A stream is a head, parts, and a tail that lists or sums them.
//! Knows nothing of packages. The levels are constants: a level is a trade that was measured once,
//! not a thing each project should have to find out.

mod blocks;
mod checksum;
mod cores;
mod gzip;
#[cfg(test)]
mod tests;
mod xz;
mod zstd;

use std::io::{self, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::platform::{Codec, Compression};

use self::blocks::BlockWriter;
pub(super) use self::cores::Cores;

/// What a stream's tail has to know of a part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Its length before it was compressed, in bytes.
    pub(super) size: u64,
    /// CRC-32 of that, for gzip.
    crc32: u32,
    /// For each xz block its length without padding and its length before it was compressed.
    blocks: Vec<(u64, u64)>,
}

/// Places for as many threads as a codec should have for this many bytes of input.
pub(super) fn cores(codec: Codec, size: u64) -> Arc<Cores> {
    Cores::new(match codec {
        Codec::Gzip | Codec::Zstd => 16,
        Codec::Xz => xz::threads(size),
    })
}

/// The libraries of this program, each with the version it was built with.
const LIBRARIES: &str = include_str!("../../../Cargo.lock");

/// What compresses, by name and version: another one may make other bytes of the same input. From the
/// lock file, since neither liblzma's nor zlib-rs' version can be asked for without unsafe code.
pub(super) fn libraries(codec: Codec) -> Vec<String> {
    let names: &[&str] = match codec {
        Codec::Gzip => &["flate2", "zlib-rs"],
        Codec::Xz => &["liblzma", "liblzma-sys"],
        Codec::Zstd => &["zstd", "zstd-safe", "zstd-sys"],
    };
    let is_asked = |library: &&str| {
        let name = library.split('"').next().unwrap_or_default();
        names.contains(&name)
    };
    LIBRARIES
        .split("name = \"")
        .filter(is_asked)
        .map(|library| {
            let lines = library.lines().take(2);
            lines
                .map(|line| line.replace("version = ", "").replace('"', ""))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

/// What a stream begins with.
pub(super) fn head(compression: Compression) -> Vec<u8> {
    match compression.codec {
        Codec::Gzip => gzip::HEAD.to_vec(),
        Codec::Xz => xz::head(),
        Codec::Zstd => zstd::head(compression.level),
    }
}

/// What a stream of these parts ends with.
pub(super) fn tail(codec: Codec, parts: &[&Part]) -> Vec<u8> {
    match codec {
        Codec::Gzip => gzip::tail(parts),
        Codec::Xz => xz::tail(parts),
        Codec::Zstd => zstd::tail(),
    }
}

/// A whole stream of one part.
pub(super) fn compressed(compression: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let size = bytes.len() as u64;
    let cores = cores(compression.codec, size);
    let mut writer = PartWriter::new(compression, head(compression), size, &cores);
    writer.write_all(bytes)?;
    let (mut stream, part) = writer.finish()?;
    stream.extend(tail(compression.codec, &[&part]));
    Ok(stream)
}

/// Compresses what is written to it as a part.
pub(super) struct PartWriter<W: Write> {
    encoder: Encoder<W>,
    size: u64,
}

enum Encoder<W: Write> {
    Blocks(BlockWriter<W>),
    Zstd(Box<zstd::PartWriter<W>>),
}

impl<W: Write> PartWriter<W> {
    /// Compresses what is written to `inner` from here on; `size` is about how many bytes that will
    /// be. It can stand anywhere in a stream.
    pub(super) fn new(compression: Compression, inner: W, size: u64, cores: &Arc<Cores>) -> Self {
        Self::at(false, compression, inner, size, cores)
    }

    /// The same for a part that nothing stands before: it may begin with any bytes.
    pub(super) fn first(compression: Compression, inner: W, size: u64, cores: &Arc<Cores>) -> Self {
        Self::at(true, compression, inner, size, cores)
    }

    fn at(first: bool, compression: Compression, inner: W, size: u64, cores: &Arc<Cores>) -> Self {
        let Compression { codec, level } = compression;
        let blocks = |inner, method| Encoder::Blocks(BlockWriter::new(inner, method, level, cores));
        let encoder = match codec {
            Codec::Gzip => blocks(inner, gzip::METHOD),
            Codec::Xz => blocks(inner, xz::METHOD),
            Codec::Zstd => {
                let writer = zstd::PartWriter::new(inner, level, size, first, cores.take());
                Encoder::Zstd(Box::new(writer))
            }
        };
        Self { encoder, size: 0 }
    }

    /// Writes what is left and gives the writer back.
    pub(super) fn finish(self) -> io::Result<(W, Part)> {
        let mut part = Part {
            size: self.size,
            ..Part::default()
        };
        match self.encoder {
            Encoder::Zstd(writer) => Ok((writer.finish()?, part)),
            Encoder::Blocks(writer) => {
                let (inner, blocks) = writer.finish()?;
                for block in blocks {
                    part.crc32 = checksum::combined(part.crc32, block.crc32, block.size);
                    if block.unpadded > 0 {
                        part.blocks.push((block.unpadded, block.size));
                    }
                }
                Ok((inner, part))
            }
        }
    }
}

impl<W: Write> Write for PartWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.encoder {
            Encoder::Blocks(writer) => writer.write(bytes)?,
            Encoder::Zstd(writer) => writer.write(bytes)?,
        };
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
