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
    // An address may hold what also stands around one, such as an apostrophe: each reading counts.
    for word in text.split(char::is_whitespace).filter(|word| word.contains('@')) {
        let around = |c: char| "\"'<>()[]{},;:=&?|\\/`".contains(c);
        for part in word.split(around).chain([word]).filter(|part| part.contains('@')) {
            found.extend(email_identity(part.trim_matches(|c: char| !c.is_alphanumeric())));
            found.extend(email_identity(part.trim_matches('.')));
        }
    }
    let digits = |part: &str| part.chars().filter(|c| c.is_numeric()).count();
    if digits(text) < FEWEST_DIGITS {
        return;
    }
    let parts =
        text.split(|c: char| c.is_alphabetic() || c.is_control() || "\"'<>[]{},;:=&?|\\@!#*_".contains(c));
    for part in parts.filter(|part| digits(part) >= FEWEST_DIGITS) {
        found.extend(phone_identity(part.trim()));
        // Several stand behind each other, with blanks, dots and brackets around them; some senders leave the plus out.
        for number in part.split('+').filter(|number| digits(number) >= FEWEST_DIGITS) {
            let number = number.trim_matches(|c: char| !c.is_numeric());
            found.extend(phone_identity(number));
            found.extend(phone_identity(&format!("+{number}")));
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
            r#"{"text":"really ada@example.com!"}"#,
            r#"{"text":"**ada@example.com**"}"#,
            r#"{"text":"„ada@example.com“"}"#,
            r#"{"text":"mailto:ada@example.com?subject=x"}"#,
        ] {
            assert!(named_in(&lead(body, "")).contains(&ada), "{body}");
        }
        assert!(named_in(&lead("{}", "contact ada@example.com exists")).contains(&ada));
        assert!(!named_in(&lead(r#"{"lead":{"email":"bada@example.com"}}"#, "")).contains(&ada));
        let brian = email_identity("o'brien@example.com").unwrap();
        assert!(named_in(&lead(r#"{"text":"(o'brien@example.com)"}"#, "")).contains(&brian));
        assert!(named_in(&lead(r#"{"text":"from o'brien@example.com"}"#, "")).contains(&brian));
    }

    #[test]
    fn a_number_is_found_however_it_is_written() {
        let number = phone_identity("+49 30 901820").unwrap();
        for body in [
            r#"{"lead":{"phone":"+4930901820"},"payload":{}}"#,
            r#"{"lead":{},"payload":{"tel":"+49 (30) 901-820"}}"#,
            r#"{"body":"tel=%2B4930901820"}"#,
            r#"{"body":"{\"tel\":4930901820}"}"#,
            r#"{"text":"Tel. +49 30 901820"}"#,
            r#"{"text":"+49 30 901820\n10115 Berlin"}"#,
            r#"{"text":"+49 30 901820 / +49 170 1234567"}"#,
            r#"{"text":"+49 170 1234567 / +49 30 901820"}"#,
            r#"{"text":"+49 30 901820!"}"#,
            r#"{"text":"(privat) +49 (30) 901-820."}"#,
        ] {
            assert!(named_in(&lead(body, "")).contains(&number), "{body}");
        }
        assert!(!named_in(&lead(r#"{"lead":{"phone":"+4930901821"}}"#, "")).contains(&number));
    }
}
