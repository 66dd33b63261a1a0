//! Signed requests: one model for all senders (algorithm, places, template, tolerance), as data.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leadgate_crds::lead_webhook::{
    Extractor, HmacAlgorithm, MessageSignature, SecretFormat, Signature, SignatureEncoding, TimeUnit,
    Timestamp,
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::key::{Keys, same};
use super::{AuthError, Place, RawRequest};
use crate::source::body;

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
    public_url: Option<String>,
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
    /// Compiles a scheme with its secrets (each with a name for errors). `public_url` is what `{url}` means.
    pub fn compile(
        scheme: &HmacScheme,
        secrets: &[(String, Vec<u8>)],
        public_url: Option<&str>,
    ) -> Result<Self, String> {
        let signature = scheme.signature.as_ref().ok_or(
            "hmac.signature: say where the signature is, for example {header: X-Webhook-Signature}, or name a preset in source",
        )?;
        let keys = Keys::compile(
            scheme.algorithm.unwrap_or_default(),
            scheme.secret.as_ref(),
            secrets,
        )?;
        let signed = segments(scheme.signed.as_deref().unwrap_or("{body}"))?;
        let timestamp = match &scheme.timestamp {
            Some(timestamp) => Some((
                Place::compile(&timestamp.extractor()).map_err(|e| format!("hmac.timestamp: {e}"))?,
                timestamp.unit.unwrap_or_default(),
                timestamp
                    .tolerance_seconds
                    .and_then(|s| u32::try_from(s).ok())
                    .unwrap_or(TOLERANCE_SECONDS),
            )),
            None if signed.contains(&Segment::Timestamp) => {
                return Err("hmac.signed names {timestamp}: say in hmac.timestamp where it is".to_owned());
            }
            None => None,
        };
        if scheme.id.is_none() && signed.contains(&Segment::Id) {
            return Err("hmac.signed names {id}: say in hmac.id where it is".to_owned());
        }
        if public_url.is_none() && signed.contains(&Segment::Url) {
            return Err(
                "publicUrl: this sender signs the URL it calls; write it here as the sender knows it"
                    .to_owned(),
            );
        }
        let place = |extractor: &Option<Extractor>, field: &str| {
            extractor
                .as_ref()
                .map(Place::compile)
                .transpose()
                .map_err(|e| format!("hmac.{field}: {e}"))
        };
        Ok(Self {
            keys,
            signature: Place::compile(&signature.extractor()).map_err(|e| format!("hmac.signature: {e}"))?,
            encoding: signature.encoding.unwrap_or_default(),
            timestamp,
            id: place(&scheme.id, "id")?,
            signed,
            body_digest: place(&scheme.body_digest, "bodyDigest")?,
            public_url: public_url.map(str::to_owned),
        })
    }

    pub(super) fn verify(&self, request: &RawRequest<'_>) -> Result<(), AuthError> {
        let signatures = self.signature.values(request, "signature")?;
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
        let pieces = self.pieces(request, timestamp.as_deref(), id.as_deref())?;
        if self.keys.verify(&pieces, &signatures) {
            Ok(())
        } else {
            Err(AuthError::Mismatch("signature"))
        }
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
        timestamp: Option<&'r str>,
        id: Option<&'r str>,
    ) -> Result<Vec<Cow<'r, [u8]>>, AuthError> {
        let mut pieces = Vec::with_capacity(self.signed.len());
        for segment in &self.signed {
            pieces.push(match segment {
                Segment::Literal(text) => Cow::Borrowed(text.as_bytes()),
                Segment::Body => Cow::Borrowed(request.body),
                Segment::Timestamp => Cow::Borrowed(timestamp.unwrap_or_default().as_bytes()),
                Segment::Id => Cow::Borrowed(id.unwrap_or_default().as_bytes()),
                Segment::Method => Cow::Borrowed(request.method.as_str().as_bytes()),
                Segment::Url => Cow::Owned(self.url(request).into_bytes()),
                Segment::Params => Cow::Owned(params(request)?),
            });
        }
        Ok(pieces)
    }

    /// The URL as the sender wrote it: never from Host or X-Forwarded-*, which anybody can set.
    fn url(&self, request: &RawRequest<'_>) -> String {
        let mut url = self.public_url.clone().unwrap_or_default();
        if let Some(query) = request.query {
            url.push('?');
            url.push_str(query);
        }
        url
    }
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

/// Form fields sorted by name, each name followed by its values (sorted, without repeats), as Twilio and Mandrill
/// sign them. A body without Content-Type is taken as a form; other kinds have no params.
fn params(request: &RawRequest<'_>) -> Result<Vec<u8>, AuthError> {
    let is_form = request
        .headers
        .get(http::header::CONTENT_TYPE)
        .is_none_or(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if !is_form {
        return Ok(Vec::new());
    }
    let text = std::str::from_utf8(request.body).map_err(|_| AuthError::Malformed("form body"))?;
    let mut pairs = body::form_pairs(text).map_err(|_| AuthError::Malformed("form body"))?;
    pairs.sort();
    pairs.dedup();
    let mut signed = Vec::with_capacity(request.body.len());
    for (name, value) in pairs {
        signed.extend_from_slice(name.as_bytes());
        signed.extend_from_slice(value.as_bytes());
    }
    Ok(signed)
}
