//! The queue in Redis (7.0 or newer), shared by all replicas.
//!
//! * The Lua files beside this one are the operations, each atomic; [`keys`] names what they work on.
//! * [`access`]: from a URL to servers; [`sentinel`], [`cluster`]: which of them is the primary; [`connection`]: the one connection,
//!   which [`keeper`] replaces; [`subscriber`]: pushes of other processes.
//! * [`accept`]: accepts, in batches; [`acknowledge`]: replicas that must have them first.
//! * [`codec`]: how a lead is one string; [`reply`]: reading what scripts answer.

mod accept;
mod access;
mod acknowledge;
mod check;
mod claims;
mod cluster;
mod codec;
mod connection;
mod dead_letters;
mod jobs;
mod keeper;
mod keys;
mod ledger;
mod preview;
mod reply;
mod script;
mod sentinel;
mod server_info;
mod stats;
mod subscriber;
mod suppressions;
mod throttle;
mod waiting;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::future::try_join_all;
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout_at},
};

pub(super) use dead_letters::cursor_behind;

use self::{accept::Offer, access::Target, connection::Link, keys::Keys};
use super::{
    Access, Admission, Before, Breaker, Claims, Contact, CrmHealth, DeadLetter, DeadLetterPage,
    DeadLetterSet, DeadLetters, Entry, EntryFilter, EntryPage, Grant, Identity, Jobs, LeadId, Ledger,
    LedgerBounds, ListFilter, NewEntry, NewLead, NewRejected, OpenError, OpenOptions, PauseReason, Queue,
    QueueError, RateLimit, Removal, Requeue, Requeued, Settled, Settlement, SinkId, SinkStats, StoreReport,
    StoredJob, Suppressions, ThrottleKey, ThrottleStore, Token, WebhookId, WebhookStats,
    backpressure::Backlog, notifier::Notifier,
};

/// Beyond the time that a lead's sender waits, for the words why it was in vain.
const TELLING: Duration = Duration::from_millis(500);

/// Without the subscription, how long a push by another process may go unnoticed.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A queue in Redis.
pub(super) struct RedisQueue {
    keys: Keys,
    options: OpenOptions,
    targets: watch::Sender<Target>,
    /// How many replicas must acknowledge an accept.
    replicas: u32,
    refused: Arc<Notify>,
    link: Link,
    offers: Mutex<Option<mpsc::UnboundedSender<Offer>>>,
    sender: Mutex<Option<JoinHandle<()>>>,
    helpers: [JoinHandle<()>; 3],
    intake: Backlog,
    wake: Arc<Notifier>,
    listening: Arc<AtomicBool>,
    /// The element of each webhook's order of entries that was looked at last: has its time ended?
    pruned_to: Mutex<HashMap<WebhookId, String>>,
}

impl RedisQueue {
    /// Starts to connect; whether that works is found out by using it.
    pub(super) fn open(url: &str, options: &OpenOptions) -> Result<Self, OpenError> {
        let target = access::target(url, options)?;
        let replicas = options.acknowledge_replicas.unwrap_or(match target {
            Target::Direct(_) => 0,
            Target::Sentinels(_) | Target::Cluster(_) => 1,
        });
        let (targets, newest) = watch::channel(target);
        let keys = Keys::new(&options.prefix);
        let wake = Arc::new(Notifier::default());
        let listening = Arc::new(AtomicBool::new(false));
        let (prove, proven) = watch::channel(None);
        let refused = Arc::new(Notify::new());
        let (link, keep_up) = Link::new(
            newest.clone(),
            prove,
            Arc::clone(&refused),
            replicas,
            keeper::Marks {
                format: keys.format(),
                ledger_key: keys.ledger_key(),
                shards: keys.shards(),
                count: options.shards,
                key: options.ledger_key.clone(),
            },
        );
        let (offers, offered) = mpsc::unbounded_channel();
        let sender = accept::Sender {
            link: link.clone(),
            keys: keys.clone(),
            ledger_key: options.ledger_key.clone(),
            replicas,
            sure: None,
            trouble: None,
        };
        let sender = tokio::spawn(sender.run(offered));
        let follow = sentinel::listen(newest, link.clone());
        let listen = subscriber::listen(
            proven,
            keys.channel(),
            link.clone(),
            wake.clone(),
            listening.clone(),
        );
        Ok(Self {
            keys,
            options: options.clone(),
            targets,
            replicas,
            refused,
            link,
            offers: Mutex::new(Some(offers)),
            sender: Mutex::new(Some(sender)),
            helpers: [tokio::spawn(keep_up), tokio::spawn(listen), tokio::spawn(follow)],
            intake: Backlog::new(options.max_waiting, options.max_waiting_bytes),
            wake,
            listening,
            pruned_to: Mutex::default(),
        })
    }
}

