//! The embedded queue: one SQLite file, one process.
//!
//! * [`writer`]: one thread owns the file and commits whatever waits in one transaction, with the disk synced,
//!   before anybody is answered.
//! * [`accept`], [`lines`], [`parked`], [`gate`], [`stats`]: the operations, each a function on a transaction.
//! * [`filing`]: a lead is written in the order it came, and found by contact and key once it is filed.
//! * [`file`]: opening, schema, what errors mean.

mod accept;
mod file;
mod filing;
mod gate;
mod lines;
mod parked;
mod stats;
mod tally;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::oneshot;

use self::{
    file::{QueueFile, file_number},
    writer::{Failure, Tx, Writer, closed},
};
use super::{
    Admission, Breaker, Claims, Contact, CrmHealth, Grant, LeadId, ListFilter, NewLead, NewRejected,
    OpenError, OpenOptions, Parked, ParkedPage, ParkedSet, Queue, QueueError, RateLimit, Settled, Settlement,
    SinkId, SinkStats, StoreReport, Token, WebhookId, WebhookStats, intake::Intake, wake::Wake,
};

/// Claims, settlements and questions that may wait; their number is bounded by the workers, not by senders.
const MAX_WORK: usize = 10_000;

/// A queue in a SQLite file.
pub(super) struct SqliteQueue {
    file: QueueFile,
    number: Option<u64>,
    writer: Mutex<Option<Arc<Writer>>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    intake: Intake,
    work: Intake,
    wake: Wake,
    /// Dedupe keys up to this one were looked at of late: have they expired?
    pruned_to: Mutex<String>,
}

