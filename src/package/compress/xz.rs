//! One .xz stream (the .xz file format 1.2) of blocks that were compressed apart.
//!
//! A block stands for itself, so a stream is a header, blocks, an index that lists them, a footer.
//! The library encodes streams of one block, which are taken apart here. Blocks say their sizes, so
//! readers that can use several cores do.

use std::io::{self, Write};

use liblzma::stream::{Check, Filters, LzmaOptions, Stream};

use super::Part;
use super::blocks::{Block, Method};
use super::checksum::crc32;

/// Input bytes of a block: preset 6 looks back 8 MiB, and three times that is where the loss at the
/// borders falls under one percent.
pub(super) const METHOD: Method = Method {
    size: 24 << 20,
    window: 0,
    compress,
};

/// Input of more bytes is compressed on one thread.
const MUCH: u64 = 4 << 30;

/// How many threads compress this many bytes at most. Preset 6 takes 94 MiB for each, and the block:
/// two take 243 MB, and what is large is to be written in 200 MB. No dictionary does that which two
/// threads have room for and whose packages are as small, so what takes long anyway takes longer.
pub(super) fn threads(size: u64) -> usize {
    if size > MUCH { 1 } else { 4 }
}

/// Stream flags: no byte, then the check that blocks end with, CRC-64 (section 2.1.1.2).
const FLAGS: [u8; 2] = [0, 4];
const CHECK_SIZE: usize = 8;

/// The lengths of the stream's header and footer in bytes.
const HEADER: usize = 12;
const FOOTER: usize = 12;

/// The block has both of its sizes in its header (section 3.1.2).
const HAS_SIZES: u8 = 0xc0;

/// The stream's header (section 2.1.1).
pub(super) fn head() -> Vec<u8> {
    let mut head = b"\xfd7zXZ\0".to_vec();
    head.extend(FLAGS);
    head.extend(crc32(&FLAGS).to_le_bytes());
    head
}

/// The index (section 4) and the stream's footer (section 2.1.2).
pub(super) fn tail(parts: &[&Part]) -> Vec<u8> {
    let records: Vec<&(u64, u64)> = parts.iter().flat_map(|part| &part.blocks).collect();
    let mut tail = vec![0];
    put_number(&mut tail, records.len() as u64);
    for (unpadded, size) in records {
        put_number(&mut tail, *unpadded);
        put_number(&mut tail, *size);
    }
    tail.resize(tail.len().next_multiple_of(4), 0);
    tail.extend(crc32(&tail).to_le_bytes());
    // The index' length in words, less one.
    let backward = u32::try_from(tail.len() / 4 - 1).unwrap_or(u32::MAX);
    let mut fields = backward.to_le_bytes().to_vec();
    fields.extend(FLAGS);
    tail.extend(crc32(&fields).to_le_bytes());
    tail.extend(fields);
    tail.extend(b"YZ");
    tail
}

/// A multibyte integer (section 1.2).
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn get_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn compress(level: u32, _before: &[u8], input: &[u8]) -> io::Result<Block> {
    let stream = encoder(level, input).map_err(io::Error::other)?;
    let output = Vec::with_capacity(input.len() / 4 + 1024);
    let mut encoder = liblzma::write::XzEncoder::new_stream(output, stream);
    encoder.write_all(input)?;
    let stream = encoder.finish()?;
    let block = block(&stream).ok_or_else(|| io::Error::other("liblzma made another stream"))?;
    debug_assert_eq!(block.size, input.len() as u64);
    Ok(block)
}

/// An encoder of a preset's level for a block. From 6 on it follows fewer and shorter matches than the
/// preset says, which takes some two thirds of the time for two percent more bytes: what is won by like
/// files standing side by side, and by what is known of the content (measured on installed Python
/// packages).
fn encoder(level: u32, input: &[u8]) -> Result<Stream, liblzma::stream::Error> {
    let mut options = LzmaOptions::new_preset(level)?;
    let mut filters = Filters::new();
    if level >= 6 {
        options.nice_len(32).depth(8);
        // Modules and their byte code are aligned to nothing: 0.4 percent. Libraries lose nothing.
        options.literal_context_bits(4).position_bits(0);
        if has_machine_code(input) {
            // Calls of one place become the same bytes wherever they stand: 2.4 percent of a library.
            filters.x86();
        }
    }
    filters.lzma2(&options);
    Stream::new_stream_encoder(&filters, Check::Crc64)
}

/// A block of fewer bytes for each call is in part machine code: libraries of wheels have one in 90 to
/// 1000, all else one in 28,000 at most.
const BYTES_OF_CALL: usize = 2000;

/// Whether a part of a block is x86 machine code: calls (opcode E8) whose distance of 32 bits, which the
/// filter would turn into a place, is below 16 MiB. Jumps (E9) would say less: so begin the numbers of
/// byte code.
fn has_machine_code(input: &[u8]) -> bool {
    let is_call = |bytes: &&[u8]| matches!(bytes, [0xe8, .., 0 | 0xff]);
    input.windows(5).filter(is_call).count() > input.len() / BYTES_OF_CALL
}

/// The one block of a stream, with its sizes put into its header.
fn block(stream: &[u8]) -> Option<Block> {
    let footer = stream.get(stream.len().checked_sub(FOOTER)?..)?;
    let words = u32::from_le_bytes(footer[4..8].try_into().ok()?);
    let index_size = (usize::try_from(words).ok()? + 1) * 4;
    let index_start = stream.len().checked_sub(FOOTER + index_size)?;
    let mut index = stream.get(index_start + 1..)?;
    if get_number(&mut index)? != 1 {
        return None;
    }
    let unpadded = usize::try_from(get_number(&mut index)?).ok()?;
    let size = get_number(&mut index)?;
    let block = stream.get(HEADER..index_start)?;
    let header_size = (usize::from(*block.first()?) + 1) * 4;
    let packed = unpadded.checked_sub(header_size + CHECK_SIZE)?;
    // Size, flags, filters, padding, CRC-32: the library says no sizes in a header.
    let header = block.get(..header_size)?;
    let flags = header[1];
    if flags & HAS_SIZES != 0 {
        return None;
    }
    let filters = filters(&header[2..header_size - 4], usize::from(flags & 3) + 1)?;
    let mut fields = vec![0, flags | HAS_SIZES];
    put_number(&mut fields, packed as u64);
    put_number(&mut fields, size);
    fields.extend(filters);
    fields.resize(fields.len().next_multiple_of(4), 0);
    fields[0] = u8::try_from(fields.len() / 4).ok()?;
    fields.extend(crc32(&fields).to_le_bytes());
    let unpadded = fields.len() + packed + CHECK_SIZE;
    // Both headers are multiples of four bytes, so the padding of what follows stays.
    fields.extend(block.get(header_size..)?);
    Some(Block {
        bytes: fields,
        size,
        crc32: 0,
        unpadded: unpadded as u64,
    })
}

/// The filter flags (section 3.1.5) without the padding behind them.
fn filters(bytes: &[u8], count: usize) -> Option<&[u8]> {
    let mut rest = bytes;
    for _ in 0..count {
        get_number(&mut rest)?;
        let properties = usize::try_from(get_number(&mut rest)?).ok()?;
        rest = rest.get(properties..)?;
    }
    bytes.get(..bytes.len() - rest.len())
}
