//! The embedded queue: one SQLite file, one process.
//!
//! * [`writer`]: one thread owns the file and commits whatever waits in one transaction, with the disk synced,
//!   before anybody is answered.
//! * [`accept`], [`claims`], [`waiting`], [`dead_letters`], [`requeue`], [`throttle`], [`stats`], [`prune`]: the operations, each a
//!   function on a transaction; [`decisions`]: those of people.
//! * [`pending_index`]: a lead is written in the order it came, and found by contact and key once it is indexed.
//! * [`database`]: opening, schema, what errors mean.
//! * [`store`]: transactions, and what is done when the disk is full ([`reserve`]) or the file is taken away ([`place`]).

mod accept;
mod claims;
mod counters;
mod database;
mod dead_letters;
mod decisions;
mod jobs;
mod ledger;
mod pending_index;
mod place;
mod prune;
mod requeue;
mod reserve;
mod stats;
mod store;
mod suppressions;
mod throttle;
mod tx;
mod waiting;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::oneshot;

use self::{
    database::Database,
    tx::{Failure, Tx},
    writer::{Writer, closed},
};
use super::{
    Admission, Before, Breaker, Claims, Contact, CrmHealth, Entry, EntryFilter, EntryPage, Grant, Identity,
    Jobs, LeadId, Ledger, LedgerBounds, LedgerKey, NewEntry, NewLead, OpenError, OpenOptions, PauseReason,
    Queue, QueueError, RateLimit, Settled, Settlement, SinkId, SinkStats, StoreReport, StoredJob,
    Suppressions, ThrottleKey, ThrottleStore, Token, WebhookId, WebhookStats, backpressure::Backlog,
    notifier::Notifier,
};

/// Claims, settlements and questions that may wait; their number is bounded by the workers, not by senders.
const MAX_WORK: usize = 10_000;

/// A queue in a SQLite file.
pub(super) struct SqliteQueue {
    writer: Mutex<Option<Arc<Writer>>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    intake: Backlog,
    work: Backlog,
    wake: Notifier,
    ledger_key: Option<LedgerKey>,
    /// What was looked at of late: has its time ended?
    pruned_to: Mutex<prune::Walk>,
}

impl SqliteQueue {
    /// Opens or makes the file.
    pub(super) async fn open(path: PathBuf, options: &OpenOptions) -> Result<Self, OpenError> {
        let file = Database::new(path.clone(), options.max_file_bytes, options.ledger_key.clone());
        let (writer, ended) = tokio::task::spawn_blocking(move || Writer::start(file))
            .await
            .map_err(|error| OpenError::File {
                path,
                why: error.to_string(),
            })??;
        Ok(Self {
            writer: Mutex::new(Some(Arc::new(writer))),
            ended: Mutex::new(Some(ended)),
            intake: Backlog::new(options.max_waiting, options.max_waiting_bytes),
            work: Backlog::new(MAX_WORK, options.max_waiting_bytes),
            wake: Notifier::default(),
            ledger_key: options.ledger_key.clone(),
            pruned_to: Mutex::default(),
        })
    }

    fn writer(&self) -> Result<Arc<Writer>, QueueError> {
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or_else(closed)
    }

