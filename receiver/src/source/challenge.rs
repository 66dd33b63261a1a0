//! Handshakes and probes: what a sender asks before it sends leads, answered without becoming a forgery oracle.
//!
//! An answer is given only for text of a narrow shape, after the proof that the sender can give. LinkedIn signs leads
//! with the key of its handshake, so a receiver that signs whatever it is asked would sign leads for anybody.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use leadgate_crds::lead_webhook::Extractor;
use regex::Regex;
use regex::bytes::Regex as BytesRegex;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::auth::{AuthError, Place, RawRequest};
use crate::expression::plain_text;

/// A handshake as data, as presets write it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChallengeData {
    /// `GET` or `POST`.
    pub method: ChallengeMethod,
    /// Which requests are one.
    #[serde(default)]
    pub when: When,
    /// Whether the request must pass the webhook's own verification first.
    #[serde(default)]
    pub verified: bool,
    /// Where the sender puts the challenge token, which must equal `auth.challengeTokenSecretRef`.
    pub token: Option<Extractor>,
    /// Where the challenge is.
    pub take: Option<Extractor>,
    /// What it must look like, as a whole.
    pub pattern: Option<String>,
    /// How it is answered.
    pub answer: AnswerKind,
    /// For `Hmac`: the names of challenge and answer in the JSON that is sent back.
    #[serde(default)]
    pub fields: Vec<String>,
    /// The status for a request that lacks challenge or token.
    #[serde(default = "bad_request")]
    pub otherwise: u16,
}

fn bad_request() -> u16 {
    400
}

/// A handshake's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChallengeMethod {
    /// Before any body.
    Get,
    /// In place of a lead.
    Post,
}

/// What all must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct When {
    /// Query parameter -> value.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// JSON pointer -> text.
    #[serde(default)]
    pub json: BTreeMap<String, String>,
    /// What the whole body looks like: for probes that carry no proof, so that nothing is parsed.
    pub body: Option<String>,
}

/// How a handshake is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum AnswerKind {
    /// The challenge itself, as text/plain.
    Echo,
    /// The challenge and its HMAC-SHA256 in hex, as JSON.
    Hmac,
    /// 200 and nothing else.
    Ok,
}

/// A handshake with its secrets.
pub struct Challenge {
    data: ChallengeData,
    query: Vec<(Place, String)>,
    body: Option<BytesRegex>,
    token: Option<(Place, Vec<u8>)>,
    take: Option<Place>,
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
    /// Compiles. `token` is the webhook's challenge token, `key` its first HMAC key.
    pub fn compile(data: &ChallengeData, token: Option<Vec<u8>>, key: Option<&[u8]>) -> Result<Self, String> {
        let whole = |pattern: &str| format!("^(?:{pattern})$");
        let query = data
            .when
            .query
            .iter()
            .map(|(name, value)| Ok((query_place(name)?, value.clone())))
            .collect::<Result<_, String>>()?;
        let token = match (&data.token, token) {
            (Some(extractor), Some(token)) => {
                let token = token.trim_ascii().to_vec();
                if token.is_empty() {
                    return Err("challengeTokenSecretRef: the token is empty".to_owned());
                }
                Some((Place::compile(extractor)?, token))
            }
            _ => None,
        };
        let key = match (data.answer, key) {
            (AnswerKind::Hmac, Some(key)) => {
                Some(Hmac::<Sha256>::new_from_slice(key).map_err(|_| "the key cannot be used".to_owned())?)
            }
            (AnswerKind::Hmac, None) => {
                return Err("hmac: this sender's handshake needs the signing secret".to_owned());
            }
            _ => None,
        };
        Ok(Self {
            query,
            body: data
                .when
                .body
                .as_deref()
                .map(|p| BytesRegex::new(&whole(p)))
                .transpose()
                .map_err(|e| e.to_string())?,
            token,
            take: data.take.as_ref().map(Place::compile).transpose()?,
            pattern: data
                .pattern
                .as_deref()
                .map(|p| Regex::new(&whole(p)))
                .transpose()
                .map_err(|e| e.to_string())?,
            key,
            data: data.clone(),
        })
    }

    /// The answer to a GET, or to a POST that carries no proof; `None`: it is not this handshake.
    pub fn before_verification(&self, request: &RawRequest<'_>) -> Option<ChallengeAnswer> {
        let (get, probe) = (self.data.method == ChallengeMethod::Get, self.body.is_some());
        if get != (request.method == Method::GET) || !(get || probe) {
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
                "this handshake carries a token; name its Secret in auth.challengeTokenSecretRef",
            );
        }
        if let Some((place, token)) = &self.token {
            let given = place.value(request, "challenge token");
            if !given.is_ok_and(|given| given.as_bytes().ct_eq(token).into()) {
                return refuse(self.data.otherwise, "the challenge token does not match");
            }
        }
        let challenge = match &self.take {
            None => String::new(),
            Some(place) => match place.value(request, "challenge") {
                Ok(text) => text.into_owned(),
                Err(AuthError::Missing(_)) => {
                    return refuse(self.data.otherwise, "the request carries no challenge");
                }
                Err(_) => return refuse(400, "the challenge is not written as this sender writes it"),
            },
        };
        if self
            .pattern
            .as_ref()
            .is_some_and(|pattern| !pattern.is_match(&challenge))
        {
            return refuse(400, "the challenge is not written as this sender writes it");
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

fn query_place(name: &str) -> Result<Place, String> {
    Place::compile(&Extractor {
        query: Some(name.to_owned()),
        ..Extractor::default()
    })
}
