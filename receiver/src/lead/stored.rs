//! A lead as the queue holds it: JSON with the lead, the payload it was made of, and where the rest of a thin one is.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Lead, Problem};

/// What stands before a `traceparent`, and how long that is.
const TRACE: &str = ",\"traceparent\":\"";
const TRACEPARENT: usize = 55;

/// What an accepted lead is delivered from, and replayed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StoredLead {
    /// Normalised, as [`Lead::into_value`] gives it.
    pub lead: Value,
    /// What the sender sent.
    #[serde(default)]
    pub payload: Value,
    /// Where the rest of a thin payload is.
    pub hydrate: Option<String>,
}

impl StoredLead {
    /// Writes a lead. The payload's own JSON text goes in as it came: nothing is serialised twice. `notes` say which fields
    /// were left out or cut; people read them.
    pub fn encode(lead: &Lead, payload: &[u8], hydrate: Option<&str>, notes: &[Problem]) -> Vec<u8> {
        let mut body = Vec::with_capacity(payload.len() + 512);
        body.extend_from_slice(b"{\"lead\":");
        append(&mut body, lead);
        body.extend_from_slice(b",\"payload\":");
        body.extend_from_slice(payload);
        if let Some(url) = hydrate {
            body.extend_from_slice(b",\"hydrate\":");
            append(&mut body, url);
        }
        if !notes.is_empty() {
            let notes = notes
                .iter()
                .map(|note| json!({"field": note.field, "reason": note.reason}));
            body.extend_from_slice(b",\"notes\":");
            append(&mut body, &notes.collect::<Value>());
        }
        body.push(b'}');
        body
    }

    /// A stored lead with what connects its deliveries with the request that brought it, as the W3C's `traceparent`. It stands
    /// at the end, where it is found without reading the lead.
    pub(crate) fn with_trace(body: &[u8], traceparent: &str) -> Vec<u8> {
        let Some((b'}', lead)) = body.split_last() else {
            return body.to_vec();
        };
        [lead, TRACE.as_bytes(), traceparent.as_bytes(), b"\"}"].concat()
    }

    /// The `traceparent` of a stored lead, if it is traced. A payload cannot forge one: what ends like this is in no string.
    pub(crate) fn trace(body: &[u8]) -> Option<&str> {
        let (_, end) = body.split_at_checked(body.len().checked_sub(TRACE.len() + TRACEPARENT + 2)?)?;
        let value = end.strip_prefix(TRACE.as_bytes())?.strip_suffix(b"\"}")?;
        std::str::from_utf8(value).ok()
    }

    /// Reads a lead.
    pub fn decode(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

/// Writes a value's JSON behind what is there.
fn append(body: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let end = body.len();
    // Neither memory nor a value with text for names has a reason to fail; half a value must not stay in any case.
    if serde_json::to_writer(&mut *body, value).is_err() {
        body.truncate(end);
        body.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::Field;

    #[test]
    fn what_is_written_is_read_again() {
        let mut lead = Lead::new();
        lead.set(Field::Email, "ada@example.com");
        let note = Problem::new("phone", "InvalidPhone", "no number");
        for (hydrate, notes) in [
            (None, &[][..]),
            (Some("https://api.example.com/\"1\""), &[note][..]),
        ] {
            let body = StoredLead::encode(&lead, br#"{"a": [1, "\u00e9"]}"#, hydrate, notes);
            let stored = StoredLead::decode(&body).unwrap();
            assert_eq!(stored.lead, lead.clone().into_value());
            assert_eq!(stored.payload, json!({"a": [1, "é"]}));
            assert_eq!(stored.hydrate.as_deref(), hydrate);
        }
        assert!(StoredLead::decode(b"{}").is_err());
    }

    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_is_found_in_the_lead_that_it_was_put_into_and_changes_nothing_else() {
        let body = StoredLead::encode(&Lead::new(), br#"{"a": 1}"#, None, &[]);
        assert_eq!(StoredLead::trace(&body), None);
        let traced = StoredLead::with_trace(&body, TRACEPARENT);
        assert_eq!(StoredLead::trace(&traced), Some(TRACEPARENT));
        assert_eq!(
            StoredLead::decode(&traced).unwrap(),
            StoredLead::decode(&body).unwrap()
        );
        let written_again = serde_json::from_slice::<Value>(&traced).unwrap().to_string();
        assert_eq!(StoredLead::trace(written_again.as_bytes()), Some(TRACEPARENT));
        assert_eq!(StoredLead::with_trace(b"", TRACEPARENT), b"");
    }

    #[test]
    fn a_payload_brings_no_trace_of_its_own() {
        let member = format!(",\"traceparent\":\"{TRACEPARENT}\"");
        for payload in [
            format!("{{\"a\":1{member}}}"),
            Value::from(format!("x{member}")).to_string(),
            Value::from(format!("x{member}}}")).to_string(),
            format!("[{{\"a\":1{member}}}]"),
        ] {
            let body = StoredLead::encode(&Lead::new(), payload.as_bytes(), None, &[]);
            assert!(StoredLead::decode(&body).is_ok(), "{payload}");
            assert_eq!(StoredLead::trace(&body), None, "{payload}");
        }
    }
}
