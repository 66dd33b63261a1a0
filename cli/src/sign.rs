//! A request as its sender would send it: the proof that a LeadWebhook's `spec.auth` asks for. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac as Mac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use leadgate_crds::LeadWebhookSpec;
use leadgate_crds::lead_webhook::{
    AuthScheme, Encoding, Extractor, Hmac, HmacAlgorithm, SignatureEncoding, TimeUnit, Token, TokenEncoding,
};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use crate::preset::PresetAuth;
use crate::receiver::encode;

/// Reads a key of a Secret: `(name, key)`. An error says what is missing.
pub type ReadSecret<'a> = dyn Fn(&str, &str) -> Result<Vec<u8>, String> + 'a;

/// A request without its URL's path.
#[derive(Debug, Default)]
pub struct Signed {
    /// Name and value.
    pub headers: Vec<(String, String)>,
    /// Name and value of each parameter, encoded.
    pub query: Vec<(String, String)>,
    /// The body; a token may be in it.
    pub body: Vec<u8>,
}

impl Signed {
    /// The query with its question mark, empty if there is none.
    pub fn query_text(&self) -> String {
        let pairs: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() {
            String::new()
        } else {
            format!("?{}", pairs.join("&"))
        }
    }

    /// Puts a value where the receiver looks for it. What shares a header is separated as the webhook says.
    fn put(&mut self, at: &Extractor, value: &str) -> Result<(), String> {
        let value = format!("{}{value}", at.prefix.as_deref().unwrap_or_default());
        match (&at.header, &at.query, &at.json) {
            (Some(name), None, None) => {
                let same = self
                    .headers
                    .iter_mut()
                    .find(|(known, _)| known.eq_ignore_ascii_case(name));
                match (same, &at.split) {
                    (Some((_, there)), Some(separator)) => there.push_str(&format!("{separator}{value}")),
                    _ => self.headers.push((name.clone(), value)),
                }
                Ok(())
            }
            (None, Some(name), None) => {
                self.query.push((encode(name), encode(&value)));
                Ok(())
            }
            (None, None, Some(pointer)) => self.put_json(pointer, value),
            _ => Err("set exactly one of header, query and json".to_owned()),
        }
    }

    fn put_json(&mut self, pointer: &str, value: String) -> Result<(), String> {
        let mut body: Value = serde_json::from_slice(&self.body)
            .map_err(|_| format!("a value belongs into the body at {pointer}, and the body is not JSON"))?;
        let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
        let Some(Value::Object(members)) = body.pointer_mut(parent) else {
            return Err(format!(
                "a value belongs into the body at {pointer}, and the body has no object there"
            ));
        };
        members.insert(name.replace("~1", "/").replace("~0", "~"), Value::String(value));
        self.body = body.to_string().into_bytes();
        Ok(())
    }
}

/// Signs a body as the webhook's sender would.  An error names the field
/// of `spec.auth` that this program cannot satisfy.
pub fn sign(
    spec: &LeadWebhookSpec,
    secret: &ReadSecret<'_>,
    body: Vec<u8>,
    now: Timestamp,
) -> Result<Signed, String> {
    let auth = &spec.auth;
    if auth.client_certificate.is_some() {
        return Err(
            "spec.auth.clientCertificate is not supported: this program has no certificate of the sender"
                .to_owned(),
        );
    }
    let mut signed = Signed {
        body,
        ..Signed::default()
    };
    match auth.scheme() {
        Some(AuthScheme::None(_)) => {}
        Some(AuthScheme::Basic(basic)) => {
            let at = &basic.secret_ref;
            let read = |key: &str| secret(&at.name, key).map(without_line_break);
            let credentials = [read(&at.username_key)?, b":".to_vec(), read(&at.password_key)?].concat();
            signed.headers.push((
                "Authorization".to_owned(),
                format!("Basic {}", STANDARD.encode(credentials)),
            ));
        }
        Some(AuthScheme::Token(own)) => {
            let scheme = PresetAuth::of(&spec.source)?.token(own)?;
            put_token(&mut signed, &scheme, secret)?;
        }
        Some(AuthScheme::Hmac(own)) => {
            let scheme = PresetAuth::of(&spec.source)?.hmac(own)?;
            put_signature(&mut signed, &scheme, spec.public_url.as_deref(), secret, now)?;
        }
        Some(AuthScheme::ClientCertificate(_)) | None => {
            return Err("spec.auth has no scheme that this program knows; upgrade it".to_owned());
        }
    }
    Ok(signed)
}

fn put_token(signed: &mut Signed, token: &Token, secret: &ReadSecret<'_>) -> Result<(), String> {
    let reference = token
        .secret_refs
        .first()
        .ok_or("spec.auth.token.secretRefs is empty")?;
    let value = without_line_break(secret(&reference.name, &reference.key)?);
    let text = match token.encoding.unwrap_or_default() {
        TokenEncoding::Base64 => STANDARD.encode(value),
        TokenEncoding::Text => String::from_utf8(value).map_err(|_| "the token is not text".to_owned())?,
    };
    let text = match token.scheme.as_deref() {
        Some(scheme) if !scheme.is_empty() => format!("{scheme} {text}"),
        _ => text,
    };
    let place = Extractor {
        header: token.header.clone(),
        query: token.query.clone(),
        json: token.json.clone(),
        ..Extractor::default()
    };
    if place == Extractor::default() {
        signed.headers.push(("X-API-Key".to_owned(), text));
        return Ok(());
    }
    signed.put(&place, &text)
}