impl Drop for RedisQueue {
    fn drop(&mut self) {
        self.helpers.iter().for_each(JoinHandle::abort);
    }
}

#[async_trait]
impl Queue for RedisQueue {
    async fn accept(&self, leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError> {
        if leads.is_empty() {
            return Ok(Vec::new());
        }
        let bytes = leads.iter().map(|lead| lead.body.len()).sum();
        let room = self.intake.admit(leads.len(), bytes)?;
        let leads: Arc<[NewLead]> = leads.into();
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + self.options.accept_timeout;
        let offer = Offer {
            leads: leads.clone(),
            bytes,
            deadline,
            answer: Some(answer),
            _room: room,
        };
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let closed = || QueueError::Unavailable("the queue is closed".into());
        offers.ok_or_else(closed)?.send(offer).map_err(|_| closed())?;
        let admissions = match timeout_at(deadline + TELLING, answered).await {
            Ok(Ok(outcome)) => outcome?,
            Ok(Err(_)) => return Err(closed()),
            Err(_) => return Err(QueueError::Unavailable("Redis did not answer in time".into())),
        };
        for (lead, admission) in leads.iter().zip(&admissions) {
            if admission.is_new() {
                lead.sinks.iter().for_each(|sink| self.wake.push(sink));
            }
        }
        Ok(admissions)
    }

    async fn preview(&self, leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError> {
        try_join_all(leads.iter().map(|lead| self.preview_one(lead))).await
    }

    async fn count_key_conflict(&self, webhook: &WebhookId) -> Result<(), QueueError> {
        self.count_conflict(webhook).await
    }

    async fn claim(&self, sink: &SinkId, max: usize, lease: Duration) -> Result<Claims, QueueError> {
        let pushes = self.wake.pushes(sink);
        let claims = self.claim_due(sink, max, lease, false).await?;
        self.wake.seen(sink, pushes);
        Ok(claims)
    }

    async fn claim_untried(&self, sink: &SinkId, max: usize, lease: Duration) -> Result<Claims, QueueError> {
        self.claim_due(sink, max, lease, true).await
    }

    async fn renew(
        &self,
        sink: &SinkId,
        claims: &[(Contact, Token)],
        lease: Duration,
    ) -> Result<Vec<bool>, QueueError> {
        self.renew_leases(sink, claims, lease).await
    }

    async fn settle(&self, sink: &SinkId, settlements: Vec<Settlement>) -> Result<Vec<Settled>, QueueError> {
        self.settle_claims(sink, &settlements).await
    }

    async fn wait(&self, sink: &SinkId, at_most: Duration) {
        let heard = self.listening.load(Ordering::Acquire);
        self.wake
            .wait(
                sink,
                if heard {
                    at_most
                } else {
                    at_most.min(POLL_INTERVAL)
                },
            )
            .await;
    }

    async fn occupied_sinks(&self) -> Result<Vec<SinkId>, QueueError> {
        self.occupied().await
    }

    async fn sink_stats(&self, sinks: &[SinkId]) -> Result<Vec<SinkStats>, QueueError> {
        self.figures(sinks).await
    }

    async fn webhook_stats(&self, webhooks: &[WebhookId]) -> Result<Vec<WebhookStats>, QueueError> {
        self.webhook_figures(webhooks).await
    }

    async fn pending(&self, routes: &[(SinkId, WebhookId)]) -> Result<Vec<u64>, QueueError> {
        self.pending_of(routes).await
    }

    async fn prune(&self, ledger: &LedgerBounds) -> Result<bool, QueueError> {
        self.move_mark().await?;
        Ok(self.prune_dead_letters().await? | self.prune_entries(ledger).await?)
    }

    async fn check(&self) -> Result<StoreReport, QueueError> {
        self.report_setup().await
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn renew_access(&self, access: &Access) -> Result<(), OpenError> {
        let options = OpenOptions {
            authorities: access.authorities.clone(),
            ..self.options.clone()
        };
        let target = access::target(&access.url, &options)?;
        if !access::is_same_store(&target, &self.targets.borrow()) {
            return Err(OpenError::OtherStore);
        }
        self.targets.send_replace(target);
        Ok(())
    }

    async fn access_refused(&self) {
        self.refused.notified().await;
    }

    async fn close(&self) {
        // The sender ends once what was offered is answered.
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(offers);
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // An error means that it is gone already.
            let _ = sender.await;
        }
        self.helpers.iter().for_each(JoinHandle::abort);
    }
}

#[async_trait]
impl ThrottleStore for RedisQueue {
    async fn permits(
        &self,
        key: &ThrottleKey,
        want: u32,
        limit: Option<RateLimit>,
        breaker: Breaker,
    ) -> Result<Grant, QueueError> {
        self.grant(key, want, limit, breaker).await
    }

    async fn report(&self, key: &ThrottleKey, health: CrmHealth, breaker: Breaker) -> Result<(), QueueError> {
        self.record_health(key, health, breaker).await
    }

    async fn pause(&self, key: &ThrottleKey, pause: Duration, why: &PauseReason) -> Result<(), QueueError> {
        self.pause_calls(key, pause, why).await
    }

    async fn resume(&self, key: &ThrottleKey) -> Result<(), QueueError> {
        self.resume_calls(key).await?;
        if let ThrottleKey::Sink(sink) = key {
            self.wake.push(sink);
        }
        Ok(())
    }
}

#[async_trait]
impl DeadLetters for RedisQueue {
    async fn reject(&self, rejected: NewRejected, keep: Duration) -> Result<bool, QueueError> {
        let _room = self.intake.admit(1, rejected.body.len())?;
        self.keep_rejected(&rejected, keep).await
    }

    async fn list(&self, set: DeadLetterSet, filter: &ListFilter) -> Result<DeadLetterPage, QueueError> {
        match set {
            DeadLetterSet::Pending => self.list_waiting(filter).await,
            _ => self.list_page(set, filter).await,
        }
    }

    async fn show(&self, id: &LeadId) -> Result<Vec<DeadLetter>, QueueError> {
        let mut found = self.show_dead_letter(id).await?;
        found.extend(self.find_waiting(id, None).await?);
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
        let done = self.put_into_lines(set, sink, id, to, how).await?;
        if done.is_done() {
            to.iter().chain(sink).for_each(|sink| self.wake.push(sink));
        }
        Ok(done)
    }

    async fn expedite(&self, sink: &SinkId, id: &LeadId) -> Result<bool, QueueError> {
        let done = self.expedite_line(sink, id).await?;
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
        match (set, sink) {
            (DeadLetterSet::Pending, Some(sink)) => {
                let done = self.remove_waiting(sink, id, why, by).await?;
                self.wake.push(sink);
                Ok(done)
            }
            (DeadLetterSet::Pending, None) => Ok(false),
            _ => self.remove_dead_letter(set, sink, id, why, by).await,
        }
    }

    async fn forget(&self, contact: &Contact, sinks: &[SinkId]) -> Result<(), QueueError> {
        self.forget_records(contact, sinks).await
    }

    async fn scrub(&self) -> Result<Vec<String>, QueueError> {
        self.rewrite_files().await
    }
}

#[async_trait]
impl Ledger for RedisQueue {
    async fn note(&self, entries: Vec<NewEntry>) -> Result<(), QueueError> {
        let _room = self.intake.admit(entries.len().max(1), 0)?;
        self.enter(&entries).await
    }

    async fn entries(
        &self,
        webhook: &WebhookId,
        before: &Before,
        filter: &EntryFilter,
        limit: usize,
    ) -> Result<EntryPage, QueueError> {
        self.page_of_entries(webhook, before, filter, limit).await
    }

    async fn entry(&self, webhook: &WebhookId, id: &LeadId) -> Result<Option<Entry>, QueueError> {
        self.one_entry(webhook, id).await
    }

    async fn clear_entry(&self, webhook: &WebhookId, id: &LeadId, by: &str) -> Result<bool, QueueError> {
        self.clear_one(webhook, id, by).await
    }

    async fn identify(
        &self,
        webhook: &WebhookId,
        id: &LeadId,
        people: &[Identity],
    ) -> Result<bool, QueueError> {
        self.identify_one(webhook, id, people).await
    }

    async fn ledger_webhooks(&self) -> Result<Vec<WebhookId>, QueueError> {
        self.webhooks_with_entries().await
    }

    fn hashes_of(&self, person: &Identity) -> Vec<String> {
        let key = self.options.ledger_key.as_ref();
        key.map(|key| key.hashes(person)).unwrap_or_default()
    }
}

#[async_trait]
impl Suppressions for RedisQueue {
    async fn suppress(&self, namespace: &str, people: &[String]) -> Result<(), QueueError> {
        self.change_suppressed("SADD", namespace, people).await.map(drop)
    }

    async fn lift(&self, namespace: &str, people: &[String]) -> Result<u64, QueueError> {
        self.change_suppressed("SREM", namespace, people).await
    }

    async fn suppressed(&self, namespace: &str) -> Result<u64, QueueError> {
        self.count_suppressed(namespace).await
    }
}

#[async_trait]
impl Jobs for RedisQueue {
    async fn jobs(&self) -> Result<Vec<StoredJob>, QueueError> {
        self.all_jobs().await
    }

    async fn put_job(&self, job: &StoredJob) -> Result<bool, QueueError> {
        self.write_job(job).await
    }

    async fn remove_job(&self, id: &str) -> Result<(), QueueError> {
        self.drop_job(id).await
    }
}
