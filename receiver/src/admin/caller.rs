//! Who asks, for the ledger.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;

/// The header in which a client says for whom it acts. Whoever may send it holds the admin token, or is on this machine.
pub(super) const USER: &str = "leadgate-user";

/// What is entered when nobody says.
const SOMEBODY: &str = "admin";

/// Bytes of a name: what the ledger keeps has room for a job's id beside it.
const LONGEST: usize = 64;

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let named = parts.headers.get(USER).map_or(&b""[..], |name| name.as_bytes());
        // Clients that write ASCII only encode the rest.
        let named = percent_encoding::percent_decode(named).decode_utf8_lossy();
        let mut name = String::new();
        for c in named.chars().filter(|c| !c.is_control() && !c.is_whitespace()) {
            if name.len() + c.len_utf8() > LONGEST {
                break;
            }
            name.push(c);
        }
        Ok(Self(if name.is_empty() {
            SOMEBODY.to_owned()
        } else {
            name
        }))
    }
}
