//! Forms -> payload: fields in the charset that the sender declares, urlencoded or multipart.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use futures::FutureExt as _;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::json::says_json;
use super::payload::{BodyError, Payload, content_type};

/// More fields than any form has; each is an allocation.
const MOST_FIELDS: usize = 2000;

/// The charset that Content-Type declares, else UTF-8. One whose bytes do not go on from ASCII is not read: a form's
/// `&` and `=` could not be told.
pub(super) fn charset(headers: &HeaderMap) -> Result<&'static Encoding, BodyError> {
    for parameter in content_type(headers).split(';').skip(1) {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case("charset") {
            let label = value.trim().trim_matches(['"', '\'']);
            return known_charset(label.as_bytes()).ok_or_else(|| {
                BodyError::Unsupported("this charset is not supported; send UTF-8".to_owned())
            });
        }
    }
    Ok(UTF_8)
}

fn known_charset(label: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_label(label).filter(|charset| charset.is_ascii_compatible())
}

/// What is valid UTF-8 is UTF-8, whatever was declared: forms escape in UTF-8 under any name, and no text of another
/// charset looks like it by chance. The rest is what it says it is.
pub(super) fn in_utf8<'a>(
    body: Cow<'a, [u8]>,
    charset: &'static Encoding,
) -> Result<Cow<'a, [u8]>, BodyError> {
    if charset == UTF_8 || std::str::from_utf8(&body).is_ok() {
        return Ok(body);
    }
    Ok(Cow::Owned(decoded(&body, charset)?.into_bytes()))
}

fn decoded(bytes: &[u8], charset: &'static Encoding) -> Result<String, BodyError> {
    let text = charset.decode_without_bom_handling_and_without_replacement(bytes);
    text.map(Cow::into_owned).ok_or_else(not_in_charset)
}

fn not_in_charset() -> BodyError {
    BodyError::Malformed("the body is not in the charset that its Content-Type names".to_owned())
}

fn not_utf8() -> BodyError {
    BodyError::Malformed(
        "the form is not in UTF-8; name its charset in Content-Type, as in \
         application/x-www-form-urlencoded; charset=windows-1252, or send UTF-8"
            .to_owned(),
    )
}

pub(super) fn form<'a>(body: &[u8], charset: &'static Encoding) -> Result<Payload<'a>, BodyError> {
    if says_json(body) {
        return Err(BodyError::Malformed(
            "the body is JSON, but it is read as a form; send Content-Type: application/json, or set payload.format"
                .to_owned(),
        ));
    }
    let pairs = pairs(body.trim_ascii(), charset)?;
    let mut map = Map::new();
    for (name, value) in pairs {
        add_field(&mut map, name.into_owned(), value.into_owned());
    }
    Ok(Payload {
        value: Value::Object(map),
        json: None,
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

/// The fields of a form under its headers, decoded, blanks kept.
pub fn form_fields<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Vec<Pair<'a>>, BodyError> {
    pairs(body, charset(headers)?)
}

/// The pairs of a query string, decoded, blanks kept.
pub fn query_pairs(query: &str) -> Result<Vec<Pair<'_>>, BodyError> {
    pairs(query.as_bytes(), UTF_8)
}

fn pairs<'a>(body: &'a [u8], charset: &'static Encoding) -> Result<Vec<Pair<'a>>, BodyError> {
    let raw = body
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .take(MOST_FIELDS + 1)
        .map(|pair| {
            let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(end);
            (
                unescape(name),
                unescape(value.strip_prefix(b"=").unwrap_or_default()),
            )
        });
    let in_utf8 = raw.clone().map(|(name, value)| Some((utf8(name)?, utf8(value)?)));
    match in_utf8.collect::<Option<Vec<_>>>() {
        Some(pairs) if pairs.len() > MOST_FIELDS => return Err(too_many_fields()),
        Some(pairs) => return Ok(pairs),
        None if raw.clone().count() > MOST_FIELDS => return Err(too_many_fields()),
        None => {}
    }
    let charset = if charset == UTF_8 {
        declared_within(raw.clone())?
    } else {
        charset
    };
    raw.map(|(name, value)| {
        Ok((
            Cow::Owned(decoded(&name, charset)?),
            Cow::Owned(decoded(&value, charset)?),
        ))
    })
    .collect()
}

