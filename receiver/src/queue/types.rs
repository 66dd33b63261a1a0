//! The queue's vocabulary: what goes in, what comes out.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::ids::{Contact, DedupeKey, LeadId, SinkId, WebhookId};
use crate::throttle::PauseReason;

/// Why the store could not do it. All are temporary to a sender: answered 503 with Retry-After.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// The store does not answer, or refuses writes (disk full, out of memory, loading).
    #[error("the queue is unavailable: {0}")]
    Unavailable(String),
    /// More waits to be written than the receiver may hold in memory.
    #[error("the queue is not keeping up: {waiting} leads wait to be written")]
    Full {
        /// Leads that wait.
        waiting: usize,
    },
    /// What the store holds cannot be read; names the key or row.
    #[error("the queue holds something unreadable: {0}")]
    Corrupt(String),
}

/// A fencing token: grows with each claim of a sink.
pub type Token = u64;

/// Milliseconds since the Unix epoch, by the store's clock.
pub type Millis = u64;

/// A lead to be stored.
#[derive(Debug, Clone)]
pub struct NewLead {
    /// Made by the receiver, so that a repeated call can be recognised.
    pub id: LeadId,
    /// The webhook that took it.
    pub webhook: WebhookId,
    /// Identity of the submission.
    pub dedupe: DedupeKey,
    /// What it says, to tell a resend from another submission with the same key.
    pub content: Content,
    /// How long a resend is recognised.
    pub window: Duration,
    /// Identity of the person.
    pub contact: Contact,
    /// Where it goes. None: it is kept as [`DeadLetterSet::Unrouted`].
    pub sinks: Arc<[SinkId]>,
    /// How long it is kept if it goes nowhere.
    pub keep: Duration,
    /// What the CRM worker needs.
    pub body: Bytes,
}

/// What a lead says, as two digests: of what the sender posted, and of what the webhook made of it. Senders that stamp
/// each attempt change the first, a corrected mapping changes the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Of the payload, or the item of it.
    pub posted: [u8; 8],
    /// Of the mapped lead, without what the receiver filled in.
    pub mapped: [u8; 8],
}

impl Content {
    /// The key of a lead whose own key another lead has taken over.
    pub(super) fn key_beside(&self, taken: &DedupeKey) -> DedupeKey {
        DedupeKey::new(format!("{taken}:{:016x}", u64::from_be_bytes(self.mapped)))
    }

    /// Its length as bytes.
    pub(super) const LENGTH: usize = 16;

    /// Whether two leads with one key are the same submission: what was posted is the same, or what it means is.
    pub fn is_like(&self, other: &Self) -> bool {
        self.posted == other.posted || self.mapped == other.mapped
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let (posted, mapped) = bytes.split_at_mut(8);
        posted.copy_from_slice(&self.posted);
        mapped.copy_from_slice(&self.mapped);
        bytes
    }

    pub(super) fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        let mut content = Self {
            posted: [0; 8],
            mapped: [0; 8],
        };
        let (posted, mapped) = bytes.split_at(8);
        content.posted.copy_from_slice(posted);
        content.mapped.copy_from_slice(mapped);
        content
    }
}

/// What became of a lead that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is on disk and will be delivered.
    Accepted,
    /// The same, although another lead had its dedupe key: their contents differ, so the key is too coarse.
    KeyConflict,
    /// The same submission is known under this id.
    Duplicate(LeadId),
}

impl Admission {
    /// Whether the lead is new.
    pub fn is_new(&self) -> bool {
        !matches!(self, Self::Duplicate(_))
    }
}

/// A lead in the hands of a worker.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Whose line it heads.
    pub contact: Contact,
    /// Proof of the claim.
    pub token: Token,
    /// The lead.
    pub id: LeadId,
    /// The webhook that took it.
    pub webhook: WebhookId,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The outcome of an earlier attempt is not known (a time-out after sending, or its worker died), so the
    /// CRM may have the lead already. Stays set until the lead is settled for good or replayed: a later
    /// refusal says nothing about the earlier attempt.
    pub in_doubt: bool,
    /// Claims in a row that ended without an outcome: their workers were killed, crashed or hung.
    pub lost: u32,
    /// The sink has delivered a lead of this contact that was accepted later: this one would undo it.
    pub overtaken: bool,
    /// When it was accepted.
    pub accepted_at: Millis,
    /// When it joined the line: accepted, or replayed. What limits how long to retry counts from here, else a
    /// replayed lead would be given up at its first failure.
    pub queued_at: Millis,
    /// The CRM record that an earlier lead of this contact went to, while remembered.
    pub record: Option<String>,
    /// As it was accepted.
    pub body: Bytes,
}

/// An answer to [`super::Queue::claim`].
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// One per contact.
    pub claims: Vec<Claim>,
    /// How long until the next contact is due; zero when more are due now; `None` when none waits.
    pub next_due: Option<Duration>,
}

