//! What bodies are read into, and why one cannot be.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;

/// Why a body cannot be read. Told to the sender; quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing was sent.
    #[error("the body is empty; send the lead as JSON or as a form")]
    Empty,
    /// The kind of body is not one that is read here (415).
    #[error("{0}")]
    Unsupported(String),
    /// Too large once decompressed (413).
    #[error("the body is larger than {0} bytes once decompressed")]
    TooLarge(usize),
    /// It is not what it says it is (400).
    #[error("{0}")]
    Malformed(String),
}

/// A body that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload<'a> {
    /// What expressions see as `payload`.
    pub value: Value,
    /// The JSON text it came from, if it came as JSON: stored as it is.
    pub json: Option<Cow<'a, [u8]>>,
}

pub(super) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    value.unwrap_or_default()
}