/// The charset that a form declares in its field `_charset_`, as browsers fill it in.
fn declared_within<'b>(
    mut fields: impl Iterator<Item = (Cow<'b, [u8]>, Cow<'b, [u8]>)>,
) -> Result<&'static Encoding, BodyError> {
    fields
        .find(|(name, _)| name.as_ref() == b"_charset_")
        .and_then(|(_, label)| known_charset(&label))
        .filter(|charset| *charset != UTF_8)
        .ok_or_else(not_utf8)
}

fn too_many_fields() -> BodyError {
    BodyError::Malformed(format!("the form has more than {MOST_FIELDS} fields"))
}

/// `application/x-www-form-urlencoded` decoding: `+` is a blank.
fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'+') {
        return percent_encoding::percent_decode(text).into();
    }
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    Cow::Owned(percent_encoding::percent_decode(&spaced).collect())
}

fn utf8(bytes: Cow<'_, [u8]>) -> Option<Cow<'_, str>> {
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// A name or value of a query, decoded; `None`: it is not UTF-8.
pub fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    utf8(unescape(text.as_bytes()))
}

pub(super) fn multipart<'a>(
    content_type: &str,
    body: &[u8],
    charset: &'static Encoding,
) -> Result<Payload<'a>, BodyError> {
    // The whole body is at hand, so the reader never waits.
    multipart_fields(content_type, body, charset)
        .now_or_never()
        .unwrap_or_else(|| {
            Err(BodyError::Malformed(
                "the multipart body ends too early".to_owned(),
            ))
        })
}

async fn multipart_fields<'a>(
    content_type: &str,
    body: &[u8],
    charset: &'static Encoding,
) -> Result<Payload<'a>, BodyError> {
    let malformed = |_| BodyError::Malformed("the multipart body is not well-formed".to_owned());
    let boundary = multer::parse_boundary(content_type).map_err(|_| {
        BodyError::Unsupported("send multipart/form-data with its boundary in Content-Type".to_owned())
    })?;
    let copy = bytes::Bytes::copy_from_slice(body);
    let stream = futures::stream::once(async move { Ok::<_, std::convert::Infallible>(copy) });
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut fields = Vec::new();
    // Their content is not kept.
    let mut files = 0;
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        if fields.len() + files >= MOST_FIELDS {
            return Err(too_many_fields());
        }
        let Some(name) = part.name().map(str::to_owned) else {
            continue;
        };
        if part.file_name().is_some() {
            files += 1;
            continue;
        }
        let own = part.content_type().and_then(|kind| kind.get_param("charset"));
        let own = own.and_then(|label| known_charset(label.as_str().as_bytes()));
        fields.push((
            name,
            part.bytes().await.map_err(malformed)?,
            own.unwrap_or(charset),
        ));
    }
    if fields.is_empty() && files == 0 {
        return Err(BodyError::Malformed(
            "the multipart body has no fields".to_owned(),
        ));
    }
    let pairs = || {
        let raw = fields
            .iter()
            .map(|(name, value, _)| (name.as_bytes(), value.as_ref()));
        raw.map(|(name, value): (&[u8], &[u8])| (Cow::Borrowed(name), Cow::Borrowed(value)))
    };
    let mut map = Map::new();
    for (name, value, charset) in &fields {
        let text = match std::str::from_utf8(value) {
            Ok(text) => text.to_owned(),
            Err(_) if *charset == UTF_8 => decoded(value, declared_within(pairs())?)?,
            Err(_) => decoded(value, charset)?,
        };
        add_field(&mut map, name.clone(), text);
    }
    Ok(Payload {
        value: Value::Object(map),
        json: None,
    })
}
