//! Leads on their way in.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::Millis;
use super::ledger::Identity;
use crate::ids::{Contact, DedupeKey, LeadId, SinkId, WebhookId};

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
    /// Where it goes. None: it is kept as [`super::DeadLetterSet::Unrouted`].
    pub sinks: Arc<[SinkId]>,
    /// How long it is kept if it goes nowhere.
    pub keep: Duration,
    /// What the CRM worker needs.
    pub body: Bytes,
    /// Whom it is about, for the ledger.
    pub people: Vec<Identity>,
    /// Of a lead of the past; `None`: it comes now.
    pub original: Option<Original>,
}

/// The times of a lead of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Original {
    /// When it was submitted.
    pub accepted_at: Millis,
    /// When the newest delivered lead of its person was accepted; 0: none is known.
    pub newest: Millis,
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
    pub(in crate::queue) fn key_beside(&self, taken: &DedupeKey) -> DedupeKey {
        DedupeKey::new(format!("{taken}:{:016x}", u64::from_be_bytes(self.mapped)))
    }

    /// Its length as bytes.
    pub(in crate::queue) const LENGTH: usize = 16;

    /// Whether two leads with one key are the same submission: what was posted is the same, or what it means is.
    pub fn is_like(&self, other: &Self) -> bool {
        self.posted == other.posted || self.mapped == other.mapped
    }

    pub(in crate::queue) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let (posted, mapped) = bytes.split_at_mut(8);
        posted.copy_from_slice(&self.posted);
        mapped.copy_from_slice(&self.mapped);
        bytes
    }

    pub(in crate::queue) fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
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
    /// Its person is suppressed: nothing of it was stored.
    Suppressed,
}

impl Admission {
    /// Whether the lead is new.
    pub fn is_new(&self) -> bool {
        matches!(self, Self::Accepted | Self::KeyConflict)
    }
}
