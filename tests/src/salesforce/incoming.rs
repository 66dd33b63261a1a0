//! What a request says.

use axum::http::{HeaderMap, Method};
use serde_json::{Map, Value};

use super::answers::Fail;
use super::rows::Wishes;

/// A request as the calls see it.
pub(super) struct Incoming<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    pub(super) failing: Option<&'a str>,
}

impl Incoming<'_> {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| decode(&value.replace('+', " ")))
    }

    /// The body, which must be a JSON object and say so.
    pub(super) fn object(&self) -> Result<Map<String, Value>, Fail> {
        if !self
            .header("content-type")
            .to_ascii_lowercase()
            .starts_with("application/json")
        {
            return Err(Fail::new(
                415,
                "UNSUPPORTED_MEDIA_TYPE",
                "Content type is not supported",
            ));
        }
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err(Fail::malformed("An object is expected")),
            Err(error) => Err(Fail::malformed(format!("Unexpected input at [line:1]: {error}"))),
        }
    }

    pub(super) fn wishes(&self) -> Wishes {
        Wishes {
            allow_save: self
                .header("sforce-duplicate-rule-header")
                .to_ascii_lowercase()
                .contains("allowsave=true"),
            assign: !self.header("sforce-auto-assign").eq_ignore_ascii_case("false"),
        }
    }
}

/// Percent-decoded.
pub(super) fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}
