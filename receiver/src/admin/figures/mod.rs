//! What was done in the last hour, day and week. Counts come from the store, so that each receiver tells those of all; the
//! ledger tells what was before this process, and how fast leads were.

mod series;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use leadgate_crds::api::{Overview, Speed};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::api::newest_entries;
use super::shared::{Admin, timestamp};
use super::status::figures;
use crate::queue::{Entry, EntryFilter, EntryOutcome, LedgerEventKind, Millis, QueueError, WebhookId};
use crate::time::epoch_ms;
use series::{COARSE, FINE, Series};

const HOUR: Millis = 3_600_000;
const WEEK: Millis = 7 * 24 * HOUR;

/// How often counts are read, and for how long an answer stands.
const EVERY: Duration = Duration::from_secs(10);
const STANDS: Duration = Duration::from_millis(500);

/// Entries that are read of what was before this process, and those that speed is told by.
const MOST_READ: usize = 10_000;
const PAGE: usize = 1000;

/// How often the ledger is read until nothing came meanwhile, which would be counted twice or not at all.
const LOOKS: usize = 3;

/// What has been counted.
#[derive(Default)]
pub(crate) struct Figures(Mutex<State>);

#[derive(Default)]
struct State {
    series: Series,
    /// The store's counts of accepted and delivered leads, when they were last read.
    last: HashMap<WebhookId, (u64, u64)>,
    /// When that was.
    read: Option<Instant>,
    /// From when on everything is counted.
    since: Millis,
    speeds: Vec<Speed>,
    measured: Option<Instant>,
}

