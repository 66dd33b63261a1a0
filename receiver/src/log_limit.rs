//! At most one line a second about one trouble, with how many were left out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A limiter of one kind of log line.
pub struct LogLimit {
    started: Instant,
    /// The second, from the start, of the last line, plus one; 0: none yet.
    last: AtomicU64,
    left_out: AtomicU64,
}

impl LogLimit {
    /// No line yet.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            last: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether to log now: how many were left out since the last line, or `None` to be silent.
    pub fn admit(&self) -> Option<u64> {
        let now = self.started.elapsed().as_secs() + 1;
        let last = self.last.load(Ordering::Relaxed);
        if last < now
            && self
                .last
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Default for LogLimit {
    fn default() -> Self {
        Self::new()
    }
}
