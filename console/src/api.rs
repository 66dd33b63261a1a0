//! What the console needs of whoever runs it.

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The header of [`Call::key`].
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The characters that a part of a path has as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A part of a path, or a value of a query.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// Receivers as one visitor may see them. A *place* is what one receiver answers for: all that a receiver has, or a
/// namespace of the cluster.
#[async_trait]
pub trait Api: Send + Sync {
    /// Who the visitor is, for the record.
    fn who(&self) -> &str;

    /// Whether the visitor signed in, and can sign out.
    fn has_session(&self) -> bool;

    /// The places in which the visitor may see leads.
    async fn places(&self) -> Result<Vec<String>, Failure>;

    /// What the visitor may do in a place.
    async fn rights(&self, place: &str) -> Result<Rights, Failure>;

    /// Asks a receiver of a place, in the visitor's name.
    async fn call(&self, place: &str, call: Call) -> Result<Answer, Failure>;

    /// The URL to give to a sender, if it is known. `path` is where the receiver answers.
    async fn address(&self, place: &str, webhook: &str, path: &str) -> Option<String>;
}

/// What a visitor may do in a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// See leads without personal data: `get` of `leadwebhooks/leads`.
    pub see: bool,
    /// See payloads: `get` of `leadwebhooks/payloads`.
    pub payloads: bool,
    /// Replay leads and decide about them: `update` of `leadwebhooks/leads`.
    pub update: bool,
    /// Discard leads: `delete` of `leadwebhooks/leads`.
    pub delete: bool,
    /// Pause and resume sinks: `update` of `crmsinks/pause`.
    pub pause: bool,
}

/// The right to be shown personal data. Whatever reads a payload asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Clear(());

impl Rights {
    /// Of whoever has the receiver's machine or its token.
    pub const ALL: Self = Self {
        see: true,
        payloads: true,
        update: true,
        delete: true,
        pause: true,
    };

    /// Whether the visitor may erase what is held of a person, here and in CRMs.
    pub(crate) fn erase(self) -> bool {
        self.payloads && self.delete
    }

    /// The right to be shown personal data, if the visitor has it.
    pub fn clear(self) -> Option<Clear> {
        self.payloads.then_some(Clear(()))
    }
}

/// A request to a receiver.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Its path, from `/status` or `/api/v1` on, with its query.
    pub path: String,
    /// Its body, as JSON.
    pub body: Option<Vec<u8>>,
    /// What makes a repeated request the same one: its header `Idempotency-Key`.
    pub key: Option<String>,
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: None,
            key: None,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Without a body.
    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn json<B: Serialize>(mut self, body: &B) -> Self {
        self.body = serde_json::to_vec(body).ok();
        self
    }

    /// With a key, unless it is empty.
    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = (!key.is_empty()).then(|| key.to_owned());
        self
    }

    /// Adds to the query what is not empty.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            let separator = if self.path.contains('?') { '&' } else { '?' };
            self.path = format!("{}{separator}{name}={}", self.path, encode(value));
        }
        self
    }
}

/// What a receiver answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// Why a page cannot be shown, or something cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// As an HTTP status.
    pub status: u16,
    /// In words.
    pub detail: String,
}

impl Failure {
    /// Of a status and words.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
        }
    }
}

/// Asks, and reads the answer.
pub(crate) async fn ask<T: DeserializeOwned>(api: &dyn Api, place: &str, call: Call) -> Result<T, Failure> {
    let path = call.path.split('?').next().unwrap_or_default().to_owned();
    let answer = api.call(place, call).await?;
    // 204 has no body.
    let body: &[u8] = if answer.status == 204 {
        b"null"
    } else {
        &answer.body
    };
    if !(200..300).contains(&answer.status) {
        let problem: Option<Value> = serde_json::from_slice(body).ok();
        let detail = problem.and_then(|problem| Some(problem.get("detail")?.as_str()?.to_owned()));
        let detail = detail.unwrap_or_else(|| format!("the receiver answers {} to {path}", answer.status));
        return Err(Failure::new(answer.status, detail));
    }
    serde_json::from_slice(body).map_err(|error| {
        Failure::new(
            502,
            format!("the receiver's answer to {path} is not understood: {error}"),
        )
    })
}
