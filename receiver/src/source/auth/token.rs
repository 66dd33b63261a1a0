//! Fixed secrets: an API key, a bearer token, Basic credentials, a token in the query or in the payload.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leadgate_crds::lead_webhook::TokenEncoding;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{AuthError, Place, RawRequest};
use crate::secret_value::without_line_break;

/// Where a fixed secret stands, and which are right.
pub struct TokenVerifier {
    place: Place,
    scheme: String,
    /// SHA-256 of what must stand there: comparing digests takes the same time for every length.
    expected: Vec<[u8; 32]>,
}

impl std::fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("place", &self.place)
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

impl TokenVerifier {
    /// Compiles with its secrets, each with a name for errors. `scheme` is the word before the token, such as
    /// `Bearer`, or empty.
    pub fn compile(
        place: Place,
        scheme: &str,
        encoding: TokenEncoding,
        secrets: &[(String, Vec<u8>)],
    ) -> Result<Self, String> {
        if secrets.is_empty() {
            return Err("token.secretRefs: at least one secret is needed".to_owned());
        }
        let expected = secrets
            .iter()
            .map(|(name, value)| {
                let value = without_line_break(value);
                if value.is_empty() {
                    return Err(format!(
                        "token.secretRefs: Secret {name}: it is empty; an empty token would admit anyone"
                    ));
                }
                Ok(match encoding {
                    TokenEncoding::Text => Sha256::digest(value).into(),
                    TokenEncoding::Base64 => Sha256::digest(STANDARD.encode(value)).into(),
                })
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            place,
            scheme: scheme.to_owned(),
            expected,
        })
    }

    pub(super) fn verify(&self, request: &RawRequest<'_>) -> Result<usize, AuthError> {
        let mut matched = None;
        for value in self.place.proofs(request, "token")? {
            let given: [u8; 32] = Sha256::digest(self.after_scheme(&value)?.as_bytes()).into();
            matched = self
                .expected
                .iter()
                .enumerate()
                .fold(matched, |found, (number, expected)| {
                    bool::from(expected.ct_eq(&given)).then_some(number).or(found)
                });
        }
        if let Some(number) = matched {
            Ok(number)
        } else if self.scheme.eq_ignore_ascii_case("Basic") {
            Err(AuthError::WrongPassword)
        } else {
            Err(AuthError::WrongToken(self.place.part()))
        }
    }

    pub(super) fn secrets(&self) -> usize {
        self.expected.len()
    }

    fn after_scheme<'t>(&self, value: &'t str) -> Result<&'t str, AuthError> {
        if self.scheme.is_empty() {
            return Ok(value);
        }
        match value.split_once(' ') {
            Some((word, token)) if word.eq_ignore_ascii_case(&self.scheme) => Ok(token.trim_start()),
            _ => Err(AuthError::Malformed("token")),
        }
    }

    pub(super) fn json_pointer(&self) -> Option<&str> {
        self.place.json_pointer()
    }
}
