//! Bytes -> payload: JSON, form or multipart, within limits, refusing what parsers disagree about.

use std::borrow::Cow;
use std::io::Read as _;

use futures::FutureExt as _;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use leadgate_crds::lead_webhook::Format;
use percent_encoding::percent_decode_str;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// More fields than any form has; each is an allocation.
const MOST_FIELDS: usize = 2000;

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
    /// Names of uploaded files; their content is not kept.
    pub files: Vec<String>,
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

/// Reads a decompressed body in the format that the webhook demands, or that its Content-Type names.
pub fn parse<'a>(format: Format, headers: &HeaderMap, body: Cow<'a, [u8]>) -> Result<Payload<'a>, BodyError> {
    if body.trim_ascii().is_empty() {
        return Err(BodyError::Empty);
    }
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let media_type = media_type.trim().to_ascii_lowercase();
    require_utf8(parameters)?;
    match format {
        Format::Json => json(body),
        Format::Form => form(&body),
        Format::Multipart => multipart(content_type, &body),
        Format::Auto => match media_type.as_str() {
            "application/json" | "text/json" => json(body),
            other if other.ends_with("+json") => json(body),
            "application/x-www-form-urlencoded" => form(&body),
            "multipart/form-data" => multipart(content_type, &body),
            "" if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) => json(body),
            "" => Err(BodyError::Unsupported("the request has no Content-Type; send application/json".to_owned())),
            _ => Err(BodyError::Unsupported(
                "this Content-Type is not supported; send application/json, application/x-www-form-urlencoded or \
                 multipart/form-data"
                    .to_owned(),
            )),
        },
    }
}

fn require_utf8(parameters: &str) -> Result<(), BodyError> {
    for parameter in parameters.split(';') {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches('"');
        let is_utf8 = ["utf-8", "utf8", "us-ascii"]
            .iter()
            .any(|known| value.eq_ignore_ascii_case(known));
        if name.trim().eq_ignore_ascii_case("charset") && !is_utf8 {
            return Err(BodyError::Unsupported(
                "this charset is not supported; send UTF-8".to_owned(),
            ));
        }
    }
    Ok(())
}

fn json(body: Cow<'_, [u8]>) -> Result<Payload<'_>, BodyError> {
    let value = parse_json(&body)?;
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
        files: Vec::new(),
    })
}

fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// JSON with unique member names, at most 128 levels deep. The error has a position and no content.
pub fn parse_json(body: &[u8]) -> Result<Value, BodyError> {
    let text = std::str::from_utf8(without_bom(body))
        .map_err(|_| BodyError::Malformed("the JSON body is not valid UTF-8".to_owned()))?;
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
        "a member name stands twice in one object; parsers would disagree about which one counts"
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

fn form<'a>(body: &[u8]) -> Result<Payload<'a>, BodyError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| BodyError::Malformed("the form body is not valid UTF-8".to_owned()))?;
    let pairs = form_pairs(text.trim_ascii())?;
    let mut map = Map::new();
    for (name, value) in pairs {
        add_field(&mut map, name.into_owned(), value.into_owned());
    }
    Ok(Payload {
        value: Value::Object(map),
        json: None,
        files: Vec::new(),
    })
}

/// A name that comes again makes a list: forms repeat names for choices.
fn add_field(map: &mut Map<String, Value>, name: String, value: String) {
    match map.get_mut(&name) {
        None => {
            map.insert(name, Value::String(value));
        }
        Some(Value::Array(values)) => values.push(Value::String(value)),
        Some(single) => {
            let first = single.take();
            *single = Value::Array(vec![first, Value::String(value)]);
        }
    }
}

/// A decoded name and value.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The pairs of a form body, decoded, blanks kept.
pub fn form_pairs(text: &str) -> Result<Vec<Pair<'_>>, BodyError> {
    let pairs = text
        .split('&')
        .filter(|pair| !pair.is_empty())
        .take(MOST_FIELDS + 1)
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((percent_decode(name)?, percent_decode(value)?))
        })
        .collect::<Result<Vec<_>, BodyError>>()?;
    if pairs.len() > MOST_FIELDS {
        return Err(BodyError::Malformed(format!(
            "the form has more than {MOST_FIELDS} fields"
        )));
    }
    Ok(pairs)
}

/// `application/x-www-form-urlencoded` decoding: `+` is a blank; what decodes to no UTF-8 is refused.
pub fn percent_decode(text: &str) -> Result<Cow<'_, str>, BodyError> {
    let invalid = |_| BodyError::Malformed("the form body does not decode to valid UTF-8".to_owned());
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return percent_decode_str(&spaced)
            .decode_utf8()
            .map(|s| Cow::Owned(s.into_owned()))
            .map_err(invalid);
    }
    percent_decode_str(text).decode_utf8().map_err(invalid)
}

fn multipart<'a>(content_type: &str, body: &[u8]) -> Result<Payload<'a>, BodyError> {
    // The whole body is at hand, so the reader never waits.
    multipart_fields(content_type, body)
        .now_or_never()
        .unwrap_or_else(|| {
            Err(BodyError::Malformed(
                "the multipart body ends too early".to_owned(),
            ))
        })
}

async fn multipart_fields<'a>(content_type: &str, body: &[u8]) -> Result<Payload<'a>, BodyError> {
    let malformed = |_| BodyError::Malformed("the multipart body is not well-formed".to_owned());
    let boundary = multer::parse_boundary(content_type).map_err(|_| {
        BodyError::Unsupported("send multipart/form-data with its boundary in Content-Type".to_owned())
    })?;
    let copy = bytes::Bytes::copy_from_slice(body);
    let stream = futures::stream::once(async move { Ok::<_, std::convert::Infallible>(copy) });
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut map = Map::new();
    let mut files = Vec::new();
    let mut count = 0;
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        count += 1;
        if count > MOST_FIELDS {
            return Err(BodyError::Malformed(format!(
                "the form has more than {MOST_FIELDS} fields"
            )));
        }
        let Some(name) = part.name().map(str::to_owned) else {
            continue;
        };
        if part.file_name().is_some() {
            files.push(name);
            continue;
        }
        let bytes = part.bytes().await.map_err(malformed)?;
        let text = String::from_utf8(bytes.into())
            .map_err(|_| BodyError::Malformed("a part of the form is not valid UTF-8".to_owned()))?;
        add_field(&mut map, name, text);
    }
    if map.is_empty() && files.is_empty() {
        return Err(BodyError::Malformed(
            "the multipart body has no fields".to_owned(),
        ));
    }
    Ok(Payload {
        value: Value::Object(map),
        json: None,
        files,
    })
}
