//! Mutual TLS: which client certificates may post, and who looks at them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::HEADER_PATTERN;

/// Digits of a SHA-1 (40) or SHA-256 (64), with or without colons between the bytes.
const FINGERPRINT_PATTERN: &str = r"^(([0-9A-Fa-f]{2}:?){19}|([0-9A-Fa-f]{2}:?){31})[0-9A-Fa-f]{2}$";

/// The client certificate that a sender presents (mutual TLS). A certificate that matches any entry of any
/// list is accepted.
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
    /// Accepted DNS names of the certificate's subject alternative name, up to 16. They are compared in full
    /// and case-insensitively; wildcards are not supported. For a certificate without DNS names, the common
    /// name of the subject is compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._-]+$"))
    )]
    pub dns_names: Vec<String>,
    /// Accepted URIs of the certificate's subject alternative name, such as `spiffe://example.com/forms`, up
    /// to 16. They are compared in full.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 512)))]
    pub uris: Vec<String>,
    /// Accepted fingerprints of the certificate in hex, up to 16: SHA-256 (64 digits), or SHA-1 (40 digits)
    /// for edges that provide nothing better. Colons between the bytes are allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 40, max = 95), regex(pattern = FINGERPRINT_PATTERN)))]
    pub fingerprints: Vec<String>,
    /// Accepted subjects exactly as the edge writes them, such as `CN=client,O=Example`, up to 16. Requires
    /// `forwarded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 512)))]
    pub subjects: Vec<String>,
    /// The edge that terminates TLS and forwards the client certificate. Absent: the receiver terminates TLS
    /// (`receiver.tls`) and verifies the certificate itself against `receiver.tls.clientCaSecretRef` (without
    /// the operator: `--tls-client-ca`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<ForwardedCertificate>,
}

/// How an edge forwards a client certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForwardedCertificate {
    /// The name of the header, for example `X-Forwarded-Client-Cert`. The edge must overwrite any value sent
    /// by the client.
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: String,
    /// The format of the header's value: `Envoy`, `Certificate`, `Fingerprint` or `Subject`.
    pub format: ForwardedFormat,
    /// The address ranges in CIDR notation that the edge connects from, 1 to 16. The header is ignored on
    /// connections from any other address.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 43)))]
    #[x_kube(
        validation = Rule::new("self.all(c, isCIDR(c))")
            .message("forwarded.proxies holds address ranges in CIDR notation: write for example 10.0.0.0/8, 10.1.2.3/32 or 2001:db8::/32")
    )]
    pub proxies: Vec<String>,
    /// A header by which the edge states that it verified the certificate. Set it if the edge also forwards
    /// certificates that it could not verify. Absent: the edge rejects those itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<VerifiedHeader>,
}

/// A header by which an edge states that it verified a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifiedHeader {
    /// The name of the header, for example `ssl-client-verify`.
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: String,
    /// The value for a verified certificate, for example `SUCCESS`.
    #[schemars(length(min = 1, max = 128))]
    pub value: String,
}

/// The format of a forwarded client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ForwardedFormat {
    /// Envoy's and Istio's `X-Forwarded-Client-Cert`. Of several elements, the last one is used, which the
    /// nearest proxy wrote.
    Envoy,
    /// The certificate: PEM, percent-encoded (nginx, AWS), without its delimiters (Traefik), or base64 of its
    /// DER (HAProxy, RFC 9440).
    Certificate,
    /// The fingerprint of the certificate in hex.
    Fingerprint,
    /// The subject's distinguished name.
    Subject,
}