    /// Runs an operation that nobody needs once its caller has gone.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, QueueError> {
        let room = self.work.admit(1, 0)?;
        self.writer()?.call(room, false, work).await
    }

    /// Runs an operation that records what has happened, whether or not its caller still waits.
    async fn record<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, QueueError> {
        let room = self.work.admit(1, 0)?;
        self.writer()?.call(room, true, work).await
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn accept(&self, leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError> {
        let bytes = leads.iter().map(|lead| lead.body.len()).sum();
        let room = self.intake.admit(leads.len().max(1), bytes)?;
        let leads: Arc<[NewLead]> = leads.into();
        let (offered, key) = (leads.clone(), self.ledger_key.clone());
        let admissions = self
            .writer()?
            .call(room, false, move |tx| accept::accept(tx, &offered, key.as_ref()))
            .await?;
        for (lead, admission) in leads.iter().zip(&admissions) {
            if admission.is_new() {
                lead.sinks.iter().for_each(|sink| self.wake.push(sink));
            }
        }
        Ok(admissions)
    }

    async fn preview(&self, leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError> {
        let key = self.ledger_key.clone();
        self.call(move |tx| accept::preview(tx, &leads, key.as_ref()))
            .await
    }

    async fn claim(&self, sink: &SinkId, max: usize, lease: Duration) -> Result<Claims, QueueError> {
        let pushes = self.wake.pushes(sink);
        let name = sink.clone();
        let claims = self.call(move |tx| claims::claim(tx, &name, max, lease)).await?;
        self.wake.seen(sink, pushes);
        Ok(claims)
    }

    async fn claim_untried(&self, sink: &SinkId, max: usize, lease: Duration) -> Result<Claims, QueueError> {
        let name = sink.clone();
        self.call(move |tx| claims::claim_untried(tx, &name, max, lease))
            .await
    }

    async fn renew(
        &self,
        sink: &SinkId,
        claims: &[(Contact, Token)],
        lease: Duration,
    ) -> Result<Vec<bool>, QueueError> {
        let (sink, claims) = (sink.clone(), claims.to_vec());
        self.call(move |tx| claims::renew(tx, &sink, &claims, lease))
            .await
    }

    async fn settle(&self, sink: &SinkId, settlements: Vec<Settlement>) -> Result<Vec<Settled>, QueueError> {
        let name = sink.clone();
        let (settled, waits) = self
            .record(move |tx| claims::settle(tx, &name, &settlements))
            .await?;
        if waits {
            self.wake.push(sink);
        }
        Ok(settled)
    }

    async fn wait(&self, sink: &SinkId, at_most: Duration) {
        self.wake.wait(sink, at_most).await;
    }

    async fn occupied_sinks(&self) -> Result<Vec<SinkId>, QueueError> {
        self.call(stats::occupied).await
    }

    async fn sink_stats(&self, sinks: &[SinkId]) -> Result<Vec<SinkStats>, QueueError> {
        let sinks = sinks.to_vec();
        self.call(move |tx| stats::sinks(tx, &sinks)).await
    }

    async fn webhook_stats(&self, webhooks: &[WebhookId]) -> Result<Vec<WebhookStats>, QueueError> {
        let webhooks = webhooks.to_vec();
        self.call(move |tx| stats::webhooks(tx, &webhooks)).await
    }

    async fn pending(&self, routes: &[(SinkId, WebhookId)]) -> Result<Vec<u64>, QueueError> {
        let routes = routes.to_vec();
        self.call(move |tx| stats::pending(tx, &routes)).await
    }

    async fn prune(&self, bounds: &LedgerBounds) -> Result<bool, QueueError> {
        let bounds = bounds.clone();
        let from = self
            .pruned_to
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let key = self.ledger_key.clone();
        let prune = move |tx: &mut Tx<'_>| {
            ledger::move_mark(tx, key.as_ref())?;
            prune::prune(tx, from.clone(), &bounds)
        };
        let (reached, more) = self.call(prune).await?;
        *self.pruned_to.lock().unwrap_or_else(PoisonError::into_inner) = reached;
        Ok(more)
    }

    async fn check(&self) -> Result<StoreReport, QueueError> {
        let began = Instant::now();
        self.call(|tx| {
            if let Some(why) = &tx.refuses {
                return Err(Failure::Own(why.clone()));
            }
            tx.sql
                .prepare_cached("INSERT OR REPLACE INTO probe VALUES (1, ?1)")?
                .execute([tx.now])
                .map_err(Failure::from)
        })
        .await?;
        Ok(StoreReport {
            problems: Vec::new(),
            durability: "every acknowledged lead is on this disk (synchronous=FULL); keep the file on a \
                         persistent volume"
                .into(),
            write_latency: began.elapsed(),
            room: None,
            primary_changes: 0,
        })
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn close(&self) {
        // The thread ends when the last sender has gone: what was already handed to it is committed first.
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(writer);
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // An error means that the thread is gone already.
            let _ = ended.await;
        }
    }
}

#[async_trait]
impl ThrottleStore for SqliteQueue {
    async fn permits(
        &self,
        key: &ThrottleKey,
        want: u32,
        limit: Option<RateLimit>,
        breaker: Breaker,
    ) -> Result<Grant, QueueError> {
        let key = key.stored().into_owned();
        self.call(move |tx| throttle::permits(tx, &key, want, limit, breaker))
            .await
    }

    async fn report(&self, key: &ThrottleKey, health: CrmHealth, breaker: Breaker) -> Result<(), QueueError> {
        let key = key.stored().into_owned();
        self.record(move |tx| throttle::report(tx, &key, health, breaker))
            .await
    }

    async fn pause(&self, key: &ThrottleKey, pause: Duration, why: &PauseReason) -> Result<(), QueueError> {
        let (key, why) = (key.stored().into_owned(), why.clone());
        self.record(move |tx| throttle::pause(tx, &key, pause, &why))
            .await
    }

    async fn resume(&self, key: &ThrottleKey) -> Result<(), QueueError> {
        let name = key.stored().into_owned();
        self.record(move |tx| throttle::resume(tx, &name)).await?;
        if let ThrottleKey::Sink(sink) = key {
            self.wake.push(sink);
        }
        Ok(())
    }
}

#[async_trait]
impl Ledger for SqliteQueue {
    async fn note(&self, entries: Vec<NewEntry>) -> Result<(), QueueError> {
        let room = self.intake.admit(entries.len().max(1), 0)?;
        let key = self.ledger_key.clone();
        self.writer()?
            .call(room, false, move |tx| {
                tx.limited(|tx| ledger::note(tx, &entries, key.as_ref()))
            })
            .await
    }

    async fn entries(
        &self,
        webhook: &WebhookId,
        before: &Before,
        filter: &EntryFilter,
        limit: usize,
    ) -> Result<EntryPage, QueueError> {
        let (webhook, before, filter) = (webhook.clone(), before.clone(), filter.clone());
        let key = self.ledger_key.clone();
        self.call(move |tx| ledger::page(tx, &webhook, &before, &filter, limit, key.as_ref()))
            .await
    }

    async fn entry(&self, webhook: &WebhookId, id: &LeadId) -> Result<Option<Entry>, QueueError> {
        let (webhook, id) = (webhook.clone(), id.clone());
        self.call(move |tx| ledger::entry(tx, &webhook, &id)).await
    }

    async fn clear_entry(&self, webhook: &WebhookId, id: &LeadId, by: &str) -> Result<bool, QueueError> {
        let (webhook, id, by) = (webhook.clone(), id.clone(), by.to_owned());
        self.call(move |tx| ledger::clear(tx, &webhook, &id, &by)).await
    }

    async fn identify(
        &self,
        webhook: &WebhookId,
        id: &LeadId,
        people: &[Identity],
    ) -> Result<bool, QueueError> {
        let (webhook, id, people) = (webhook.clone(), id.clone(), people.to_vec());
        let key = self.ledger_key.clone();
        self.record(move |tx| {
            ledger::identify(tx, &webhook, &id, key.as_ref(), &people)?;
            Ok(suppressions::include(tx, &webhook, key.as_ref(), &people)?)
        })
        .await
    }

    async fn ledger_webhooks(&self) -> Result<Vec<WebhookId>, QueueError> {
        self.call(|tx| ledger::webhooks(tx)).await
    }

    fn hashes_of(&self, person: &Identity) -> Vec<String> {
        let key = self.ledger_key.as_ref();
        key.map(|key| key.hashes(person)).unwrap_or_default()
    }
}

#[async_trait]
impl Suppressions for SqliteQueue {
    async fn suppress(&self, namespace: &str, people: &[String]) -> Result<(), QueueError> {
        let (namespace, people) = (namespace.to_owned(), people.to_vec());
        self.record(move |tx| suppressions::add(tx, &namespace, &people))
            .await
    }

    async fn lift(&self, namespace: &str, people: &[String]) -> Result<u64, QueueError> {
        let (namespace, people) = (namespace.to_owned(), people.to_vec());
        self.record(move |tx| suppressions::remove(tx, &namespace, &people))
            .await
    }

    async fn suppressed(&self, namespace: &str) -> Result<u64, QueueError> {
        let namespace = namespace.to_owned();
        self.call(move |tx| suppressions::count(tx, &namespace)).await
    }
}

#[async_trait]
impl Jobs for SqliteQueue {
    async fn jobs(&self) -> Result<Vec<StoredJob>, QueueError> {
        self.call(|tx| jobs::all(tx)).await
    }

    async fn put_job(&self, job: &StoredJob) -> Result<bool, QueueError> {
        let job = job.clone();
        self.record(move |tx| jobs::put(tx, &job)).await
    }

    async fn remove_job(&self, id: &str) -> Result<(), QueueError> {
        let id = id.to_owned();
        self.record(move |tx| jobs::remove(tx, &id)).await
    }
}
