//! How long a server is borne that is busy, and a line that breaks.
//!
//! Waits for nobody itself.

use std::time::Duration;

/// How long a server that is busy, or a line that breaks, is borne.
#[derive(Debug, Clone)]
pub struct Patience {
    /// The waits before further tries.
    pub waits: Vec<Duration>,
    /// The longest wait that a server may ask for.
    pub longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = [1, 2, 4, 8, 16];
        Self {
            waits: seconds.into_iter().map(Duration::from_secs).collect(),
            longest: Duration::from_mins(2),
        }
    }
}

impl Patience {
    /// For what can be done without the server.
    pub fn short() -> Self {
        Self {
            waits: vec![Duration::from_secs(1)],
            ..Self::default()
        }
    }
}
