//! Signed requests: one model for all senders (algorithm, places, template, tolerance), as data.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leadgate_crds::lead_webhook::{
    Extractor, Format, HmacAlgorithm, MessageSignature, SecretFormat, Signature, SignatureEncoding, TimeUnit,
    Timestamp,
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::key::{Keys, same};
use super::{AuthError, Place, RawRequest};
use crate::source::{body, form};

/// How far a time of signing may lie from now when neither preset nor webhook says.
const TOLERANCE_SECONDS: u32 = 300;

/// A signing scheme as data, as presets and webhooks write it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "each field is documented in leadgate_crds::lead_webhook::Hmac"
)]
pub struct HmacScheme {
    pub algorithm: Option<HmacAlgorithm>,
    pub secret: Option<SecretFormat>,
    pub signature: Option<Signature>,
    pub timestamp: Option<Timestamp>,
    pub id: Option<Extractor>,
    pub signed: Option<String>,
    pub body_digest: Option<Extractor>,
    pub message_signature: Option<MessageSignature>,
    /// Of a preset: other names of headers that are named above, read where those are not sent.
    #[serde(default)]
    pub other_headers: BTreeMap<String, String>,
}

/// A scheme with its keys.
#[derive(Debug)]
pub struct HmacVerifier {
    keys: Keys,
    signature: Place,
    encoding: SignatureEncoding,
    timestamp: Option<(Place, TimeUnit, u32)>,
    id: Option<Place>,
    signed: Vec<Segment>,
    body_digest: Option<Place>,
    /// What `{url}` may mean.
    urls: Vec<String>,
    format: Format,
}

/// A piece of the signed text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Body,
    Timestamp,
    Id,
    Method,
    Url,
    Params,
}

impl HmacVerifier {
    /// Compiles a scheme with its secrets (each with a name for errors). `public_url` is what `{url}` means, `format`
    /// how the body is read.
    pub fn compile(
        scheme: &HmacScheme,
        secrets: &[(String, Vec<u8>)],
        public_url: Option<&str>,
        format: Format,
    ) -> Result<Self, String> {
        let signature = scheme.signature.as_ref().ok_or(
            "hmac.signature: set the location of the signature, for example {header: X-Webhook-Signature}, or set source to a preset",
        )?;
        let keys = Keys::compile(
            scheme.algorithm.unwrap_or_default(),
            scheme.secret.as_ref(),
            secrets,
        )?;
        let signed = segments(scheme.signed.as_deref().unwrap_or("{body}"))?;
        check_cover(scheme, &signed)?;
        let at = |extractor: &Extractor, field: &str| {
            Place::compile_with(extractor, &scheme.other_headers).map_err(|e| format!("hmac.{field}: {e}"))
        };
        let timestamp = match &scheme.timestamp {
            Some(timestamp) => Some((
                at(&timestamp.extractor(), "timestamp")?,
                timestamp.unit.unwrap_or_default(),
                timestamp
                    .tolerance_seconds
                    .and_then(|s| u32::try_from(s).ok())
                    .unwrap_or(TOLERANCE_SECONDS),
            )),
            None if signed.contains(&Segment::Timestamp) => {
                return Err(
                    "hmac.signed refers to {timestamp}: set its location in hmac.timestamp".to_owned(),
                );
            }
            None => None,
        };
        if scheme.id.is_none() && signed.contains(&Segment::Id) {
            return Err("hmac.signed refers to {id}: set its location in hmac.id".to_owned());
        }
        if public_url.is_none() && signed.contains(&Segment::Url) {
            return Err(
                "publicUrl: this sender signs the URL it calls; write it exactly as the sender does"
                    .to_owned(),
            );
        }
        let own = public_url.unwrap_or_default();
        Ok(Self {
            keys,
            signature: at(&signature.extractor(), "signature")?,
            encoding: signature.encoding.unwrap_or_default(),
            timestamp,
            id: scheme.id.as_ref().map(|id| at(id, "id")).transpose()?,
            body_digest: scheme
                .body_digest
                .as_ref()
                .map(|digest| at(digest, "bodyDigest"))
                .transpose()?,
            urls: if signed.contains(&Segment::Url) {
                [own.to_owned()].into_iter().chain(with_other_port(own)).collect()
            } else {
                vec![own.to_owned()]
            },
            signed,
            format,
        })
    }

