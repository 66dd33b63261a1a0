//! Asks a CRM before the first lead, and every ten minutes: does it answer, does it take the credentials, does it have
//! the properties? What it says stands in `/status`, so that a mistake shows before a lead fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::throttle::{permit, report};
use crate::config::Sink;
use crate::crm::{Crm, Failure, Inspection, Throttle, Throttled};
use crate::queue::{CrmHealth, SinkId};

/// Between checks.
const EVERY: Duration = Duration::from_mins(10);
/// After a check that did not get through.
const AGAIN: Duration = Duration::from_secs(30);

/// How long what was found is good enough to judge a lead by.
const FRESH: Duration = Duration::from_secs(5);

/// What the last check of each sink found, and what calls have shown since.
#[derive(Debug, Default)]
pub struct Inspections {
    found: Mutex<BTreeMap<SinkId, Inspected>>,
    /// Sinks that are to be checked again at once.
    again: Mutex<BTreeSet<SinkId>>,
    wake: Notify,
}

/// What a check found, and when.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// By this machine's clock.
    pub at: SystemTime,
    /// What it found.
    pub found: Inspection,
    /// What makes deliveries slower without stopping them.
    pub notice: Option<Failure>,
}

impl Inspections {
    /// The last check of a sink, if there was one.
    pub fn of(&self, sink: &SinkId) -> Option<Inspected> {
        self.lock().get(sink).cloned()
    }

    /// Keeps what was found; what was not found out this time stays as it was. Tells what was known before.
    fn keep(&self, sink: &SinkId, mut found: Inspection) -> Option<Inspection> {
        let mut all = self.lock();
        let known = all.get(sink);
        let notice = known.and_then(|inspected| inspected.notice.clone());
        let before = known.map(|inspected| inspected.found.clone());
        if let Some(before) = &before {
            found.credentials = found.credentials.or_else(|| before.credentials.clone());
            if !matches!(found.reachable, Some(Ok(()))) {
                found.problems.clone_from(&before.problems);
            }
        }
        let at = SystemTime::now();
        all.insert(sink.clone(), Inspected { at, found, notice });
        before
    }

    /// What a call has shown since the last check: it counts, whatever the check found.
    pub(super) fn seen(
        &self,
        sink: &SinkId,
        reachable: Result<(), Failure>,
        credentials: Option<Result<(), Failure>>,
    ) {
        if let Some(inspected) = self.lock().get_mut(sink) {
            inspected.at = SystemTime::now();
            inspected.found.reachable = Some(reachable);
            inspected.found.credentials = credentials.or_else(|| inspected.found.credentials.take());
        }
    }

    /// Keeps what a CRM's client has to say; `true`: it is news.
    pub(super) fn note(&self, sink: &SinkId, notice: Option<&Failure>) -> bool {
        self.lock().get_mut(sink).is_some_and(|inspected| {
            let news = inspected.notice.as_ref() != notice;
            if news {
                inspected.notice = notice.cloned();
            }
            news
        })
    }

    /// Has a sink checked again at once: somebody may have put something right.
    pub fn ask_again(&self, sink: &SinkId) {
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        again.insert(sink.clone());
        drop(again);
        self.wake.notify_waiters();
    }

    async fn asked_again(&self, sink: &SinkId) {
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

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<SinkId, Inspected>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks a sink until stopped.
pub(super) async fn run(shared: Shared, sink: Arc<Sink>, crm: Arc<dyn Crm>, stop: CancellationToken) {
    loop {
        let checked = tokio::select! {
            found = check(&shared, &sink, crm.as_ref()) => matches!(found.reachable, Some(Ok(()))),
            () = stop.cancelled() => return,
        };
        // Replicas that started together do not ask together for ever.
        let wait = if checked { EVERY } else { AGAIN }.mul_f64(rand::random_range(0.9..1.1));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.inspections.asked_again(&sink.id) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// What the CRM says about the account now, or said a moment ago.
pub(super) async fn ask(shared: &Shared, sink: &Sink, crm: &dyn Crm) -> Inspection {
    match shared.inspections.of(&sink.id) {
        Some(known) if known.at.elapsed().is_ok_and(|age| age < FRESH) => known.found,
        _ => check(shared, sink, crm).await,
    }
}

async fn check(shared: &Shared, sink: &Sink, crm: &dyn Crm) -> Inspection {
    let throttle = PreflightThrottle {
        shared,
        sink,
        correctable_pause: AtomicBool::new(false),
    };
    let properties: Vec<&str> = sink.mapping.names().collect();
    let create_only: Vec<&str> = sink.create_only.names().collect();
    let found = crm.inspect(&properties, &create_only, &throttle).await;
    if found.reachable.is_none() {
        return found;
    }
    let fine = found.reachable == Some(Ok(())) && found.credentials == Some(Ok(()));
    if fine && throttle.correctable_pause.load(Ordering::Relaxed) {
        match shared.queue.resume(&sink.id).await {
            Ok(()) => {
                tracing::info!(sink = %sink.id, "the CRM accepts the credentials again; ending the pause")
            }
            Err(error) => tracing::debug!(sink = %sink.id, %error, "failed to end the pause"),
        }
    }
    if shared.inspections.keep(&sink.id, found.clone()).as_ref() != Some(&found) {
        tell(sink, &found);
    }
    found
}

/// One line for each thing that is wrong, when it is found.
fn tell(sink: &Sink, found: &Inspection) {
    for check in [&found.reachable, &found.credentials] {
        if let Some(Err(why)) = check {
            tracing::warn!(sink = %sink.id, reason = why.reason, "{}", why.message);
        }
    }
    for problem in &found.problems {
        tracing::warn!(sink = %sink.id, reason = "PropertyProblem", "{problem}");
    }
}

/// Reasons of pauses that end as soon as a person has put something right.
const CORRECTABLE: [&str; 6] = [
    "InvalidCredentials",
    "MissingScopes",
    "MissingPermission",
    "ForeignAnswer",
    "Redirected",
    "UnknownObject",
];

/// The sink's throttle, but for a pause that a person can end: a check is how it ends.
struct PreflightThrottle<'a> {
    shared: &'a Shared,
    sink: &'a Sink,
    correctable_pause: AtomicBool,
}

#[async_trait]
impl Throttle for PreflightThrottle<'_> {
    async fn acquire(&self) -> Result<(), Throttled> {
        let grant = permit(self.shared.queue.as_ref(), self.sink).await?;
        let denied = Throttled {
            wait: grant.wait,
            reason: grant.paused.unwrap_or_default(),
        };
        if denied
            .paused()
            .is_some_and(|(word, _)| CORRECTABLE.contains(&word))
        {
            self.correctable_pause.store(true, Ordering::Relaxed);
            return Ok(());
        }
        if grant.granted == 0 {
            return Err(denied);
        }
        Ok(())
    }

    async fn report(&self, health: CrmHealth, _elapsed: Duration) {
        report(self.shared.queue.as_ref(), self.sink, health).await;
    }
}
