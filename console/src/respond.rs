//! Answers, with the headers that every page has.

use askama::Template;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};

use crate::show::fit;

/// Nothing but what the console brings itself; nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Of every answer. With the referrer policy `no-referrer`, browsers would send forms with `Origin: null`.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
    (REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

fn respond(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A page.
pub(crate) fn page(status: u16, template: &impl Template) -> Response<Bytes> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match template.render() {
        Ok(html) => respond(status, "text/html; charset=utf-8", Bytes::from(fit(html))),
        Err(error) => respond(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/plain; charset=utf-8",
            Bytes::from(format!("the page cannot be shown: {error}\n")),
        ),
    }
}

/// A file of the console's own.
pub(crate) fn file(kind: &'static str, content: &'static [u8]) -> Response<Bytes> {
    respond(StatusCode::OK, kind, Bytes::from_static(content))
}

/// A file that browsers save, with what nobody else may see.
pub(crate) fn download(name: &'static str, content: String) -> Response<Bytes> {
    let mut response = respond(StatusCode::OK, "application/json", Bytes::from(content));
    if let Ok(attached) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, attached);
    }
    response
}

/// To another page of the console, by GET.
pub fn redirect(to: &str) -> Response<Bytes> {
    let mut response = respond(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Bytes::new());
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}
