//! Mutual TLS: which client certificates may post, and who looks at them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::HEADER_PATTERN;

/// Digits of a SHA-1 (40) or SHA-256 (64), with or without colons between the bytes.
const FINGERPRINT_PATTERN: &str = r"^(([0-9A-Fa-f]{2}:?){19}|([0-9A-Fa-f]{2}:?){31})[0-9A-Fa-f]{2}$";

/// The client certificate that a sender shows (mutual TLS). One match in any of the lists is enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("[has(self.dnsNames) && size(self.dnsNames) > 0, has(self.uris) && size(self.uris) > 0, has(self.fingerprints) && size(self.fingerprints) > 0, has(self.subjects) && size(self.subjects) > 0].exists(x, x)")
        .message("clientCertificate must say whose certificates may post: name at least one of dnsNames, uris, fingerprints and subjects, for example dnsNames: [client.example.com]"),
    validation = Rule::new("!has(self.subjects) || size(self.subjects) == 0 || has(self.forwarded)")
        .message("clientCertificate.subjects needs forwarded: a subject is compared as your edge writes it; without an edge name dnsNames, uris or fingerprints"),
    validation = Rule::new("!has(self.forwarded) || self.forwarded.format != 'Fingerprint' || (has(self.fingerprints) && size(self.fingerprints) > 0)")
        .message("clientCertificate.forwarded.format Fingerprint passes nothing but a fingerprint: name fingerprints"),
    validation = Rule::new("!has(self.forwarded) || self.forwarded.format != 'Subject' || (has(self.subjects) && size(self.subjects) > 0)")
        .message("clientCertificate.forwarded.format Subject passes nothing but a subject: name subjects")
)]
pub struct ClientCertificate {
    /// DNS names of its subject alternative name, up to 16, compared as a whole in any case; no wildcards. A
    /// certificate without DNS names is known by its subject's common name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._-]+$"))
    )]
    pub dns_names: Vec<String>,
    /// URIs of its subject alternative name, such as `spiffe://example.com/forms`, up to 16, compared as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 512)))]
    pub uris: Vec<String>,
    /// Digests of the whole certificate in hex, up to 16: SHA-256 (64 digits), or SHA-1 (40 digits) where an edge
    /// passes nothing better. Colons between the bytes are allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 40, max = 95), regex(pattern = FINGERPRINT_PATTERN)))]
    pub fingerprints: Vec<String>,
    /// Subjects exactly as the edge writes them, such as `CN=client,O=Example`, up to 16. Only with `forwarded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 512)))]
    pub subjects: Vec<String>,
    /// The edge that terminates TLS and passes on what the certificate says. Absent: the receiver terminates TLS
    /// (`receiver.tls`) and checks the certificate itself against `receiver.tls.clientCaSecretRef` (without the operator:
    /// `--tls-client-ca`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<ForwardedCertificate>,
}

/// How an edge passes on a client certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForwardedCertificate {
    /// The header, for example `X-Forwarded-Client-Cert`. The edge must replace what senders write there.
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: String,
    /// What the header holds: `Envoy`, `Certificate`, `Fingerprint` or `Subject`.
    pub format: ForwardedFormat,
    /// The addresses from which the edge connects, in CIDR notation, 1 to 16. From any other address the header
    /// is not believed.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 43)))]
    #[x_kube(
        validation = Rule::new("self.all(c, isCIDR(c))")
            .message("forwarded.proxies holds address ranges in CIDR notation: write for example 10.0.0.0/8, 10.1.2.3/32 or 2001:db8::/32")
    )]
    pub proxies: Vec<String>,
    /// A header in which the edge says that it verified the certificate. Name it where the edge also passes on
    /// certificates that it could not verify. Absent: the edge refuses those itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<VerifiedHeader>,
}

/// How an edge says that a certificate was verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifiedHeader {
    /// The header, for example `ssl-client-verify`.
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: String,
    /// What it says for a verified certificate, for example `SUCCESS`.
    #[schemars(length(min = 1, max = 128))]
    pub value: String,
}

/// What a header of an edge holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ForwardedFormat {
    /// Envoy's and Istio's `X-Forwarded-Client-Cert`; of several elements the last, which the nearest proxy wrote.
    Envoy,
    /// The certificate: PEM, percent-encoded (nginx, AWS), without its delimiters (Traefik), or base64 of its DER
    /// (HAProxy, RFC 9440).
    Certificate,
    /// A digest of the certificate in hex.
    Fingerprint,
    /// The subject's distinguished name.
    Subject,
}
