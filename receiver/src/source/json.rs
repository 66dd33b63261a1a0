//! JSON -> payload, refusing what parsers disagree about.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::payload::{BodyError, Payload};
use crate::json_text;

/// Reads a body that is an object or a list.
pub(super) fn json(body: Cow<'_, [u8]>) -> Result<Payload<'_>, BodyError> {
    let body = match json_text::exact(&body) {
        Cow::Owned(exact) => Cow::Owned(exact),
        Cow::Borrowed(_) => body,
    };
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

/// Whether a body that is read as a form is JSON.
pub(super) fn says_json(body: &[u8]) -> bool {
    begins_as_json(body) && parse_json(body).is_ok()
}

pub(super) fn begins_as_json(body: &[u8]) -> bool {
    matches!(without_bom(body).trim_ascii_start().first(), Some(b'{' | b'['))
}

/// JSON text with unique member names, as it is; `None`: it is none.
pub(crate) fn strict(text: &str) -> Option<Value> {
    strict_json(&json_text::exact(text.as_bytes())).ok()
}

/// JSON with unique member names, at most 128 levels deep, mended where it must be. The error has a position and no
/// content.
pub(super) fn parse_json(body: &[u8]) -> Result<Value, BodyError> {
    strict_json(&json_text::exact(body)).or_else(|error| {
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
