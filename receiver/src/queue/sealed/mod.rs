//! What leaves the process sealed: a queue in front of the one of a store.
//!
//! * Payloads, messages, CRM's answers, rejected bodies and jobs are sealed before a store sees them, and opened when they come
//!   back. Ids, times, reason words and keyed hashes stay in the clear: stores work with them.
//! * A lead whose key is missing waits at the head of its line ([`KEY_MISSING`]) until the key is back.
//! * What was stored before there was a key is read as it is.

mod hidden;
mod key_ring;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;

use hidden::Hidden;
use key_ring::{Closed, Of};
pub use key_ring::{KeyId, KeyRing, SealKey, Seals};

use super::{
    Access, Admission, Before, Breaker, Claim, Claims, Contact, CrmHealth, DeadLetter, DeadLetterPage,
    DeadLetterReason, DeadLetterSet, DeadLetters, Disposition, Entry, EntryFilter, EntryPage, Grant,
    Identity, Instead, Jobs, LastError, LeadId, Ledger, LedgerBounds, LedgerKey, ListFilter, NewEntry,
    NewLead, NewRejected, OpenError, PauseReason, Queue, QueueError, RateLimit, Removal, Requeue, Requeued,
    Settled, Settlement, SinkId, SinkStats, StoreReport, StoredJob, Suppressions, ThrottleKey, ThrottleStore,
    Token, WebhookId, WebhookStats,
};
use crate::log_limit::LogLimit;

/// Why a lead waits whose key this receiver does not have.
pub const KEY_MISSING: &str = "KeyMissing";

/// How often a lead is looked at whose key is missing.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// For how long it is reported that one was met: longer than until it is looked at again.
const MISSED_FOR: Duration = Duration::from_mins(1);

const BODY: &str = "body";
const MESSAGE: &str = "message";
const ANSWER: &str = "answer";
const JOB: &str = "job";

/// A queue whose store holds nothing that can be read.
pub(super) struct SealedQueue {
    store: Arc<dyn Queue>,
    seals: Seals,
    hidden: Hidden,
    warned: LogLimit,
    /// When a lead was met last whose key is missing.
    missed: Mutex<Option<Instant>>,
}

impl SealedQueue {
    /// `hides`: what makes keyed hashes of contacts and dedupe keys.
    pub(super) fn new(store: Arc<dyn Queue>, seals: Seals, hides: Option<LedgerKey>) -> Self {
        Self {
            store,
            seals,
            hidden: Hidden::new(hides),
            warned: LogLimit::new(),
            missed: Mutex::new(None),
        }
    }

    fn seal_body(&self, body: &mut Bytes, id: &LeadId, webhook: &WebhookId) {
        if let Some(record) = self.seals.seal(body, part(id, webhook, BODY)) {
            *body = record.into();
        }
    }

    fn seal_error(&self, why: &mut LastError, id: &LeadId, webhook: &WebhookId) {
        self.seals.seal_text(&mut why.message, part(id, webhook, MESSAGE));
    }

    fn seal_reason(&self, why: &mut DeadLetterReason, id: &LeadId, webhook: &WebhookId) {
        self.seals.seal_text(&mut why.message, part(id, webhook, MESSAGE));
        self.seals.seal_text(&mut why.answer, part(id, webhook, ANSWER));
    }

    fn seal_settlement(&self, settlement: &mut Settlement) {
        let (id, webhook) = (&settlement.attempt.id, &settlement.attempt.webhook);
        match &mut settlement.outcome {
            Disposition::Retry { why, .. } | Disposition::Release { why: Some(why), .. } => {
                self.seal_error(why, id, webhook);
            }
            Disposition::DeadLetter { why, .. } => self.seal_reason(why, id, webhook),
            Disposition::Delivered { .. }
            | Disposition::Unwanted(_)
            | Disposition::Release { why: None, .. } => {}
        }
    }

    fn open_lead(&self, lead: &mut DeadLetter) {
        let (id, webhook) = (&lead.id, &lead.webhook);
        let seals = &self.seals;
        let is_open = seals.open_text(&mut lead.why.message, part(id, webhook, MESSAGE))
            & seals.open_text(&mut lead.why.answer, part(id, webhook, ANSWER));
        lead.key_missing |= !is_open;
        match self.seals.open(&lead.body, part(id, webhook, BODY)) {
            None => {}
            Some(Ok(body)) => lead.body = body.into(),
            Some(Err(Closed::KeyMissing(key))) => {
                lead.key_missing = true;
                lead.body = serde_json::json!(key_ring::missing(key)).to_string().into();
            }
            Some(Err(Closed::Broken)) => lead.body = Bytes::from_static(b"\"(sealed, and altered since)\""),
        }
    }

    /// Whether its key is here. What was altered passes, and is found to be unreadable like anything else.
    fn open_claim(&self, claim: &mut Claim) -> Result<(), KeyId> {
        match self
            .seals
            .open(&claim.body, part(&claim.id, &claim.webhook, BODY))
        {
            None | Some(Err(Closed::Broken)) => Ok(()),
            Some(Ok(body)) => {
                claim.body = body.into();
                Ok(())
            }
            Some(Err(Closed::KeyMissing(key))) => Err(key),
        }
    }

