//! The durable queue: what was acknowledged waits here, per sink and per contact, until a CRM has it.
//!
//! * [`Queue`] is the promise; `sqlite` (embedded) and `redis` (Lua files beside it) keep it, `sharded` makes one of several,
//!   and one conformance suite in `tests/` holds all of them to it.
//! * The queue knows neither HTTP nor CRMs: a lead's body is bytes to it.
//! * Time comes from the store, so that replicas with different clocks agree.

mod backpressure;
mod fields;
mod ledger;
mod ledger_key;
mod notifier;
mod open;
mod options;
mod redis;
mod sealed;
mod sharded;
mod slots;
mod sqlite;
mod types;

use std::time::Duration;

use async_trait::async_trait;

pub use ledger::LedgerKey;
pub use open::{open, recognises};
pub use options::{Access, Durability, MAX_SHARDS, OpenError, OpenOptions};
pub use sealed::{KEY_MISSING, KeyId, KeyRing, SealKey, Seals};
pub use types::*;

pub use crate::ids::{Contact, DedupeKey, LeadId, SinkId, WebhookId};
pub use crate::throttle::{Breaker, CrmHealth, Grant, PauseReason, RateLimit, ThrottleKey};

/// A durable queue of leads, ordered per sink and per contact.
///
/// A *contact* is the hash of what identifies a person. For one sink, one contact's leads are handed out one
/// at a time, in the order in which they were accepted. A claim is a lease with a fencing token: if its
/// holder dies, the lead comes back when the lease ends; a late answer with an old token is refused.
///
/// Every method fails with [`QueueError`] within about a second when the store is unavailable (an accept in Redis within
/// [`OpenOptions::accept_timeout`]), and works again by itself once the store is back.
#[async_trait]
pub trait Queue: ThrottleStore + DeadLetters + Ledger + Suppressions + Jobs + Send + Sync + 'static {
    /// Deduplicates, stores and enqueues the leads of one request, atomically: all of them or none.
    ///
    /// Returns one [`Admission`] per lead, in order. When this returns `Ok`, the leads are on disk. A lead whose
    /// dedupe key is held by another lead is a [`Admission::Duplicate`] of that one and is not stored. After
    /// an error the outcome is unknown: repeating the call with the *same ids* is safe (a lead that landed
    /// answers `Accepted` again), and so is a resend by the sender (it answers `Duplicate`).
    async fn accept(&self, leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError>;

    /// What [`Queue::accept`] would answer now for each lead alone. Nothing is stored or counted.
    async fn preview(&self, leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError>;

    /// Counts a [`Admission::KeyConflict`] that the store itself has not seen: the other lead is in another shard.
    async fn count_key_conflict(&self, _webhook: &WebhookId) -> Result<(), QueueError> {
        Ok(())
    }

    /// Hands out the first lead of up to `max` different contacts that are due, oldest first, for `lease`.
    ///
    /// Each claim counts as an attempt, so a lead that kills its worker is seen to have been tried.
    async fn claim(&self, sink: &SinkId, max: usize, lease: Duration) -> Result<Claims, QueueError>;

    /// The same, of contacts whose first lead has not been tried yet, newest first: it tells more about a CRM that failed than
    /// a lead that failed there before. Looks at a bounded number of contacts.
    async fn claim_untried(&self, sink: &SinkId, max: usize, lease: Duration) -> Result<Claims, QueueError>;

    /// Extends leases to `lease` from now. `false`: the claim was lost, its worker must stop. A lease that
    /// ended is not lost until somebody else claims the lead: until then it can be renewed and settled.
    async fn renew(
        &self,
        sink: &SinkId,
        claims: &[(Contact, Token)],
        lease: Duration,
    ) -> Result<Vec<bool>, QueueError>;

    /// Ends claims, each on its own. A stale token changes nothing and answers [`Settled::Stale`].
    async fn settle(&self, sink: &SinkId, settlements: Vec<Settlement>) -> Result<Vec<Settled>, QueueError>;

    /// Returns when a lead may have been enqueued for `sink` (by this or any other process), or after
    /// `at_most`. Never misses a push that happens after the previous [`Queue::claim`] returned. Spurious
    /// returns are allowed; polling the store more than once a second is not.
    async fn wait(&self, sink: &SinkId, at_most: Duration);

    /// Every sink of which leads wait or are set aside, named or not, in order.
    async fn occupied_sinks(&self) -> Result<Vec<SinkId>, QueueError>;

    /// Figures of the given sinks, in their order.
    async fn sink_stats(&self, sinks: &[SinkId]) -> Result<Vec<SinkStats>, QueueError>;

    /// Figures of the given webhooks, in their order.
    async fn webhook_stats(&self, webhooks: &[WebhookId]) -> Result<Vec<WebhookStats>, QueueError>;

    /// How many deliveries of a webhook to a sink wait or are being made, for each of the given pairs, in their order.
    async fn pending(&self, routes: &[(SinkId, WebhookId)]) -> Result<Vec<u64>, QueueError>;

    /// Removes what has outlived its retention, of the ledger also what is more than it may hold. Bounded work a call;
    /// `true`: call again soon.
    async fn prune(&self, ledger: &LedgerBounds) -> Result<bool, QueueError>;

    /// Whether the store answers and is set up so that an acknowledged lead survives.
    async fn check(&self) -> Result<StoreReport, QueueError>;

    /// Whether other receivers, perhaps of other owners, may use the same store.
    fn is_shared(&self) -> bool;

    /// Takes the user name, password and authorities of `access` into use. Calls under way are finished as they were
    /// begun, and none fails because of this.
    fn renew_access(&self, _access: &Access) -> Result<(), OpenError> {
        Err(OpenError::OtherStore)
    }

    /// Returns when the store has refused the user name or password, or the user lacks a permission.
    async fn access_refused(&self) {
        std::future::pending::<()>().await;
    }

    /// Finishes what is under way and releases the store.
    async fn close(&self);
}

/// The throttles, which all replicas share.
#[async_trait]
pub trait ThrottleStore: Send + Sync {
    /// Asks for `want` requests, under the rolling `limit`, the pause and the circuit
    /// breaker that all replicas share. With `want` 0 it only tells whether a pause or an open circuit is in force.
    async fn permits(
        &self,
        key: &ThrottleKey,
        want: u32,
        limit: Option<RateLimit>,
        breaker: Breaker,
    ) -> Result<Grant, QueueError>;

    /// Reports whether the CRM answered. `failures` in a row (0: never) open the circuit: nothing is granted for
    /// `cooldown`, then one probe at a time until a success closes it. A success clears the count.
    async fn report(&self, key: &ThrottleKey, health: CrmHealth, breaker: Breaker) -> Result<(), QueueError>;

    /// Stops all of its calls for `pause` from now. The later end wins over a pause in force, but a person's pause takes the
    /// place of a person's.
    async fn pause(&self, key: &ThrottleKey, pause: Duration, why: &PauseReason) -> Result<(), QueueError>;

    /// Lifts a pause and closes the circuit.
    async fn resume(&self, key: &ThrottleKey) -> Result<(), QueueError>;
}

/// The leads that are set aside, and those that wait, for people to look at and decide about.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Keeps a request that was verified but could not become a lead, for `keep`. Counted per webhook, and bounded in
    /// bytes: the oldest of the webhook's make room. `false`: it names a person who is suppressed, and only its entry in
    /// the ledger is kept, without the person.
    async fn reject(&self, rejected: NewRejected, keep: Duration) -> Result<bool, QueueError>;

    /// Lists a set, newest first; pending leads by when they are due, sink by sink.
    async fn list(&self, set: DeadLetterSet, filter: &ListFilter) -> Result<DeadLetterPage, QueueError>;

    /// Every place in which a lead is: one for each sink. It looks through the leads that wait: for people, not for
    /// each request.
    async fn show(&self, id: &LeadId) -> Result<Vec<DeadLetter>, QueueError>;

    /// Takes a lead out of a set and puts it into its contact's line in each sink of `to`, due now, with its attempts
    /// cleared. There it stands by its time of acceptance among the leads that have not been tried yet.
    ///
    /// With its own sink it is replayed, with another it is moved; `sink` is `None` for an unrouted one. A sink gets each
    /// lead once: another one that has it, or has delivered it, is refused, and so is one that delivered a newer lead of the
    /// contact within the last day, unless it is forced. A rejected request stays (it never was a lead).
    async fn requeue(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
        to: &[SinkId],
        how: Requeue<'_>,
    ) -> Result<Requeued, QueueError>;

    /// Makes the contact's line in which a lead waits due now. `false`: it does not wait there, or its contact's first
    /// lead is being delivered now.
    async fn expedite(&self, sink: &SinkId, id: &LeadId) -> Result<bool, QueueError>;

    /// Removes a lead for good and counts it as discarded. `sink` is `None` for unrouted leads and rejected requests.
    /// `false`: it is not there, or it is being delivered now.
    async fn discard(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
        by: &str,
    ) -> Result<bool, QueueError> {
        self.remove(set, sink, id, Removal::Discarded, by).await
    }

    /// The same, and says why in the ledger.
    async fn remove(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
        why: Removal,
        by: &str,
    ) -> Result<bool, QueueError>;

    /// Forgets which CRM records leads of a contact go to, as these sinks remember it.
    async fn forget(&self, contact: &Contact, sinks: &[SinkId]) -> Result<(), QueueError>;

    /// As the queue calls the contact of a lead, in everything that comes out of it.
    fn known_as(&self, contact: &Contact) -> Contact {
        contact.clone()
    }

    /// Overwrites what was removed, as far as the store can. Tells what may still hold it, each in words.
    async fn scrub(&self) -> Result<Vec<String>, QueueError>;
}

