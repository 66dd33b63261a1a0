//! Handshakes: what a sender asks before it sends leads, and how it is answered.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Extractor;
use crate::common::{is_default, is_false};

/// A request by which a sender finds out whether this is the endpoint it means. It is answered and becomes no lead.
///
/// No answer helps to forge a lead: text is sent back, or signed, only if it consists of the letters, digits and signs
/// that a challenge needs; text is signed for strangers only where the signed text of a lead looks different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.answer == 'Ok' || (has(self.extract) && has(self.pattern))")
        .message("a challenge that answers Echo or Hmac needs extract (where the challenge is) and pattern (what it looks like): write for example extract: {query: challenge}, pattern: '[A-Za-z0-9]{1,64}'"),
    validation = Rule::new("self.answer != 'Ok' || (!has(self.extract) && !has(self.pattern))")
        .message("a challenge that answers Ok sends nothing back: remove extract and pattern, or answer Echo"),
    validation = Rule::new("(self.answer == 'Hmac') == (has(self.fields) && size(self.fields) == 2)")
        .message("fields belongs to answer Hmac, which needs exactly two: the names of challenge and answer in the JSON that is sent back, for example [plainToken, encryptedToken]"),
    validation = Rule::new("self.method != 'GET' || !has(self.when) || (!has(self.when.json) && !has(self.when.body))")
        .message("a challenge with method GET has no body: use when.query instead of when.json and when.body"),
    validation = Rule::new("self.method != 'POST' || (has(self.when) && ((has(self.when.json) && size(self.when.json) > 0) != has(self.when.body)))")
        .message("a challenge with method POST must be told from a lead: set exactly one of when.json and when.body"),
    validation = Rule::new("!has(self.when) || !has(self.when.body) || self.answer == 'Ok'")
        .message("a probe without proof (when.body) gets no other answer than Ok")
)]
pub struct Challenge {
    /// `GET`, or `POST` in place of a lead.
    pub method: ChallengeMethod,
    /// Which requests are one. Default: every GET.
    #[serde(default, skip_serializing_if = "is_default")]
    pub when: ChallengeWhen,
    /// Whether a GET must pass the webhook's own proof first. A POST must, except for the probes of `when.body`.
    /// Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub verified: bool,
    /// Where the sender puts the token that you chose, which must equal `auth.challengeTokenSecretRef`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Extractor>,
    /// Where the challenge is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extract: Option<Extractor>,
    /// What the whole challenge looks like, as a regular expression. Besides, it has at most 200 characters, all of
    /// them letters, digits, `_` and `-`, for `Echo` also `.`, `~`, `+`, `/` and `=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub pattern: Option<String>,
    /// `Echo`: the challenge as text. `Hmac`: the challenge and its HMAC-SHA256 in hex under the first key of
    /// `auth.hmac`, as JSON. `Ok`: nothing.
    pub answer: AnswerKind,
    /// With `Hmac`: the names of challenge and answer in the JSON that is sent back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), inner(length(min = 1, max = 64)))]
    pub fields: Vec<String>,
    /// The status for a request without the right token or challenge, 400 to 499. Default: 400.
    #[serde(default = "bad_request")]
    #[schemars(range(min = 400, max = 499))]
    pub otherwise: i32,
}

fn bad_request() -> i32 {
    400
}

/// A handshake's method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChallengeMethod {
    /// Before any body.
    Get,
    /// In place of a lead.
    Post,
}

/// What all must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChallengeWhen {
    /// Query parameters and their values, up to 8.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub query: BTreeMap<String, String>,
    /// JSON pointers into the body and the texts there, up to 8, for example `/type: url_verification`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub json: BTreeMap<String, String>,
    /// What a whole body of at most 256 bytes looks like, as a regular expression: for probes that carry no proof. A
    /// request with the webhook's proof is never taken for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub body: Option<String>,
}

/// How a handshake is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AnswerKind {
    /// The challenge itself, as text/plain.
    Echo,
    /// The challenge and its HMAC-SHA256 in hex, as JSON.
    Hmac,
    /// 200 and nothing else.
    Ok,
}
