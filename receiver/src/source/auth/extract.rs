//! Where in a request a value stands: a header, a query parameter, or a JSON member.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::HeaderName;
use leadgate_crds::lead_webhook::Extractor;
use serde_json::Value;

use super::{AuthError, RawRequest};
use crate::source::form;
use crate::source::json::parse_json;

/// A compiled [`Extractor`].
#[derive(Debug, Clone)]
pub struct Place {
    at: At,
    split: Option<String>,
    prefix: Option<String>,
    prefix_optional: bool,
}

#[derive(Debug, Clone)]
enum At {
    /// One name, or the other where the first is not sent.
    Header(HeaderName, Option<HeaderName>),
    Query(String),
    Json(String),
}

impl Place {
    /// Compiles; the error names what is missing.
    pub fn compile(extractor: &Extractor) -> Result<Self, String> {
        Self::compile_with(extractor, &BTreeMap::new())
    }

    /// Compiles, where headers have other names too.
    pub fn compile_with(extractor: &Extractor, others: &BTreeMap<String, String>) -> Result<Self, String> {
        let at = match (&extractor.header, &extractor.query, &extractor.json) {
            (Some(name), None, None) => {
                let other = others.get(name).map(|other| header_name(other)).transpose()?;
                At::Header(header_name(name)?, other)
            }
            (None, Some(name), None) => At::Query(name.clone()),
            (None, None, Some(pointer)) => At::Json(pointer.clone()),
            _ => return Err("set exactly one of header, query and json".to_owned()),
        };
        Ok(Self {
            at,
            split: extractor.split.clone(),
            prefix: extractor.prefix.clone(),
            prefix_optional: extractor.prefix_optional,
        })
    }

    /// A header.
    pub fn header(name: &str) -> Result<Self, String> {
        Ok(Self {
            at: At::Header(header_name(name)?, None),
            split: None,
            prefix: None,
            prefix_optional: false,
        })
    }

    /// Where in the payload it stands, if there.
    pub fn json_pointer(&self) -> Option<&str> {
        match &self.at {
            At::Json(pointer) => Some(pointer),
            At::Header(..) | At::Query(_) => None,
        }
    }

    /// The part of a request that it is in.
    pub fn part(&self) -> &'static str {
        match self.at {
            At::Header(..) => "header",
            At::Query(_) => "query",
            At::Json(_) => "body",
        }
    }

    /// All proofs that stand there, without their prefix; values without it are passed over. `what` names the
    /// value in errors. At most [`MOST_VALUES`] are looked at. A `+` in a query is a blank for forms and itself for
    /// URLs: both readings are given. In JSON a proof is a text.
    pub fn proofs<'r>(
        &self,
        request: &RawRequest<'r>,
        what: &'static str,
    ) -> Result<Vec<Cow<'r, str>>, AuthError> {
        self.read(request, what, Reading::Proof)
    }

    fn read<'r>(
        &self,
        request: &RawRequest<'r>,
        what: &'static str,
        reading: Reading,
    ) -> Result<Vec<Cow<'r, str>>, AuthError> {
        let raw = self.raw(request, what, reading)?;
        if raw.is_empty() {
            return Err(AuthError::Missing(what));
        }
        let mut values = Vec::with_capacity(1);
        for value in raw {
            match &self.split {
                Some(separator) => {
                    for part in pieces(&value, separator) {
                        values.extend(self.without_prefix(part));
                    }
                }
                None => values.extend(self.without_prefix(value)),
            }
        }
        values.retain(|value| !value.is_empty());
        values.truncate(MOST_VALUES);
        if values.is_empty() {
            Err(AuthError::Malformed(what))
        } else {
            Ok(values)
        }
    }

    /// The one value that stands there.
    pub fn value<'r>(&self, request: &RawRequest<'r>, what: &'static str) -> Result<Cow<'r, str>, AuthError> {
        let mut values = self.read(request, what, Reading::Value)?;
        match values.len() {
            1 => Ok(values.remove(0)),
            _ => Err(AuthError::Repeated(what)),
        }
    }

    fn raw<'r>(
        &self,
        request: &RawRequest<'r>,
        what: &'static str,
        reading: Reading,
    ) -> Result<Vec<Cow<'r, str>>, AuthError> {
        match &self.at {
            At::Header(name, other) => {
                let other = other.as_ref().filter(|_| !request.headers.contains_key(name));
                let lines = request.headers.get_all(other.unwrap_or(name));
                let mut values = Vec::with_capacity(1);
                for line in lines {
                    let text =
                        std::str::from_utf8(line.as_bytes()).map_err(|_| AuthError::Malformed(what))?;
                    values.push(Cow::Borrowed(text.trim()));
                }
                if values.len() > 1 && self.split.is_none() {
                    return Err(AuthError::Repeated(what));
                }
                Ok(values)
            }
            At::Query(name) => {
                let mut found = Vec::with_capacity(1);
                for pair in request.query.unwrap_or_default().split('&') {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    if form::percent_decode(key).is_some_and(|key| key == name.as_str()) {
                        found.push(value);
                    }
                }
                let Some(value) = found.pop() else {
                    return Ok(Vec::new());
                };
                if !found.is_empty() {
                    return Err(AuthError::Repeated(what));
                }
                let mut readings = vec![form::percent_decode(value).ok_or(AuthError::Malformed(what))?];
                if reading == Reading::Proof && value.contains('+') {
                    readings.extend(percent_encoding::percent_decode_str(value).decode_utf8());
                }
                Ok(readings)
            }
            // The only place for which an unverified body is parsed: the scheme puts the proof there.
            At::Json(pointer) => {
                let payload = parse_json(request.body).map_err(|_| AuthError::Malformed(what))?;
                let text = match (payload.pointer(pointer), reading) {
                    (None | Some(Value::Null), _) => None,
                    (Some(Value::String(text)), _) => Some(text.clone()),
                    (Some(_), Reading::Proof) => return Err(AuthError::Malformed(what)),
                    (Some(value), Reading::Value) => crate::expression::plain_text(value),
                };
                Ok(text.map(Cow::Owned).into_iter().collect())
            }
        }
    }

    fn without_prefix<'r>(&self, value: Cow<'r, str>) -> Option<Cow<'r, str>> {
        let Some(prefix) = &self.prefix else {
            return Some(value);
        };
        match (value.strip_prefix(prefix.as_str()), &value) {
            (Some(_), Cow::Borrowed(text)) => text.get(prefix.len()..).map(Cow::Borrowed),
            (Some(rest), Cow::Owned(_)) => Some(Cow::Owned(rest.to_owned())),
            (None, _) => self.prefix_optional.then_some(value),
        }
    }
}

/// What a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// A signature or a token: any of what it may mean can be the right one.
    Proof,
    /// What is signed, or asked: it means one thing.
    Value,
}

/// More signatures than any sender lists; each costs a comparison per secret.
const MOST_VALUES: usize = 16;

fn pieces<'r>(value: &Cow<'r, str>, separator: &str) -> Vec<Cow<'r, str>> {
    match value {
        Cow::Borrowed(text) => text
            .split(separator)
            .map(|part| Cow::Borrowed(part.trim()))
            .collect(),
        Cow::Owned(text) => text
            .split(separator)
            .map(|part| Cow::Owned(part.trim().to_owned()))
            .collect(),
    }
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is not a header name"))
}