/// How a claim ends.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Whose claim.
    pub contact: Contact,
    /// Proof of it.
    pub token: Token,
    pub outcome: Disposition,
}

/// What became of a claimed lead.
#[derive(Debug, Clone)]
pub enum Disposition {
    /// The CRM has it; the contact's next lead is due.
    Delivered {
        /// The CRM record it went to, remembered for the contact for so long.
        remember: Option<(String, Duration)>,
    },
    /// Due again later.
    Retry {
        /// From now.
        after: Duration,
        /// Whether the CRM may have it nonetheless.
        in_doubt: InDoubt,
        /// Why it did not arrive.
        why: LastError,
    },
    /// Nothing was attempted (pause, shutdown): due again later, and the attempt is not counted. It is no outcome:
    /// [`Claim::lost`] stays as it was.
    Release {
        /// From now.
        after: Duration,
        /// Why, if that is news: `None` leaves the reason of the last attempt.
        why: Option<LastError>,
    },
    /// Set aside for a person; the contact's next lead is due.
    DeadLetter {
        /// Held or dead (a lead cannot be `Rejected` any more: taken as dead).
        set: DeadLetterSet,
        why: DeadLetterReason,
        /// Removed after so long.
        keep: Duration,
    },
}

/// What an attempt changes about [`Claim::in_doubt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InDoubt {
    /// Nothing: it did not reach the CRM, or was refused.
    Keep,
    /// The CRM may have it.
    Set,
    /// What an earlier attempt may have done will be visible by then.
    Clear,
}

/// Why a lead was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterReason {
    /// A stable CamelCase word, such as `InvalidEmail`.
    pub reason: String,
    /// In words for a person.
    pub message: String,
    /// The CRM's own answer, bounded; empty when there was none.
    pub answer: String,
}

/// The records that a held lead may mean: they stand in the place of the CRM's answer
/// ([`DeadLetterReason::answer`]), from where people are shown them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Candidates {
    candidates: Vec<String>,
}

impl Candidates {
    /// As a dead letter keeps them.
    pub fn encode(candidates: Vec<String>) -> String {
        serde_json::json!(Self { candidates }).to_string()
    }

    /// Of a held lead's answer; `None`: the answer is the CRM's own.
    pub fn decode(answer: &str) -> Option<Vec<String>> {
        serde_json::from_str::<Self>(answer)
            .ok()
            .map(|own| own.candidates)
    }
}

impl DeadLetterReason {
    /// There is none.
    pub(super) fn none() -> Self {
        Self {
            reason: String::new(),
            message: String::new(),
            answer: String::new(),
        }
    }

    /// Why a lead is in [`DeadLetterSet::Unrouted`].
    pub(super) fn unrouted() -> Self {
        Self {
            reason: "NoSink".to_owned(),
            message: "no sink of the webhook receives this lead (sinks[].when); correct the conditions, or give one sink \
                      otherwise: true, and replay it"
                .to_owned(),
            answer: String::new(),
        }
    }
}

/// Why a lead that waits was not delivered by its last attempt. Names properties and codes, quotes no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// A stable CamelCase word.
    pub reason: String,
    /// In words for a person.
    pub message: String,
}

impl LastError {
    /// The longest message in bytes: each lead that waits may have one in the store.
    const MAX_MESSAGE: usize = 1024;

    /// With a message that is cut, with a mark, where it is longer than the store should hold.
    pub fn new(reason: &str, message: &str) -> Self {
        let message = if message.len() <= Self::MAX_MESSAGE {
            message.to_owned()
        } else {
            let cut = message.get(..message.floor_char_boundary(Self::MAX_MESSAGE));
            format!("{}…", cut.unwrap_or_default())
        };
        Self {
            reason: reason.to_owned(),
            message,
        }
    }
}

/// Whether a settlement took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It did.
    Done,
    /// The claim was lost to another worker (or ended before); nothing changed.
    Stale,
}

/// The sets in which leads can be looked at: those in which what needs a person waits, and that of the leads which wait
/// for delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeadLetterSet {
    /// Nobody needs to do anything: they wait for delivery, or are being delivered.
    Pending,
    /// A person must decide which record it is.
    Held,
    /// The CRM refused it for good, or retries ran out.
    Dead,
    /// No sink of its webhook takes it. It has a contact, and no sink.
    Unrouted,
    /// Verified, but not a valid lead.
    Rejected,
}

impl DeadLetterSet {
    /// The set's name in keys, paths and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Dead => "dead",
            Self::Unrouted => "unrouted",
            Self::Rejected => "rejected",
        }
    }
}

/// A verified request that is not a lead.
#[derive(Debug, Clone)]
pub struct NewRejected {
    /// Its id, told to the sender.
    pub id: LeadId,
    /// The webhook that refused it.
    pub webhook: WebhookId,
    pub why: DeadLetterReason,
    /// The request body as it came.
    pub body: Bytes,
}

