//! A stream cut into blocks of a fixed size that are compressed side by side, in order.
//!
//! Where a block ends depends on the input alone. Knows no format.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::cores::{Cores, Place};

/// A compressed block.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Its compressed bytes.
    pub(super) bytes: Vec<u8>,
    /// What the format's index has to know of it, see [`super::Part`].
    pub(super) size: u64,
    pub(super) crc32: u32,
    pub(super) unpadded: u64,
}

/// How a format compresses a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    /// Input bytes of a block.
    pub(super) size: usize,
    /// How many bytes before a block it may refer to.
    pub(super) window: usize,
    /// Compresses, given the level, what stands before the block, and the block.
    pub(super) compress: fn(u32, &[u8], &[u8]) -> io::Result<Block>,
}

/// Compresses what is written to it. At most a block for each core is in memory, and its result.
pub(super) struct BlockWriter<W: Write> {
    inner: W,
    method: Method,
    level: u32,
    cores: Arc<Cores>,
    place: Option<Place>,
    current: Vec<u8>,
    /// The block before the current one, for its end.
    previous: Arc<Vec<u8>>,
    running: VecDeque<JoinHandle<io::Result<Block>>>,
    /// The blocks that were written, without their bytes.
    written: Vec<Block>,
}

impl<W: Write> BlockWriter<W> {
    pub(super) fn new(inner: W, method: Method, level: u32, cores: &Arc<Cores>) -> Self {
        Self {
            inner,
            method,
            level,
            cores: Arc::clone(cores),
            place: None,
            current: Vec::new(),
            previous: Arc::default(),
            running: VecDeque::new(),
            written: Vec::new(),
        }
    }

    /// Writes what is left; gives the blocks, without their bytes.
    pub(super) fn finish(mut self) -> io::Result<(W, Vec<Block>)> {
        if !self.current.is_empty() {
            self.start_block();
        }
        while let Some(oldest) = self.running.pop_front() {
            self.write_block(oldest)?;
        }
        Ok((self.inner, self.written))
    }

    fn start_block(&mut self) {
        let input = Arc::new(std::mem::take(&mut self.current));
        let previous = std::mem::replace(&mut self.previous, Arc::clone(&input));
        let (level, method, place) = (self.level, self.method, self.place.take());
        if method.window == 0 {
            self.previous = Arc::default();
        }
        self.running.push_back(std::thread::spawn(move || {
            let window = &previous[previous.len().saturating_sub(method.window)..];
            let block = (method.compress)(level, window, &input);
            drop(place);
            block
        }));
    }

    fn write_block(&mut self, thread: JoinHandle<io::Result<Block>>) -> io::Result<()> {
        let stopped = |_| io::Error::other("a compressing thread stopped");
        let mut block = thread.join().map_err(stopped)??;
        self.inner.write_all(&std::mem::take(&mut block.bytes))?;
        self.written.push(block);
        Ok(())
    }
}

impl<W: Write> Write for BlockWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.current.len() == self.method.size {
            self.start_block();
        }
        if self.current.is_empty() {
            if self.running.len() >= self.cores.count()
                && let Some(oldest) = self.running.pop_front()
            {
                self.write_block(oldest)?;
            }
            self.place = Some(self.cores.take());
        }
        let taken = bytes.len().min(self.method.size - self.current.len());
        self.current.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Does nothing: where a block ends must depend on the input alone.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
