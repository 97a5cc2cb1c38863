//! One gzip member (RFC 1952) of parts that were compressed apart.
//!
//! A part is blocks that each end on a byte border (an empty stored block, RFC 1951 3.2.4); the
//! first refers to nothing before it, the others to the end of the block before. So parts can be put
//! one after another, and to a reader they are an ordinary stream. Members one after another would
//! do for dpkg and rpm, but not for every reader of a package.

use std::io;

use flate2::{Compress, Compression, FlushCompress};

use super::Part;
use super::blocks::{Block, Method};
use super::checksum::{combined, crc32};

/// Input bytes of a block are large enough that a block's start costs nothing, small enough that a
/// small package uses more than one core. Deflate looks back 32 KiB.
pub(super) const METHOD: Method = Method {
    size: 1 << 20,
    window: 32 << 10,
    compress: deflate,
};

/// Magic, method deflate, no flags, no time (0), no extra flags, system Unix.
pub(super) const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// The last block, empty, then the checksum and the length modulo 2^32 (RFC 1952 2.3.1).
pub(super) fn tail(parts: &[&Part]) -> Vec<u8> {
    let (mut checksum, mut size) = (0, 0_u64);
    for part in parts {
        checksum = combined(checksum, part.crc32, part.size);
        size += part.size;
    }
    let mut tail = vec![3, 0];
    tail.extend(checksum.to_le_bytes());
    tail.extend(&size.to_le_bytes()[..4]);
    tail
}

fn deflate(level: u32, window: &[u8], input: &[u8]) -> io::Result<Block> {
    let mut state = Compress::new(Compression::new(level), false);
    if !window.is_empty() {
        state.set_dictionary(window).map_err(io::Error::other)?;
    }
    let mut bytes = Vec::with_capacity(input.len() / 2 + 1024);
    let mut used = 0;
    loop {
        let before = state.total_in();
        state
            .compress_vec(&input[used..], &mut bytes, FlushCompress::Sync)
            .map_err(io::Error::other)?;
        used += usize::try_from(state.total_in() - before).map_err(io::Error::other)?;
        // A flush is complete when it leaves room in the output (zlib's manual, deflate()).
        if used == input.len() && bytes.len() < bytes.capacity() {
            return Ok(Block {
                bytes,
                size: input.len() as u64,
                crc32: crc32(input),
                unpadded: 0,
            });
        }
        bytes.reserve(input.len() / 4 + 1024);
    }
}
