//! A request's way, in the design's order: route, read, verify, parse, map, validate, store, answer.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use super::answer;
use super::body::NoBody;
use super::store::{RETRY_AFTER, accept, ignore, in_words, keep};
use super::{App, Peer};
use crate::config::Served;
use crate::expression::sparingly;
use crate::metrics::{RequestLabels, UnauthorizedLabels, WebhookLabels};
use crate::outcomes::RequestOutcome;
use crate::source::auth::{AuthError, Connection, RawRequest, client_address};
use crate::source::{Batch, ChallengeAnswer, Parsed, Refusal, RejectedRequest, Webhook};
use crate::time::epoch_ms;
use crate::trace::RequestTrace;

/// A body this large is mapped off the async threads: it takes milliseconds. So does one whose expressions turn out to
/// be heavy.
pub(super) const LARGE_BODY: usize = 64 << 10;
/// Seconds after which a sender should try again where a person has to act first.
const RETRY_AFTER_MISCONFIGURED: u32 = 60;

/// All paths lead to one handler: which exist is a matter of the manifests.
pub fn router(app: Arc<App>) -> Router {
    Router::new().fallback(handle).with_state(app)
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let started = Instant::now();
    let (mut parts, body) = request.into_parts();
    let peer = parts.extensions.remove::<Peer>();
    if parts.headers.get_all(HOST).iter().nth(1).is_some() {
        // RFC 9112, section 3.2: whoever is in front may have read the other one.
        count(&app, "", RequestOutcome::Broken);
        return answer::problem(
            StatusCode::BAD_REQUEST,
            "the request has more than one Host header",
        );
    }
    let config = Arc::clone(&app.config.borrow());
    let Some(served) = config.route(parts.uri.path()) else {
        // A path whose webhook is broken must not answer 404: some senders then give up for good.
        let (outcome, response) = if config.incomplete {
            (
                RequestOutcome::Unavailable,
                answer::unavailable(
                    RETRY_AFTER_MISCONFIGURED,
                    "this receiver's configuration has problems; see its log",
                ),
            )
        } else {
            let without_slash = parts
                .uri
                .path()
                .strip_suffix('/')
                .and_then(|path| config.route(path));
            let detail = match without_slash {
                Some(_) => "no webhook has this path; a webhook has the path without the trailing slash",
                None => "no webhook has this path",
            };
            (
                RequestOutcome::NotFound,
                answer::problem(StatusCode::NOT_FOUND, detail),
            )
        };
        count(&app, "", outcome);
        return response;
    };
    let connection = Connection {
        peer: peer.as_ref().map(|peer| peer.address),
        certificate: peer.as_ref().and_then(|peer| peer.certificate.as_deref()),
    };
    let webhook = &served.webhook;
    let trace = app.traces.request(&webhook.id, &parts);
    let (outcome, response) = receive(&app, served, &parts, body, connection, &trace).await;
    trace.end(outcome, response.status());
    count(&app, webhook.id.as_str(), outcome);
    if matches!(outcome, RequestOutcome::Accepted | RequestOutcome::Duplicate) {
        let labels = WebhookLabels {
            webhook: webhook.id.to_string(),
        };
        app.metrics
            .accept_latency
            .get_or_create(&labels)
            .observe(started.elapsed().as_secs_f64());
    }
    response
}

fn count(app: &App, webhook: &str, outcome: RequestOutcome) {
    app.metrics
        .requests
        .get_or_create(&RequestLabels {
            webhook: webhook.to_owned(),
            outcome,
        })
        .inc();
}

