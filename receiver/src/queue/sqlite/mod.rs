//! The embedded queue: one SQLite file, one process.
//!
//! * [`writer`]: one thread owns the file and commits whatever waits in one transaction, with the disk synced,
//!   before anybody is answered.
//! * [`accept`], [`claims`], [`waiting`], [`dead_letters`], [`requeue`], [`throttle`], [`stats`], [`prune`]: the operations, each a
//!   function on a transaction.
//! * [`pending_index`]: a lead is written in the order it came, and found by contact and key once it is indexed.
//! * [`database`]: opening, schema, what errors mean.
//! * [`store`]: transactions, and what is done when the disk is full ([`reserve`]) or the file is taken away ([`place`]).

mod accept;
mod claims;
mod counters;
mod database;
mod dead_letters;
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
    waiting::Place,
    writer::{Writer, closed},
};
use super::{
    Admission, Before, Breaker, Claims, Contact, CrmHealth, DeadLetter, DeadLetterPage, DeadLetterSet,
    DeadLetters, Entry, EntryFilter, EntryPage, Grant, Identity, Instead, Jobs, LeadId, Ledger, LedgerBounds,
    LedgerKey, ListFilter, NewEntry, NewLead, NewRejected, OpenError, OpenOptions, PauseReason, Queue,
    QueueError, RateLimit, Removal, Requeue, Requeued, Settled, Settlement, SinkId, SinkStats, StoreReport,
    StoredJob, Suppressions, ThrottleKey, ThrottleStore, Token, WebhookId, WebhookStats,
    backpressure::Backlog, notifier::Notifier,
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

    /// Where a lead waits. The rows are looked through in parts, so that nobody waits for the whole of it.
    async fn places(&self, id: &LeadId, sink: Option<&SinkId>) -> Result<Vec<Place>, QueueError> {
        let (mut places, mut from) = (Vec::new(), 0);
        loop {
            let name = id.clone();
            let (found, next) = self.call(move |tx| waiting::find(tx, &name, from)).await?;
            places.extend(
                found
                    .into_iter()
                    .filter(|place: &Place| sink.is_none_or(|sink| place.sink == *sink)),
            );
            match next {
                Some(next) => from = next,
                None => return Ok(places),
            }
        }
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
impl DeadLetters for SqliteQueue {
    async fn reject(&self, rejected: NewRejected, keep: Duration) -> Result<bool, QueueError> {
        let room = self.intake.admit(1, rejected.body.len())?;
        let key = self.ledger_key.clone();
        self.writer()?
            .call(room, false, move |tx| {
                accept::reject(tx, &rejected, keep, key.as_ref())
            })
            .await
    }

    async fn list(&self, set: DeadLetterSet, filter: &ListFilter) -> Result<DeadLetterPage, QueueError> {
        let filter = filter.clone();
        self.call(move |tx| match set {
            DeadLetterSet::Pending => waiting::list(tx, &filter),
            _ => dead_letters::list(tx, set, &filter),
        })
        .await
    }

    async fn show(&self, id: &LeadId) -> Result<Vec<DeadLetter>, QueueError> {
        let name = id.clone();
        let mut found = self.call(move |tx| dead_letters::show(tx, &name)).await?;
        for place in self.places(id, None).await? {
            found.extend(self.call(move |tx| waiting::show(tx, &place)).await?);
        }
        Ok(found)
    }

    async fn requeue(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
        to: &[SinkId],
        how: Requeue<'_>,
    ) -> Result<Requeued, QueueError> {
        let place = match (set, sink) {
            (DeadLetterSet::Pending, Some(sink)) if !how.copy => self.places(id, Some(sink)).await?.pop(),
            _ => None,
        };
        let (from, id, targets, how) = (sink.cloned(), id.clone(), to.to_vec(), OwnedRequeue::of(how));
        let done = self
            .call(move |tx| {
                let (how, from) = (how.borrow(), from.as_ref());
                // Looked at first: what is refused must not have been touched.
                let found = match &place {
                    Some(place) => waiting::look_at(tx, place)?,
                    None => dead_letters::take_out(tx, set, from, &id, true)?,
                };
                let Some(lead) = found else {
                    return Ok(Requeued::Absent);
                };
                if let Some(refused) = requeue::refused(tx, &lead, from, &targets, how)? {
                    return Ok(refused);
                }
                let taken = match &place {
                    Some(place) => waiting::take_out(tx, place)?,
                    None if how.copy => Some(lead),
                    None => dead_letters::take_out(tx, set, from, &id, false)?,
                };
                let Some(lead) = taken else {
                    return Ok(Requeued::Absent);
                };
                requeue::put_in(tx, set, from, &lead, &targets, how)?;
                Ok(Requeued::Done)
            })
            .await?;
        if done.is_done() {
            to.iter().chain(sink).for_each(|sink| self.wake.push(sink));
        }
        Ok(done)
    }

    async fn expedite(&self, sink: &SinkId, id: &LeadId) -> Result<bool, QueueError> {
        let Some(place) = self.places(id, Some(sink)).await?.pop() else {
            return Ok(false);
        };
        let done = self.call(move |tx| waiting::expedite(tx, &place)).await?;
        if done {
            self.wake.push(sink);
        }
        Ok(done)
    }

    async fn remove(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
        why: Removal,
        by: &str,
    ) -> Result<bool, QueueError> {
        let by = by.to_owned();
        if set == DeadLetterSet::Pending {
            let place = match sink {
                Some(sink) => self.places(id, Some(sink)).await?.pop(),
                None => None,
            };
            let Some(place) = place else { return Ok(false) };
            let done = self.call(move |tx| waiting::remove(tx, &place, why, &by)).await?;
            if let Some(sink) = sink {
                self.wake.push(sink);
            }
            return Ok(done);
        }
        let (sink, id) = (sink.cloned(), id.clone());
        self.call(move |tx| dead_letters::remove(tx, set, sink.as_ref(), &id, why, &by))
            .await
    }

    async fn forget(&self, contact: &Contact, sinks: &[SinkId]) -> Result<(), QueueError> {
        let (contact, sinks) = (contact.clone(), sinks.to_vec());
        self.call(move |tx| dead_letters::forget(tx, &contact, &sinks))
            .await
    }

    async fn scrub(&self) -> Result<Vec<String>, QueueError> {
        // What is removed is overwritten (secure_delete); the log and the free pages go with it.
        while self.call(prune::scrub).await? {}
        Ok(vec![
            "copies and snapshots of the queue file that were made before now: until they are deleted, or the encryption keys \
             that they need are"
                .to_owned(),
        ])
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

/// A [`Requeue`] that another thread can take along.
struct OwnedRequeue {
    record: Option<(String, Duration)>,
    instead: Option<(Contact, WebhookId, Vec<u8>)>,
    by: String,
    force: bool,
    copy: bool,
}

impl OwnedRequeue {
    fn of(how: Requeue<'_>) -> Self {
        Self {
            record: how.record.map(|(record, keep)| (record.to_owned(), keep)),
            instead: how
                .instead
                .map(|lead| (lead.contact.clone(), lead.webhook.clone(), lead.body.to_vec())),
            by: how.by.to_owned(),
            force: how.force,
            copy: how.copy,
        }
    }

    fn borrow(&self) -> Requeue<'_> {
        Requeue {
            record: self
                .record
                .as_ref()
                .map(|(record, keep)| (record.as_str(), *keep)),
            instead: self.instead.as_ref().map(|(contact, webhook, body)| Instead {
                contact,
                webhook,
                body,
            }),
            by: &self.by,
            force: self.force,
            copy: self.copy,
        }
    }
}
