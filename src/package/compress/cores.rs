//! How many threads compress at once, whoever started them. Never decides a byte of the output.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Places for compressing threads.
#[derive(Debug)]
pub(in crate::package) struct Cores {
    free: Mutex<usize>,
    freed: Condvar,
    count: usize,
}

impl Cores {
    /// As many places as the machine has cores, at most `limit`.
    pub(in crate::package) fn new(limit: usize) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::of(cores.min(limit))
    }

    /// So many places.
    pub(super) fn of(count: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Mutex::new(count),
            freed: Condvar::new(),
            count,
        })
    }

    /// How many places there are.
    pub(in crate::package) fn count(&self) -> usize {
        self.count
    }

    /// Waits for a place.
    pub(super) fn take(self: &Arc<Self>) -> Place {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place(Arc::clone(self))
    }
}

/// A place, free again when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Cores>);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