async fn receive(
    app: &App,
    served: &Served,
    parts: &Parts,
    body: Body,
    connection: Connection<'_>,
    trace: &RequestTrace,
) -> (RequestOutcome, Response) {
    let webhook = &served.webhook;
    if app.behind_tls_proxy && !forwarded_over_tls(&parts.headers) {
        let detail = "plain HTTP is refused: the proxy must set X-Forwarded-Proto: https";
        return (
            RequestOutcome::Insecure,
            answer::problem(StatusCode::FORBIDDEN, detail),
        );
    }
    if webhook.suspended {
        return (
            RequestOutcome::Suspended,
            answer::unavailable(
                RETRY_AFTER_MISCONFIGURED,
                "this webhook is suspended; try again later",
            ),
        );
    }
    if !webhook.addresses.allows_all() {
        let address = client_address(connection.peer, &parts.headers, webhook.trusted_proxies);
        if let Err(error) = webhook.addresses.verify(address) {
            return refuse_sender(app, webhook, error);
        }
    }
    if let Some(rule) = &webhook.certificate
        && let Err(error) = rule.verify(connection, &parts.headers)
    {
        return refuse_sender(app, webhook, error);
    }
    if parts.method == Method::GET || parts.method == Method::HEAD {
        return without_body(app, webhook, parts);
    }
    if parts.method != Method::POST {
        return (RequestOutcome::MethodNotAllowed, answer::method_not_allowed());
    }
    let (body, _memory) = match app
        .bodies
        .read(&parts.headers, body, webhook.max_bytes, served.share.body())
        .await
    {
        Ok(read) => read,
        Err(reason) => return no_body(reason, webhook.max_bytes),
    };
    let raw = raw(parts, &body);
    let mut verifying = trace.step("verify");
    let verified = webhook.verifier.verify(&raw);
    if let Err(error) = &verified {
        verifying.failed(error.reason());
    }
    drop(verifying);
    // What carries the proof of a lead is no probe, whatever it looks like: a careless pattern must not swallow leads.
    if (verified.is_err() || !webhook.verifier.tells_leads_from_probes())
        && let Some(answer) = challenge(webhook, &raw)
    {
        return (RequestOutcome::Challenge, answer::challenge(answer));
    }
    match verified {
        Ok(number) if webhook.verifier.secrets() > 1 => app.metrics.proof(&webhook.id, number),
        Ok(_) => {}
        Err(error) => return refuse_sender(app, webhook, error),
    }
    let mut mapping = trace.step("map");
    let parsed = parse(served, parts, &body).await;
    if parsed.is_err() {
        mapping.failed("Refused");
    }
    drop(mapping);
    match parsed {
        Ok(Parsed::Challenge(answer)) => (RequestOutcome::Challenge, answer::challenge(answer)),
        Ok(Parsed::Ignored(reason)) => ignore(app, webhook, reason).await,
        Ok(Parsed::Leads(batch)) => accept(app, served, batch, trace).await,
        Err(refusal) => {
            let (reason, message) = match &refusal {
                Refusal::Body(error) => ("UnreadableBody", error.to_string()),
                Refusal::Invalid(problems) if refusal.is_ours() => ("ExpressionFailed", in_words(problems)),
                Refusal::Invalid(problems) => ("InvalidLead", in_words(problems)),
            };
            let id = keep(
                app,
                served,
                RejectedRequest::new(&raw),
                reason,
                message,
                trace,
                Some(0),
            )
            .await
            .unwrap_or_default();
            if refusal.is_ours() {
                let detail = "the webhook's mapping failed; its administrator finds the reason in the log. Send the lead again later";
                return (
                    RequestOutcome::Rejected,
                    answer::unavailable(RETRY_AFTER_MISCONFIGURED, detail),
                );
            }
            if refusal.is_overlooked() {
                let reason = "no e-mail address or phone number stands where this webhook looks; the request is kept for its administrator";
                return (RequestOutcome::Rejected, answer::ignored(reason));
            }
            let keys = match refusal {
                Refusal::Invalid(_) => webhook.keys(&raw),
                Refusal::Body(_) => Vec::new(),
            };
            (RequestOutcome::Rejected, answer::refused(refusal, id, keys))
        }
    }
}

/// The answer to a handshake that comes without a body, or without a proof.
fn challenge(webhook: &Webhook, raw: &RawRequest<'_>) -> Option<ChallengeAnswer> {
    let mut challenges = webhook.challenges.iter();
    challenges.find_map(|challenge| challenge.before_verification(raw))
}

