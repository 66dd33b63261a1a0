//! What makes two requests the same submission.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::webhook::Webhook;
use crate::expression::{Program, Scope, plain_text};
use crate::lead::{Problem, digest};

/// Headers in which a sender says it itself; the second is the IETF draft's.
const HEADERS: [&str; 2] = ["x-idempotency-key", "idempotency-key"];
/// The longest of their values.
const MAX_HEADER: usize = 512;

/// The identity of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// A hash of the webhook and the parts: no personal data.
    pub digest: String,
    /// The parts in words, joined by `|`; `None` when the body's digest had to do.
    pub submission: Option<String>,
    /// How long it is remembered.
    pub window: Duration,
    /// Where it came from, for a dry run.
    pub from: &'static str,
}

/// What a key can be made of.
pub(super) struct Source<'a> {
    pub(super) webhook: &'a Webhook,
    pub(super) payload: &'a Value,
    pub(super) item: Option<&'a Value>,
    pub(super) position: usize,
    pub(super) body: &'a [u8],
    pub(super) headers: &'a HeaderMap,
    pub(super) time: Option<&'a str>,
    pub(super) email: Option<&'a str>,
    pub(super) phone: Option<&'a str>,
}

/// The key: what somebody said on purpose, the webhook's expression or the sender's header; else what is known of the
/// sender, the preset's expression; else submissionId or eventId, e-mail and time, a digest of the body with a short
/// window.
pub(super) fn key(source: &Source<'_>, scope: &Scope<'_>) -> Result<Key, Problem> {
    if let Some(program) = &source.webhook.key {
        let parts = evaluate(program, scope)?;
        if !parts.is_empty() {
            return Ok(of_parts(source, "expression", &parts, Reach::Item));
        }
    }
    let mut headers = HEADERS.iter().filter_map(|name| {
        let value = source.headers.get(*name)?.to_str().ok()?.trim();
        (!value.is_empty() && value.len() <= MAX_HEADER).then_some(value)
    });
    if let Some(text) = headers.next() {
        return Ok(of_parts(source, "header", &[text.to_owned()], Reach::Request));
    }
    if let Some(program) = &source.webhook.preset_key {
        let parts = evaluate(program, scope)?;
        if !parts.is_empty() {
            return Ok(of_parts(source, "preset", &parts, Reach::Item));
        }
    }
    for name in ["submissionId", "eventId"] {
        let at = |value: &Value| {
            value
                .get(name)
                .and_then(plain_text)
                .filter(|text| !text.trim().is_empty())
        };
        if let Some(text) = source.item.and_then(at) {
            return Ok(of_parts(source, name, &[text], Reach::Item));
        }
        if let Some(text) = at(source.payload) {
            return Ok(of_parts(source, name, &[text], Reach::Request));
        }
    }
    if let (Some(email), Some(time)) = (source.email, source.time) {
        let hashed = digest([email, time]);
        return Ok(Key {
            submission: None,
            ..of_parts(source, "email:time", &[hashed], Reach::Item)
        });
    }
    let hash = match source.item {
        Some(item) => Sha256::digest(item.to_string()),
        None => Sha256::digest(source.body),
    };
    let key = of_parts(source, "digest", &[URL_SAFE_NO_PAD.encode(hash)], Reach::Item);
    Ok(Key {
        submission: None,
        window: source.webhook.digest_window,
        ..key
    })
}

fn evaluate(program: &Program, scope: &Scope<'_>) -> Result<Vec<String>, Problem> {
    let value = program
        .evaluate(scope)
        .map_err(|e| e.problem("submissionId", "IdempotencyFailed"))?;
    Ok(value.map(|value| parts(&value)).unwrap_or_default())
}

/// Whether a key names one lead, or the request that carries it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Item,
    Request,
}

fn of_parts(source: &Source<'_>, from: &'static str, parts: &[String], reach: Reach) -> Key {
    let position = match (reach, source.item) {
        (Reach::Request, Some(_)) => Some(source.position.to_string()),
        _ => None,
    };
    // Many senders count from 1, on each site anew: the id of a preset names a submission together with whom it is about.
    let contact = source.email.or(source.phone).filter(|_| from == "preset");
    let all = [source.webhook.id.as_str(), from]
        .into_iter()
        .chain(parts.iter().map(String::as_str))
        .chain(contact)
        .chain(position.as_deref());
    Key {
        digest: digest(all),
        submission: Some(parts.join("|")),
        window: source.webhook.window,
        from,
    }
}

/// The parts of a key; none if it names nothing. Of several none may be missing: the rest (the form without the entry)
/// would be the same for all submissions. A lone 0 is what a sender writes that keeps no entries.
fn parts(value: &Value) -> Vec<String> {
    let parts: Option<Vec<String>> = match value {
        Value::Array(items) => items.iter().map(plain_text).collect(),
        other => plain_text(other)
            .filter(|text| text != "0")
            .map(|text| vec![text]),
    };
    parts
        .filter(|parts| parts.iter().any(|part| !part.trim().is_empty()))
        .unwrap_or_default()
}
