//! Who asks, for the ledger.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;

/// The header in which a client says for whom it acts. Whoever may send it holds the admin token, or is on this machine.
pub(super) const USER: &str = "leadgate-user";

/// What is entered when nobody says.
const SOMEBODY: &str = "admin";

/// Of a name: what the ledger keeps has room for a job's id beside it.
const LONGEST: usize = 64;

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let named = parts.headers.get(USER).and_then(|name| name.to_str().ok());
        let name: String = named
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_graphic)
            .take(LONGEST)
            .collect();
        Ok(Self(if name.is_empty() {
            SOMEBODY.to_owned()
        } else {
            name
        }))
    }
}
