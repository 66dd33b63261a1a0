//! Who may post: signatures, tokens, passwords, addresses.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Challenge, ClientCertificate, Extractor, MessageSignature, Signature, Timestamp};
use crate::common::{BasicSecretRef, HEADER_PATTERN, SecretKeyRef, at_most_one, is_false};

/// How senders are authenticated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = at_most_one(
        &["hmac", "token", "basic", "none"],
        "auth needs exactly one of hmac, token, basic and none (or clientCertificate alone): keep the one that the sender uses",
    ),
    validation = Rule::new("has(self.hmac) || has(self.token) || has(self.basic) || has(self.none) || has(self.clientCertificate)")
        .message("auth needs exactly one of hmac, token, basic and none, or clientCertificate alone; to accept unauthenticated requests, write none: {allowUnauthenticated: true}"),
    validation = Rule::new("!has(self.none) || !has(self.clientCertificate)")
        .message("auth.none cannot be combined with auth.clientCertificate: remove none"),
    validation = Rule::new("!has(self.challenges) || !self.challenges.exists(c, c.answer == 'Hmac') || has(self.hmac)")
        .message("a challenge that answers Hmac is signed with the key of auth.hmac: set hmac, or answer Echo or Ok"),
    validation = Rule::new("!has(self.challenges) || !self.challenges.exists(c, has(c.token)) || has(self.challengeTokenSecretRef)")
        .message("a challenge with a token needs auth.challengeTokenSecretRef: the Secret that holds the right one")
)]
pub struct Auth {
    /// The sender signs each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hmac: Option<Hmac>,
    /// The sender includes a static token in each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// The sender authenticates with a user name and a password (HTTP Basic).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic: Option<Basic>,
    /// Accept unauthenticated requests. Requires an explicit acknowledgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none: Option<NoAuth>,
    /// The client certificate that the sender must present (mutual TLS), in addition to `hmac`, `token` or
    /// `basic`, or as the only authentication if none of them is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// Handshakes of the sender, up to 4. They replace those of the preset. Default: the preset's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub challenges: Vec<Challenge>,
    /// The token that you chose for the sender's handshake (Meta's "verify token"). Required only by senders
    /// whose handshake carries one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge_token_secret_ref: Option<SecretKeyRef>,
    /// Address ranges in CIDR notation that requests are accepted from, in addition to authentication; up to
    /// 64. Default: any address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 43)))]
    #[x_kube(
        validation = Rule::new("self.all(c, isCIDR(c))")
            .message("allowedCidrs holds address ranges in CIDR notation: write for example 203.0.113.0/24, 203.0.113.7/32 or 2001:db8::/32")
    )]
    pub allowed_cidrs: Vec<String>,
    /// The number of trusted proxies in front of the receiver, 0 to 16. The sender's address is the entry of
    /// X-Forwarded-For written by the outermost trusted proxy. With 0, the header is ignored and the address
    /// is that of the connection. Default: 0.
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

