//! The full log of a platform, and the last lines of it that errors show.
//!
//! Loses no line: what can't be written is reported, once. Never printed from here.
//!
//! ```text
//! .omnibuild/logs/debian-12.log     this run
//! .omnibuild/logs/debian-12.log.1   the run before
//! ```

use std::collections::VecDeque;
use std::io::{self, LineWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs_err as fs;

use crate::error::Result;
use crate::fsutil;

/// How many lines an error shows.
pub(super) const KEPT_LINES: usize = 30;

/// The last lines that a command or a platform printed.
#[derive(Debug, Default)]
pub(super) struct LastLines(VecDeque<String>);

impl LastLines {
    pub(super) fn push(&mut self, line: &str) {
        if self.0.len() == KEPT_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }

    /// Oldest first.
    pub(super) fn to_vec(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}

/// An open log file.
pub(super) struct Log {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// By lines: who follows the file sees what a long command says, and a kill loses nothing.
    writer: LineWriter<fs::File>,
    last_lines: LastLines,
    failed: bool,
}

impl Log {
    /// Opens the log; the one of the run before is kept beside it.
    ///
    /// A run that still writes to the file that is moved goes on writing there, so two runs do not
    /// mix their lines.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut previous = path.as_os_str().to_owned();
        previous.push(".1");
        fsutil::set_aside(path, Path::new(&previous))
            .map_err(|error| error.context("can't keep the previous log"))?;
        let file = fs::File::create(path)?;
        let state = State {
            writer: LineWriter::new(file),
            last_lines: LastLines::default(),
            failed: false,
        };
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(state),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a line of ours. Like the other writers, gives the first error there ever was.
    pub(super) fn write_line(&self, line: &str) -> Option<io::Error> {
        self.attempt(|state| writeln!(state.writer, "{line}"))
    }

    /// Writes a line of a command's output and remembers it as one of the last.
    pub(super) fn write_output(&self, line: &str) -> Option<io::Error> {
        self.attempt(|state| {
            state.last_lines.push(line);
            writeln!(state.writer, "{line}")
        })
    }

    /// Makes all lines visible to readers of the file.
    pub(super) fn flush(&self) -> Option<io::Error> {
        self.attempt(|state| state.writer.flush())
    }

    pub(super) fn last_lines(&self) -> Vec<String> {
        self.lock().last_lines.to_vec()
    }

    fn attempt(&self, write: impl FnOnce(&mut State) -> io::Result<()>) -> Option<io::Error> {
        let mut state = self.lock();
        let error = write(&mut state).err()?;
        let first = !state.failed;
        state.failed = true;
        first.then_some(error)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_lost_and_the_last_ones_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/debian-12.log");
        let log = Log::open(&path).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let log = &log;
                scope.spawn(move || {
                    for number in 0..2_500 {
                        assert!(log.write_output(&format!("{writer} {number}")).is_none());
                    }
                });
            }
        });
        log.flush();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 10_000);
        for writer in 0..4 {
            let prefix = format!("{writer} ");
            let numbers: Vec<usize> = text
                .lines()
                .filter_map(|line| line.strip_prefix(&prefix))
                .map(|number| number.parse().unwrap())
                .collect();
            assert!(
                numbers.into_iter().eq(0..2_500),
                "writer {writer} lost its order"
            );
        }
        let all: Vec<&str> = text.lines().collect();
        assert_eq!(log.last_lines(), &all[10_000 - KEPT_LINES..]);
    }

    #[test]
    fn the_log_of_the_run_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ubuntu-24.04.log");
        for text in ["first", "second", "third"] {
            let log = Log::open(&path).unwrap();
            log.write_line(text);
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{text}\n"));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "third\n");
        let previous = folder.path().join("ubuntu-24.04.log.1");
        assert_eq!(fs::read_to_string(previous).unwrap(), "second\n");
    }

    #[test]
    fn a_full_disk_is_reported_once() {
        let state = State {
            writer: LineWriter::new(
                fs::OpenOptions::new()
                    .write(true)
                    .open("/dev/full")
                    .unwrap(),
            ),
            last_lines: LastLines::default(),
            failed: false,
        };
        let log = Log {
            path: "/dev/full".into(),
            state: Mutex::new(state),
        };
        let error = log.write_output("kept in memory").unwrap();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(log.write_line("another").is_none());
        assert!(log.flush().is_none());
        assert_eq!(log.last_lines(), ["kept in memory"]);
    }
}
