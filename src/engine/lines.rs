//! Lines out of a stream of bytes that is cut anywhere. Knows nothing of the engine.

use crate::engine::Output;

/// Cuts a byte stream into lines; a carriage return ends one too, as progress displays use it.
#[derive(Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes the next piece.
    pub(super) fn push(&mut self, bytes: &[u8], output: Output<'_>) {
        for byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                self.flush(output);
            } else {
                self.rest.push(*byte);
            }
        }
    }

    /// Takes what is left for a line.
    pub(super) fn flush(&mut self, output: Output<'_>) {
        if !self.rest.is_empty() {
            output(&String::from_utf8_lossy(&self.rest));
            self.rest.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn lines_are_whole_however_the_stream_is_cut() {
        let seen = Mutex::new(Vec::new());
        let output = |line: &str| seen.lock().unwrap().push(line.to_owned());
        let mut lines = Lines::default();
        for piece in ["on", "e\ntw", "o\r\nthree\n\nfo", "ur"] {
            lines.push(piece.as_bytes(), &output);
        }
        lines.flush(&output);
        assert_eq!(*seen.lock().unwrap(), ["one", "two", "three", "four"]);
    }
}
