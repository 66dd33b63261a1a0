//! Who sent it: proof over the raw bytes, before anything is parsed or stored.
//!
//! * [`Verifier`]: a scheme with its secrets, ready to judge requests. `hmac`: signatures; `message`: HTTP Message
//!   Signatures; `key`: what both are made with; `token`: fixed secrets; `extract`: where in a request a value stands;
//!   `address`: which addresses may post; `certificate`: whose client certificates may; `compile`: a scheme from a
//!   webhook and its preset.
//! * Every listed signature is tried against every secret, in constant time. Empty secrets are refused.

mod address;
mod certificate;
mod compile;
mod extract;
mod hmac;
mod key;
mod message;
mod token;

use http::{HeaderMap, Method};

pub use address::{AddressRule, client_address};
pub use certificate::{CertificateRule, Connection};
pub(super) use compile::{challenges, verifier};
pub use extract::Place;
pub use hmac::{HmacScheme, HmacVerifier};
pub use message::{MessageVerifier, SIGNED as MESSAGE_SIGNED};
pub use token::TokenVerifier;

pub use crate::secret_value::without_line_break;

/// A request as verification sees it: raw.
#[derive(Debug, Clone, Copy)]
pub struct RawRequest<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The query string, without `?`.
    pub query: Option<&'a str>,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The bytes on the wire, still compressed if they came so.
    pub body: &'a [u8],
    /// The receiver's clock, in milliseconds since 1970.
    pub now: u64,
}

/// Why a request is not believed. Told to the sender, counted and logged; holds nothing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// What should carry the proof is not there.
    #[error("the request has no {0}")]
    Missing(&'static str),
    /// It stands there twice.
    #[error("the request has more than one {0}; send exactly one")]
    Repeated(&'static str),
    /// It cannot be read.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The time of signing is too far from now.
    #[error("the request was signed more than {0} seconds away from the receiver's clock; check both clocks")]
    Stale(u32),
    /// The signer let it expire.
    #[error("the signature has expired according to its parameter expires; check both clocks")]
    Expired,
    /// It leaves out what must be signed.
    #[error("the signature does not cover all components of auth.hmac.messageSignature.components")]
    Uncovered,
    /// It is made with a key of another name.
    #[error("no signature has a keyid of auth.hmac.messageSignature.keyIds")]
    UnknownKey,
    /// It uses what this receiver does not know.
    #[error("the signature uses {0}, which is not supported here")]
    Unsupported(&'static str),
    /// It is not the right one.
    #[error("the {0} does not match; check that both sides hold the same secret and sign the raw body")]
    Mismatch(&'static str),
    /// It is not the right one, and may be right for another URL.
    #[error(
        "the signature does not match; check that both sides hold the same secret, that publicUrl is the URL as the \
         sender calls it, and that nothing on the way changes the body"
    )]
    UrlMismatch,
    /// The signature leaves the body out.
    #[error(
        "the signature covers the URL and the form fields, but this body is not a form; sign the body as well"
    )]
    BodyUncovered,
    /// The token is not the right one.
    #[error("the token in the {0} is wrong; check that the sender sends the token of the Secret")]
    WrongToken(&'static str),
    /// User name or password are not the right ones.
    #[error("the user name or the password is wrong; check that the sender uses those of the Secret")]
    WrongPassword,
    /// The sender's address may not post here.
    #[error("the sender's address is not in allowedCidrs")]
    Address,
    /// The sender's client certificate may not post here.
    #[error("the client certificate does not match auth.clientCertificate")]
    Certificate,
    /// The client certificate was passed on by an address that is not an edge of ours.
    #[error(
        "forwarded client certificates are accepted only from the addresses in auth.clientCertificate.forwarded.proxies"
    )]
    Proxy,
    /// The edge passed on a certificate that it could not verify.
    #[error("the edge could not verify the client certificate")]
    Unverified,
}

impl AuthError {
    /// A stable word for metrics and logs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing(_) => "Missing",
            Self::Repeated(_) => "Repeated",
            Self::Malformed(_) => "Malformed",
            Self::Stale(_) => "Stale",
            Self::Expired => "Expired",
            Self::Uncovered | Self::BodyUncovered => "Uncovered",
            Self::UnknownKey => "UnknownKey",
            Self::Unsupported(_) => "Unsupported",
            Self::Mismatch(_) | Self::UrlMismatch | Self::WrongToken(_) | Self::WrongPassword => "Mismatch",
            Self::Address => "Address",
            Self::Certificate => "Certificate",
            Self::Proxy => "Proxy",
            Self::Unverified => "Unverified",
        }
    }
}

/// A scheme with its secrets.
#[derive(Debug)]
pub enum Verifier {
    /// The sender signs each request.
    Hmac(Box<HmacVerifier>),
    /// The sender signs each request with HTTP Message Signatures.
    Message(Box<MessageVerifier>),
    /// The sender sends a fixed secret.
    Token(TokenVerifier),
    /// The client certificate is the proof: see [`CertificateRule`], which is asked before any verifier.
    Certificate,
    /// Anybody may post; the webhook said so.
    Anyone,
}

impl Verifier {
    /// Accepts or refuses a request. With it comes the number of the secret, from 0, that the proof was made with.
    pub fn verify(&self, request: &RawRequest<'_>) -> Result<usize, AuthError> {
        match self {
            Self::Hmac(scheme) => scheme.verify(request),
            Self::Message(scheme) => scheme.verify(request),
            Self::Token(scheme) => scheme.verify(request),
            Self::Certificate | Self::Anyone => Ok(0),
        }
    }

    /// How many secrets there are, each of which is accepted.
    pub fn secrets(&self) -> usize {
        match self {
            Self::Hmac(scheme) => scheme.secrets(),
            Self::Message(scheme) => scheme.secrets(),
            Self::Token(scheme) => scheme.secrets(),
            Self::Certificate | Self::Anyone => 0,
        }
    }

    /// Whether each request carries a proof of its own, so that one without cannot be a lead.
    pub fn tells_leads_from_probes(&self) -> bool {
        matches!(self, Self::Hmac(_) | Self::Message(_) | Self::Token(_))
    }

    /// Where a secret stands in the JSON payload, to be removed before the payload is stored.
    pub fn secret_in_payload(&self) -> Option<&str> {
        match self {
            Self::Token(token) => token.json_pointer(),
            Self::Hmac(_) | Self::Message(_) | Self::Certificate | Self::Anyone => None,
        }
    }
}
