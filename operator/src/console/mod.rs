//! `leadgate-operator console`: the pages of all namespaces, for whoever Kubernetes gives a right to see their leads.
//!
//! [`who`] says who a visitor is, [`reviews`] asks the API server what they may do, [`rights`] says which right a request
//! to a receiver needs, [`receivers`] sends it. The pages are those of the crate `leadgate-console`.

mod cache;
mod cli;
mod receivers;
mod reviews;
mod rights;
mod who;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use kube::Client;
use leadgate_console::sign_in::{self, Token};
use leadgate_console::{
    Answer, Api, BASE, Call, Failure, LONGEST_BODY, Rights, asset, is_https, is_own, redirect, serve,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use cli::Cli;
use receivers::Receivers;
pub use receivers::{Whereabouts, by_service};
use reviews::Reviews;
use who::{Person, Proxies, SignedIn, bearer};

use crate::run::{bind, shutdown_signal};

/// Of the form with a token, in bytes.
const LONGEST_TOKEN: usize = 32 << 10;
/// Of a request, from its head to its answer.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Runs the console until SIGTERM or SIGINT.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    // An error means that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::try_default()
        .await
        .context("no API server found: run the console in a cluster or with a kubeconfig")?;
    let listener = bind(&cli.listen)
        .await
        .with_context(|| format!("--listen {}", cli.listen))?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        shutdown_signal().await;
        told.cancel();
    });
    serve_on(listener, &cli, client, Arc::new(by_service), stop).await
}

/// Serves until `stop`. `whereabouts` says where receivers are.
pub async fn serve_on(
    listener: TcpListener,
    cli: &Cli,
    client: Client,
    whereabouts: Whereabouts,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let console = Console {
        proxies: cli.proxies(),
        signed_in: SignedIn::new().context("no key for sessions")?,
        reviews: Reviews::new(client.clone()),
        receivers: Receivers::new(client, cli.scopes(), whereabouts),
    };
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ok\n" }))
        .route("/", get(|| async { redirect(BASE).map(Body::from) }))
        .fallback(answer)
        .with_state(Arc::new(console));
    axum::serve(
        listener,
        router.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(stop.cancelled_owned())
    .await?;
    Ok(())
}

/// What all visits share.
struct Console {
    proxies: Proxies,
    signed_in: SignedIn,
    reviews: Reviews,
    receivers: Receivers,
}

async fn answer(
    State(console): State<Arc<Console>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    match tokio::time::timeout(TIMEOUT, console.answer(peer, request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::GATEWAY_TIMEOUT, "it took too long\n").into_response(),
    }
}

impl Console {
    async fn answer(self: &Arc<Self>, peer: SocketAddr, request: Request) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let (path, headers) = (parts.uri.path(), &parts.headers);
        if let Some(file) = asset(path) {
            return file.map(Body::from);
        }
        let Some(page) = path
            .strip_prefix(BASE)
            .filter(|page| page.is_empty() || page.starts_with('/'))
        else {
            return (StatusCode::NOT_FOUND, "there is nothing here\n").into_response();
        };
        if parts.method == Method::POST && page == "/sign-in" {
            return self.sign_in(headers, body).await;
        }
        let now = since_1970();
        let (person, has_session) = match self.visitor(peer, headers, now).await {
            Ok(Some(visitor)) => visitor,
            Ok(None) => {
                // A form is not sent again.
                let next = parts.uri.path_and_query().filter(|_| parts.method.is_safe());
                let next = next.map_or(BASE, http::uri::PathAndQuery::as_str);
                return sign_in::page(headers, Token::Cluster, next, false).map(Body::from);
            }
            Err(failure) => return refusal(&failure),
        };
        if parts.method == Method::POST && page == "/sign-out" && is_own(headers) {
            let mut response = redirect(BASE).map(Body::from);
            if let Some(cookie) = self.signed_in.close(headers, now, is_https(headers)) {
                response.headers_mut().insert(SET_COOKIE, cookie);
            }
            return response;
        }
        let Ok(body) = axum::body::to_bytes(body, LONGEST_BODY).await else {
            return (StatusCode::PAYLOAD_TOO_LARGE, "the form is larger than 4 MiB\n").into_response();
        };
        let visit = Visit {
            console: Arc::clone(self),
            person,
            has_session,
        };
        serve(&visit, &http::Request::from_parts(parts, body))
            .await
            .map(Body::from)
    }

    /// Who asks, and whether by a session; `None`: nobody who is known.
    async fn visitor(
        &self,
        peer: SocketAddr,
        headers: &HeaderMap,
        now: u64,
    ) -> Result<Option<(Person, bool)>, Failure> {
        if let Some(person) = self.proxies.named(peer.ip(), headers) {
            return Ok(Some((person, false)));
        }
        if let Some(token) = bearer(headers) {
            return Ok(self.reviews.person(token).await?.map(|person| (person, false)));
        }
        match self.signed_in.token(headers, now) {
            // The token may have ended before the session.
            Some(token) => Ok(self.reviews.person(&token).await?.map(|person| (person, true))),
            None => Ok(None),
        }
    }

    /// Opens a session for whoever shows a token of the cluster.
    async fn sign_in(&self, headers: &HeaderMap, body: Body) -> Response<Body> {
        let form = axum::body::to_bytes(body, LONGEST_TOKEN)
            .await
            .unwrap_or_default();
        let token = sign_in::token(&form);
        let next = sign_in::next(&form);
        let refused = || sign_in::page(headers, Token::Cluster, &next, true).map(Body::from);
        if token.is_empty() || !is_own(headers) {
            return refused();
        }
        match self.reviews.person(&token).await {
            Ok(Some(_)) => {}
            Ok(None) => return refused(),
            Err(failure) => return refusal(&failure),
        }
        let mut response = redirect(&next).map(Body::from);
        if let Some(cookie) = self.signed_in.open(&token, since_1970(), is_https(headers)) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }
}

fn refusal(failure: &Failure) -> Response<Body> {
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::BAD_GATEWAY);
    (status, format!("{}\n", failure.detail)).into_response()
}

fn since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// One request of one person.
struct Visit {
    console: Arc<Console>,
    person: Person,
    has_session: bool,
}

#[async_trait]
impl Api for Visit {
    fn who(&self) -> &str {
        self.person.name()
    }

    fn has_session(&self) -> bool {
        self.has_session
    }

    async fn places(&self) -> Result<Vec<String>, Failure> {
        let namespaces = self.console.receivers.namespaces().await?;
        self.console.reviews.seen(&self.person, namespaces).await
    }

    async fn rights(&self, place: &str) -> Result<Rights, Failure> {
        self.console.reviews.rights(&self.person, place).await
    }

    async fn call(&self, place: &str, call: Call) -> Result<Answer, Failure> {
        let granted = self.rights(place).await?;
        match rights::needed(&call) {
            Some(needed) if needed.iter().all(|right| right.is_in(granted)) => {}
            _ => {
                return Err(Failure::new(
                    403,
                    format!("{} has no right to this in {place}", self.who()),
                ));
            }
        }
        self.console.receivers.ask(place, &call, self.who()).await
    }

    async fn address(&self, place: &str, webhook: &str, _: &str) -> Option<String> {
        self.console.receivers.url(place, webhook).await
    }
}
