//! Bytes -> payload: JSON, form or multipart, within limits, refusing what parsers disagree about.

use std::borrow::Cow;
use std::io::Read as _;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use leadgate_crds::lead_webhook::Format;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::form::{charset, form, in_utf8, multipart};
use crate::json_text;

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

/// Undoes a Content-Encoding (none, identity, gzip) into at most `longest` bytes.
pub fn decompress<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
    longest: usize,
) -> Result<Cow<'a, [u8]>, BodyError> {
    let Some(encoding) = headers.get(CONTENT_ENCODING) else {
        return Ok(Cow::Borrowed(body));
    };
    match encoding
        .to_str()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
        .as_str()
    {
        "" | "identity" => Ok(Cow::Borrowed(body)),
        "gzip" | "x-gzip" => {
            let mut plain = Vec::new();
            let limit = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(1);
            flate2::read::MultiGzDecoder::new(body)
                .take(limit)
                .read_to_end(&mut plain)
                .map_err(|_| BodyError::Malformed("the body is not valid gzip".to_owned()))?;
            if plain.len() > longest {
                Err(BodyError::TooLarge(longest))
            } else {
                Ok(Cow::Owned(plain))
            }
        }
        _ => Err(BodyError::Unsupported(
            "this Content-Encoding is not supported; send gzip or none".to_owned(),
        )),
    }
}

/// What a body is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// JSON.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart,
    /// No Content-Type, and no JSON: a form, for a proof over the fields of one. It is not read without `format: Form`.
    Unnamed,
    /// A Content-Type that is not read here.
    Other,
}

/// What a body is read as: as the webhook demands, else as its Content-Type says, in capitals or not. Both the proof
/// over the fields of a form and the parser ask here, so that nothing is read as a form that was not verified as one.
pub fn kind(format: Format, headers: &HeaderMap, body: &[u8]) -> Kind {
    match format {
        Format::Json => return Kind::Json,
        Format::Form => return Kind::Form,
        Format::Multipart => return Kind::Multipart,
        Format::Auto => {}
    }
    let content_type = content_type(headers);
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is = |known: &str| media_type.eq_ignore_ascii_case(known);
    let ends_json = || {
        let at = media_type.len().saturating_sub(5);
        media_type
            .get(at..)
            .is_some_and(|end| end.eq_ignore_ascii_case("+json"))
    };
    if is("application/json") || is("text/json") || ends_json() {
        Kind::Json
    } else if is("application/x-www-form-urlencoded") {
        Kind::Form
    } else if is("multipart/form-data") {
        Kind::Multipart
    } else if !media_type.is_empty() {
        Kind::Other
    } else if begins_as_json(body) {
        Kind::Json
    } else {
        Kind::Unnamed
    }
}

pub(super) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    value.unwrap_or_default()
}

/// Whether a body that is read as a form is JSON.
pub(super) fn says_json(body: &[u8]) -> bool {
    begins_as_json(body) && parse_json(body).is_ok()
}

fn begins_as_json(body: &[u8]) -> bool {
    matches!(without_bom(body).trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Reads a decompressed body in the format that the webhook demands, or that its Content-Type names.
pub fn parse<'a>(format: Format, headers: &HeaderMap, body: Cow<'a, [u8]>) -> Result<Payload<'a>, BodyError> {
    if body.trim_ascii().is_empty() {
        return Err(BodyError::Empty);
    }
    let charset = charset(headers)?;
    match kind(format, headers, &body) {
        Kind::Json => json(in_utf8(body, charset)?),
        Kind::Form => form(&body, charset),
        Kind::Multipart => multipart(content_type(headers), &body, charset),
        Kind::Unnamed => Err(BodyError::Unsupported(
            "the request has no Content-Type; send application/json".to_owned(),
        )),
        Kind::Other => Err(BodyError::Unsupported(
            "this Content-Type is not supported; send application/json, application/x-www-form-urlencoded or \
             multipart/form-data"
                .to_owned(),
        )),
    }
}

fn json(body: Cow<'_, [u8]>) -> Result<Payload<'_>, BodyError> {
    let (value, body) = match strict_json(&body) {
        Ok(value) => (value, body),
        Err(_) if looks_like_a_form(&body) => {
            return Err(BodyError::Malformed(
                "the body is a form, but it is read as JSON; send Content-Type: application/x-www-form-urlencoded, or \
                 set payload.format"
                    .to_owned(),
            ));
        }
        Err(error) => {
            let mended = json_text::mend(&body).ok_or_else(|| error.clone())?;
            (strict_json(&mended).map_err(|_| error)?, Cow::Owned(mended))
        }
    };
    if !value.is_object() && !value.is_array() {
        return Err(BodyError::Malformed(
            "the JSON body must be an object (or a list, for senders that batch)".to_owned(),
        ));
    }
    let json = match body {
        Cow::Borrowed(bytes) => Cow::Borrowed(without_bom(bytes)),
        Cow::Owned(bytes) => Cow::Owned(without_bom(&bytes).to_vec()),
    };
    Ok(Payload {
        value,
        json: Some(json),
    })
}

/// `name=value`, with what a form's name is made of.
fn looks_like_a_form(body: &[u8]) -> bool {
    let name = body.split(|byte| *byte == b'=').next().unwrap_or_default();
    name.len() < body.len()
        && !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.+%[]*~".contains(byte))
}

fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// JSON with unique member names, at most 128 levels deep, mended where it must be. The error has a position and no
/// content.
pub fn parse_json(body: &[u8]) -> Result<Value, BodyError> {
    strict_json(body).or_else(|error| {
        let mended = json_text::mend(body).ok_or_else(|| error.clone())?;
        strict_json(&mended).map_err(|_| error)
    })
}

fn strict_json(body: &[u8]) -> Result<Value, BodyError> {
    let text = std::str::from_utf8(without_bom(body))
        .map_err(|_| BodyError::Malformed("the JSON body is not valid UTF-8; send it in UTF-8".to_owned()))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Unique
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| BodyError::Malformed(describe(&error)))
}

fn describe(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let what = if text.starts_with(REPEATED) {
        "an object has the same key twice; parsers disagree about which one applies"
    } else if text.starts_with("recursion limit") {
        "it is nested more than 128 deep"
    } else if error.is_eof() {
        "it ends too early"
    } else {
        "syntax error"
    };
    format!("the body is not valid JSON: {what} (line {line}, column {column})")
}

const REPEATED: &str = "repeated member";

/// Builds a [`Value`], refusing repeated member names.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }
    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Unique)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(Unique)?;
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom(REPEATED));
            }
        }
        Ok(Value::Object(map))
    }
}