/// A lead or request that waits for a person; of [`DeadLetterSet::Pending`], for delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which set.
    pub set: DeadLetterSet,
    pub id: LeadId,
    /// The webhook that took it.
    pub webhook: WebhookId,
    /// The sink that could not take it; `None` for rejected requests.
    pub sink: Option<SinkId>,
    /// Whose it is; `None` for rejected requests.
    pub contact: Option<Contact>,
    /// When it was accepted (rejected: received).
    pub accepted_at: Millis,
    /// When it was set aside; pending: when it joined its line.
    pub dead_lettered_at: Millis,
    /// When it will be removed; `None`: when it is delivered.
    pub expires_at: Option<Millis>,
    /// When it will be tried; `None`: not by itself.
    pub due: Option<Due>,
    /// How often delivery was tried.
    pub attempts: u32,
    /// The sink has delivered a lead of this contact that was accepted later.
    pub overtaken: bool,
    /// Why; pending: why the last attempt failed, empty if there was none.
    pub why: DeadLetterReason,
    /// As it came. Lists leave out that of pending leads.
    pub body: Bytes,
}

/// When a lead that waits is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When the first lead of its contact is due; while that is being delivered, when the lease ends.
    pub at: Millis,
    /// It is being delivered now.
    pub claimed: bool,
    /// How many leads of its contact are before it.
    pub behind: u64,
}

/// How a lead is put back into a line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Requeue<'a> {
    /// The CRM record that a person chose for its contact, and how long that stands.
    pub record: Option<(&'a str, Duration)>,
    /// It is written even if it was overtaken.
    pub force: bool,
}

/// Which dead letters to list.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// Only this sink's.
    pub sink: Option<SinkId>,
    /// Only this webhook's.
    pub webhook: Option<WebhookId>,
    /// Only those with this reason.
    pub reason: Option<String>,
    /// In the order in which they were accepted, as their ids tell it; not of pending leads, which have their own.
    pub by_acceptance: bool,
    /// Continue after this cursor.
    pub after: Option<String>,
    /// At most so many (1 to 1000).
    pub limit: usize,
}

/// A page of dead letters.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterPage {
    /// In their order.
    pub items: Vec<DeadLetter>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<String>,
}

/// Figures of one sink, over all webhooks that feed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkStats {
    /// Leads that wait or are being delivered.
    pub pending: u64,
    /// Leads in the held set now.
    pub held: u64,
    /// Leads in the dead set now.
    pub dead: u64,
    /// Delivered, ever.
    pub delivered: u64,
    /// Discarded, erased or removed at the end of their retention, ever.
    pub discarded: u64,
    /// When the oldest pending lead was accepted (a replayed one: replayed).
    pub oldest_accepted_at: Option<Millis>,
    /// The store's time, to compute ages with.
    pub now: Millis,
    /// Pause or open circuit: until when, and why.
    pub paused: Option<(Millis, PauseReason)>,
    /// The same figures by webhook (only `pending`, `held`, `dead`, `delivered`, `discarded`,
    /// `last_delivered_at`).
    pub by_webhook: Vec<(WebhookId, SinkShare)>,
}

/// One webhook's share of a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkShare {
    /// Waiting or being delivered.
    pub pending: u64,
    /// In the held set now.
    pub held: u64,
    /// In the dead set now.
    pub dead: u64,
    /// Delivered, ever.
    pub delivered: u64,
    /// Discarded, erased or removed at the end of their retention, ever.
    pub discarded: u64,
    /// When the last one was delivered.
    pub last_delivered_at: Option<Millis>,
}

/// Figures of one webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookStats {
    /// Accepted, ever.
    pub accepted: u64,
    /// Recognised as resends, ever.
    pub duplicates: u64,
    /// Accepted although another lead had their dedupe key, ever.
    pub key_conflicts: u64,
    /// Rejected after verification, ever.
    pub rejected: u64,
    /// Rejected requests whose copies were removed to make room for newer ones, ever.
    pub rejected_dropped: u64,
    /// Leads in the unrouted set now.
    pub unrouted: u64,
    /// Unrouted leads that were discarded, erased or removed at the end of their retention, ever.
    pub discarded: u64,
    /// When the last lead was accepted.
    pub last_accepted_at: Option<Millis>,
}

/// What [`super::Queue::check`] found.
#[derive(Debug, Clone, Default)]
pub struct StoreReport {
    /// What is wrong with the store's set-up, each with its remedy; empty when all is well.
    pub problems: Vec<String>,
    /// What survives what, in words: for example whether a power cut can take the last second.
    pub durability: String,
    /// How long one durable write took.
    pub write_latency: Duration,
    /// How much it holds, in bytes, and how much it may hold; `None` where there is no limit that it knows.
    pub room: Option<(u64, u64)>,
}
