//! Who may see leads.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use problem_details::ProblemDetails;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Admin;

/// The digest of the bearer token.
pub struct Token([u8; 32]);

impl Token {
    /// From a file's content; blanks at its end do not count. `None` when it is empty.
    pub fn new(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        (!text.is_empty()).then(|| Self(Sha256::digest(text).into()))
    }

    fn matches(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
        given.is_some_and(|given| <[u8; 32]>::from(Sha256::digest(given)).ct_eq(&self.0).into())
    }
}

/// Lets a request pass that comes from this machine, or that carries the token.
pub(super) async fn require(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let local = peer.is_some_and(|info| info.0.ip().to_canonical().is_loopback())
        && names_this_machine(request.headers());
    if local
        || admin
            .token
            .as_ref()
            .is_some_and(|token| token.matches(request.headers()))
    {
        return next.run(request).await;
    }
    ProblemDetails::from_status_code(StatusCode::UNAUTHORIZED)
        .with_detail("send the admin token as Authorization: Bearer …, or ask from the machine itself")
        .into_response()
}

/// A web page that rebinds its name to 127.0.0.1 still sends its own name as Host.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|v| v.to_str().ok()) else {
        return true;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "[::1]")
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|ip| ip.is_loopback())
}
