//! One gzip member (RFC 1952), compressed on every core, with bytes that do not depend on how many.
//!
//! The input is cut into blocks of a fixed size. Each is compressed on its own with the end of the
//! block before it as dictionary and ends on a byte border (an empty stored block, RFC 1951 3.2.4),
//! so the results can be put one after another: to a reader it is an ordinary stream.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread::JoinHandle;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Input bytes of a block: large enough that a block's start costs nothing, small enough that a
/// small package uses more than one core.
const BLOCK: usize = 1 << 20;

/// How far deflate looks back.
const WINDOW: usize = 32 << 10;

/// Magic, method deflate, no flags, no time (0), no extra flags, system Unix.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Compressed bytes and the checksum of what they were.
type Block = io::Result<(Vec<u8>, Crc)>;

/// A gzip writer. At most one block per core, and one more, are in memory.
pub(super) struct GzipEncoder<W: Write> {
    inner: W,
    level: Compression,
    current: Vec<u8>,
    /// The block before the current one, for its end.
    previous: Arc<Vec<u8>>,
    running: VecDeque<JoinHandle<Block>>,
    limit: usize,
    checksum: Crc,
}

impl<W: Write> GzipEncoder<W> {
    /// Writes the header. `level` is 1 to 9.
    pub(super) fn new(mut inner: W, level: u32) -> io::Result<Self> {
        inner.write_all(&HEADER)?;
        Ok(Self {
            inner,
            level: Compression::new(level),
            current: Vec::with_capacity(BLOCK),
            previous: Arc::default(),
            running: VecDeque::new(),
            limit: usize::try_from(threads()).unwrap_or(1),
            checksum: Crc::new(),
        })
    }

    /// Writes the last block and the trailer.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.start_block(true);
        while let Some(oldest) = self.running.pop_front() {
            self.write_block(oldest)?;
        }
        self.inner.write_all(&self.checksum.sum().to_le_bytes())?;
        // The length modulo 2^32, RFC 1952 2.3.1.
        self.inner
            .write_all(&self.checksum.amount().to_le_bytes())?;
        Ok(self.inner)
    }

    fn start_block(&mut self, last: bool) {
        let input = Arc::new(std::mem::replace(
            &mut self.current,
            Vec::with_capacity(BLOCK),
        ));
        let previous = std::mem::replace(&mut self.previous, Arc::clone(&input));
        let level = self.level;
        self.running.push_back(std::thread::spawn(move || {
            let window = &previous[previous.len().saturating_sub(WINDOW)..];
            deflate(level, window, &input, last)
        }));
    }

    fn write_block(&mut self, thread: JoinHandle<Block>) -> io::Result<()> {
        let stopped = |_| io::Error::other("a compressing thread stopped");
        let (bytes, checksum) = thread.join().map_err(stopped)??;
        self.checksum.combine(&checksum);
        self.inner.write_all(&bytes)
    }
}

impl<W: Write> Write for GzipEncoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.current.len() == BLOCK {
            if self.running.len() >= self.limit
                && let Some(oldest) = self.running.pop_front()
            {
                self.write_block(oldest)?;
            }
            self.start_block(false);
        }
        let taken = bytes.len().min(BLOCK - self.current.len());
        self.current.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Does nothing: where a block ends must depend on the input alone.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn deflate(level: Compression, window: &[u8], input: &[u8], last: bool) -> Block {
    let mut checksum = Crc::new();
    checksum.update(input);
    let mut state = Compress::new(level, false);
    if !window.is_empty() {
        state.set_dictionary(window).map_err(io::Error::other)?;
    }
    let flush = if last {
        FlushCompress::Finish
    } else {
        FlushCompress::Sync
    };
    let mut output = Vec::with_capacity(input.len() / 2 + 1024);
    let mut used = 0;
    loop {
        let before = state.total_in();
        let status = state
            .compress_vec(&input[used..], &mut output, flush)
            .map_err(io::Error::other)?;
        used += usize::try_from(state.total_in() - before).map_err(io::Error::other)?;
        // A flush is complete when it leaves room in the output (zlib's manual, deflate()).
        let room = output.len() < output.capacity();
        let done = if last {
            status == Status::StreamEnd
        } else {
            used == input.len() && room
        };
        if done {
            return Ok((output, checksum));
        }
        output.reserve(input.len() / 4 + 1024);
    }
}

/// How many threads may compress at once. Never decides a byte of the output.
pub(super) fn threads() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores.min(16)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Command, Stdio};

    use super::*;

    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut bytes = Vec::with_capacity(length + 64);
        while bytes.len() < length {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.extend(format!("def name_{}(self): return {state}\n", state % 97).bytes());
        }
        bytes.truncate(length);
        bytes
    }

    fn compressed(bytes: &[u8], limit: usize, piece: usize) -> Vec<u8> {
        let mut encoder = GzipEncoder::new(Vec::new(), 6).unwrap();
        encoder.limit = limit;
        for chunk in bytes.chunks(piece) {
            encoder.write_all(chunk).unwrap();
        }
        encoder.finish().unwrap()
    }

    #[test]
    fn one_member_comes_back_whole_at_every_block_border() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 77] {
            let bytes = sample(length);
            let packed = compressed(&bytes, 2, 8192);
            let mut decoder = flate2::bufread::GzDecoder::new(packed.as_slice());
            let mut back = Vec::new();
            decoder.read_to_end(&mut back).unwrap();
            assert!(back == bytes, "{length} bytes differ");
            assert!(
                decoder.into_inner().is_empty(),
                "bytes follow the member of {length}"
            );
        }
    }

    #[test]
    fn the_bytes_do_not_depend_on_threads_or_on_the_pieces_written() {
        let bytes = sample(5 * BLOCK + 5);
        let one = compressed(&bytes, 1, 1 << 16);
        assert!(one == compressed(&bytes, 8, 1 << 16));
        assert!(one == compressed(&bytes, 3, 777));
    }

    #[test]
    fn gzip_itself_finds_it_sound_and_it_is_not_larger_than_its_own() {
        let bytes = sample(4 * BLOCK);
        let packed = compressed(&bytes, 2, 8192);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), &packed).unwrap();
        let status = Command::new("gzip")
            .arg("-t")
            .stdin(fs_err::File::open(file.path()).unwrap().into_file())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        fs_err::write(file.path(), &bytes).unwrap();
        let theirs = Command::new("gzip")
            .args(["-6", "-c"])
            .arg(file.path())
            .output()
            .unwrap();
        assert!(packed.len() < theirs.stdout.len() * 102 / 100);
    }
}
