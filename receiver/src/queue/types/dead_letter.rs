//! Leads that can be looked at: what waits for a person, or for delivery.

use std::time::Duration;

use bytes::Bytes;

use super::Millis;
use super::ledger::{Identity, LedgerEventKind};
use crate::ids::{Contact, LeadId, SinkId, WebhookId};

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
    pub(in crate::queue) fn none() -> Self {
        Self {
            reason: String::new(),
            message: String::new(),
            answer: String::new(),
        }
    }

    /// Why a lead is in [`DeadLetterSet::Unrouted`].
    pub(in crate::queue) fn unrouted() -> Self {
        Self {
            reason: "NoSink".to_owned(),
            message: "no sink of the webhook receives this lead (sinks[].when); correct the conditions, or give one sink \
                      otherwise: true, and replay it"
                .to_owned(),
            answer: String::new(),
        }
    }
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
    /// Delivered, and kept for a replay.
    Delivered,
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
            Self::Delivered => "delivered",
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
    /// Whom it is about, as far as it could be read.
    pub people: Vec<Identity>,
    /// The request body as it came.
    pub body: Bytes,
    /// How many bytes of the webhook's are kept, this one included; the oldest make room.
    pub room: u64,
}

impl NewRejected {
    /// Whether it is of one person, as far as could be read: an address and a number at most. One that names several is kept
    /// although one of them is suppressed: others could not be replayed otherwise.
    pub(in crate::queue) fn is_of_one(&self) -> bool {
        self.people.len() <= 2
    }
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
    /// The key that it was sealed with is not here: what is told of it is incomplete.
    pub key_missing: bool,
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
    /// It stays where it is, too.
    pub copy: bool,
    /// What it has become meanwhile.
    pub instead: Option<Instead<'a>>,
    /// Who asked for it, for the ledger.
    pub by: &'a str,
}

/// What came of putting a lead back into lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Requeued {
    /// It stands in them.
    Done,
    /// It is not in that set, or it is being delivered now.
    Absent,
    /// Another sink has it already, or has delivered it: nothing was changed.
    Known,
    /// Another sink has delivered a newer lead of its contact, which it would undo: nothing was changed.
    Overtaken,
}

impl Requeued {
    /// Whether it stands in the lines now.
    pub fn is_done(self) -> bool {
        self == Self::Done
    }
}

/// A lead as its webhook maps it now.
#[derive(Debug, Clone, Copy)]
pub struct Instead<'a> {
    /// Whose it is.
    pub contact: &'a Contact,
    /// The webhook that took it.
    pub webhook: &'a WebhookId,
    /// What the CRM worker needs.
    pub body: &'a [u8],
}

impl Requeue<'_> {
    /// What it is in the ledger.
    pub(in crate::queue) fn what(&self, from: Option<&SinkId>, to: &SinkId) -> LedgerEventKind {
        match from {
            _ if self.copy => LedgerEventKind::Copied,
            Some(from) if from != to => LedgerEventKind::Moved,
            _ => LedgerEventKind::Replayed,
        }
    }
}

/// Why a lead is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Somebody gave it up.
    Discarded,
    /// Its person is erased.
    Erased,
}

impl Removal {
    /// What it is in the ledger.
    pub(in crate::queue) fn what(self) -> LedgerEventKind {
        match self {
            Self::Discarded => LedgerEventKind::Discarded,
            Self::Erased => LedgerEventKind::Erased,
        }
    }
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
    /// With the bodies of pending leads, too.
    pub bodies: bool,
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
