//! Who may see leads.

// A refusal is made once for a request that a person sent.
#![allow(clippy::result_large_err)]

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use problem_details::ProblemDetails;

use super::shared::Admin;
use crate::http::Peer;

const NOT_FROM_HERE: &str = "access is allowed from the machine itself only; connect from there, or start the receiver with \
                             --admin-token-file";

/// Of a refusal's own words.
const LONGEST_REFUSAL: usize = 1024;

/// Lets a request pass that carries the token; where there is none, one that comes from this machine.
///
/// A token counts for the machine's own requests too: what else runs on it, the receiver's own calls to addresses in
/// manifests included, is not the person who holds the token.
pub(super) async fn require(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let refused = match &admin.token {
        Some(token) if token.matches(headers).await => None,
        Some(_) => Some((
            StatusCode::UNAUTHORIZED,
            "send the admin token as Authorization: Bearer …",
        )),
        None if is_from_here(&request) => None,
        None => Some((StatusCode::UNAUTHORIZED, NOT_FROM_HERE)),
    };
    let refused = refused.or_else(|| {
        (!request.method().is_safe() && is_of_a_web_page(headers)).then_some((
            StatusCode::FORBIDDEN,
            "changes by web pages of other origins are refused; send the request from a command line, without the header Origin",
        ))
    });
    let mut response = match refused {
        Some((status, why)) => ProblemDetails::from_status_code(status)
            .with_detail(why)
            .into_response(),
        None => problem(next.run(request).await).await,
    };
    let headers = response.headers_mut();
    // Leads are shown here: not for caches, and nothing for a browser to guess at.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Where no token is set: whether a request comes from this machine; else the refusal.
pub(super) fn comes_from_here(request: &Request) -> Result<(), Response> {
    if is_from_here(request) {
        return Ok(());
    }
    Err(ProblemDetails::from_status_code(StatusCode::UNAUTHORIZED)
        .with_detail(NOT_FROM_HERE)
        .into_response())
}

fn is_from_here(request: &Request) -> bool {
    is_local(request) && names_this_machine(request)
}

/// What the framework refuses in plain text (a query, a path, a method) is a problem like all others.
async fn problem(response: Response) -> Response {
    let is_text = response
        .headers()
        .get(CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"text/"));
    if !response.status().is_client_error() || !is_text {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, LONGEST_REFUSAL)
        .await
        .unwrap_or_default();
    let mut told = ProblemDetails::from_status_code(parts.status);
    if !text.is_empty() {
        told = told.with_detail(String::from_utf8_lossy(&text));
    }
    let mut response = told.into_response();
    if let Some(methods) = parts.headers.get(ALLOW) {
        response.headers_mut().insert(ALLOW, methods.clone());
    }
    response
}

fn is_local(request: &Request) -> bool {
    request
        .extensions()
        .get::<Peer>()
        .is_some_and(|peer| peer.address.to_canonical().is_loopback())
}

/// Whether a browser sends this for a page that does not come from here: a form needs no permission to do so. Browsers
/// say so by themselves, and pages cannot forge it (Fetch standard, forbidden request-headers).
fn is_of_a_web_page(headers: &HeaderMap) -> bool {
    let is_foreign_site = headers
        .get("sec-fetch-site")
        .is_some_and(|site| !matches!(site.as_bytes(), b"none" | b"same-origin"));
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let is_foreign_origin = headers.get(ORIGIN).is_some_and(|origin| {
        let own = [&b"http://"[..], b"https://"];
        let named = own
            .iter()
            .find_map(|scheme| origin.as_bytes().strip_prefix(*scheme));
        named.is_none() || named != host
    });
    is_foreign_site || is_foreign_origin
}

/// A web page that rebinds its name to 127.0.0.1 still sends its own name as Host.
fn names_this_machine(request: &Request) -> bool {
    // HTTP/2 has no Host but `:authority`.
    let named = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let Some(host) = named.or_else(|| request.headers().get(HOST)?.to_str().ok()) else {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_rebinds_its_name_is_known_by_it_in_both_versions_of_http() {
        for (uri, host, expected) in [
            ("/status", Some("localhost:9090"), true),
            ("/status", Some("127.0.0.1"), true),
            ("/status", Some("[::1]:9090"), true),
            ("/status", Some("evil.example"), false),
            // HTTP/2.
            ("http://127.0.0.1:9090/status", None, true),
            ("http://evil.example/status", None, false),
            ("http://evil.example/status", Some("localhost"), false),
        ] {
            let mut request = Request::builder().uri(uri);
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            let request = request.body(axum::body::Body::empty()).unwrap();
            assert_eq!(names_this_machine(&request), expected, "{uri} {host:?}");
        }
    }
}