    /// What was claimed, without the leads whose key is missing.
    async fn open_claims(&self, sink: &SinkId, found: Claims) -> Claims {
        let (mut claims, mut closed) = (Vec::with_capacity(found.claims.len()), Vec::new());
        for mut claim in found.claims {
            match self.open_claim(&mut claim) {
                Ok(()) => claims.push(claim),
                Err(key) => {
                    let why = LastError::new(KEY_MISSING, &key_ring::missing(key));
                    let outcome = Disposition::Release {
                        after: LOOK_AGAIN,
                        why: Some(why),
                    };
                    closed.push(Settlement::of(&claim, outcome));
                }
            }
        }
        if !closed.is_empty() {
            *self.missed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            if let Some(left_out) = self.warned.admit() {
                tracing::warn!(
                    %sink,
                    leads = closed.len(),
                    left_out,
                    "leads wait for the key that sealed them (reason {KEY_MISSING}); add it to the encryption keys again"
                );
            }
            // Their leases end anyway, and what was claimed with them must not wait for that.
            if let Err(error) = self.store.settle(sink, closed).await {
                tracing::debug!(%sink, %error, "failed to put back leads whose key is missing");
            }
        }
        Claims {
            claims,
            next_due: found.next_due,
        }
    }
}

fn part<'a>(id: &'a LeadId, webhook: &'a WebhookId, part: &'static str) -> Of<'a> {
    Of {
        id: id.as_str(),
        webhook: webhook.as_str(),
        part,
    }
}

/// A job is no lead's.
fn job(id: &str) -> Of<'_> {
    Of {
        id,
        webhook: "",
        part: JOB,
    }
}

