//! Bounds what waits in memory to be written, by number and by bytes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::QueueError;

/// What waits, and how much may.
#[derive(Clone)]
pub(super) struct Backlog(Arc<Counts>);

struct Counts {
    waiting: AtomicUsize,
    bytes: AtomicUsize,
    max_waiting: usize,
    max_bytes: usize,
}

impl Backlog {
    pub(super) fn new(max_waiting: usize, max_bytes: usize) -> Self {
        Self(Arc::new(Counts {
            waiting: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            max_waiting,
            max_bytes,
        }))
    }

    /// Takes room until the ticket is dropped. One request is let in whatever its size when nothing waits,
    /// so that a limit set too low slows down and does not lock out.
    pub(super) fn admit(&self, items: usize, bytes: usize) -> Result<Reservation, QueueError> {
        let counts = &self.0;
        let waiting = counts.waiting.fetch_add(items, Ordering::AcqRel);
        let held = counts.bytes.fetch_add(bytes, Ordering::AcqRel);
        let ticket = Reservation {
            intake: self.clone(),
            items,
            bytes,
        };
        let full = waiting.saturating_add(items) > counts.max_waiting
            || held.saturating_add(bytes) > counts.max_bytes;
        if full && waiting > 0 {
            return Err(QueueError::Full { waiting });
        }
        Ok(ticket)
    }
}

/// Room taken in an [`Backlog`].
pub(super) struct Reservation {
    intake: Backlog,
    items: usize,
    bytes: usize,
}

impl Reservation {
    /// How many bytes it is for.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.intake.0.waiting.fetch_sub(self.items, Ordering::AcqRel);
        self.intake.0.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn full_by_number_and_by_bytes_and_free_again() {
        let intake = Backlog::new(2, 100);
        let first = intake.admit(1, 60).unwrap();
        assert!(matches!(
            intake.admit(1, 60),
            Err(QueueError::Full { waiting: 1 })
        ));
        let second = intake.admit(1, 10).unwrap();
        assert!(intake.admit(1, 1).is_err());
        drop(first);
        let _third = intake.admit(1, 60).unwrap();
        drop(second);
    }

    #[test]
    fn one_big_request_passes_when_nothing_waits() {
        let intake = Backlog::new(1, 10);
        let big = intake.admit(5, 1000).unwrap();
        assert!(intake.admit(1, 1).is_err());
        drop(big);
        assert!(intake.admit(1, 1).is_ok());
    }
}
