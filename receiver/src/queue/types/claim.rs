//! Leads in the hands of workers, and how they leave them.

use std::time::Duration;

use bytes::Bytes;

use super::Millis;
use super::dead_letter::{DeadLetterReason, DeadLetterSet};
use crate::ids::{Contact, LeadId, WebhookId};
use crate::outcomes::Unwanted;

/// A fencing token: no two claims of a contact have the same, whatever happens to the store.
pub type Token = u64;

/// How long a sink knows when the newest lead that it has delivered of a contact was accepted, unless it remembers its record
/// for longer: leads that are moved or copied to it compare with that.
pub(in crate::queue) const NEWEST_KEPT: Duration = Duration::from_hours(24);

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
    /// CRM may have the lead already: how long ago the last such attempt ended. Stays until the lead is settled for good
    /// or replayed: a later refusal says nothing about the earlier attempt. The store remembers it, because the next
    /// attempt may be another receiver's.
    pub in_doubt: Option<Duration>,
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

/// An answer to [`crate::queue::Queue::claim`].
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
    /// For the ledger.
    pub attempt: Attempt,
}

impl Settlement {
    /// Of a claim whose attempt took no time.
    pub fn of(claim: &Claim, outcome: Disposition) -> Self {
        Self {
            contact: claim.contact.clone(),
            token: claim.token,
            outcome,
            attempt: Attempt {
                id: claim.id.clone(),
                webhook: claim.webhook.clone(),
                number: claim.attempt,
                took: Duration::ZERO,
                status: None,
                trace: String::new(),
            },
        }
    }
}

/// What the ledger tells of an attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The lead.
    pub id: LeadId,
    /// The webhook that took it.
    pub webhook: WebhookId,
    /// 1 for the first.
    pub number: u32,
    /// How long it took.
    pub took: Duration,
    /// The CRM's HTTP status, if it answered.
    pub status: Option<u16>,
    /// The id of the lead's trace. Empty: it is not traced.
    pub trace: String,
}

/// What became of a claimed lead.
#[derive(Debug, Clone)]
pub enum Disposition {
    /// The CRM has it; the contact's next lead is due.
    Delivered {
        /// The CRM record it went to, if that is known.
        record: Option<String>,
        /// What is remembered for the contact of that record, for so long.
        remember: Option<(String, Duration)>,
        /// Its payload is kept for so long, in [`DeadLetterSet::Delivered`]; zero: not.
        keep: Duration,
    },
    /// Due again later.
    Retry {
        /// From now.
        after: Duration,
        /// Whether the CRM may have it nonetheless, by this attempt; else [`Claim::in_doubt`] stays as it was.
        in_doubt: bool,
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
    /// Removed for good without being sent; the contact's next lead is due.
    Unwanted(Unwanted),
    /// Set aside for a person; the contact's next lead is due.
    DeadLetter {
        /// Held or dead (a lead cannot be `Rejected` any more: taken as dead).
        set: DeadLetterSet,
        why: DeadLetterReason,
        /// Removed after so long.
        keep: Duration,
    },
}

impl Disposition {
    /// The CRM has it, as a record that is not known; its payload is not kept.
    pub const fn delivered(remember: Option<(String, Duration)>) -> Self {
        Self::Delivered {
            record: None,
            remember,
            keep: Duration::ZERO,
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
