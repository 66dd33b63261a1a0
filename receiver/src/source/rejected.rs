//! A request, or an element of one, that was verified and is no valid lead: as it is kept for people, and for replay.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde::{Deserialize, Serialize};

use super::auth::RawRequest;
use super::kept::Kept;
use super::parse::{Batch, Parsed};
use super::refusal::Refusal;
use super::webhook::Webhook;

/// The longest body that is kept for replay, in bytes; of a longer one, its beginning, to be looked at.
const LONGEST_KEPT: usize = 256 << 10;

/// What is kept of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct RejectedRequest<'a> {
    content_type: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_encoding: Option<Cow<'a, str>>,
    /// It is an element of `payload.items`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    element: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    /// How long the body was, if only its beginning is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cut_from_bytes: Option<usize>,
}

impl<'a> RejectedRequest<'a> {
    /// A whole request.
    pub fn new(request: &RawRequest<'a>) -> Self {
        let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            content_type: header(CONTENT_TYPE).map(Cow::Borrowed),
            content_encoding: header(CONTENT_ENCODING).map(Cow::Borrowed),
            ..Self::of_body(request.body)
        }
    }

    /// An element of `payload.items`, as its own JSON.
    pub fn element(json: &'a [u8]) -> Self {
        Self {
            content_type: Some(Cow::Borrowed("application/json")),
            element: true,
            ..Self::of_body(json)
        }
    }

    fn of_body(bytes: &'a [u8]) -> Self {
        let cut_from_bytes = (bytes.len() > LONGEST_KEPT).then_some(bytes.len());
        let bytes = bytes.get(..LONGEST_KEPT).unwrap_or(bytes);
        let body = match std::str::from_utf8(bytes) {
            Ok(text) => Some(text),
            // Cut inside a character.
            Err(error) if cut_from_bytes.is_some() && error.error_len().is_none() => {
                let whole = bytes.get(..error.valid_up_to()).unwrap_or_default();
                std::str::from_utf8(whole).ok()
            }
            Err(_) => None,
        };
        Self {
            content_type: None,
            content_encoding: None,
            element: false,
            body: body.map(Cow::Borrowed),
            body_base64: body.is_none().then(|| STANDARD.encode(bytes)),
            cut_from_bytes,
        }
    }

    /// Without what may hold the webhook's own token: it may stand anywhere in what cannot be read. An element of a payload
    /// that could be read does not hold it any more.
    #[must_use]
    pub fn without_secret(mut self, webhook: &Webhook) -> Self {
        if !self.element && webhook.verifier.secret_in_payload().is_some() {
            (self.body, self.body_base64) = (None, None);
        }
        self
    }

    /// As the queue holds it.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads what [`RejectedRequest::encode`] wrote.
    pub fn decode(stored: &[u8]) -> Result<RejectedRequest<'static>, serde_json::Error> {
        serde_json::from_slice(stored)
    }

    /// Reads the request again, as the webhook is now. The error says why it cannot be.
    pub fn replay(
        &self,
        webhook: &Webhook,
        kept: &Kept,
        now: u64,
    ) -> Result<Result<Parsed<Batch>, Refusal>, &'static str> {
        if self.cut_from_bytes.is_some() {
            return Err("it was too long to be kept completely; send it again");
        }
        let body = match (&self.body, &self.body_base64) {
            (Some(text), _) => Cow::Borrowed(text.as_bytes()),
            (None, Some(encoded)) => Cow::Owned(STANDARD.decode(encoded).map_err(|_| NO_BODY)?),
            (None, None) => return Err(NO_BODY),
        };
        let given = [
            (CONTENT_TYPE, &self.content_type),
            (CONTENT_ENCODING, &self.content_encoding),
        ];
        let headers: HeaderMap = given
            .into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::from_str(value.as_deref()?).ok()?)))
            .collect();
        let request = RawRequest {
            method: &Method::POST,
            query: None,
            headers: &headers,
            body: &body,
            now,
        };
        Ok(if self.element {
            webhook.leads_of_element(&request, kept)
        } else {
            webhook.leads(&request, kept)
        })
    }
}

const NO_BODY: &str = "its body was not kept";
