//! The names of the keys. The prefix is one hash tag, so all keys of a namespace share a cluster slot.

use crate::queue::{Contact, DeadLetterSet, DedupeKey, LeadId, SinkId, WebhookId};

/// What keys begin with: `{leadgate}:`.
#[derive(Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: format!("{{{prefix}}}:"),
        }
    }

    fn key(&self, parts: &[&str]) -> String {
        let mut key =
            String::with_capacity(self.prefix.len() + parts.iter().map(|part| part.len()).sum::<usize>());
        key.push_str(&self.prefix);
        for part in parts {
            key.push_str(part);
        }
        key
    }

    /// String: how the others are written, a number.
    pub(super) fn format(&self) -> String {
        self.key(&["format"])
    }

    /// String: what tells the key of the ledger's people from others.
    pub(super) fn ledger_key(&self) -> String {
        self.key(&["ledger-key"])
    }

    /// String: how many shards the queue has, of which this is one.
    pub(super) fn shards(&self) -> String {
        self.key(&["shards"])
    }

    /// A key that nobody ever writes.
    pub(super) fn never(&self) -> String {
        self.key(&["never"])
    }

    /// Hash: `sink|webhook|figure` -> number.
    pub(super) fn counts(&self) -> String {
        self.key(&["counts"])
    }

    /// Hash: `webhook|figure` -> number. With `:rejected:` and a webhook behind it, a sorted set: id -> time of each
    /// rejected request that is kept.
    pub(super) fn webhooks(&self) -> String {
        self.key(&["webhooks"])
    }

    /// String: what the lead that holds a dedupe key says (16 bytes), and its id. With `:` and 8 bytes behind it, the
    /// same of a lead whose key another one has taken over.
    pub(super) fn dedupe(&self, key: &DedupeKey) -> String {
        self.key(&["dedupe:", key.as_str()])
    }

    /// List: a contact's leads, in order.
    pub(super) fn line(&self, sink: &SinkId, contact: &Contact) -> String {
        self.key(&["line:", sink.as_str(), ":", contact.as_str()])
    }

    /// String: when the newest lead that the sink has delivered of a contact was accepted (0: not known), a blank, and the CRM
    /// record that it went to (empty: not known).
    pub(super) fn record(&self, sink: &SinkId, contact: &Contact) -> String {
        self.key(&["record:", sink.as_str(), ":", contact.as_str()])
    }

    /// Sorted set: contact -> when its first lead is due; while claimed, when the lease ends.
    pub(super) fn due(&self, sink: &SinkId) -> String {
        self.key(&["due:", sink.as_str()])
    }

    /// Hash: contact -> `token attempts in_doubt lost why` of its first lead, once that was claimed.
    pub(super) fn state(&self, sink: &SinkId) -> String {
        self.key(&["state:", sink.as_str()])
    }

    /// Sorted set: contact -> when its first lead was queued, once that was claimed. The others are due since
    /// they were queued, so the oldest lead is the first of this set or of `due`.
    pub(super) fn touched(&self, sink: &SinkId) -> String {
        self.key(&["touched:", sink.as_str()])
    }

    /// Hash: pause, circuit, recent grants.
    pub(super) fn throttle(&self, key: &str) -> String {
        self.key(&["throttle:", key])
    }

    /// A set of dead letters: values, members by time, members by expiry, members by contact.
    pub(super) fn dead_letters(&self, set: DeadLetterSet) -> [String; 4] {
        ["", ":time", ":expiry", ":contacts"].map(|part| self.key(&["deadletters:", set.as_str(), part]))
    }

    /// The entries of a webhook: a hash, id -> row; a stream of the ids in the order in which they came.
    pub(super) fn ledger(&self, webhook: &WebhookId) -> [String; 2] {
        ["", ":order"].map(|part| self.key(&["ledger:", webhook.as_str(), part]))
    }

    /// Set: `NAMESPACE/HASH` of each address and number whose leads are refused; no namespace: in all.
    pub(super) fn suppressed(&self) -> String {
        self.key(&["suppressed"])
    }

    /// Hash: id -> version and body of each job.
    pub(super) fn jobs(&self) -> String {
        self.key(&["jobs"])
    }

    /// String: written by the check.
    pub(super) fn probe(&self) -> String {
        self.key(&["check"])
    }

    /// Channel: the names of sinks that got leads.
    pub(super) fn channel(&self) -> String {
        self.key(&["wake"])
    }
}

/// A dead letter's name in its set.
pub(super) fn id_sink(id: &LeadId, sink: Option<&SinkId>) -> String {
    format!("{id}|{}", sink.map_or("", SinkId::as_str))
}
