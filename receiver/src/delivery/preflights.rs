//! What CRMs said when they were asked, and what calls have shown since: for `/status`, and to judge a suspect lead by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;

use crate::crm::{Failure, PreflightReport};
use crate::queue::SinkId;

/// What the last check of each sink found, and what calls have shown since.
#[derive(Debug, Default)]
pub(crate) struct Preflights {
    found: Mutex<BTreeMap<SinkId, LastPreflight>>,
    /// Sinks that are to be checked again at once.
    again: Mutex<BTreeSet<SinkId>>,
    wake: Notify,
}

/// What a check found, and when.
#[derive(Debug, Clone)]
pub(crate) struct LastPreflight {
    /// By this machine's clock.
    pub at: SystemTime,
    /// What it found.
    pub found: PreflightReport,
    /// What makes deliveries slower without stopping them.
    pub notice: Option<Failure>,
}

impl Preflights {
    /// The last check of a sink, if there was one.
    pub(crate) fn of(&self, sink: &SinkId) -> Option<LastPreflight> {
        self.lock().get(sink).cloned()
    }

    /// Keeps what was found; what was not found out this time stays as it was. Tells what was known before.
    pub(super) fn keep(&self, sink: &SinkId, mut found: PreflightReport) -> Option<PreflightReport> {
        let mut all = self.lock();
        let known = all.get(sink);
        let notice = known.and_then(|last| last.notice.clone());
        let before = known.map(|last| last.found.clone());
        if let Some(before) = &before {
            found.credentials = found.credentials.or_else(|| before.credentials.clone());
            if !matches!(found.reachable, Some(Ok(()))) {
                found.problems.clone_from(&before.problems);
            }
        }
        let at = SystemTime::now();
        all.insert(sink.clone(), LastPreflight { at, found, notice });
        before
    }

    /// What a call has shown since the last check: it counts, whatever the check found.
    pub(super) fn seen(
        &self,
        sink: &SinkId,
        reachable: Result<(), Failure>,
        credentials: Option<Result<(), Failure>>,
    ) {
        if let Some(last) = self.lock().get_mut(sink) {
            last.at = SystemTime::now();
            last.found.reachable = Some(reachable);
            last.found.credentials = credentials.or_else(|| last.found.credentials.take());
        }
    }

    /// Keeps what a CRM's client has to say; `true`: it is news.
    pub(super) fn note(&self, sink: &SinkId, notice: Option<&Failure>) -> bool {
        self.lock().get_mut(sink).is_some_and(|last| {
            let news = last.notice.as_ref() != notice;
            if news {
                last.notice = notice.cloned();
            }
            news
        })
    }

    /// Has a sink checked again at once: somebody may have put something right.
    pub(crate) fn ask_again(&self, sink: &SinkId) {
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        again.insert(sink.clone());
        drop(again);
        self.wake.notify_waiters();
    }

    pub(super) async fn asked_again(&self, sink: &SinkId) {
        loop {
            let woken = self.wake.notified();
            if self
                .again
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(sink)
            {
                return;
            }
            woken.await;
        }
    }

    /// Forgets a sink: what was found speaks of what it was before.
    pub(super) fn forget(&self, sink: &SinkId) {
        self.lock().remove(sink);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<SinkId, LastPreflight>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
