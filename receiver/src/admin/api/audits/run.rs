//! The loop that makes audits: takes one that is due, looks at a page of its records, writes down how far it is, and waits so
//! that leads hardly notice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::kept::{self, Kept};
use crate::admin::api::leads::FOREVER;
use crate::admin::api::merge::{Mark, newest};
use crate::admin::shared::Admin;
use crate::config::{AuditSettings, Sink};
use crate::delivery::{Errand, Errands};
use crate::queue::{EntryFilter, LeadId, LedgerEvent, LedgerEventKind, QueueError, SinkId};
use crate::time::epoch_ms;

/// How often a receiver looks for audits that are due.
const LOOK: Duration = Duration::from_secs(10);

/// How many percent of a sink's rate limit an audit uses.
const SHARE: u8 = 10;

/// Makes audits until stopped.
pub(crate) async fn run_audits(admin: Arc<Admin>, errands: Errands, stop: CancellationToken) {
    let worker = LeadId::generate().to_string();
    let (mut tasks, mut running, mut known) = (JoinSet::new(), BTreeSet::new(), BTreeSet::new());
    loop {
        tokio::select! {
            () = sleep(LOOK) => {}
            Some(ended) = tasks.join_next() => {
                match ended {
                    Ok(sink) => {
                        running.remove(&sink);
                    }
                    // It panicked, and whose it was is not known: those that run all the same take their next step first.
                    Err(_) => running.clear(),
                }
                continue;
            }
            () = stop.cancelled() => break,
        }
        // What is not read yet may say otherwise.
        if !admin.loaded.load(Ordering::Relaxed) || admin.config.borrow().incomplete {
            continue;
        }
        let due = match due(&admin, &worker, &mut known).await {
            Ok(due) => due,
            Err(error) => {
                tracing::debug!(%error, "failed to look for audits; will retry");
                continue;
            }
        };
        for (sink, settings, kept) in due {
            if !running.insert(sink.id.clone()) {
                continue;
            }
            let errand = errands.of(&sink);
            let run = Run {
                admin: Arc::clone(&admin),
                worker: worker.clone(),
                stop: stop.clone(),
                sink,
                settings,
                errand,
                kept,
            };
            tasks.spawn(async move {
                let sink = run.sink.id.clone();
                if let Err(error) = run.finish().await {
                    tracing::warn!(%sink, %error, "the audit waits until the queue is available");
                }
                sink
            });
        }
    }
    // Each writes down how far it came.
    while tasks.join_next().await.is_some() {}
}

/// The audits that are due and that nobody else makes. Of `known` sinks that are not audited any more, what was found is
/// forgotten.
async fn due(
    admin: &Admin,
    worker: &str,
    known: &mut BTreeSet<SinkId>,
) -> Result<Vec<(Arc<Sink>, AuditSettings, Kept)>, QueueError> {
    let config = Arc::clone(&admin.config.borrow());
    for sink in config.sinks().filter(|sink| sink.audit.is_none()) {
        if known.remove(&sink.id) {
            admin.queue.remove_job(&kept::id(&sink.id)).await?;
        }
    }
    let audited = config
        .sinks()
        .filter_map(|sink| Some((Arc::clone(sink), sink.audit?)));
    let sinks: Vec<(Arc<Sink>, AuditSettings)> = audited.collect();
    let mut due = Vec::new();
    if sinks.is_empty() {
        return Ok(due);
    }
    let stored = admin.queue.jobs().await?;
    for (sink, settings) in sinks {
        known.insert(sink.id.clone());
        let id = kept::id(&sink.id);
        let before = stored.iter().find(|job| job.id == id);
        let kept = if let Some(kept) = before.and_then(Kept::read) {
            kept
        } else {
            let new = Kept::new(&sink.id, before.map_or(0, |job| job.version));
            // Another receiver has written it meanwhile.
            if !admin.queue.put_job(&new.stored()).await? {
                continue;
            }
            new
        };
        admin.audits.note(&sink.id, &kept.found);
        if !sink.suspended && kept.lease.is_free_for(worker) && kept.is_due(settings.interval, epoch_ms()) {
            due.push((sink, settings, kept));
        }
    }
    Ok(due)
}

struct Run {
    admin: Arc<Admin>,
    worker: String,
    stop: CancellationToken,
    sink: Arc<Sink>,
    settings: AuditSettings,
    errand: Errand,
    kept: Kept,
}

impl Run {
    /// Makes the audit to its end, or until another receiver has taken it, the sink has changed, or this receiver ends.
    async fn finish(mut self) -> Result<(), QueueError> {
        let sink = &self.sink;
        if !self.kept.is_running() {
            let (records, mark) =
                gather(&self.admin, &sink.id, self.kept.mark(), self.settings.max_records).await?;
            self.kept.begin(records, mark, epoch_ms());
        }
        let mut next = Instant::now();
        loop {
            let has_ended = self.kept.end(self.settings.interval, epoch_ms());
            // Written before each step: the audit stays with this receiver, and how far it is is known if the receiver dies.
            self.kept.lease.take(&self.worker);
            if !self.admin.queue.put_job(&self.kept.stored()).await? {
                return Ok(());
            }
            let found = &self.kept.found;
            self.admin.audits.note(&sink.id, found);
            if has_ended {
                let reason = found.reason.as_deref().unwrap_or_default();
                let (audited, duplicates) = (found.audited, found.duplicates);
                tracing::info!(sink = %sink.id, audited, duplicates, reason, "audit completed");
            }
            if !self.kept.is_running() || self.stop.is_cancelled() || self.has_changed() {
                return Ok(());
            }
            let rest = next.saturating_duration_since(Instant::now());
            if !rest.is_zero() {
                tokio::select! {
                    () = sleep(rest.min(LOOK)) => {}
                    () = self.stop.cancelled() => {}
                }
                continue;
            }
            let page = self.kept.page(self.errand.max_audited());
            let (answer, calls) = self.errand.twins(&page).await;
            let share = sink.delivery.limit.time_for(calls, SHARE);
            next = Instant::now() + self.kept.take(&page, answer).max(share);
        }
    }

    /// Whether the sink is another one by now, or gone.
    fn has_changed(&self) -> bool {
        let config = self.admin.config.borrow();
        !config.sinks().any(|sink| Arc::ptr_eq(sink, &self.sink))
    }
}

/// The records of a sink that the ledger tells of behind `mark`, newest first, and where it goes on.
async fn gather(
    admin: &Admin,
    sink: &SinkId,
    mark: Option<Mark>,
    most: usize,
) -> Result<(Vec<String>, Option<Mark>), QueueError> {
    let mut webhooks = admin.queue.ledger_webhooks().await?;
    webhooks.retain(|webhook| webhook.namespace() == sink.namespace());
    let filter = EntryFilter {
        words: vec![sink.to_string()],
        ..EntryFilter::default()
    };
    let has_record = |event: &LedgerEvent| {
        event.what == LedgerEventKind::Delivered
            && event.sink.as_ref() == Some(sink)
            && !event.record.is_empty()
    };
    let (entries, next) = newest(
        admin.queue.as_ref(),
        webhooks,
        &filter,
        FOREVER,
        mark.as_ref(),
        most,
        |entry| entry.events.iter().any(has_record),
    )
    .await?;
    let mut seen = BTreeSet::new();
    let events = entries
        .into_iter()
        .flat_map(|entry| entry.events)
        .filter(has_record);
    let records = events
        .map(|event| event.record)
        .filter(|record| seen.insert(record.clone()));
    Ok((records.collect(), next))
}