/// Authentication by signature. The fields after `generateSecret` describe the sender's signature scheme;
/// absent fields are taken from the preset.
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
        .message("hmac.signed must contain {body} (or {params}, where the sender signs the fields of a form), or bodyDigest must be set: otherwise one signature would be valid for every lead")
)]
pub struct Hmac {
    /// The keys, 1 to 8. A signature made with any of them is accepted, so that keys can be rotated without
    /// rejecting requests. One trailing line break of a text is ignored; binary keys are used unchanged.
    #[schemars(length(min = 1, max = 8))]
    pub secret_refs: Vec<SecretKeyRef>,
    /// Whether the operator creates the first Secret of `secretRefs` with a random key if it does not exist.
    /// Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub generate_secret: bool,
    /// The signature algorithm: `sha1`, `sha256` or `sha512` (HMAC), `ed25519`, or `keyed-sha256` (SHA-256 of
    /// the key followed by the text, as in HubSpot's retired v1 signatures). Default: the preset's, else
    /// `sha256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<HmacAlgorithm>,
    /// How the value of the Secret is decoded to key bytes. Default: the preset's, else the text itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretFormat>,
    /// The location of the signature. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// The location of the time of signing. Default: the preset's, else none: requests of any age are
    /// accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// The location of the message id that `signed` refers to. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Extractor>,
    /// The signed text: a template over `{body}`, `{timestamp}`, `{id}`, `{method}`, `{url}` and `{params}`,
    /// for example `{timestamp}.{body}`. It must contain `{body}` or `{params}`, unless `bodyDigest` is set.
    /// `{url}` is `publicUrl` with the query, with or without the default port. `{params}` is the form fields
    /// sorted by name; bodies other than forms are then rejected. Default: the preset's, else `{body}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(
        validation = Rule::new(r"self.matches('^([^{}]|\\{(body|timestamp|id|method|url|params)\\})*$')")
            .message("hmac.signed may refer only to {body}, {timestamp}, {id}, {method}, {url} and {params}: write for example {timestamp}.{body}")
    )]
    pub signed: Option<String>,
    /// The location of the body's SHA-256 digest in hex, for schemes that sign the digest instead of the
    /// body: a query parameter, signed by `{url}`, or the header of `id`, signed by `{id}`. Default: the
    /// preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_digest: Option<Extractor>,
    /// The sender uses HTTP Message Signatures (RFC 9421). Replaces `signature`, `timestamp`, `id`, `signed`
    /// and `bodyDigest`, and ignores the preset's; `algorithm` must be `sha256` (the default) or `ed25519`.
    /// Use `{}` for the defaults. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_signature: Option<MessageSignature>,
}

/// A signature algorithm.
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
    /// Ed25519. The Secret contains the sender's public key.
    Ed25519,
    /// SHA-256 of the key followed by the text, without HMAC, as in HubSpot's v1 signatures. Use it only for
    /// senders that support nothing else.
    #[serde(rename = "keyed-sha256")]
    KeyedSha256,
}

/// How the value of a Secret is decoded to key bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretFormat {
    /// A prefix of the key, removed if present, for example `whsec_`. Default: no prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub prefix: Option<String>,
    /// The encoding of the key: `text`, `hex` or `base64`. Default: the preset's, else `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
}

/// An encoding of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// The bytes of the text.
    #[default]
    Text,
    /// Hexadecimal digits of either case.
    Hex,
    /// Base64, with or without padding.
    Base64,
}

/// Authentication by a static token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = at_most_one(
        &["header", "query", "json"],
        "token takes only one of header, query and json: keep the one in which the sender puts the token",
    )
)]
pub struct Token {
    /// The tokens, 1 to 8. Any of them is accepted, so that tokens can be rotated without rejecting requests.
    #[schemars(length(min = 1, max = 8))]
    pub secret_refs: Vec<SecretKeyRef>,
    /// The header that contains the token. Default: the location in the preset, else the header `X-API-Key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: Option<String>,
    /// The query parameter that contains the token. A `+` in the parameter may stand for itself or for a
    /// space.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub query: Option<String>,
    /// A JSON pointer to the token, a string, in the body, for example `/google_key`. The token is removed
    /// before the payload is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/"))]
    pub json: Option<String>,
    /// The scheme before the token, for example `Bearer`; empty for none. Default: the preset's, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z0-9._~+/-]*$"))]
    pub scheme: Option<String>,
    /// How the sender encodes the token: `text` or `base64`. Default: the preset's, else `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<TokenEncoding>,
}

/// How a sender encodes a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenEncoding {
    /// As in the Secret.
    #[default]
    Text,
    /// The base64 encoding of the value in the Secret.
    Base64,
}

/// HTTP Basic authentication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Basic {
    /// The Secret with the user name and the password.
    pub secret_ref: BasicSecretRef,
}

/// No authentication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoAuth {
    /// Must be true. Anyone who knows the URL can then post leads. Restrict the callers with `allowedCidrs`
    /// if the sender's addresses are known.
    #[x_kube(
        validation = Rule::new("self")
            .message("auth.none.allowUnauthenticated must be true: anyone who knows the URL can then post leads; otherwise use hmac, token or basic")
    )]
    pub allow_unauthenticated: bool,
}
