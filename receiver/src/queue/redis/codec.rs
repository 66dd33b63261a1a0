//! Leads as the scripts read and write them: one string of fields.

use bytes::Bytes;

use crate::queue::fields::{Fields, put};
use crate::queue::{
    Contact, DeadLetter, DeadLetterReason, DeadLetterSet, LastError, LeadId, Millis, QueueError, SinkId,
    WebhookId,
};

/// A lead as it waits.
pub(super) fn put_lead(packed: &mut Vec<u8>, id: &LeadId, webhook: &WebhookId, body: &[u8]) {
    put(packed, id.as_str().as_bytes());
    put(packed, webhook.as_str().as_bytes());
    packed.extend_from_slice(body);
}

/// The two texts of a last error as fields.
pub(super) fn put_error(packed: &mut Vec<u8>, why: &LastError) {
    put(packed, why.reason.as_bytes());
    put(packed, why.message.as_bytes());
}

/// The three texts of a reason as fields.
pub(super) fn put_reason(packed: &mut Vec<u8>, why: &DeadLetterReason) {
    put(packed, why.reason.as_bytes());
    put(packed, why.message.as_bytes());
    put(packed, why.answer.as_bytes());
}

/// A lead as it waits in a line.
pub(super) struct Entry {
    pub(super) queued_at: Millis,
    pub(super) accepted_at: Millis,
    /// When the newest delivered lead of its contact was accepted; 0: not of interest.
    pub(super) newest: Millis,
    pub(super) id: LeadId,
    pub(super) webhook: WebhookId,
    pub(super) body: Bytes,
}

impl Entry {
    pub(super) fn read(times: Bytes, lead: Bytes) -> Option<Self> {
        let mut times = Fields::of(times);
        let times = [times.number()?, times.number()?, times.number()?];
        Self::with_times(times, Fields::of(lead))
    }

    /// The rest of a dead letter.
    fn behind(mut fields: Fields) -> Option<Self> {
        let times = [fields.number()?, fields.number()?, fields.number()?];
        Self::with_times(times, fields)
    }

    fn with_times([queued_at, accepted_at, newest]: [Millis; 3], mut lead: Fields) -> Option<Self> {
        Some(Self {
            queued_at,
            accepted_at,
            newest,
            id: LeadId::new(lead.text()?),
            webhook: WebhookId::new(lead.text()?),
            body: lead.rest(),
        })
    }
}

/// A dead letter as its set holds it.
pub(super) fn dead_letter(set: DeadLetterSet, packed: Bytes) -> Result<DeadLetter, QueueError> {
    read_dead_letter(set, packed)
        .ok_or_else(|| QueueError::Corrupt(format!("a lead in the {} set is unreadable", set.as_str())))
}

fn read_dead_letter(set: DeadLetterSet, packed: Bytes) -> Option<DeadLetter> {
    let mut fields = Fields::of(packed);
    let sink = fields.text()?;
    let contact = fields.text()?;
    let dead_lettered_at = fields.number()?;
    let expires_at = fields.number()?;
    let attempts = u32::try_from(fields.number()?).unwrap_or(u32::MAX);
    let why = DeadLetterReason {
        reason: fields.text()?,
        message: fields.text()?,
        answer: fields.text()?,
    };
    let entry = Entry::behind(fields)?;
    Some(DeadLetter {
        set,
        id: entry.id,
        webhook: entry.webhook,
        sink: (!sink.is_empty()).then(|| SinkId::new(sink)),
        contact: (!contact.is_empty()).then(|| Contact::new(contact)),
        accepted_at: entry.accepted_at,
        dead_lettered_at,
        expires_at: Some(expires_at),
        due: None,
        attempts,
        overtaken: entry.newest > entry.accepted_at,
        key_missing: false,
        why,
        body: entry.body,
    })
}