#[async_trait]
impl Queue for SealedQueue {
    async fn accept(&self, mut leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError> {
        for lead in &mut leads {
            self.hidden.hide(lead);
            self.seal_body(&mut lead.body, &lead.id, &lead.webhook);
        }
        self.store.accept(leads).await
    }

    async fn preview(&self, mut leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError> {
        for lead in &mut leads {
            self.hidden.hide(lead);
        }
        self.store.preview(leads).await
    }

    async fn claim(&self, sink: &SinkId, max: usize, lease: Duration) -> Result<Claims, QueueError> {
        let found = self.store.claim(sink, max, lease).await?;
        Ok(self.open_claims(sink, found).await)
    }

    async fn claim_untried(&self, sink: &SinkId, max: usize, lease: Duration) -> Result<Claims, QueueError> {
        let found = self.store.claim_untried(sink, max, lease).await?;
        Ok(self.open_claims(sink, found).await)
    }

    async fn renew(
        &self,
        sink: &SinkId,
        claims: &[(Contact, Token)],
        lease: Duration,
    ) -> Result<Vec<bool>, QueueError> {
        self.store.renew(sink, claims, lease).await
    }

    async fn settle(
        &self,
        sink: &SinkId,
        mut settlements: Vec<Settlement>,
    ) -> Result<Vec<Settled>, QueueError> {
        for settlement in &mut settlements {
            self.seal_settlement(settlement);
        }
        self.store.settle(sink, settlements).await
    }

    async fn wait(&self, sink: &SinkId, at_most: Duration) {
        self.store.wait(sink, at_most).await;
    }

    async fn occupied_sinks(&self) -> Result<Vec<SinkId>, QueueError> {
        self.store.occupied_sinks().await
    }

    async fn sink_stats(&self, sinks: &[SinkId]) -> Result<Vec<SinkStats>, QueueError> {
        self.store.sink_stats(sinks).await
    }

    async fn webhook_stats(&self, webhooks: &[WebhookId]) -> Result<Vec<WebhookStats>, QueueError> {
        self.store.webhook_stats(webhooks).await
    }

    async fn pending(&self, routes: &[(SinkId, WebhookId)]) -> Result<Vec<u64>, QueueError> {
        self.store.pending(routes).await
    }

    async fn prune(&self, ledger: &LedgerBounds) -> Result<bool, QueueError> {
        self.store.prune(ledger).await
    }

    async fn check(&self) -> Result<StoreReport, QueueError> {
        let mut report = self.store.check().await?;
        let missed = *self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        if missed.is_some_and(|at| at.elapsed() < MISSED_FOR) {
            report.problems.push(format!(
                "leads wait for the key that sealed them (reason {KEY_MISSING}): add it to the encryption keys again"
            ));
        }
        Ok(report)
    }

    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    fn renew_access(&self, access: &Access) -> Result<(), OpenError> {
        self.store.renew_access(access)
    }

    async fn access_refused(&self) {
        self.store.access_refused().await;
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

#[async_trait]
impl ThrottleStore for SealedQueue {
    async fn permits(
        &self,
        key: &ThrottleKey,
        want: u32,
        limit: Option<RateLimit>,
        breaker: Breaker,
    ) -> Result<Grant, QueueError> {
        self.store.permits(key, want, limit, breaker).await
    }

    async fn report(&self, key: &ThrottleKey, health: CrmHealth, breaker: Breaker) -> Result<(), QueueError> {
        self.store.report(key, health, breaker).await
    }

    async fn pause(&self, key: &ThrottleKey, pause: Duration, why: &PauseReason) -> Result<(), QueueError> {
        self.store.pause(key, pause, why).await
    }

    async fn resume(&self, key: &ThrottleKey) -> Result<(), QueueError> {
        self.store.resume(key).await
    }
}

#[async_trait]
impl DeadLetters for SealedQueue {
    async fn reject(&self, mut rejected: NewRejected, keep: Duration) -> Result<bool, QueueError> {
        self.seal_body(&mut rejected.body, &rejected.id, &rejected.webhook);
        self.seal_reason(&mut rejected.why, &rejected.id, &rejected.webhook);
        self.store.reject(rejected, keep).await
    }

    async fn list(&self, set: DeadLetterSet, filter: &ListFilter) -> Result<DeadLetterPage, QueueError> {
        let mut page = self.store.list(set, filter).await?;
        for lead in &mut page.items {
            self.open_lead(lead);
        }
        Ok(page)
    }

    async fn show(&self, id: &LeadId) -> Result<Vec<DeadLetter>, QueueError> {
        let mut found = self.store.show(id).await?;
        for lead in &mut found {
            self.open_lead(lead);
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
        let Some(instead) = how.instead else {
            return self.store.requeue(set, sink, id, to, how).await;
        };
        let contact = self.hidden.contact(instead.contact);
        let sealed = self.seals.seal(instead.body, part(id, instead.webhook, BODY));
        let how = Requeue {
            instead: Some(Instead {
                contact: &contact,
                body: sealed.as_deref().unwrap_or(instead.body),
                ..instead
            }),
            ..how
        };
        self.store.requeue(set, sink, id, to, how).await
    }

    async fn expedite(&self, sink: &SinkId, id: &LeadId) -> Result<bool, QueueError> {
        self.store.expedite(sink, id).await
    }

    async fn remove(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
        why: Removal,
        by: &str,
    ) -> Result<bool, QueueError> {
        self.store.remove(set, sink, id, why, by).await
    }

    async fn forget(&self, contact: &Contact, sinks: &[SinkId]) -> Result<(), QueueError> {
        self.store.forget(contact, sinks).await
    }

    fn known_as(&self, contact: &Contact) -> Contact {
        self.hidden.contact(contact)
    }

    async fn scrub(&self) -> Result<Vec<String>, QueueError> {
        self.store.scrub().await
    }
}

#[async_trait]
impl Ledger for SealedQueue {
    async fn note(&self, entries: Vec<NewEntry>) -> Result<(), QueueError> {
        self.store.note(entries).await
    }

    async fn entries(
        &self,
        webhook: &WebhookId,
        before: &Before,
        filter: &EntryFilter,
        limit: usize,
    ) -> Result<EntryPage, QueueError> {
        self.store.entries(webhook, before, filter, limit).await
    }

    async fn entry(&self, webhook: &WebhookId, id: &LeadId) -> Result<Option<Entry>, QueueError> {
        self.store.entry(webhook, id).await
    }

    async fn clear_entry(&self, webhook: &WebhookId, id: &LeadId, by: &str) -> Result<bool, QueueError> {
        self.store.clear_entry(webhook, id, by).await
    }

    async fn identify(
        &self,
        webhook: &WebhookId,
        id: &LeadId,
        people: &[Identity],
    ) -> Result<bool, QueueError> {
        self.store.identify(webhook, id, people).await
    }

    async fn ledger_webhooks(&self) -> Result<Vec<WebhookId>, QueueError> {
        self.store.ledger_webhooks().await
    }

    fn hashes_of(&self, person: &Identity) -> Vec<String> {
        self.store.hashes_of(person)
    }
}

#[async_trait]
impl Suppressions for SealedQueue {
    async fn suppress(&self, namespace: &str, people: &[String]) -> Result<(), QueueError> {
        self.store.suppress(namespace, people).await
    }

    async fn lift(&self, namespace: &str, people: &[String]) -> Result<u64, QueueError> {
        self.store.lift(namespace, people).await
    }

    async fn suppressed(&self, namespace: &str) -> Result<u64, QueueError> {
        self.store.suppressed(namespace).await
    }
}

#[async_trait]
impl Jobs for SealedQueue {
    async fn jobs(&self) -> Result<Vec<StoredJob>, QueueError> {
        let mut jobs = self.store.jobs().await?;
        for kept in &mut jobs {
            // One that cannot be opened is passed over, as one of another version is.
            if let Some(Ok(body)) = self.seals.open(&kept.body, job(&kept.id)) {
                kept.body = body;
            }
        }
        Ok(jobs)
    }

    async fn put_job(&self, kept: &StoredJob) -> Result<bool, QueueError> {
        match self.seals.seal(&kept.body, job(&kept.id)) {
            None => self.store.put_job(kept).await,
            Some(body) => {
                let sealed = StoredJob { body, ..kept.clone() };
                self.store.put_job(&sealed).await
            }
        }
    }

    async fn remove_job(&self, id: &str) -> Result<(), QueueError> {
        self.store.remove_job(id).await
    }
}
