//! What makes two requests the same submission.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::webhook::Webhook;
use crate::expression::{Scope, plain_text};
use crate::lead::{Problem, digest};

/// The longest X-Idempotency-Key.
const LONGEST_HEADER: usize = 512;

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
}

/// The key: the webhook's or preset's expression, else X-Idempotency-Key, else submissionId or eventId, else
/// e-mail and time, else a digest of the body with a short window.
pub(super) fn key(source: &Source<'_>, scope: &Scope<'_>) -> Result<Key, Problem> {
    if let Some(program) = &source.webhook.key {
        let value = program
            .evaluate(scope)
            .map_err(|e| Problem::new("submissionId", "IdempotencyFailed", e.to_string()))?;
        let parts = value.map(|value| parts(&value)).unwrap_or_default();
        if !parts.is_empty() {
            return Ok(of_parts(source, "expression", &parts, Reach::Item));
        }
    }
    let header = source
        .headers
        .get("x-idempotency-key")
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
        .filter(|text| !text.is_empty() && text.len() <= LONGEST_HEADER);
    if let Some(text) = header {
        return Ok(of_parts(source, "header", &[text.to_owned()], Reach::Request));
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
    let all = [source.webhook.id.as_str(), from]
        .into_iter()
        .chain(parts.iter().map(String::as_str))
        .chain(position.as_deref());
    Key {
        digest: digest(all),
        submission: Some(parts.join("|")),
        window: source.webhook.window,
        from,
    }
}

fn parts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => {
            let parts: Vec<String> = items.iter().filter_map(plain_text).collect();
            if parts.iter().all(|part| part.trim().is_empty()) {
                Vec::new()
            } else {
                parts
            }
        }
        other => plain_text(other)
            .filter(|text| !text.trim().is_empty())
            .into_iter()
            .collect(),
    }
}
