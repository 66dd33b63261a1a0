//! Who may post: signatures, tokens, passwords, addresses.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Challenge, ClientCertificate, Extractor, MessageSignature, Signature, Timestamp};
use crate::common::{BasicSecretRef, HEADER_PATTERN, SecretKeyRef, at_most_one, is_false};

/// Who may post.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = at_most_one(
        &["hmac", "token", "basic", "none"],
        "auth needs exactly one of hmac, token, basic and none (or clientCertificate alone): keep the one by which the sender proves itself",
    ),
    validation = Rule::new("has(self.hmac) || has(self.token) || has(self.basic) || has(self.none) || has(self.clientCertificate)")
        .message("auth needs exactly one of hmac, token, basic and none, or clientCertificate alone; to accept requests without any proof, write none: {allowUnauthenticated: true}"),
    validation = Rule::new("!has(self.none) || !has(self.clientCertificate)")
        .message("auth.clientCertificate is a proof: remove none"),
    validation = Rule::new("!has(self.challenges) || !self.challenges.exists(c, c.answer == 'Hmac') || has(self.hmac)")
        .message("a challenge that answers Hmac is signed with the key of auth.hmac: set hmac, or answer Echo or Ok"),
    validation = Rule::new("!has(self.challenges) || !self.challenges.exists(c, has(c.token)) || has(self.challengeTokenSecretRef)")
        .message("a challenge with a token needs auth.challengeTokenSecretRef: the Secret that holds the right one")
)]
pub struct Auth {
    /// The sender signs each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hmac: Option<Hmac>,
    /// The sender sends a fixed secret with each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// The sender sends a user name and a password (HTTP Basic).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic: Option<Basic>,
    /// The sender can prove nothing; this must be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none: Option<NoAuth>,
    /// The client certificate that the sender must show (mutual TLS), in addition to the proof above, or as the only
    /// proof where none of them is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// Handshakes of the sender, up to 4, in place of the preset's. Default: the preset's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub challenges: Vec<Challenge>,
    /// The token that you chose for the sender's handshake (Meta's "verify token"). Needed only by senders whose
    /// handshake carries one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge_token_secret_ref: Option<SecretKeyRef>,
    /// Addresses that may post at all, in CIDR notation, in addition to the proof above; up to 64.
    /// Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 43)))]
    #[x_kube(
        validation = Rule::new("self.all(c, isCIDR(c))")
            .message("allowedCidrs holds address ranges in CIDR notation: write for example 203.0.113.0/24, 203.0.113.7/32 or 2001:db8::/32")
    )]
    pub allowed_cidrs: Vec<String>,
    /// The number of trusted proxies in front of the receiver, 0 to 16: the sender's address is the
    /// entry of X-Forwarded-For that the outermost of them wrote. Default 0: the header is not
    /// believed, the address is that of the connection.
    #[serde(default)]
    #[schemars(range(min = 0, max = 16))]
    pub trusted_proxies: i32,
}