fn put_signature(
    signed: &mut Signed,
    scheme: &Hmac,
    public_url: Option<&str>,
    secret: &ReadSecret<'_>,
    now: Timestamp,
) -> Result<(), String> {
    if scheme.message_signature.is_some() {
        return Err("spec.auth.hmac.messageSignature is not supported by this program".to_owned());
    }
    let place = scheme
        .signature
        .as_ref()
        .ok_or("spec.auth.hmac.signature is missing")?;
    let template = scheme.signed.as_deref().unwrap_or("{body}");
    if place.json.is_some() || place.query.is_some() && template.contains("{url}") {
        return Err(
            "spec.auth.hmac.signature is in what it signs, which is not supported by this program".to_owned(),
        );
    }
    let mut timestamp = String::new();
    if let Some(at) = &scheme.timestamp {
        timestamp = match at.unit.unwrap_or_default() {
            TimeUnit::Seconds => now.as_second().to_string(),
            TimeUnit::Milliseconds => now.as_millisecond().to_string(),
        };
        signed.put(&at.extractor(), &timestamp)?;
    }
    let mut id = String::new();
    if let Some(at) = &scheme.id {
        id = match &scheme.body_digest {
            Some(digest) if digest == at => hex::encode(Sha256::digest(&signed.body)),
            _ => format!("test-{}", now.as_nanosecond()),
        };
        signed.put(at, &id)?;
    }
    if let Some(at) = &scheme.body_digest
        && scheme.id.as_ref() != Some(at)
    {
        let digest = hex::encode(Sha256::digest(&signed.body));
        signed.put(at, &digest)?;
    }
    let mut text = Vec::new();
    let mut rest = template;
    while let Some((before, (name, after))) = rest
        .split_once('{')
        .and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        text.extend_from_slice(before.as_bytes());
        match name {
            "body" => text.extend_from_slice(&signed.body),
            "timestamp" => text.extend_from_slice(timestamp.as_bytes()),
            "id" => text.extend_from_slice(id.as_bytes()),
            "method" => text.extend_from_slice(b"POST"),
            "url" => {
                let url = public_url.ok_or("spec.publicUrl is missing: this sender signs it")?;
                text.extend_from_slice(format!("{url}{}", signed.query_text()).as_bytes());
            }
            "params" => text.extend_from_slice(&params(&signed.body)?),
            other => {
                return Err(format!(
                    "spec.auth.hmac.signed has {{{other}}}, which this program does not know"
                ));
            }
        }
        rest = after;
    }
    text.extend_from_slice(rest.as_bytes());
    let reference = scheme
        .secret_refs
        .first()
        .ok_or("spec.auth.hmac.secretRefs is empty")?;
    let key = key(
        scheme,
        without_line_break(secret(&reference.name, &reference.key)?),
    )?;
    let proof = mac(scheme.algorithm.unwrap_or_default(), &key, &text)?;
    let proof = match place.encoding.unwrap_or_default() {
        SignatureEncoding::Hex => hex::encode(proof),
        SignatureEncoding::Base64 => STANDARD.encode(proof),
    };
    signed.put(&place.extractor(), &proof)
}

fn key(scheme: &Hmac, value: Vec<u8>) -> Result<Vec<u8>, String> {
    let format = scheme.secret.clone().unwrap_or_default();
    let value = match format
        .prefix
        .as_deref()
        .and_then(|prefix| value.strip_prefix(prefix.as_bytes()))
    {
        Some(rest) => rest.to_vec(),
        None => value,
    };
    match format.encoding.unwrap_or_default() {
        Encoding::Text => Ok(value),
        Encoding::Hex => hex::decode(&value).map_err(|_| "the Secret's value is not hexadecimal".to_owned()),
        Encoding::Base64 => {
            let text = value.trim_ascii_end();
            let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'=').collect();
            STANDARD_NO_PAD
                .decode(text)
                .map_err(|_| "the Secret's value is not base64".to_owned())
        }
    }
}

fn mac(algorithm: HmacAlgorithm, key: &[u8], text: &[u8]) -> Result<Vec<u8>, String> {
    macro_rules! mac {
        ($hash:ty) => {{
            let mut mac = Mac::<$hash>::new_from_slice(key)
                .map_err(|_| "the Secret's value cannot be a key".to_owned())?;
            mac.update(text);
            Ok(mac.finalize().into_bytes().to_vec())
        }};
    }
    match algorithm {
        HmacAlgorithm::Sha1 => mac!(Sha1),
        HmacAlgorithm::Sha256 => mac!(Sha256),
        HmacAlgorithm::Sha512 => mac!(Sha512),
        HmacAlgorithm::KeyedSha256 => Ok(Sha256::new().chain_update(key).chain_update(text).finalize().to_vec()),
        HmacAlgorithm::Ed25519 => Err(
            "spec.auth.hmac.algorithm ed25519 is not supported: the Secret holds the sender's public key, and only the sender can sign"
                .to_owned(),
        ),
    }
}

/// The fields of a form, sorted, each name followed by its values.
fn params(body: &[u8]) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(body)
        .map_err(|_| "the sender signs the fields of a form, and the body is none".to_owned())?;
    let decode = |text: &str| {
        percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    let fields = text.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = fields
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    pairs.sort();
    pairs.dedup();
    Ok(pairs
        .into_iter()
        .flat_map(|(name, value)| [name, value])
        .collect::<String>()
        .into_bytes())
}

/// As the receiver reads Secrets: without the line break that editors leave.
fn without_line_break(mut value: Vec<u8>) -> Vec<u8> {
    let ends = std::str::from_utf8(&value)
        .is_ok()
        .then(|| value.strip_suffix(b"\n"))
        .flatten();
    if let Some(text) = ends {
        let length = text.strip_suffix(b"\r").unwrap_or(text).len();
        value.truncate(length);
    }
    value
}