/// A GET or HEAD: a handshake of the sender, or a mistake.
fn without_body(app: &App, webhook: &Webhook, parts: &Parts) -> (RequestOutcome, Response) {
    let raw = raw(parts, &[]);
    match challenge(webhook, &raw) {
        None => (RequestOutcome::MethodNotAllowed, answer::method_not_allowed()),
        Some(answer @ ChallengeAnswer::AfterVerification(..)) => match webhook.verifier.verify(&raw) {
            Ok(_) => (RequestOutcome::Challenge, answer::challenge(answer)),
            Err(error) => refuse_sender(app, webhook, error),
        },
        Some(answer) => (RequestOutcome::Challenge, answer::challenge(answer)),
    }
}

fn raw<'a>(parts: &'a Parts, body: &'a [u8]) -> RawRequest<'a> {
    RawRequest {
        method: &parts.method,
        query: parts.uri.query(),
        headers: &parts.headers,
        body,
        now: epoch_ms(),
    }
}

/// What a body says. What takes long is done on a thread of its own, and a webhook whose last request took long is expected
/// to do so again: else each of its requests would first keep all others waiting.
async fn parse(served: &Served, parts: &Parts, body: &Bytes) -> Result<Parsed<Batch>, Refusal> {
    let Served { webhook, share, kept } = served;
    let is_large = body.len() >= LARGE_BODY;
    if !is_large && !share.is_heavy() {
        let parsed = sparingly(|| webhook.leads(&raw(parts, body), kept));
        share.found_heavy(parsed.is_none());
        if let Some(parsed) = parsed {
            return parsed;
        }
    }
    let _turn = share.turn().await;
    let (webhook, kept) = (Arc::clone(webhook), Arc::clone(kept));
    let (parts, body) = (parts.clone(), body.clone());
    let parsed = tokio::task::spawn_blocking(move || {
        let raw = raw(&parts, &body);
        match sparingly(|| webhook.leads(&raw, &kept)) {
            Some(parsed) => (parsed, false),
            None => (webhook.leads(&raw, &kept), true),
        }
    });
    match parsed.await {
        Ok((parsed, heavy)) => {
            if !is_large {
                share.found_heavy(heavy);
            }
            parsed
        }
        Err(error) => {
            tracing::error!(%error, "failed to process a payload");
            Err(Refusal::Body(crate::source::BodyError::Malformed(
                "the body cannot be processed".to_owned(),
            )))
        }
    }
}

fn refuse_sender(app: &App, webhook: &Webhook, error: AuthError) -> (RequestOutcome, Response) {
    let labels = UnauthorizedLabels {
        webhook: webhook.id.to_string(),
        reason: error.reason(),
    };
    app.metrics.unauthorized.get_or_create(&labels).inc();
    tracing::debug!(webhook = %webhook.id, reason = error.reason(), "authentication failed");
    (RequestOutcome::Unauthorized, answer::unauthorized(error))
}

fn no_body(reason: NoBody, longest: usize) -> (RequestOutcome, Response) {
    match reason {
        NoBody::TooLarge => (
            RequestOutcome::TooLarge,
            answer::problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is larger than {longest} bytes (payload.maxBytes)"),
            ),
        ),
        NoBody::Busy => (
            RequestOutcome::Busy,
            answer::unavailable(RETRY_AFTER, "too many large requests at once; send it again"),
        ),
        NoBody::Slow => (
            RequestOutcome::Slow,
            answer::problem(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
        ),
        NoBody::Broken => (
            RequestOutcome::Broken,
            answer::problem(StatusCode::BAD_REQUEST, "the body ended too early"),
        ),
    }
}

fn forwarded_over_tls(headers: &HeaderMap) -> bool {
    headers
        .get("x-forwarded-proto")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .split(',')
                .next()
                .is_some_and(|first| first.trim().eq_ignore_ascii_case("https"))
        })
}
