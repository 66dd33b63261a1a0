//! What must be shown to see leads.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The digest of the bearer token.
pub(crate) struct Token([u8; 32]);

impl Token {
    /// From a file's content; blanks at its end do not count. `None` when it is empty.
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        (!text.is_empty()).then(|| Self(Sha256::digest(text).into()))
    }

    pub(super) fn matches(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
        given.is_some_and(|given| <[u8; 32]>::from(Sha256::digest(given)).ct_eq(&self.0).into())
    }
}
