//! The two streams that a reporter writes to, real or recorded.
//!
//! Knows no event. A reader that went away (a closed pipe) is not an error.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: what was asked for.
    Results,
    /// Standard error: progress, warnings, errors.
    Progress,
}

/// The streams.
pub(super) struct Sink {
    recorded: Option<Mutex<Vec<(Stream, String)>>>,
    failure: Mutex<Option<io::Error>>,
}

impl Sink {
    /// Standard output and standard error.
    pub(super) fn standard() -> Self {
        Self {
            recorded: None,
            failure: Mutex::new(None),
        }
    }

    /// Keeps the lines instead of writing them.
    pub(super) fn recorded() -> Self {
        Self {
            recorded: Some(Mutex::new(Vec::new())),
            failure: Mutex::new(None),
        }
    }

    /// Writes a text and a line end, whole, so that lines of threads do not mix.
    pub(super) fn write(&self, stream: Stream, text: &str) {
        if let Some(recorded) = &self.recorded {
            let mut recorded = lock(recorded);
            recorded.extend(text.split('\n').map(|line| (stream, line.to_owned())));
            return;
        }
        let text = format!("{text}\n");
        match stream {
            Stream::Results => {
                let mut stdout = io::stdout().lock();
                let written = stdout
                    .write_all(text.as_bytes())
                    .and_then(|()| stdout.flush());
                self.remember(written);
            }
            // Nobody could be told that standard error can't be written.
            Stream::Progress => drop(io::stderr().lock().write_all(text.as_bytes())),
        }
    }

    fn remember(&self, written: io::Result<()>) {
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            lock(&self.failure).get_or_insert(error);
        }
    }

    /// The first error of standard output, once.
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        lock(&self.failure).take()
    }

    /// The lines recorded so far on a stream.
    pub(super) fn lines(&self, stream: Stream) -> Vec<String> {
        let Some(recorded) = &self.recorded else {
            return Vec::new();
        };
        let of_stream = |(on, line): &(Stream, String)| (*on == stream).then(|| line.clone());
        lock(recorded).iter().filter_map(of_stream).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_failure_and_a_full_disk_is() {
        let sink = Sink::standard();
        sink.remember(Err(io::ErrorKind::BrokenPipe.into()));
        assert!(sink.take_failure().is_none());
        sink.remember(Err(io::ErrorKind::StorageFull.into()));
        sink.remember(Err(io::ErrorKind::Other.into()));
        assert_eq!(
            sink.take_failure().unwrap().kind(),
            io::ErrorKind::StorageFull
        );
    }
}