/// The one scheme of an [`Auth`]; a client certificate may be demanded besides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AuthScheme<'a> {
    /// Signed requests.
    Hmac(&'a Hmac),
    /// A fixed secret.
    Token(&'a Token),
    /// User name and password.
    Basic(&'a Basic),
    /// Nothing but the client certificate.
    ClientCertificate(&'a ClientCertificate),
    /// Nothing.
    None(&'a NoAuth),
}

impl Auth {
    /// The scheme, when exactly one is set.
    pub fn scheme(&self) -> Option<AuthScheme<'_>> {
        match (&self.hmac, &self.token, &self.basic, &self.none) {
            (Some(x), None, None, None) => Some(AuthScheme::Hmac(x)),
            (None, Some(x), None, None) => Some(AuthScheme::Token(x)),
            (None, None, Some(x), None) => Some(AuthScheme::Basic(x)),
            (None, None, None, Some(x)) => Some(AuthScheme::None(x)),
            (None, None, None, None) => self
                .client_certificate
                .as_ref()
                .map(AuthScheme::ClientCertificate),
            _ => None,
        }
    }
}

/// Signed requests. The fields after `generateSecret` are the sender's scheme: absent ones come
/// from the preset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!(has(self.generateSecret) && self.generateSecret && has(self.algorithm) && self.algorithm == 'ed25519')")
        .message("hmac.generateSecret cannot be used with algorithm ed25519: the secret is the sender's public key; store it in the Secret and remove generateSecret"),
    validation = Rule::new("!has(self.messageSignature) || (!has(self.signature) && !has(self.timestamp) && !has(self.id) && !has(self.signed) && !has(self.bodyDigest))")
        .message("hmac.messageSignature says itself where the signature is and what is signed: remove signature, timestamp, id, signed and bodyDigest"),
    validation = Rule::new("!has(self.messageSignature) || !has(self.algorithm) || self.algorithm in ['sha256', 'ed25519']")
        .message("hmac.messageSignature is made with sha256 (hmac-sha256) or ed25519: set algorithm to one of them, or remove it"),
    validation = Rule::new("!has(self.signed) || self.signed.contains('{body}') || self.signed.contains('{params}') || has(self.bodyDigest)")
        .message("hmac.signed must hold {body} (or {params}, where the sender signs the fields of a form), or bodyDigest must be set: else one signature would fit every lead")
)]
pub struct Hmac {
    /// The keys, 1 to 8. A signature under any of them is accepted, so that a key can be rotated
    /// without a gap. One line break at the end of a text is not part of it; a binary key is taken as it is.
    #[schemars(length(min = 1, max = 8))]
    pub secret_refs: Vec<SecretKeyRef>,
    /// Whether the operator creates the first named Secret with a random key if it is absent.
    /// Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub generate_secret: bool,
    /// `sha1`, `sha256`, `sha512` (HMAC), `ed25519`, or `keyed-sha256` (SHA-256 of key and text, as HubSpot's retired
    /// v1 signs). Default: the preset's, else `sha256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<HmacAlgorithm>,
    /// How the Secret's value becomes key bytes. Default: the preset's, else its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretFormat>,
    /// Where the signature is. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Where the time of signing is. Default: the preset's, else none: resends of any age pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// Where the message id is that `signed` refers to. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Extractor>,
    /// The signed text: a template over `{body}`, `{timestamp}`, `{id}`, `{method}`, `{url}` and
    /// `{params}`, for example `{timestamp}.{body}`. It must hold `{body}` or `{params}`, or `bodyDigest` must be set.
    /// `{url}` is `publicUrl` with the query, with or without the default port; `{params}` the form
    /// fields sorted by name, and any other body is refused. Default: the preset's, else `{body}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(
        validation = Rule::new(r"self.matches('^([^{}]|\\{(body|timestamp|id|method|url|params)\\})*$')")
            .message("hmac.signed may refer only to {body}, {timestamp}, {id}, {method}, {url} and {params}: write for example {timestamp}.{body}")
    )]
    pub signed: Option<String>,
    /// Where a sha256 digest of the body is, in hex, for schemes that sign the digest instead of the
    /// body: a query parameter, signed by `{url}`, or the header of `id`, signed by `{id}`. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_digest: Option<Extractor>,
    /// The sender signs with HTTP Message Signatures (RFC 9421), in place of `signature`, `timestamp`, `id`, `signed`
    /// and `bodyDigest`, and with nothing from the preset; `algorithm` is `sha256` (the default) or `ed25519`. Write
    /// `{}` for the usual. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_signature: Option<MessageSignature>,
}

/// How a signature is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HmacAlgorithm {
    /// HMAC-SHA1.
    Sha1,
    /// HMAC-SHA256.
    #[default]
    Sha256,
    /// HMAC-SHA512.
    Sha512,
    /// Ed25519; the secret is the sender's public key.
    Ed25519,
    /// SHA-256 of the key followed by the text, without HMAC, as HubSpot's v1 signs. Only for senders that have nothing
    /// else.
    #[serde(rename = "keyed-sha256")]
    KeyedSha256,
}

/// How a Secret's value becomes key bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretFormat {
    /// What stands before the key and is removed if present, for example `whsec_`. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub prefix: Option<String>,
    /// `text`, `hex` or `base64`. Default: the preset's, else `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As they are.
    #[default]
    Text,
    /// Hexadecimal digits of either case.
    Hex,
    /// Base64, padded or not.
    Base64,
}

/// A fixed secret that comes with each request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = at_most_one(
        &["header", "query", "json"],
        "token takes only one of header, query and json: keep the one in which the sender puts the token",
    )
)]
pub struct Token {
    /// The tokens, 1 to 8. Any of them is accepted, so that one can be rotated without a gap.
    #[schemars(length(min = 1, max = 8))]
    pub secret_refs: Vec<SecretKeyRef>,
    /// The header that holds the token. Default: the preset's place, else the header `X-API-Key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: Option<String>,
    /// The query parameter that holds the token. A `+` in it may mean itself or a blank.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub query: Option<String>,
    /// A JSON pointer to the token, a text, in the body, for example `/google_key`. The token is removed
    /// before the payload is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/"))]
    pub json: Option<String>,
    /// The word before the token, for example `Bearer`; empty: none. Default: the preset's, else
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z0-9._~+/-]*$"))]
    pub scheme: Option<String>,
    /// How the sender writes the token: `text` or `base64`. Default: the preset's, else `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<TokenEncoding>,
}

/// How a sender writes a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenEncoding {
    /// As it stands in the Secret.
    #[default]
    Text,
    /// The base64 of what stands in the Secret.
    Base64,
}

/// HTTP Basic authentication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Basic {
    /// The user name and password.
    pub secret_ref: BasicSecretRef,
}

/// No authentication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoAuth {
    /// Must be true: anybody who knows the URL can post leads. Restrict it with `allowedCidrs`
    /// where the sender's addresses are known.
    #[x_kube(
        validation = Rule::new("self")
            .message("auth.none.allowUnauthenticated must be true: anybody who knows the URL can then post; else use hmac, token or basic")
    )]
    pub allow_unauthenticated: bool,
}
