//! Handshakes and probes: what a sender asks before it sends leads, answered without becoming a forgery oracle.
//!
//! An answer is given only for text of a narrow shape, after the proof that the sender can give. LinkedIn signs leads
//! with the key of its handshake, so a receiver that signs whatever it is asked would sign leads for anybody.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use leadgate_crds::lead_webhook::{
    AnswerKind, Challenge as ChallengeData, ChallengeMethod, Extractor, HmacAlgorithm,
};
use regex::bytes::{Regex as BytesRegex, RegexBuilder as BytesRegexBuilder};
use regex::{Regex, RegexBuilder};
use serde_json::{Value, json};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::auth::{AuthError, Place, RawRequest, without_line_break};
use crate::expression::plain_text;

/// A challenge longer than this, in characters, is not one.
const MAX_CHALLENGE: usize = 200;
/// A probe longer than this, in bytes, is not one.
const LONGEST_PROBE: usize = 256;
/// Memory that a pattern may compile to, in bytes: a manifest is not a way to exhaust a receiver.
const MAX_PATTERN_SIZE: usize = 256 << 10;

/// The key that answers a handshake, and how leads are signed with it.
pub struct Key {
    /// The Secret's value.
    pub bytes: Vec<u8>,
    /// How leads are signed.
    pub algorithm: HmacAlgorithm,
    /// The template of a lead's signed text.
    pub signed: String,
}