    pub(super) fn verify(&self, request: &RawRequest<'_>) -> Result<usize, AuthError> {
        let signatures = self.signature.proofs(request, "signature")?;
        let timestamp = match &self.timestamp {
            Some((place, unit, tolerance)) => {
                let text = place.value(request, "timestamp")?;
                check_time(&text, *unit, *tolerance, request.now)?;
                Some(text)
            }
            None => None,
        };
        let id = self
            .id
            .as_ref()
            .map(|place| place.value(request, "message id"))
            .transpose()?;
        if let Some(place) = &self.body_digest {
            let stated = place.value(request, "body digest")?;
            let stated = hex::decode(stated.as_bytes()).map_err(|_| AuthError::Malformed("body digest"))?;
            if !same(&Sha256::digest(request.body), &stated) {
                return Err(AuthError::Mismatch("body digest"));
            }
        }
        let signatures: Vec<Vec<u8>> = signatures.iter().filter_map(|text| self.decode(text)).collect();
        if signatures.is_empty() {
            return Err(AuthError::Malformed("signature"));
        }
        // Without HMAC, who sees a signed body can sign one that goes on after it. Between the two stands SHA-256's
        // padding, whose first byte, 0x80, follows no whole character.
        if self.keys.lengthen() && std::str::from_utf8(request.body).is_err() {
            return Err(AuthError::Malformed("body"));
        }
        let params = if self.signed.contains(&Segment::Params) {
            self.params(request)?
        } else {
            Vec::new()
        };
        let (timestamp, id) = (timestamp.as_deref(), id.as_deref());
        // No early exit, as among keys.
        let urls = self.urls.iter().flat_map(|url| {
            let decoded = request
                .query
                .and_then(decoded)
                .map(|query| with_query(url, Some(&query)));
            std::iter::once(with_query(url, request.query)).chain(decoded)
        });
        let matched = urls.fold(None, |found, url| {
            let pieces = self.pieces(request, &url, &params, timestamp, id);
            self.keys.verify(&pieces, &signatures).or(found)
        });
        match matched {
            Some(number) => Ok(number),
            None if self.signed.contains(&Segment::Url) => Err(AuthError::UrlMismatch),
            None => Err(AuthError::Mismatch("signature")),
        }
    }

    pub(super) fn secrets(&self) -> usize {
        self.keys.len()
    }

    fn decode(&self, text: &str) -> Option<Vec<u8>> {
        match self.encoding {
            SignatureEncoding::Hex => hex::decode(text).ok(),
            SignatureEncoding::Base64 => STANDARD.decode(text).ok(),
        }
    }

    fn pieces<'r>(
        &'r self,
        request: &RawRequest<'r>,
        url: &str,
        params: &'r [u8],
        timestamp: Option<&'r str>,
        id: Option<&'r str>,
    ) -> Vec<Cow<'r, [u8]>> {
        let piece = |segment: &'r Segment| match segment {
            Segment::Literal(text) => Cow::Borrowed(text.as_bytes()),
            Segment::Body => Cow::Borrowed(request.body),
            Segment::Timestamp => Cow::Borrowed(timestamp.unwrap_or_default().as_bytes()),
            Segment::Id => Cow::Borrowed(id.unwrap_or_default().as_bytes()),
            Segment::Method => Cow::Borrowed(request.method.as_str().as_bytes()),
            Segment::Url => Cow::Owned(url.as_bytes().to_vec()),
            Segment::Params => Cow::Borrowed(params),
        };
        self.signed.iter().map(piece).collect()
    }

    /// Form fields sorted by name, each name followed by its values (sorted, without repeats), as Twilio and Mandrill
    /// sign them. A body that is not read as a form has none, so the signature must cover it in another way.
    fn params(&self, request: &RawRequest<'_>) -> Result<Vec<u8>, AuthError> {
        let kind = body::kind(self.format, request.headers, request.body);
        let encoding = request.headers.get(http::header::CONTENT_ENCODING);
        let compressed = encoding.is_some_and(|encoding| encoding != "identity");
        if compressed || !matches!(kind, body::Kind::Form | body::Kind::Unnamed) {
            let covered = self.signed.contains(&Segment::Body) || self.body_digest.is_some();
            return if covered || request.body.is_empty() {
                Ok(Vec::new())
            } else {
                Err(AuthError::BodyUncovered)
            };
        }
        let fields = form::form_fields(request.headers, request.body);
        let mut pairs = fields.map_err(|_| AuthError::Malformed("form body"))?;
        pairs.sort();
        pairs.dedup();
        let mut signed = Vec::with_capacity(request.body.len());
        for (name, value) in pairs {
            signed.extend_from_slice(name.as_bytes());
            signed.extend_from_slice(value.as_bytes());
        }
        Ok(signed)
    }
}

