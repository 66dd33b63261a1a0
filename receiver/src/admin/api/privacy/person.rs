//! Whether something that is held names a person. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::lead::{Field, email_identity, phone_identity};
use crate::queue::{DeadLetter, Identity};

/// The fewest digits of a phone number.
const FEWEST_DIGITS: usize = 7;

/// Every e-mail address and phone number that a lead names anywhere: in its fields, in what its sender posted, and in what a
/// CRM answered.
pub(super) fn named_in(lead: &DeadLetter) -> Vec<Identity> {
    let mut found = Vec::new();
    match serde_json::from_slice::<Value>(&lead.body) {
        Ok(body) => {
            if let Some(phone) = body.get("lead").and_then(|lead| lead.get(Field::Phone.name())) {
                found.extend(phone.as_str().map(Identity::phone));
            }
            in_value(&body, &mut found);
            let encoded = body.get("body_base64").and_then(Value::as_str);
            if let Some(bytes) = encoded.and_then(|text| STANDARD.decode(text).ok()) {
                in_text(&String::from_utf8_lossy(&bytes), &mut found);
            }
        }
        Err(_) => in_text(&String::from_utf8_lossy(&lead.body), &mut found),
    }
    in_text(&lead.why.message, &mut found);
    in_text(&lead.why.answer, &mut found);
    found
}

fn in_value(value: &Value, found: &mut Vec<Identity>) {
    match value {
        Value::String(text) => in_text(text, found),
        Value::Number(number) => in_text(&number.to_string(), found),
        Value::Array(items) => items.iter().for_each(|item| in_value(item, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                in_text(name, found);
                in_value(value, found);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// A text may be JSON or a form itself, such as a request that was rejected.
fn in_text(text: &str, found: &mut Vec<Identity>) {
    let trimmed = text.trim_start();
    if trimmed.starts_with(['{', '['])
        && let Ok(inner) = serde_json::from_str::<Value>(text)
    {
        in_value(&inner, found);
        return;
    }
    in_words(text, found);
    if text.contains('%') {
        let form = text.replace('+', " ");
        in_words(
            &percent_encoding::percent_decode_str(&form).decode_utf8_lossy(),
            found,
        );
        in_words(
            &percent_encoding::percent_decode_str(text).decode_utf8_lossy(),
            found,
        );
    }
}

fn in_words(text: &str, found: &mut Vec<Identity>) {
    if text.contains('@') {
        let words = text.split(|c: char| c.is_whitespace() || "\"'<>()[]{},;:=&?|\\/`".contains(c));
        for word in words.filter(|word| word.contains('@')) {
            found.extend(email_identity(word.trim_matches('.')));
        }
    }
    let digits = |part: &str| part.chars().filter(|c| c.is_numeric()).count();
    if digits(text) < FEWEST_DIGITS {
        return;
    }
    let parts = text.split(|c: char| c.is_alphabetic() || "\"'<>[]{},;:=&?|\\@".contains(c));
    for part in parts.filter(|part| digits(part) >= FEWEST_DIGITS) {
        let part = part.trim();
        found.extend(phone_identity(part));
        // Without its plus, as some senders have it.
        if !part.starts_with('+') {
            found.extend(phone_identity(&format!("+{part}")));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::queue::{DeadLetterReason, DeadLetterSet, LeadId, WebhookId};

    fn lead(body: &str, answer: &str) -> DeadLetter {
        DeadLetter {
            set: DeadLetterSet::Rejected,
            id: LeadId::from("1"),
            webhook: WebhookId::from("default/site"),
            sink: None,
            contact: None,
            accepted_at: 0,
            dead_lettered_at: 0,
            expires_at: None,
            due: None,
            attempts: 0,
            overtaken: false,
            why: DeadLetterReason {
                reason: String::new(),
                message: String::new(),
                answer: answer.to_owned(),
            },
            key_missing: false,
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn an_address_is_found_wherever_it_stands() {
        let ada = email_identity("ada@example.com").unwrap();
        for body in [
            r#"{"lead":{"email":"ada@example.com"},"payload":{}}"#,
            r#"{"lead":{},"payload":{"answers":[{"text":"write to Ada@Example.com, please"}]}}"#,
            r#"{"content_type":null,"body":"{\"mail\":\"ada@example.com\"}"}"#,
            r#"{"body":"name=Ada&mail=ada%40example.com"}"#,
            r#"{"body":"<lead mail='ada@example.com'/>"}"#,
            r#"{"body_base64":"/yBhZGFAZXhhbXBsZS5jb20="}"#,
            "ada@example.com",
        ] {
            assert!(named_in(&lead(body, "")).contains(&ada), "{body}");
        }
        assert!(named_in(&lead("{}", "contact ada@example.com exists")).contains(&ada));
        assert!(!named_in(&lead(r#"{"lead":{"email":"bada@example.com"}}"#, "")).contains(&ada));
    }

    #[test]
    fn a_number_is_found_however_it_is_written() {
        let number = phone_identity("+49 30 901820").unwrap();
        for body in [
            r#"{"lead":{"phone":"+4930901820"},"payload":{}}"#,
            r#"{"lead":{},"payload":{"tel":"+49 (30) 901-820"}}"#,
            r#"{"body":"tel=%2B4930901820"}"#,
            r#"{"body":"{\"tel\":4930901820}"}"#,
        ] {
            assert!(named_in(&lead(body, "")).contains(&number), "{body}");
        }
        assert!(!named_in(&lead(r#"{"lead":{"phone":"+4930901821"}}"#, "")).contains(&number));
    }
}
