//! The console on the admin address: its pages ask `/api/v1` within the process. Who may see them is who may use the API;
//! where a token is set, it is shown once, and a session stands in its place for an hour.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, Response, Uri};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use bytes::Bytes;
use leadgate_console::sign_in::{self, Token};
use leadgate_console::{
    Answer, Api, BASE, Call, Failure, IDEMPOTENCY_KEY, LONGEST_BODY, Rights, Sessions, is_https, is_own,
};
use tower::ServiceExt as _;

use super::access::comes_from_here;
use super::caller::USER;
use super::shared::Admin;
use super::{api, status};
use crate::time::since_epoch;

/// The one place: all that this receiver has.
const HERE: &str = "-";

/// Of the API's answers: a page of leads with their payloads.
const LONGEST_ANSWER: usize = 64 << 20;

/// Whom the ledger names where nobody says who he is.
const SOMEBODY: &str = "console";

/// What the pages are made with.
struct Console {
    admin: Arc<Admin>,
    /// The API, behind no guard: the console's own stands before it.
    api: Router,
    sessions: Sessions,
    /// Where senders post to.
    listen: String,
}

/// The console's routes.
pub(super) fn router(admin: Arc<Admin>, listen: String) -> Router {
    // Sessions end with the process.
    let key: [u8; 32] = rand::random();
    let Some(sessions) = Sessions::new(&key) else {
        return Router::new();
    };
    let api = Router::new()
        .route("/status", get(status::status))
        .nest("/api/v1", api::router(&admin))
        .with_state(Arc::clone(&admin));
    let console = Arc::new(Console {
        admin,
        api,
        sessions,
        listen,
    });
    Router::new()
        .route("/", get(|| async { to_the_console() }))
        .route(BASE, any(pages))
        .route("/console/{*page}", any(pages))
        .layer(middleware::from_fn_with_state(Arc::clone(&console), require))
        .with_state(console)
}

fn to_the_console() -> Response<Body> {
    leadgate_console::redirect(BASE).map(Body::from)
}

/// Lets a visitor pass as [`super::access`] would, or one who has a session; others are asked for the token.
async fn require(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response<Body> {
    if let Some(file) = leadgate_console::asset(request.uri().path()) {
        return file.map(Body::from);
    }
    let headers = request.headers();
    let Some(token) = &console.admin.token else {
        return match comes_from_here(&request) {
            Ok(()) => next.run(request).await,
            Err(refused) => refused,
        };
    };
    let path = request.uri().path().strip_prefix(BASE).unwrap_or_default();
    if request.method() == Method::POST && path == "/sign-in" {
        return console.sign_in(request).await;
    }
    let now = since_epoch().as_secs();
    let signed_in = match console.sessions.subject(headers, now) {
        // Another token ends the sessions of the one before it.
        Some(subject) => subject == token.mark().await,
        None => token.matches(headers).await,
    };
    if !signed_in {
        let next = asked_for(request.method(), request.uri());
        return sign_in::page(headers, Token::Admin, next, false).map(Body::from);
    }
    if request.method() == Method::POST && path == "/sign-out" && is_own(headers) {
        let mut response = to_the_console();
        if let Some(cookie) = Sessions::close(is_https(headers)) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        return response;
    }
    next.run(request).await
}

/// The page to go on with: a form is not sent again.
fn asked_for<'a>(method: &Method, uri: &'a Uri) -> &'a str {
    let path = uri.path_and_query().filter(|_| method.is_safe());
    path.map_or(BASE, http::uri::PathAndQuery::as_str)
}

impl Console {
    /// Opens a session for whoever shows the token.
    async fn sign_in(&self, request: Request) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let form = axum::body::to_bytes(body, LONGEST_BODY).await.unwrap_or_default();
        let next = sign_in::next(&form);
        let refused = || sign_in::page(&parts.headers, Token::Admin, &next, true).map(Body::from);
        let shown = HeaderValue::from_str(&format!("Bearer {}", sign_in::token(&form)));
        let (Some(token), Ok(shown), true) = (&self.admin.token, shown, is_own(&parts.headers)) else {
            return refused();
        };
        if !token
            .matches(&HeaderMap::from_iter([(AUTHORIZATION, shown)]))
            .await
        {
            return refused();
        }
        let (subject, now) = (token.mark().await, since_epoch().as_secs());
        let mut response = leadgate_console::redirect(&next).map(Body::from);
        if let Some(cookie) = self.sessions.open(&subject, now, is_https(&parts.headers)) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }
}

async fn pages(State(console): State<Arc<Console>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LONGEST_BODY).await else {
        let why = "the form is larger than 4 MiB\n";
        return (axum::http::StatusCode::PAYLOAD_TOO_LARGE, why).into_response();
    };
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let user = parts.headers.get(USER).cloned();
    let visitor = Local {
        api: console.api.clone(),
        has_session: console.admin.token.is_some() && user.is_none(),
        // Whoever comes through kubectl leadgate reaches the pod by no address of senders.
        address: user.is_none().then(|| address(host, &console.listen)),
        user: user.unwrap_or(HeaderValue::from_static(SOMEBODY)),
    };
    let request = http::Request::from_parts(parts, body);
    leadgate_console::serve(&visitor, &request).await.map(Body::from)
}

/// Where senders on this machine reach the receiver: the host that the visitor reached, the port of the public address.
fn address(host: Option<&str>, listen: &str) -> String {
    let host = host.unwrap_or("localhost");
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let port = listen.rsplit_once(':').map_or("8080", |(_, port)| port);
    format!("http://{name}:{port}")
}

/// A visitor on this machine, or one who has the token: all rights.
struct Local {
    api: Router,
    has_session: bool,
    address: Option<String>,
    user: HeaderValue,
}

#[async_trait]
impl Api for Local {
    fn who(&self) -> &'static str {
        ""
    }

    fn has_session(&self) -> bool {
        self.has_session
    }

    async fn places(&self) -> Result<Vec<String>, Failure> {
        Ok(vec![HERE.to_owned()])
    }

    async fn rights(&self, _: &str) -> Result<Rights, Failure> {
        Ok(Rights::ALL)
    }

    async fn call(&self, _: &str, call: Call) -> Result<Answer, Failure> {
        let mut request = http::Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(USER, &self.user);
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(key) = &call.key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        let request = request.body(Body::from(call.body.unwrap_or_default()));
        let request = request.map_err(|error| Failure::new(400, error.to_string()))?;
        let Ok(response) = self.api.clone().oneshot(request).await;
        let status = response.status().as_u16();
        let body: Result<Bytes, _> = axum::body::to_bytes(response.into_body(), LONGEST_ANSWER).await;
        let body = body.map_err(|error| Failure::new(502, error.to_string()))?;
        Ok(Answer { status, body })
    }

    async fn address(&self, _: &str, _: &str, path: &str) -> Option<String> {
        Some(format!("{}{path}", self.address.as_ref()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_on_this_machine_is_told_the_public_port() {
        for (host, listen, expected) in [
            (Some("127.0.0.1:9090"), "127.0.0.1:8080", "http://127.0.0.1:8080"),
            (Some("localhost"), "[::]:80", "http://localhost:80"),
            (Some("[::1]:9090"), "0.0.0.0:8081", "http://[::1]:8081"),
            (None, "0.0.0.0:8080", "http://localhost:8080"),
        ] {
            assert_eq!(address(host, listen), expected);
        }
    }
}