/// A signature must depend on the body, or one would do for every lead.
fn check_cover(scheme: &HmacScheme, signed: &[Segment]) -> Result<(), String> {
    let digest_is_signed = scheme.body_digest.as_ref().is_some_and(|digest| {
        digest.query.is_some() && signed.contains(&Segment::Url)
            || scheme.id.as_ref() == Some(digest) && signed.contains(&Segment::Id)
    });
    if signed.contains(&Segment::Body) || signed.contains(&Segment::Params) || digest_is_signed {
        return Ok(());
    }
    Err(match &scheme.body_digest {
        Some(_) => {
            "hmac.bodyDigest: the digest itself must be signed: a query parameter by {url} in hmac.signed, a header by \
             {id} with the same hmac.id; otherwise anyone could replace both"
        }
        None => {
            "hmac.signed: write {body} in it (or {params}, where the sender signs the fields of a form), or set \
             hmac.bodyDigest; otherwise one signature would be valid for every lead"
        }
    }
    .to_owned())
}

/// The URL as the sender wrote it: never from Host or X-Forwarded-*, which anybody can set.
fn with_query(url: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{url}?{query}"),
        None => url.to_owned(),
    }
}

/// A query as HubSpot signs it: with the characters that URLs may hold unencoded in their plain form
/// (developers.hubspot.com/docs/api/webhooks/validating-requests). `None`: that changes nothing.
fn decoded(query: &str) -> Option<String> {
    const PLAIN: &str = ":/?@!$'()*,;";
    let mut text = String::with_capacity(query.len());
    let mut rest = query;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let code = after
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(plain) = code.map(char::from).filter(|c| PLAIN.contains(*c)) {
            text.push(plain);
            rest = after.get(2..).unwrap_or_default();
        } else {
            text.push('%');
            rest = after;
        }
    }
    text.push_str(rest);
    (text != query).then_some(text)
}

/// The URL with its default port where it has none, and without it where it has: senders sign either
/// (Twilio's SDKs try both).
fn with_other_port(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if let Some(bare) = authority.strip_suffix(port) {
        return Some(format!("{scheme}://{bare}{path}"));
    }
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let has_port = host.contains(':') && !host.ends_with(']');
    (!has_port).then(|| format!("{scheme}://{authority}{port}{path}"))
}

fn check_time(text: &str, unit: TimeUnit, tolerance: u32, now: u64) -> Result<(), AuthError> {
    // Digits only: `parse` would also take a sign.
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AuthError::Malformed("timestamp"));
    }
    let number: u64 = text.parse().map_err(|_| AuthError::Malformed("timestamp"))?;
    let (signed, now, tolerance) = match unit {
        TimeUnit::Seconds => (number, now / 1000, u64::from(tolerance)),
        TimeUnit::Milliseconds => (number, now, u64::from(tolerance) * 1000),
    };
    if now.abs_diff(signed) > tolerance {
        return Err(AuthError::Stale(u32::try_from(tolerance).unwrap_or(u32::MAX)));
    }
    Ok(())
}

fn segments(template: &str) -> Result<Vec<Segment>, String> {
    let mut segments = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        if !before.is_empty() {
            segments.push(Segment::Literal(before.to_owned()));
        }
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| format!("hmac.signed: `{template}` has a '{{' without '}}'"))?;
        segments.push(match name {
            "body" => Segment::Body,
            "timestamp" => Segment::Timestamp,
            "id" => Segment::Id,
            "method" => Segment::Method,
            "url" => Segment::Url,
            "params" => Segment::Params,
            _ => {
                return Err(format!(
                    "hmac.signed: {{{name}}} is not one of body, timestamp, id, method, url, params"
                ));
            }
        });
        rest = after;
    }
    if !rest.is_empty() {
        segments.push(Segment::Literal(rest.to_owned()));
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn a_query_is_signed_as_it_is_or_with_plain_characters() {
        assert_eq!(decoded("src=a%3Ab%2fc").as_deref(), Some("src=a:b/c"));
        assert_eq!(
            decoded("a=%40%21%24%27%28%29%2A%2C%3B%3F").as_deref(),
            Some("a=@!$'()*,;?")
        );
        // What separates stays encoded, as does what is none.
        for query in [
            "",
            "a=b",
            "a=%26%3D%25",
            "a=%C3%A4",
            "a=%",
            "a=%4",
            "a=%zz",
            "a=%é1",
        ] {
            assert_eq!(decoded(query), None, "{query}");
        }
    }
}
