//! Binary-safe fields in one string, `<length>:<bytes>` each: what the scripts read and write.

use bytes::Bytes;

use crate::queue::{
    Contact, DeadLetter, DeadLetterReason, DeadLetterSet, LastError, LeadId, Millis, QueueError, SinkId,
    WebhookId,
};

/// Appends a field.
pub(super) fn put(packed: &mut Vec<u8>, field: &[u8]) {
    packed.extend_from_slice(itoa::Buffer::new().format(field.len()).as_bytes());
    packed.push(b':');
    packed.extend_from_slice(field);
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

/// Reads fields one after the other.
pub(super) struct Fields {
    rest: Bytes,
}

impl Fields {
    pub(super) fn of(packed: Bytes) -> Self {
        Self { rest: packed }
    }

    /// What is behind the fields read so far.
    pub(super) fn rest(self) -> Bytes {
        self.rest
    }

    pub(super) fn bytes(&mut self) -> Option<Bytes> {
        let colon = self.rest.iter().take(20).position(|&byte| byte == b':')?;
        let length: usize = std::str::from_utf8(self.rest.get(..colon)?).ok()?.parse().ok()?;
        let end = (colon + 1).checked_add(length)?;
        if end > self.rest.len() {
            return None;
        }
        let field = self.rest.slice(colon + 1..end);
        self.rest = self.rest.slice(end..);
        Some(field)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.into()).ok()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        std::str::from_utf8(&self.bytes()?).ok()?.parse().ok()
    }
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
        why,
        body: entry.body,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_whatever_they_hold() {
        let mut packed = Vec::new();
        for field in [&b""[..], b"a", b"12:ab", b"\x00\xff:\n", &[b'x'; 1000]] {
            put(&mut packed, field);
        }
        packed.extend_from_slice(b"body");
        let mut fields = Fields::of(packed.into());
        assert_eq!(fields.bytes().unwrap(), &b""[..]);
        assert_eq!(fields.bytes().unwrap(), &b"a"[..]);
        assert_eq!(fields.bytes().unwrap(), &b"12:ab"[..]);
        assert_eq!(fields.bytes().unwrap(), &b"\x00\xff:\n"[..]);
        assert_eq!(fields.bytes().unwrap().len(), 1000);
        assert_eq!(fields.rest(), &b"body"[..]);
    }

    #[test]
    fn malformed_fields_are_none() {
        for bad in [
            "",
            "5",
            "5:abc",
            ":",
            "x:a",
            "-1:a",
            "99999999999999999999:a",
            "18446744073709551615:a",
        ] {
            assert!(Fields::of(Bytes::from(bad)).bytes().is_none(), "{bad}");
        }
    }
}
