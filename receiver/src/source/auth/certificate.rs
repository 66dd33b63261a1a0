//! Mutual TLS: whose client certificate a request came with, checked by the receiver or passed on by an edge.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use leadgate_crds::lead_webhook::{ClientCertificate, ForwardedCertificate, ForwardedFormat};
use percent_encoding::percent_decode_str;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::{PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::{AuthError, address};

/// Longer headers hold no certificate: a chain has a few KiB.
const MAX_CERTIFICATE: usize = 64 << 10;

/// The connection that a request came over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connection<'a> {
    /// The other end's address.
    pub peer: Option<IpAddr>,
    /// The client certificate (DER) that was verified when the connection was made.
    pub certificate: Option<&'a [u8]>,
}

/// Whose certificates may post.
#[derive(Debug)]
pub struct CertificateRule {
    dns_names: Vec<String>,
    uris: Vec<String>,
    fingerprints: Vec<Vec<u8>>,
    subjects: Vec<String>,
    forwarded: Option<Forwarded>,
}

#[derive(Debug)]
struct Forwarded {
    header: HeaderName,
    format: ForwardedFormat,
    proxies: Vec<IpNet>,
    verified: Option<(HeaderName, String)>,
}

/// What a certificate says of its holder.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Identity {
    dns_names: Vec<String>,
    uris: Vec<String>,
    /// SHA-1 and SHA-256 of the certificate, as far as they are known.
    fingerprints: Vec<Vec<u8>>,
    subject: Option<String>,
}

