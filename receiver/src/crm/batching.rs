//! How many records share a call: what works now, found out and remembered.
//!
//! Triggers and flows of an organisation run within limits that a call's size decides, and nobody knows them beforehand.
//! So the size halves when a call fails as a whole, and grows again slowly while full calls pass.

use leadgate_crds::reason::FailureReason;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Failure;
use crate::outbound::NoAnswer;

/// After so many full calls that passed, the next is larger.
const GROW_AFTER_CALLS: usize = 20;
/// How long calls go one by one where several records a call are refused, before they are tried again.
const RETRY_BATCHES_AFTER: Duration = Duration::from_hours(1);

/// The size of a CRM's batches, shared by all callers of a process.
#[derive(Debug)]
pub(super) struct Batching {
    most: usize,
    size: AtomicUsize,
    passed: AtomicUsize,
    refused: Mutex<Option<(Instant, Failure)>>,
}

impl Batching {
    /// `most`: what the CRM's documents allow.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            size: AtomicUsize::new(most),
            passed: AtomicUsize::new(0),
            refused: Mutex::new(None),
        }
    }

    /// The most records of the next call.
    pub(super) fn size(&self) -> usize {
        match self.refusal() {
            Some(_) => 1,
            None => self.size.load(Ordering::Relaxed),
        }
    }

    /// A call with `records` failed, and one with fewer may pass.
    pub(super) fn too_large(&self, records: usize) {
        let half = (records / 2).max(1);
        let before = self.size.fetch_min(half, Ordering::Relaxed);
        self.passed.store(0, Ordering::Relaxed);
        if half < before {
            tracing::info!(
                from = before,
                to = half,
                "reduced the batch size of calls to the CRM"
            );
        }
    }

    /// A call with `records` got no answer: what takes too long may take less.
    pub(super) fn unanswered(&self, records: usize, why: &NoAnswer) {
        if records > 1 && matches!(why, NoAnswer::Failed(why, true) if why.reason == FailureReason::Timeout) {
            self.too_large(records);
        }
    }

    /// A call with `records` passed.
    pub(super) fn passed(&self, records: usize) {
        let size = self.size.load(Ordering::Relaxed);
        if records < size || size >= self.most {
            return;
        }
        if self.passed.fetch_add(1, Ordering::Relaxed) + 1 >= GROW_AFTER_CALLS {
            self.passed.store(0, Ordering::Relaxed);
            let larger = (size + (size / 4).max(1)).min(self.most);
            // Whoever made it smaller meanwhile knows better.
            let _ = self
                .size
                .compare_exchange(size, larger, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// `crm` refuses calls with several records, whatever is in them, while the same records pass one by one.
    pub(super) fn refuse(&self, crm: &str, answered: &str) {
        let why = Failure::new(
            FailureReason::BatchRefused,
            format!(
                "{crm} takes no calls with several leads ({answered}); leads go one by one, which needs more of its limits"
            ),
        );
        tracing::warn!(reason = why.reason.as_str(), "{}", why.message);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), why));
    }

    /// Why calls go one by one, if they do.
    pub(super) fn refusal(&self) -> Option<Failure> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, why) = refused.as_ref()?;
        (since.elapsed() < RETRY_BATCHES_AFTER).then(|| why.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_halves_at_once_and_grows_slowly() {
        let batching = Batching::new(200);
        assert_eq!(batching.size(), 200);
        batching.too_large(60);
        assert_eq!(batching.size(), 30);
        // A late failure of a larger call says nothing new.
        batching.too_large(200);
        assert_eq!(batching.size(), 30);
        for _ in 1..GROW_AFTER_CALLS {
            batching.passed(30);
        }
        // Calls that are not full prove nothing.
        batching.passed(29);
        assert_eq!(batching.size(), 30);
        batching.passed(30);
        assert_eq!(batching.size(), 37);
        // A failure begins the count anew.
        for _ in 1..GROW_AFTER_CALLS {
            batching.passed(37);
        }
        batching.too_large(37);
        batching.passed(18);
        assert_eq!(batching.size(), 18);
        for _ in 0..GROW_AFTER_CALLS * 100 {
            batching.passed(batching.size());
        }
        assert_eq!(batching.size(), 200);
        batching.too_large(1);
        assert_eq!(batching.size(), 1);
    }

    #[test]
    fn where_several_are_refused_each_goes_alone_and_it_is_said_why() {
        let batching = Batching::new(100);
        assert_eq!(batching.refusal(), None);
        batching.refuse("The CRM", "404");
        assert_eq!(batching.size(), 1);
        assert!(
            batching
                .refusal()
                .is_some_and(|why| why.reason == "BatchRefused" && why.message.contains("404"))
        );
    }
}
