//! How much one evaluation may look at. CEL has no cost limit of its own, so the JSON it walks counts.

use std::cell::Cell;

/// Elements that one evaluation may visit: a fraction of a second even in nested comprehensions.
const ELEMENTS: u32 = 100_000;

thread_local! {
    static LEFT: Cell<u32> = const { Cell::new(ELEMENTS) };
}

/// Starts a new evaluation on this thread.
pub(super) fn reset() {
    LEFT.set(ELEMENTS);
}

/// Counts one element; `false` once the budget is spent, which ends every loop of the evaluation.
pub(super) fn spend() -> bool {
    let left = LEFT.get();
    LEFT.set(left.saturating_sub(1));
    left > 0
}

/// Whether the evaluation was cut short, so that its result means nothing.
pub(super) fn exhausted() -> bool {
    LEFT.get() == 0
}
