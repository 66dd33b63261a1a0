//! Whether the throttle is known to be closed, so that a backlog is not claimed only to be put back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use leadgate_crds::reason::FailureReason;

/// While a pause is in force, the store is asked so often whether it still is: it may be lifted early.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What is known of a sink's throttle.
#[derive(Default)]
pub(super) struct Closed(Mutex<State>);

#[derive(Default)]
struct State {
    shut: Option<Shut>,
    /// The reason that the log was told last, until leads arrive again.
    told: Option<FailureReason>,
}

#[derive(Debug, Clone, Copy)]
struct Shut {
    until: Instant,
    paused: bool,
}

/// What to do before leads are claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing: the throttle is open, as far as is known.
    No,
    /// Wait: the rate limit is used up.
    Limited(Duration),
    /// Wait, then look whether the pause is over.
    Paused(Duration),
}

impl Closed {
    /// What to do before leads are claimed.
    pub(super) fn wait(&self) -> Wait {
        let mut state = self.lock();
        let Some(shut) = state.shut else { return Wait::No };
        let left = shut.until.saturating_duration_since(Instant::now());
        if shut.paused {
            // Whether it is over is for the store to say.
            Wait::Paused(left.clamp(Duration::from_millis(10), POLL_INTERVAL))
        } else if left.is_zero() {
            state.shut = None;
            Wait::No
        } else {
            Wait::Limited(left)
        }
    }

    /// Nothing may be sent for so long.
    pub(super) fn close(&self, wait: Duration, paused: bool) {
        let until = Instant::now() + wait;
        let mut state = self.lock();
        let shut = state.shut.get_or_insert(Shut { until, paused });
        *shut = Shut {
            until: shut.until.max(until),
            paused: shut.paused || paused,
        };
    }

    /// The store says that the pause is in force for so long, or not any more.
    pub(super) fn seen(&self, left: Option<Duration>) {
        self.lock().shut = left.map(|left| Shut {
            until: Instant::now() + left,
            paused: true,
        });
    }

    /// Whether a pause for this reason is news to the log.
    pub(super) fn tell_paused(&self, reason: &FailureReason) -> bool {
        let told = &mut self.lock().told;
        let news = told.as_ref() != Some(reason);
        *told = Some(reason.clone());
        news
    }

    /// A lead arrived: whether that is news to the log.
    pub(super) fn tell_open(&self) -> bool {
        self.lock().told.take().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_when_the_store_says_so_and_a_used_up_limit_by_itself() {
        let closed = Closed::default();
        assert_eq!(closed.wait(), Wait::No);
        closed.close(Duration::from_hours(1), true);
        assert_eq!(
            closed.wait(),
            Wait::Paused(POLL_INTERVAL),
            "however long the pause"
        );
        closed.seen(None);
        assert_eq!(closed.wait(), Wait::No);
        closed.close(Duration::ZERO, true);
        assert!(
            matches!(closed.wait(), Wait::Paused(_)),
            "not before the store was asked"
        );
        closed.seen(None);
        closed.close(Duration::from_hours(1), false);
        assert!(matches!(closed.wait(), Wait::Limited(_)));
        closed.seen(None);
        closed.close(Duration::ZERO, false);
        assert_eq!(closed.wait(), Wait::No);
    }

    #[test]
    fn a_pause_is_told_once_and_its_end_once() {
        let closed = Closed::default();
        assert!(!closed.tell_open());
        assert!(closed.tell_paused(&FailureReason::CircuitOpen));
        assert!(!closed.tell_paused(&FailureReason::CircuitOpen));
        assert!(closed.tell_paused(&FailureReason::InvalidCredentials));
        assert!(closed.tell_open());
        assert!(!closed.tell_open());
    }
}
