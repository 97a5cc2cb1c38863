//! One Zstandard frame (RFC 8878) of parts that were compressed apart.
//!
//! dpkg up to 1.21 stops behind the first frame, so parts can't be frames. Each is compressed as a
//! frame of its own, whose blocks are taken out and put into one. Such blocks refer to no content
//! before them, and their tables begin anew; only the *repeat offsets* (3.1.1.5) are left as the
//! part before has them, while an encoder expects 1, 4 and 8 at the beginning of a frame.
//!
//! So a part begins with blocks written by hand that set them: of 32 equal bytes, which the header
//! of every archive member has (zeros in tar, the digit 0 in cpio), eight are raw, the others three
//! matches of eight bytes with the offsets 8, 4 and 1. What follows them is what the encoder is given.
//! The first part of a frame needs none of this.

use std::io::{self, Write};

use zstd::zstd_safe::CParameter;

use super::cores::Place;

/// Magic number, then a descriptor that says: no checksum, no content size, no dictionary.
const MAGIC: [u8; 5] = [0x28, 0xb5, 0x2f, 0xfd, 0];

/// The types of blocks (3.1.1.2.2), one bit to the left of the "last block" bit.
const RAW: u32 = 0 << 1;
const RLE: u32 = 1 << 1;
const COMPRESSED: u32 = 2 << 1;

/// The length of a block's content that every window allows.
const LARGEST_BLOCK: usize = 1 << 17;

/// How many equal bytes a part must have near its beginning, and how many it can begin without them.
const RUN: usize = 32;
const LONGEST_START: usize = 1 << 16;

/// How many of them are raw, and how many are a match.
const PIECE: usize = 8;

/// No literals; sequences whose literal length is 0, offset code 3 or 2, match length 8, each table
/// of one symbol (3.1.1.3.2.1); then the bits, read from their end: offset 8 in the first block,
/// offsets 4 and 1 in the second.
const OFFSET_8: [u8; 7] = [0, 1, 0x54, 0, 3, 5, 0b1011];
const OFFSETS_4_AND_1: [u8; 7] = [0, 2, 0x54, 0, 2, 5, 0b1_1100];

/// Zstandard cuts its input into jobs when it has workers, whatever their number; the same number
/// everywhere keeps the bytes the same. Parts of less than two jobs have none.
const WORKERS: u32 = 2;
const FOR_WORKERS: u64 = 16 << 20;

/// The window of all parts, as a power of two: what the library takes for the level.
const fn window_log(level: u32) -> u32 {
    match level {
        0..=2 => 19,
        3..=8 => 21,
        9..=15 => 22,
        _ => 23,
    }
}

/// The frame's header.
pub(super) fn head(level: u32) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.push(window_descriptor(level));
    head
}

fn window_descriptor(level: u32) -> u8 {
    u8::try_from((window_log(level) - 10) << 3).unwrap_or(u8::MAX)
}

/// An empty last block.
pub(super) fn tail() -> Vec<u8> {
    block_header(RAW | 1, 0).to_vec()
}

fn block_header(kind: u32, size: usize) -> [u8; 3] {
    let header = kind | u32::try_from(size).unwrap_or(u32::MAX) << 3;
    let [one, two, three, _] = header.to_le_bytes();
    [one, two, three]
}

/// Compresses a part.
pub(super) enum PartWriter<W: Write> {
    /// The beginning, up to the equal bytes.
    Start {
        inner: W,
        level: u32,
        workers: bool,
        first: bool,
        start: Vec<u8>,
        place: Place,
    },
    /// What is behind them.
    Rest {
        encoder: zstd::Encoder<'static, BlocksOnly<W>>,
        _place: Place,
    },
    /// Something failed.
    Broken,
}

impl<W: Write> PartWriter<W> {
    /// `size` is about how long the part will be in bytes, `first` whether the frame begins with it.
    pub(super) fn new(inner: W, level: u32, size: u64, first: bool, place: Place) -> Self {
        Self::Start {
            inner,
            level,
            workers: size >= FOR_WORKERS,
            first,
            start: Vec::new(),
            place,
        }
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.begin(true)?;
        match self {
            Self::Rest { encoder, .. } => encoder.finish()?.finish(),
            Self::Start { .. } | Self::Broken => Err(io::Error::other("the part has no start")),
        }
    }

