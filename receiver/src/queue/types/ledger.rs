//! The ledger: what became of each request that passed its proof. It holds no payload, no address and no name.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Millis;
use crate::ids::{LeadId, SinkId, WebhookId};

/// What identifies a person: an e-mail address or a phone number, normalised; or what a sender calls a submission. It never leaves the process: the ledger
/// keeps a keyed hash of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    kind: &'static str,
    value: Arc<str>,
    /// It stands besides the person's own in what was sent: a second number, or an address that may be another one's.
    is_besides: bool,
}

const SUBMISSION: &str = "submission";

impl Identity {
    /// Of a normalised e-mail address.
    pub fn email(address: &str) -> Self {
        Self::new("email", address)
    }

    /// Of a normalised phone number; of one without its country code, the digits count.
    pub fn phone(number: &str) -> Self {
        if number.starts_with('+') {
            return Self::new("phone", number);
        }
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        Self::new("phone", &digits)
    }

    /// Of a submission, as its sender calls it.
    pub fn submission(id: &str) -> Self {
        Self::new(SUBMISSION, id)
    }

    /// Whether it is a phone number with its country code.
    pub(crate) fn has_country(&self) -> bool {
        self.value.starts_with('+')
    }

    /// The same as one that stands besides the person's own.
    #[must_use]
    pub fn besides(self) -> Self {
        Self {
            is_besides: true,
            ..self
        }
    }

    /// Whether it stands besides the person's own.
    pub fn is_besides(&self) -> bool {
        self.is_besides
    }

    /// Whether it is of a person, not of a submission.
    pub fn is_a_person(&self) -> bool {
        self.kind != SUBMISSION
    }

    fn new(kind: &'static str, value: &str) -> Self {
        Self {
            kind,
            value: value.into(),
            is_besides: false,
        }
    }

    /// What it is, and which, as a contact is made of it.
    pub(crate) fn kind_and_value(&self) -> [&str; 2] {
        [self.kind, &self.value]
    }

    /// What it is, and which.
    pub(in crate::queue) fn parts(&self) -> [&[u8]; 2] {
        [self.kind.as_bytes(), self.value.as_bytes()]
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryOutcome {
    /// It was queued for its sinks.
    Accepted,
    /// It is a resend of one that was known.
    Duplicate,
    /// The webhook does not take such requests.
    Ignored,
    /// No sink takes it.
    Unrouted,
    /// It is no valid lead.
    Rejected,
}

/// A request that leaves nothing in the queue but its entry.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Its id.
    pub id: LeadId,
    /// The webhook.
    pub webhook: WebhookId,
    /// What became of it.
    pub outcome: EntryOutcome,
    /// Why: a reason word.
    pub reason: String,
    /// Whom it is about.
    pub people: Vec<Identity>,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The id of the lead.
    pub id: LeadId,
    /// The webhook.
    pub webhook: WebhookId,
    /// What became of the request.
    pub outcome: EntryOutcome,
    /// When it was received, by the store's clock.
    pub at: Millis,
    /// Why, of a lead that was not accepted; of a duplicate: the lead that it repeats. Else empty.
    pub reason: String,
    /// The hashes of whom it is about, and of which submission it is.
    pub people: Vec<String>,
    /// Those of them that stand besides the person's own.
    pub besides: Vec<String>,
    /// Where it goes.
    pub sinks: Vec<SinkId>,
    /// What happened since, in order.
    pub events: Vec<LedgerEvent>,
    /// Where it stands in the order of its webhook's entries.
    pub place: Place,
}

/// Something that happened to a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEvent {
    /// When, by the store's clock.
    pub at: Millis,
    /// What.
    pub what: LedgerEventKind,
    /// In which sink; `None`: the lead has none.
    pub sink: Option<SinkId>,
    /// Of an attempt; else 0.
    pub attempt: u32,
    /// How long the attempt took.
    pub took: Duration,
    /// The CRM's HTTP status.
    pub status: Option<u16>,
    /// As which CRM record. Else empty.
    pub record: String,
    /// Why: a reason word. Else empty.
    pub reason: String,
    /// Who did it. Else empty.
    pub by: String,
    /// Of an attempt: the id of the lead's trace. Empty: it is not traced.
    pub trace: String,
}

/// What can happen to a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerEventKind {
    /// Delivery failed and is tried again.
    Retried,
    /// The CRM has it.
    Delivered,
    /// A person must decide which record it is.
    Held,
    /// The CRM refused it for good, or retries ran out.
    Dead,
    /// It was put back into the line.
    Replayed,
    /// It was moved to this sink.
    Moved,
    /// It was also put into the line of this sink.
    Copied,
    /// It was removed for good.
    Discarded,
    /// The person was erased.
    Erased,
}

/// Where an entry stands: later entries of a webhook have greater places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// In milliseconds since the Unix epoch.
    pub at: Millis,
    /// What tells those of one millisecond apart, as the store has it.
    pub key: String,
}

/// Where a page of a webhook's entries begins: with the newest that is older than this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Than this time.
    Time(Millis),
    /// Than this entry.
    Place(Place),
}

/// Which entries of a webhook are of interest. What is set must all be there; it may let some pass that do not fit.
#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// Not older than this.
    pub since: Millis,
    /// What became of the request.
    pub outcome: Option<EntryOutcome>,
    /// Whom it is about, and which submission: of each of these groups, one.
    pub people: Vec<Vec<Identity>>,
    /// What must stand in it as one field: a sink that had something to do with it, a reason word, a record.
    pub words: Vec<String>,
}

/// A page of a webhook's entries, newest first.
#[derive(Debug, Clone, Default)]
pub struct EntryPage {
    /// Those that fit.
    pub items: Vec<Entry>,
    /// The last place that was looked at; `None`: there are no more.
    pub next: Option<Place>,
}

/// How long entries are kept, and how many bytes of them, by webhook.
#[derive(Debug, Clone, Default)]
pub struct LedgerBounds {
    /// Of the webhooks that are known.
    pub webhooks: HashMap<WebhookId, LedgerBound>,
}

/// How long the entries of a webhook are kept, and how many bytes of them: the oldest go first.
#[derive(Debug, Clone, Copy)]
pub struct LedgerBound {
    /// How long.
    pub keep: Duration,
    /// How many bytes.
    pub bytes: u64,
}

impl LedgerBounds {
    /// Of a webhook that is not known (any more, yet, or to this receiver), what no retention exceeds: its entries go
    /// at last, and none goes early.
    pub(in crate::queue) fn of(&self, webhook: &WebhookId) -> LedgerBound {
        self.webhooks.get(webhook).copied().unwrap_or(LedgerBound {
            keep: Duration::from_hours(8760),
            bytes: u64::MAX,
        })
    }
}
