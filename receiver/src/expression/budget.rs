//! What one evaluation may cost. CEL has no cost model of its own, so every step of the evaluator and every function
//! counts here: steps stand for time, bytes for memory.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::fault::Fault;

/// Steps of one evaluation: a tenth of a second in a release build, whatever they are spent on.
const MAX_STEPS: u64 = 1_000_000;
/// Bytes that one evaluation may make, freed or not.
const MAX_BYTES: u64 = 32 << 20;
/// Text that is looked at costs a step for so many bytes.
const BYTES_A_STEP: u64 = 16;
/// The clock is asked once in so many steps.
const CLOCK_EVERY: u64 = 1 << 14;
/// Behind the steps, for what they weigh wrongly. An order of magnitude above what they take.
const DEADLINE: Duration = Duration::from_secs(2);
/// What [`sparingly`] grants to all evaluations of its work together: a millisecond or two. Other requests
/// wait for as long.
const SPARING_STEPS: u64 = 20_000;

thread_local! {
    /// What is left of [`SPARING_STEPS`] on this thread, inside it.
    static ALLOWANCE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Runs work whose evaluations are expected to be cheap. `None`: they are not, nothing of the result counts, and the
/// work must be done where it may take its time.
pub fn sparingly<T>(work: impl FnOnce() -> T) -> Option<T> {
    struct Restore(Option<u64>);
    impl Drop for Restore {
        fn drop(&mut self) {
            ALLOWANCE.set(self.0);
        }
    }
    let _restore = Restore(ALLOWANCE.replace(Some(SPARING_STEPS)));
    let result = work();
    (ALLOWANCE.get() != Some(0)).then_some(result)
}

/// What is left to one evaluation.
pub(super) struct Meter {
    steps: Cell<u64>,
    bytes: Cell<u64>,
    /// Steps left when the clock is asked next.
    look_at: Cell<u64>,
    until: Cell<Option<Instant>>,
    allowance: Option<u64>,
}

impl Meter {
    pub(super) fn new() -> Self {
        let allowance = ALLOWANCE.get();
        let steps = allowance.map_or(MAX_STEPS, |left| left.min(MAX_STEPS));
        Self {
            steps: Cell::new(steps),
            bytes: Cell::new(MAX_BYTES),
            look_at: Cell::new(steps.saturating_sub(CLOCK_EVERY)),
            until: Cell::new(None),
            allowance,
        }
    }

    /// Counts work.
    #[inline]
    pub(super) fn steps(&self, n: u64) -> Result<(), Fault> {
        let Some(left) = self.steps.get().checked_sub(n) else {
            self.steps.set(0);
            return Err(Fault::Spent("it takes more than a million steps"));
        };
        self.steps.set(left);
        if left < self.look_at.get() {
            self.look_at_clock(left)?;
        }
        Ok(())
    }

    /// Counts one step.
    #[inline]
    pub(super) fn step(&self) -> Result<(), Fault> {
        self.steps(1)
    }

    /// Counts text that is looked at.
    #[inline]
    pub(super) fn look(&self, bytes: usize) -> Result<(), Fault> {
        self.steps(bytes as u64 / BYTES_A_STEP)
    }

    /// Counts memory, before it is asked for.
    #[inline]
    pub(super) fn make(&self, bytes: usize) -> Result<(), Fault> {
        let Some(left) = self.bytes.get().checked_sub(bytes as u64) else {
            self.steps.set(0);
            return Err(Fault::Spent("it makes more than 32 MiB of values"));
        };
        self.bytes.set(left);
        self.look(bytes)
    }

    fn look_at_clock(&self, left: u64) -> Result<(), Fault> {
        self.look_at.set(left.saturating_sub(CLOCK_EVERY));
        let now = Instant::now();
        match self.until.get() {
            None => self.until.set(Some(now + DEADLINE)),
            Some(until) if now > until => {
                self.steps.set(0);
                return Err(Fault::Spent("it takes longer than two seconds"));
            }
            Some(_) => {}
        }
        Ok(())
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(before) = self.allowance {
            let used = before.min(MAX_STEPS).saturating_sub(self.steps.get());
            ALLOWANCE.set(Some(before.saturating_sub(used)));
        }
    }
}
