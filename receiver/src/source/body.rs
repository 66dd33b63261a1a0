//! Bytes -> payload: JSON, form or multipart, within limits.

use std::borrow::Cow;
use std::io::Read as _;

use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use leadgate_crds::lead_webhook::Format;

use super::form::{charset, form, in_utf8, multipart};
use super::json::{begins_as_json, json};
use super::payload::{BodyError, Payload, content_type};

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
        // What browsers and scripts send without asking, or without thinking.
        let says_little = is("text/plain") || is("application/octet-stream");
        if says_little && begins_as_json(body) {
            Kind::Json
        } else {
            Kind::Other
        }
    } else if begins_as_json(body) {
        Kind::Json
    } else {
        Kind::Unnamed
    }
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