    /// Goes on to the rest when the beginning is whole.
    fn begin(&mut self, last: bool) -> io::Result<()> {
        let Self::Start { start, first, .. } = self else {
            return Ok(());
        };
        let run = run(start);
        if run.is_none() && !*first {
            if last || start.len() > LONGEST_START {
                return Err(io::Error::other(format!(
                    "no {RUN} equal bytes in the first {} of a part",
                    start.len()
                )));
            }
            return Ok(());
        }
        let Self::Start {
            mut inner,
            level,
            workers,
            first,
            mut start,
            place,
        } = std::mem::replace(self, Self::Broken)
        else {
            return Ok(());
        };
        if let Some(run) = run.filter(|_| !first) {
            for piece in start[..run + PIECE].chunks(LARGEST_BLOCK) {
                inner.write_all(&block_header(RAW, piece.len()))?;
                inner.write_all(piece)?;
            }
            for block in [OFFSET_8, OFFSETS_4_AND_1] {
                inner.write_all(&block_header(COMPRESSED, block.len()))?;
                inner.write_all(&block)?;
            }
            start.drain(..run + RUN);
        }
        let mut encoder = zstd::Encoder::new(
            BlocksOnly::new(inner, level),
            i32::try_from(level).unwrap_or(i32::MAX),
        )?;
        encoder.set_parameter(CParameter::WindowLog(window_log(level)))?;
        encoder.include_contentsize(false)?;
        encoder.include_checksum(false)?;
        if workers {
            encoder.multithread(WORKERS)?;
        }
        encoder.write_all(&start)?;
        *self = Self::Rest {
            encoder,
            _place: place,
        };
        Ok(())
    }
}

/// Where the first [`RUN`] equal bytes begin.
fn run(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(RUN)
        .position(|window| window.iter().all(|byte| *byte == window[0]))
}

impl<W: Write> Write for PartWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Start { start, .. } => {
                start.extend_from_slice(bytes);
                self.begin(false)?;
                Ok(bytes.len())
            }
            Self::Rest { encoder, .. } => encoder.write(bytes),
            Self::Broken => Err(io::Error::other("the part is broken")),
        }
    }

    /// Does nothing: where a block ends must depend on the input alone.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Passes on the blocks of a frame, none of them as the last, and drops the frame's header.
pub(super) struct BlocksOnly<W> {
    inner: W,
    level: u32,
    /// The bytes of a header that has not come whole.
    header: Vec<u8>,
    in_blocks: bool,
    ended: bool,
    /// Bytes of the current block that have not come.
    left: usize,
}

impl<W: Write> BlocksOnly<W> {
    fn new(inner: W, level: u32) -> Self {
        Self {
            inner,
            level,
            header: Vec::new(),
            in_blocks: false,
            ended: false,
            left: 0,
        }
    }

    fn finish(self) -> io::Result<W> {
        if self.ended && self.left == 0 {
            return Ok(self.inner);
        }
        Err(io::Error::other("the frame has no end"))
    }

    fn header_size(&self) -> usize {
        if self.in_blocks { 3 } else { MAGIC.len() + 1 }
    }

    fn take_header(&mut self) -> io::Result<()> {
        let header = std::mem::take(&mut self.header);
        if !self.in_blocks {
            // Of nothing, the library makes a smaller window.
            let window = header[MAGIC.len()];
            if header[..MAGIC.len()] != MAGIC || window > window_descriptor(self.level) {
                return Err(io::Error::other("the frame has another header"));
            }
            self.in_blocks = true;
            return Ok(());
        }
        let value = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let (kind, size) = (value & 6, value >> 3);
        self.ended |= value & 1 == 1;
        let length = usize::try_from(size).map_err(io::Error::other)?;
        self.left = if kind == RLE { 1 } else { length };
        self.inner.write_all(&block_header(kind, length))
    }
}

impl<W: Write> Write for BlocksOnly<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.left > 0 {
            let taken = bytes.len().min(self.left);
            self.inner.write_all(&bytes[..taken])?;
            self.left -= taken;
            return Ok(taken);
        }
        if self.ended {
            return Err(io::Error::other("bytes follow the frame"));
        }
        let taken = bytes.len().min(self.header_size() - self.header.len());
        self.header.extend_from_slice(&bytes[..taken]);
        if self.header.len() == self.header_size() {
            self.take_header()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
