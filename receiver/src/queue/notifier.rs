//! Wakes whoever waits for leads of a sink, in this process.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::SinkId;

/// One counter of pushes per sink, and how much of it the last claim had seen.
///
/// A waiter returns at once when a push came after the last claim began, so none is missed between the two.
#[derive(Default)]
pub(super) struct Notifier {
    sinks: Mutex<HashMap<SinkId, Arc<Waiter>>>,
}

struct Waiter {
    pushes: watch::Sender<u64>,
    seen: AtomicU64,
}

impl Notifier {
    /// How many pushes there were: call before a claim reads the store.
    pub(super) fn pushes(&self, sink: &SinkId) -> u64 {
        *self.bell(sink).pushes.borrow()
    }

    /// Call when a claim that began after so many pushes has succeeded.
    pub(super) fn seen(&self, sink: &SinkId, pushes: u64) {
        self.bell(sink).seen.fetch_max(pushes, Ordering::AcqRel);
    }

    /// Call after a lead of `sink` may have become due.
    pub(super) fn push(&self, sink: &SinkId) {
        self.bell(sink).pushes.send_modify(|pushes| *pushes += 1);
    }

    /// Call when pushes may have gone unnoticed.
    pub(super) fn push_all(&self) {
        let bells: Vec<_> = self.lock().values().cloned().collect();
        for bell in bells {
            bell.pushes.send_modify(|pushes| *pushes += 1);
        }
    }

    /// Waits for a push after the last claim, or until `at_most` has passed.
    pub(super) async fn wait(&self, sink: &SinkId, at_most: Duration) {
        let bell = self.bell(sink);
        let seen = bell.seen.load(Ordering::Acquire);
        let mut pushes = bell.pushes.subscribe();
        // Both ends mean the same to the caller: look again.
        let _ = tokio::time::timeout(at_most, pushes.wait_for(|pushes| *pushes > seen)).await;
    }

    fn bell(&self, sink: &SinkId) -> Arc<Waiter> {
        let mut sinks = self.lock();
        if let Some(bell) = sinks.get(sink) {
            return bell.clone();
        }
        let bell = Arc::new(Waiter {
            pushes: watch::Sender::new(0),
            seen: AtomicU64::new(0),
        });
        sinks.insert(sink.clone(), bell.clone());
        bell
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SinkId, Arc<Waiter>>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_push_between_claim_and_wait_is_not_missed() {
        let wake = Notifier::default();
        let sink = SinkId::from("ns/crm");
        wake.seen(&sink, wake.pushes(&sink));
        wake.push(&sink);
        let waited = tokio::time::timeout(Duration::from_secs(5), wake.wait(&sink, Duration::from_mins(1)));
        waited.await.unwrap();
    }

    #[tokio::test]
    async fn a_push_that_a_claim_has_seen_does_not_wake() {
        let wake = Notifier::default();
        let sink = SinkId::from("ns/crm");
        wake.push(&sink);
        wake.seen(&sink, wake.pushes(&sink));
        let waited = tokio::time::timeout(
            Duration::from_millis(50),
            wake.wait(&sink, Duration::from_mins(1)),
        );
        assert!(waited.await.is_err());
    }
}