/// Reads the counts now and then, until told to stop.
pub(crate) async fn follow_figures(admin: Arc<Admin>, stop: CancellationToken) {
    loop {
        let wait = if admin.loaded.load(Ordering::Relaxed) {
            let read = async { admin.figures.0.lock().await.read(&admin).await };
            tokio::select! {
                read = read => if let Err(error) = read {
                    tracing::debug!(%error, "failed to read the counts; will retry");
                },
                () = stop.cancelled() => return,
            }
            EVERY
        } else {
            STANDS
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// What was done lately.
pub(super) async fn overview(admin: &Admin) -> Result<Overview, QueueError> {
    let mut state = admin.figures.0.lock().await;
    if state.read.is_none_or(|read| read.elapsed() > STANDS) {
        state.read(admin).await?;
    }
    if state
        .measured
        .is_none_or(|measured| measured.elapsed() > EVERY / 5)
    {
        state.speeds = speeds(admin).await?;
        state.measured = Some(Instant::now());
    }
    let now = epoch_ms();
    let at = |millis| timestamp(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    Ok(Overview {
        now: at(now),
        since: at(state.since.max(now.saturating_sub(WEEK))),
        hour: state.series.points(now, FINE, 12),
        day: state.series.points(now, COARSE, 24),
        week: state.series.points(now, 6 * COARSE, 28),
        speeds: state.speeds.clone(),
    })
}

impl State {
    /// Counts what came since the last time.
    async fn read(&mut self, admin: &Admin) -> Result<(), QueueError> {
        let mut counts = count(admin).await?;
        let new: Vec<WebhookId> = counts
            .keys()
            .filter(|id| !self.last.contains_key(*id))
            .cloned()
            .collect();
        let mut before = Before::default();
        for _ in 0..LOOKS {
            if new.is_empty() {
                break;
            }
            before = look_back(admin, new.clone()).await?;
            let known = std::mem::replace(&mut counts, count(admin).await?);
            if new.iter().all(|id| known.get(id) == counts.get(id)) {
                break;
            }
        }
        self.series.merge(before.series);
        self.since = self.since.max(before.since);
        let now = epoch_ms();
        for (id, (accepted, delivered)) in &counts {
            if let Some((before, delivered_before)) = self.last.get(id) {
                self.series.add(
                    now,
                    accepted.saturating_sub(*before),
                    delivered.saturating_sub(*delivered_before),
                );
            }
        }
        self.series.forget(now.saturating_sub(WEEK));
        // A webhook that goes and comes back is not new.
        self.last.extend(counts);
        self.read = Some(Instant::now());
        Ok(())
    }
}

/// The store's counts of accepted and delivered leads.
async fn count(admin: &Admin) -> Result<HashMap<WebhookId, (u64, u64)>, QueueError> {
    let config = Arc::clone(&admin.config.borrow());
    let (webhooks, sinks) = figures(admin, &config).await?;
    let mut counts: HashMap<WebhookId, (u64, u64)> = webhooks
        .into_iter()
        .map(|(id, stats)| (id, (stats.accepted, 0)))
        .collect();
    for (webhook, share) in sinks.iter().flat_map(|(_, stats)| &stats.by_webhook) {
        if let Some((_, delivered)) = counts.get_mut(webhook) {
            *delivered += share.delivered;
        }
    }
    Ok(counts)
}

/// What the ledger tells.
#[derive(Default)]
struct Before {
    series: Series,
    /// From when on that is everything.
    since: Millis,
}

/// Reads what the ledger tells of webhooks that are new to this process.
async fn look_back(admin: &Admin, of: Vec<WebhookId>) -> Result<Before, QueueError> {
    let now = epoch_ms();
    let filter = EntryFilter {
        since: now.saturating_sub(WEEK),
        outcome: Some(EntryOutcome::Accepted),
        ..EntryFilter::default()
    };
    let (mut after, mut looked_at) = (None, 0);
    let mut found = Before::default();
    loop {
        let (entries, next) = newest_entries(
            admin.queue.as_ref(),
            of.clone(),
            &filter,
            now.saturating_add(HOUR),
            after.as_ref(),
            PAGE,
            |_| true,
        )
        .await?;
        looked_at += entries.len();
        for entry in &entries {
            found.series.add(entry.at, 1, 0);
            for at in deliveries(entry) {
                found.series.add(at, 0, 1);
            }
        }
        let oldest = entries.last().map(|entry| entry.at);
        match (next, oldest) {
            (Some(_), Some(oldest)) if looked_at >= MOST_READ => {
                found.since = oldest;
                return Ok(found);
            }
            (Some(next), _) => after = Some(next),
            (None, _) => return Ok(found),
        }
    }
}

/// When a lead was delivered.
fn deliveries(entry: &Entry) -> impl Iterator<Item = Millis> {
    let delivered = entry
        .events
        .iter()
        .filter(|event| event.what == LedgerEventKind::Delivered);
    delivered.map(|event| event.at)
}

/// How fast the last leads of a day were.
async fn speeds(admin: &Admin) -> Result<Vec<Speed>, QueueError> {
    let config = Arc::clone(&admin.config.borrow());
    let now = epoch_ms();
    let filter = EntryFilter {
        since: now.saturating_sub(24 * HOUR),
        outcome: Some(EntryOutcome::Accepted),
        ..EntryFilter::default()
    };
    let of = config.webhooks().map(|webhook| webhook.id.clone()).collect();
    let (entries, _) = newest_entries(
        admin.queue.as_ref(),
        of,
        &filter,
        now.saturating_add(HOUR),
        None,
        PAGE,
        |_| true,
    )
    .await?;
    let mut took: HashMap<&WebhookId, Vec<u64>> = HashMap::new();
    for entry in &entries {
        let took = took.entry(&entry.webhook).or_default();
        took.extend(deliveries(entry).map(|at| at.saturating_sub(entry.at)));
    }
    let told = config.webhooks().filter_map(|webhook| {
        let mut took = took.remove(&webhook.id)?;
        took.sort_unstable();
        let rank = |percent: usize| {
            took.get((took.len() * percent).div_ceil(100).saturating_sub(1))
                .copied()
        };
        Some(Speed {
            webhook: webhook.id.to_string(),
            p50_ms: rank(50)?,
            p99_ms: rank(99)?,
            objective_ms: webhook
                .objective
                .map(|objective| u64::try_from(objective.as_millis()).unwrap_or(u64::MAX)),
            deliveries: u64::try_from(took.len()).unwrap_or(u64::MAX),
        })
    });
    Ok(told.collect())
}