/// Jobs over many leads, which all receivers of a store share. There are few of them.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// All of them, by id.
    async fn jobs(&self) -> Result<Vec<StoredJob>, QueueError>;

    /// Writes a job in place of the version before it. `false`: it has another version by now, somebody else has changed it.
    async fn put_job(&self, job: &StoredJob) -> Result<bool, QueueError>;

    /// Removes a job.
    async fn remove_job(&self, id: &str) -> Result<(), QueueError>;
}

/// Whose leads are refused. The store holds keyed hashes of their addresses and numbers ([`Ledger::hash_of`]), and compares
/// them with those of each lead in the transaction or script that accepts it; while nobody is suppressed, that is one
/// question for each batch.
#[async_trait]
pub trait Suppressions: Send + Sync {
    /// Refuses later leads of these people to the webhooks of a namespace; an empty one stands for all. May be repeated.
    async fn suppress(&self, namespace: &str, people: &[String]) -> Result<(), QueueError>;

    /// Takes them again. Returns how many hashes were there.
    async fn lift(&self, namespace: &str, people: &[String]) -> Result<u64, QueueError>;

    /// How many hashes there are for a namespace.
    async fn suppressed(&self, namespace: &str) -> Result<u64, QueueError>;
}

/// What became of each request that passed its proof. Every operation of the queue writes it together with what it does:
/// there is no entry without its effect, and no effect without its entry.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Enters a request that leaves nothing else in the queue. Repeating a call with the same ids is safe.
    async fn note(&self, entries: Vec<NewEntry>) -> Result<(), QueueError>;

    /// A page of a webhook's entries, newest first. It looks at a bounded number of them: a page may be empty and not be
    /// the last.
    async fn entries(
        &self,
        webhook: &WebhookId,
        before: &Before,
        filter: &EntryFilter,
        limit: usize,
    ) -> Result<EntryPage, QueueError>;

    /// One entry.
    async fn entry(&self, webhook: &WebhookId, id: &LeadId) -> Result<Option<Entry>, QueueError>;

    /// Makes an entry say nothing of a person: whom it is about, which submission it is and which CRM records it became. Its
    /// times and counts stay. `false`: there is none.
    async fn clear_entry(&self, webhook: &WebhookId, id: &LeadId, by: &str) -> Result<bool, QueueError>;

    /// Whom a lead is about whose fields were fetched after it was accepted: its entry tells from now on. `true`: one of them
    /// is suppressed.
    async fn identify(
        &self,
        webhook: &WebhookId,
        id: &LeadId,
        people: &[Identity],
    ) -> Result<bool, QueueError>;

    /// Every webhook that has entries, in order.
    async fn ledger_webhooks(&self) -> Result<Vec<WebhookId>, QueueError>;

    /// As entries tell of a person, the newest ones first; none: they do not.
    fn hashes_of(&self, person: &Identity) -> Vec<String>;

    /// As new entries tell of a person; `None`: they do not.
    fn hash_of(&self, person: &Identity) -> Option<String> {
        self.hashes_of(person).into_iter().next()
    }

    /// Whether entries tell whom they are about.
    fn knows_people(&self) -> bool {
        self.hash_of(&Identity::email("")).is_some()
    }
}