impl CertificateRule {
    /// Compiles; the error starts with the field below `spec.auth`.
    pub fn compile(spec: &ClientCertificate) -> Result<Self, String> {
        let fingerprints = spec
            .fingerprints
            .iter()
            .map(|text| {
                fingerprint(text).ok_or_else(|| {
                    "clientCertificate.fingerprints: write 64 (SHA-256) or 40 (SHA-1) hexadecimal digits"
                        .to_owned()
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let names = spec.dns_names.len() + spec.uris.len() + fingerprints.len() + spec.subjects.len();
        if names == 0 {
            return Err(
                "clientCertificate: list the accepted certificates: set at least one of dnsNames, uris, fingerprints and subjects"
                    .to_owned(),
            );
        }
        if !spec.subjects.is_empty() && spec.forwarded.is_none() {
            return Err(
                "clientCertificate.subjects: subjects need an edge (forwarded); use dnsNames, uris or fingerprints"
                    .to_owned(),
            );
        }
        Ok(Self {
            dns_names: spec.dns_names.clone(),
            uris: spec.uris.clone(),
            fingerprints,
            subjects: spec.subjects.clone(),
            forwarded: spec.forwarded.as_ref().map(Forwarded::compile).transpose()?,
        })
    }

    /// Whether the receiver itself must have asked for the certificate.
    pub fn needs_own_tls(&self) -> bool {
        self.forwarded.is_none()
    }

    /// Accepts or refuses what came over a connection.
    pub fn verify(&self, connection: Connection<'_>, headers: &HeaderMap) -> Result<(), AuthError> {
        let identity = if let Some(forwarded) = &self.forwarded {
            forwarded.identity(connection.peer, headers)?
        } else {
            let what = "client certificate";
            let der = connection.certificate.ok_or(AuthError::Missing(what))?;
            Identity::of(der).ok_or(AuthError::Malformed(what))?
        };
        if self.allows(&identity) {
            Ok(())
        } else {
            Err(AuthError::Certificate)
        }
    }

    fn allows(&self, identity: &Identity) -> bool {
        let dns = |name: &String| {
            self.dns_names
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        identity.dns_names.iter().any(dns)
            || identity.uris.iter().any(|uri| self.uris.contains(uri))
            || identity
                .fingerprints
                .iter()
                .any(|digest| self.fingerprints.contains(digest))
            || identity
                .subject
                .as_ref()
                .is_some_and(|subject| self.subjects.contains(subject))
    }
}

impl Forwarded {
    fn compile(spec: &ForwardedCertificate) -> Result<Self, String> {
        let header = |name: &str, field: &str| {
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("clientCertificate.forwarded.{field}: `{name}` is not a header name"))
        };
        let proxies = spec
            .proxies
            .iter()
            .map(|range| {
                address::range(range).ok_or_else(|| {
                    format!(
                        "clientCertificate.forwarded.proxies: `{range}` is not a range such as 10.0.0.0/8"
                    )
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if proxies.is_empty() {
            return Err(
                "clientCertificate.forwarded.proxies: list the addresses of your edge; anyone else could write the header"
                    .to_owned(),
            );
        }
        let verified = spec
            .verified
            .as_ref()
            .map(|said| Ok::<_, String>((header(&said.header, "verified.header")?, said.value.clone())))
            .transpose()?;
        Ok(Self {
            header: header(&spec.header, "header")?,
            format: spec.format,
            proxies,
            verified,
        })
    }

    /// What the edge says of the certificate. The connection's own address decides whether it is believed: what
    /// X-Forwarded-For says is a claim too.
    fn identity(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Result<Identity, AuthError> {
        let trusted = peer.is_some_and(|peer| {
            self.proxies
                .iter()
                .any(|range| range.contains(&peer.to_canonical()))
        });
        if !trusted {
            return Err(AuthError::Proxy);
        }
        if let Some((name, expected)) = &self.verified {
            let said = one(
                headers,
                name,
                "statement that the client certificate was verified",
            )?;
            if said != expected {
                return Err(AuthError::Unverified);
            }
        }
        let what = "client certificate";
        let malformed = AuthError::Malformed(what);
        match self.format {
            // Each proxy appends; the last line's last element is the nearest one's.
            ForwardedFormat::Envoy => {
                let last = headers.get_all(&self.header).iter().next_back();
                let text = last.ok_or(AuthError::Missing(what))?.to_str();
                let text = text
                    .ok()
                    .filter(|text| text.len() <= MAX_CERTIFICATE)
                    .ok_or(malformed)?;
                envoy(text).ok_or(malformed)
            }
            ForwardedFormat::Certificate => {
                let der = certificate_bytes(one(headers, &self.header, what)?).ok_or(malformed)?;
                Identity::of(&der).ok_or(malformed)
            }
            ForwardedFormat::Fingerprint => {
                let digest = fingerprint(one(headers, &self.header, what)?).ok_or(malformed)?;
                Ok(Identity {
                    fingerprints: vec![digest],
                    ..Identity::default()
                })
            }
            ForwardedFormat::Subject => Ok(Identity {
                subject: Some(one(headers, &self.header, what)?.to_owned()),
                ..Identity::default()
            }),
        }
    }
}

/// A header that stands once and is not empty.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName, what: &'static str) -> Result<&'h str, AuthError> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next().ok_or(AuthError::Missing(what))?;
    if lines.next().is_some() {
        return Err(AuthError::Repeated(what));
    }
    let text = line.to_str().map_err(|_| AuthError::Malformed(what))?.trim();
    match text.len() {
        0 => Err(AuthError::Missing(what)),
        1..=MAX_CERTIFICATE => Ok(text),
        _ => Err(AuthError::Malformed(what)),
    }
}

impl Identity {
    /// Reads a certificate (DER); `None`: it is none.
    fn of(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let tbs = certificate.tbs_certificate();
        let mut identity = Self {
            fingerprints: vec![Sha1::digest(der).to_vec(), Sha256::digest(der).to_vec()],
            ..Self::default()
        };
        if let Some((_, SubjectAltName(names))) = tbs.get_extension::<SubjectAltName>().ok()? {
            for name in names {
                match name {
                    GeneralName::DnsName(name) => identity.dns_names.push(name.as_str().to_owned()),
                    GeneralName::UniformResourceIdentifier(uri) => {
                        identity.uris.push(uri.as_str().to_owned());
                    }
                    _ => {}
                }
            }
        }
        // As certificates were read before they had alternative names (RFC 6125, 6.4.4).
        if identity.dns_names.is_empty() {
            let common_names = tbs
                .subject()
                .iter()
                .filter(|attribute| attribute.oid == COMMON_NAME)
                .filter_map(|attribute| {
                    let utf8 = attribute.value.decode_as::<Utf8StringRef<'_>>();
                    let text = utf8.map(|text| text.as_str().to_owned());
                    text.or_else(|_| {
                        attribute
                            .value
                            .decode_as::<PrintableStringRef<'_>>()
                            .map(|text| text.as_str().to_owned())
                    })
                    .ok()
                });
            identity.dns_names.extend(common_names);
        }
        Some(identity)
    }
}

/// The bytes of a digest; `None`: it is neither SHA-1 nor SHA-256 in hex.
fn fingerprint(text: &str) -> Option<Vec<u8>> {
    let bytes = hex::decode(text.replace(':', "")).ok()?;
    matches!(bytes.len(), 20 | 32).then_some(bytes)
}

/// The DER of the first certificate in a header: percent-encoded PEM, PEM without delimiters, or base64 of the DER
/// (between colons in RFC 9440's `Client-Cert`).
fn certificate_bytes(text: &str) -> Option<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let text = percent_decode_str(text).decode_utf8().ok()?;
    let base64 = match text.split_once(BEGIN) {
        Some((_, rest)) => rest.split_once(END)?.0,
        None => text.split(',').next()?.trim().trim_matches(':'),
    };
    let base64: String = base64.split_ascii_whitespace().collect();
    STANDARD.decode(base64).ok().filter(|der| !der.is_empty())
}

/// The last element of `X-Forwarded-Client-Cert`. A certificate in it speaks for itself; the other fields count only
/// without one, since Envoy writes names into them that a certificate authority did not look at for `;` and `,`.
///
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert>
fn envoy(text: &str) -> Option<Identity> {
    let element = split_unquoted(text, ',').pop()?;
    let mut identity = Identity::default();
    let mut certificate = None;
    for field in split_unquoted(element, ';') {
        let (name, value) = field.split_once('=')?;
        let value = unquote(value.trim())?;
        match name.trim().to_ascii_lowercase().as_str() {
            "hash" => identity.fingerprints.push(fingerprint(&value)?),
            "uri" => identity.uris.push(value),
            "dns" => identity.dns_names.push(value),
            "subject" => identity.subject = Some(value),
            "cert" => certificate = Some(Identity::of(&certificate_bytes(&value)?)?),
            _ => {}
        }
    }
    match certificate {
        Some(certificate) => Some(Identity {
            subject: identity.subject,
            ..certificate
        }),
        // A second hash would be somebody's attempt to be two.
        None => (identity.fingerprints.len() <= 1).then_some(identity),
    }
}

/// Pieces between separators that stand outside double quotes.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|letter: char| {
        let separates = letter == separator && !quoted;
        if letter == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = letter == '\\' && !escaped;
        separates
    })
    .collect()
}

/// A value without its quotes; `None`: a quote is not closed.
fn unquote(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let inner = rest.strip_suffix('"')?;
    Some(inner.replace("\\\"", "\""))
}