impl SqliteQueue {
    /// Opens or makes the file.
    pub(super) async fn open(path: PathBuf, options: &OpenOptions) -> Result<Self, OpenError> {
        let file = QueueFile {
            path: path.clone(),
            max_bytes: options.max_file_bytes,
        };
        let starting = file.clone();
        let (writer, ended) = tokio::task::spawn_blocking(move || Writer::start(starting))
            .await
            .map_err(|error| OpenError::File {
                path,
                why: error.to_string(),
            })??;
        Ok(Self {
            number: file_number(&file.path),
            file,
            writer: Mutex::new(Some(Arc::new(writer))),
            ended: Mutex::new(Some(ended)),
            intake: Intake::new(options.max_waiting, options.max_waiting_bytes),
            work: Intake::new(MAX_WORK, options.max_waiting_bytes),
            wake: Wake::default(),
            pruned_to: Mutex::new(String::new()),
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
        let offered = leads.clone();
        let admissions = self
            .writer()?
            .call(room, false, move |tx| accept::accept(tx, &offered))
            .await?;
        for (lead, admission) in leads.iter().zip(&admissions) {
            if admission.is_new() {
                lead.sinks.iter().for_each(|sink| self.wake.push(sink));
            }
        }
        Ok(admissions)
    }

    async fn claim(&self, sink: &SinkId, max: usize, lease: Duration) -> Result<Claims, QueueError> {
        let pushes = self.wake.pushes(sink);
        let name = sink.clone();
        let claims = self.call(move |tx| lines::claim(tx, &name, max, lease)).await?;
        self.wake.seen(sink, pushes);
        Ok(claims)
    }

    async fn renew(
        &self,
        sink: &SinkId,
        claims: &[(Contact, Token)],
        lease: Duration,
    ) -> Result<Vec<bool>, QueueError> {
        let (sink, claims) = (sink.clone(), claims.to_vec());
        self.call(move |tx| lines::renew(tx, &sink, &claims, lease)).await
    }

    async fn settle(&self, sink: &SinkId, settlements: Vec<Settlement>) -> Result<Vec<Settled>, QueueError> {
        let name = sink.clone();
        let (settled, waits) = self
            .record(move |tx| lines::settle(tx, &name, &settlements))
            .await?;
        if waits {
            self.wake.push(sink);
        }
        Ok(settled)
    }

    async fn wait(&self, sink: &SinkId, at_most: Duration) {
        self.wake.wait(sink, at_most).await;
    }

    async fn permits(
        &self,
        sink: &SinkId,
        want: u32,
        limit: Option<RateLimit>,
        breaker: Breaker,
    ) -> Result<Grant, QueueError> {
        let sink = sink.clone();
        self.call(move |tx| gate::permits(tx, &sink, want, limit, breaker))
            .await
    }

    async fn report(&self, sink: &SinkId, health: CrmHealth, breaker: Breaker) -> Result<(), QueueError> {
        let sink = sink.clone();
        self.record(move |tx| gate::report(tx, &sink, health, breaker))
            .await
    }

    async fn pause(&self, sink: &SinkId, pause: Duration, reason: &str) -> Result<(), QueueError> {
        let (sink, reason) = (sink.clone(), reason.to_owned());
        self.record(move |tx| gate::pause(tx, &sink, pause, &reason))
            .await
    }

    async fn resume(&self, sink: &SinkId) -> Result<(), QueueError> {
        let name = sink.clone();
        self.record(move |tx| gate::resume(tx, &name)).await?;
        self.wake.push(sink);
        Ok(())
    }

    async fn reject(&self, rejected: NewRejected, keep: Duration) -> Result<(), QueueError> {
        let room = self.intake.admit(1, rejected.body.len())?;
        self.writer()?
            .call(room, false, move |tx| accept::reject(tx, &rejected, keep))
            .await
    }

    async fn list(&self, set: ParkedSet, filter: &ListFilter) -> Result<ParkedPage, QueueError> {
        let filter = filter.clone();
        self.call(move |tx| parked::list(tx, set, &filter)).await
    }

    async fn show(&self, id: &LeadId) -> Result<Vec<Parked>, QueueError> {
        let id = id.clone();
        self.call(move |tx| parked::show(tx, &id)).await
    }

    async fn replay(
        &self,
        set: ParkedSet,
        sink: &SinkId,
        id: &LeadId,
        record: Option<(&str, Duration)>,
    ) -> Result<bool, QueueError> {
        let record = record.map(|(record, keep)| (record.to_owned(), keep));
        let (name, id) = (sink.clone(), id.clone());
        let replayed = self
            .call(move |tx| {
                let record = record.as_ref().map(|(record, keep)| (record.as_str(), *keep));
                parked::replay(tx, set, &name, &id, record)
            })
            .await?;
        if replayed {
            self.wake.push(sink);
        }
        Ok(replayed)
    }

    async fn discard(&self, set: ParkedSet, sink: Option<&SinkId>, id: &LeadId) -> Result<bool, QueueError> {
        let (sink, id) = (sink.cloned(), id.clone());
        self.call(move |tx| parked::discard(tx, set, sink.as_ref(), &id))
            .await
    }

    async fn erase(&self, contact: &Contact) -> Result<u64, QueueError> {
        let contact = contact.clone();
        self.call(move |tx| parked::erase(tx, &contact)).await
    }

    async fn sink_stats(&self, sinks: &[SinkId]) -> Result<Vec<SinkStats>, QueueError> {
        let sinks = sinks.to_vec();
        self.call(move |tx| stats::sinks(tx, &sinks)).await
    }

    async fn webhook_stats(&self, webhooks: &[WebhookId]) -> Result<Vec<WebhookStats>, QueueError> {
        let webhooks = webhooks.to_vec();
        self.call(move |tx| stats::webhooks(tx, &webhooks)).await
    }

    async fn prune(&self) -> Result<bool, QueueError> {
        let from = self
            .pruned_to
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let pruned = self.call(move |tx| stats::prune(tx, &from)).await?;
        *self.pruned_to.lock().unwrap_or_else(PoisonError::into_inner) = pruned.key;
        Ok(pruned.more)
    }

    async fn check(&self) -> Result<StoreReport, QueueError> {
        let began = Instant::now();
        self.call(|tx| {
            tx.sql
                .prepare_cached("INSERT OR REPLACE INTO probe VALUES (1, ?1)")?
                .execute([tx.now])
                .map_err(Failure::from)
        })
        .await?;
        Ok(StoreReport {
            problems: self.file.place_problems(self.number),
            durability: "every acknowledged lead is on this disk (synchronous=FULL); keep the file on a \
                         persistent volume"
                .into(),
            write_latency: began.elapsed(),
            room: None,
        })
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
