//! Handshakes: what a sender asks before it sends leads, and how it is answered.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Extractor;
use crate::common::{is_default, is_false};

/// A handshake: a request by which a sender verifies the endpoint before it sends leads. It is answered and
/// does not become a lead.
///
/// A response can never be used to forge a lead. A challenge is echoed or signed only if it consists of the
/// letters, digits and punctuation that challenges need. A challenge from an unauthenticated caller is signed
/// only if the signed text of a lead is always different.
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
        .message("a challenge with method POST must be distinguishable from a lead: set exactly one of when.json and when.body"),
    validation = Rule::new("!has(self.when) || !has(self.when.body) || self.answer == 'Ok'")
        .message("an unauthenticated probe (when.body) can be answered with Ok only")
)]
pub struct Challenge {
    /// The HTTP method: `GET`, or `POST` where the sender posts the challenge to the address for leads.
    pub method: ChallengeMethod,
    /// Which requests are handshakes. Default: every GET.
    #[serde(default, skip_serializing_if = "is_default")]
    pub when: ChallengeWhen,
    /// Whether a GET must pass the webhook's authentication first. A POST always must, except for the probes
    /// of `when.body`. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub verified: bool,
    /// The location of the token that you chose. It must equal the value of `auth.challengeTokenSecretRef`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Extractor>,
    /// The location of the challenge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extract: Option<Extractor>,
    /// A regular expression that the whole challenge must match. In addition, a challenge has at most 200
    /// characters, all of them letters, digits, `_` or `-`; for `Echo`, also `.`, `~`, `+`, `/` and `=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub pattern: Option<String>,
    /// How the handshake is answered. `Echo`: the challenge as text. `Hmac`: a JSON object with the challenge
    /// and its HMAC-SHA256 in hex, made with the first key of `auth.hmac`. `Ok`: an empty 200 response.
    pub answer: AnswerKind,
    /// The names of the challenge and of the HMAC in the JSON response, in this order. Only for `Hmac`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), inner(length(min = 1, max = 64)))]
    pub fields: Vec<String>,
    /// The status of the response if the token or the challenge is wrong, 400 to 499. Default: 400.
    #[serde(default = "bad_request")]
    #[schemars(range(min = 400, max = 499))]
    pub otherwise: i32,
}

fn bad_request() -> i32 {
    400
}

/// The HTTP method of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChallengeMethod {
    /// A GET request without a body.
    Get,
    /// A POST request to the address for leads.
    Post,
}

/// Conditions that a handshake must all meet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChallengeWhen {
    /// Query parameters and their values, up to 8.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub query: BTreeMap<String, String>,
    /// JSON pointers into the body and the strings expected there, up to 8, for example `/type:
    /// url_verification`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub json: BTreeMap<String, String>,
    /// A regular expression that a whole body of at most 256 bytes must match, for unauthenticated probes. A
    /// request that passes the webhook's authentication is never treated as a probe.
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
    /// An empty 200 response.
    Ok,
}