/// A handshake with its secrets.
pub struct Challenge {
    data: ChallengeData,
    query: Vec<(Place, String)>,
    body: Option<BytesRegex>,
    token: Option<(Place, Vec<u8>)>,
    extract: Option<Place>,
    pattern: Option<Regex>,
    key: Option<Hmac<Sha256>>,
}

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenge")
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// What to send back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChallengeAnswer {
    /// 200 with this content type and body.
    Answer(&'static str, String),
    /// A refusal with this status and reason.
    Refuse(u16, &'static str),
    /// The request has to pass the webhook's verification; then the answer is the same as `Answer`.
    AfterVerification(&'static str, String),
}

impl Challenge {
    /// Compiles. `token` is the webhook's challenge token, `key` its first HMAC key. The error starts with the field
    /// of the challenge.
    pub fn compile(data: &ChallengeData, token: Option<Vec<u8>>, key: Option<&Key>) -> Result<Self, String> {
        check_shape(data)?;
        let query = data
            .when
            .query
            .iter()
            .map(|(name, value)| Ok((query_place(name)?, value.clone())))
            .collect::<Result<_, String>>()?;
        let token = match (&data.token, token) {
            (Some(extractor), Some(token)) => {
                let token = without_line_break(&token).to_vec();
                if token.is_empty() {
                    return Err("token: the Secret in auth.challengeTokenSecretRef is empty".to_owned());
                }
                Some((
                    Place::compile(extractor).map_err(|e| format!("token: {e}"))?,
                    token,
                ))
            }
            _ => None,
        };
        let key = match data.answer {
            AnswerKind::Hmac => Some(signer(data, key)?),
            AnswerKind::Echo | AnswerKind::Ok => None,
        };
        let extract = data.extract.as_ref().map(Place::compile).transpose();
        Ok(Self {
            query,
            body: data.when.body.as_deref().map(body_pattern).transpose()?,
            token,
            extract: extract.map_err(|e| format!("extract: {e}"))?,
            pattern: data.pattern.as_deref().map(text_pattern).transpose()?,
            key,
            data: data.clone(),
        })
    }

    /// The answer to a GET (or HEAD, which is one without the answer's body), or to a POST that carries no proof; `None`:
    /// it is not this handshake.
    pub fn before_verification(&self, request: &RawRequest<'_>) -> Option<ChallengeAnswer> {
        let (get, probe) = (self.data.method == ChallengeMethod::Get, self.body.is_some());
        let asked = request.method == Method::GET || request.method == Method::HEAD;
        if get != asked || !(get || probe) {
            return None;
        }
        if probe && request.body.len() > LONGEST_PROBE {
            return None;
        }
        if self
            .body
            .as_ref()
            .is_some_and(|pattern| !pattern.is_match(request.body))
        {
            return None;
        }
        let is_meant = self
            .query
            .iter()
            .all(|(place, value)| place.value(request, "").is_ok_and(|v| v == value.as_str()));
        if !is_meant {
            return None;
        }
        Some(self.answer(request))
    }

    /// The answer to a verified POST; `None`: it is an event.
    pub fn after_verification(&self, request: &RawRequest<'_>, payload: &Value) -> Option<ChallengeAnswer> {
        let is_meant = self.data.method == ChallengeMethod::Post
            && self.body.is_none()
            && !self.data.when.json.is_empty()
            && self
                .data
                .when
                .json
                .iter()
                .all(|(at, text)| payload.pointer(at).and_then(plain_text).as_ref() == Some(text));
        is_meant.then(|| self.answer(request))
    }

    fn answer(&self, request: &RawRequest<'_>) -> ChallengeAnswer {
        let refuse = ChallengeAnswer::Refuse;
        if self.data.token.is_some() && self.token.is_none() {
            return refuse(
                403,
                "this handshake contains a token; reference its Secret in auth.challengeTokenSecretRef",
            );
        }
        if let Some((place, token)) = &self.token {
            let given = place.value(request, "challenge token");
            if !given.is_ok_and(|given| given.as_bytes().ct_eq(token).into()) {
                return refuse(self.otherwise(), "the challenge token does not match");
            }
        }
        let challenge = match &self.extract {
            None => String::new(),
            Some(place) => match place.value(request, "challenge") {
                Ok(text) => text.into_owned(),
                Err(AuthError::Missing(_)) => {
                    return refuse(self.otherwise(), "the request has no challenge");
                }
                Err(_) => return refuse(400, "the challenge does not have the format of this sender"),
            },
        };
        let as_documented = self
            .pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(&challenge));
        if !as_documented || !is_harmless(self.data.answer, &challenge) {
            return refuse(400, "the challenge does not have the format of this sender");
        }
        let (kind, body) = match (self.data.answer, &self.key) {
            (AnswerKind::Echo, _) => ("text/plain", challenge),
            (AnswerKind::Ok, _) => ("text/plain", String::new()),
            (AnswerKind::Hmac, key) => ("application/json", self.signed(&challenge, key.as_ref())),
        };
        if self.data.verified && self.data.method == ChallengeMethod::Get {
            ChallengeAnswer::AfterVerification(kind, body)
        } else {
            ChallengeAnswer::Answer(kind, body)
        }
    }

    fn otherwise(&self) -> u16 {
        u16::try_from(self.data.otherwise).unwrap_or(400)
    }

    fn signed(&self, challenge: &str, key: Option<&Hmac<Sha256>>) -> String {
        let [name, answer] = self.data.fields.as_slice() else {
            return String::new();
        };
        let Some(key) = key else { return String::new() };
        let mut mac = key.clone();
        mac.update(challenge.as_bytes());
        let digest = hex::encode(mac.finalize().into_bytes());
        // In the sender's own order, which a map would lose.
        format!(
            "{{{}:{},{}:{}}}",
            json!(name),
            json!(challenge),
            json!(answer),
            json!(digest)
        )
    }
}

/// Whether a text may be sent back (`Echo`) or signed (`Hmac`), whatever the pattern says.
fn is_harmless(answer: AnswerKind, text: &str) -> bool {
    let safe = |byte: u8| match answer {
        AnswerKind::Hmac => is_plain(byte),
        AnswerKind::Echo | AnswerKind::Ok => is_plain(byte) || b".~+/=".contains(&byte),
    };
    text.len() <= MAX_CHALLENGE && text.bytes().all(safe)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// What the schema's rules say too, for presets and for manifests that no API server has seen.
fn check_shape(data: &ChallengeData) -> Result<(), String> {
    let (get, probe) = (data.method == ChallengeMethod::Get, data.when.body.is_some());
    if data.answer != AnswerKind::Ok && (data.extract.is_none() || data.pattern.is_none()) {
        return Err(
            "extract: set the location of the challenge (extract) and its format (pattern)".to_owned(),
        );
    }
    if data.answer == AnswerKind::Hmac && data.fields.len() != 2 {
        return Err("fields: name two, for challenge and answer in the JSON that is sent back".to_owned());
    }
    if get && (probe || !data.when.json.is_empty() || is_in_body(data.extract.as_ref())) {
        return Err("when: a GET has no body; use when.query and extract.query".to_owned());
    }
    if !get && probe != data.when.json.is_empty() {
        return Err(
            "when: a POST must be distinguishable from a lead; set exactly one of when.json and when.body"
                .to_owned(),
        );
    }
    if probe && data.answer != AnswerKind::Ok {
        return Err("answer: an unauthenticated probe (when.body) can be answered with Ok only".to_owned());
    }
    Ok(())
}

fn is_in_body(place: Option<&Extractor>) -> bool {
    place.is_some_and(|place| place.json.is_some())
}

/// The key for an answer, where signing it helps nobody to forge a lead: the asker has the key already (a POST, or
/// `verified`), or the text signed for a lead holds a character that no challenge does.
fn signer(data: &ChallengeData, key: Option<&Key>) -> Result<Hmac<Sha256>, String> {
    let Some(key) = key else {
        return Err("answer: Hmac is made with the key of auth.hmac; set auth.hmac".to_owned());
    };
    if key.algorithm == HmacAlgorithm::Ed25519 {
        return Err(
            "answer: Hmac needs a shared secret; the key of auth.hmac is a public one (ed25519)".to_owned(),
        );
    }
    let proven = data.verified || data.method == ChallengeMethod::Post;
    if !proven && !differs_from_challenges(&key.signed) {
        return Err(
            "answer: this would sign, for anyone, texts that the webhook accepts as a lead's signature, because auth.hmac.signed may produce the same text as a challenge; set verified: true, or answer Echo"
                .to_owned(),
        );
    }
    Hmac::<Sha256>::new_from_slice(without_line_break(&key.bytes))
        .map_err(|_| "answer: the key of auth.hmac cannot be used".to_owned())
}

/// Whether every text that a template gives holds a character that no challenge for `Hmac` may hold: one that stands in
/// the template itself, or the `:` of a URL.
fn differs_from_challenges(template: &str) -> bool {
    if template.contains("{url}") {
        return true;
    }
    let mut outside = true;
    template.bytes().any(|byte| {
        match byte {
            b'{' => outside = false,
            b'}' => outside = true,
            _ => return outside && !is_plain(byte),
        }
        false
    })
}

fn text_pattern(pattern: &str) -> Result<Regex, String> {
    // By itself first: `a)|(b` is no expression, but would be one between the brackets.
    let build = |text: &str| RegexBuilder::new(text).size_limit(MAX_PATTERN_SIZE).build();
    build(pattern)
        .and_then(|_| build(&format!("^(?:{pattern})$")))
        .map_err(|error| format!("pattern: it is not a regular expression, or too large a one: {error}"))
}

fn body_pattern(pattern: &str) -> Result<BytesRegex, String> {
    let build = |text: &str| BytesRegexBuilder::new(text).size_limit(MAX_PATTERN_SIZE).build();
    build(pattern)
        .and_then(|_| build(&format!("^(?:{pattern})$")))
        .map_err(|error| format!("when.body: it is not a regular expression, or too large a one: {error}"))
}

fn query_place(name: &str) -> Result<Place, String> {
    Place::compile(&Extractor {
        query: Some(name.to_owned()),
        ..Extractor::default()
    })
}
