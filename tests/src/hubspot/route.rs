//! What becomes of a request: authentication, limits, faults, the call itself, the books.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    http::{Method, Request, Response, StatusCode, header},
    response::IntoResponse,
};
use serde_json::Value;

use super::{
    Fault, Sim, State,
    answers::{Answer, Handled},
    batch::{self, Batch},
    paths::{Call, Query, query, route},
    search, single,
};
use crate::simulator::Connection;

/// Ends a write in the books, also when the client hangs up in the middle.
struct Writing {
    sim: Arc<Sim>,
    contacts: Vec<String>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.sim.lock().books.written(&self.contacts);
    }
}

/// Handles one request from its arrival to its answer.
pub(super) async fn handle(sim: Arc<Sim>, connection: Connection, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let route = route(&head.method, head.uri.path());
    let search = matches!(route.call, Ok(Call::Search));
    let Ok(body) = axum::body::to_bytes(body, 10 << 20).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let method = head.method.as_str();

    // One lock for all that happens on arrival: the books show an order that really was.
    let (fault, latency, mut answer, headers, writing) = {
        let mut state = sim.lock();
        let now = Instant::now();
        state.books.arrived(now);
        let (mut fault, latency) = state.faults.draw(search, head.uri.path(), &body);
        if state.faults.is_down(now) {
            fault = Fault::Close;
        }
        let mut writing = None;
        let answer = match &fault {
            Fault::Close => None,
            Fault::Status {
                code,
                retry_after,
                policy,
            } => Some(Answer::fault(*code, *retry_after, policy.as_deref())),
            Fault::Page { code } => Some(Answer::page(*code)),
            Fault::None | Fault::LoseAnswer | Fault::DelayAnswer { .. } => {
                let query = query(head.uri.query().unwrap_or_default());
                let handled = route.call.and_then(|call| {
                    admit(&sim, &mut state, &head.headers, &call, now)?;
                    let body = parse(&head.headers, &head.method, &body)?;
                    let contacts = written_by(&sim, &state, &call, &query, &body);
                    state.books.writes(&contacts);
                    writing = Some(Writing {
                        sim: Arc::clone(&sim),
                        contacts,
                    });
                    run(&sim, &mut state, call, &query, body, route.newer)
                });
                Some(handled.unwrap_or_else(|error| error))
            }
        };
        let headers = if search {
            Vec::new()
        } else {
            state.limiter.headers()
        };
        match (&fault, &answer) {
            (Fault::Close | Fault::LoseAnswer, _) | (_, None) => {
                state.books.cut(method, route.name, fault == Fault::LoseAnswer);
            }
            (Fault::DelayAnswer { .. }, Some(answer)) => {
                state.books.delayed();
                state
                    .books
                    .answered(method, route.name, answer.status, answer.retry_after);
            }
            (_, Some(answer)) => state
                .books
                .answered(method, route.name, answer.status, answer.retry_after),
        }
        (fault, latency, answer, headers, writing)
    };

    tokio::time::sleep(latency).await;
    match fault {
        Fault::Close | Fault::LoseAnswer => answer = None,
        Fault::DelayAnswer { millis } => tokio::time::sleep(std::time::Duration::from_millis(millis)).await,
        Fault::None | Fault::Status { .. } | Fault::Page { .. } => {}
    }
    drop(writing);
    match answer {
        Some(answer) => response(answer, headers),
        None => connection.cut().await,
    }
}

fn response(answer: Answer, headers: Vec<(&'static str, String)>) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    if let Some(seconds) = answer.retry_after {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    let body = match answer.body {
        Some(body) => {
            response = response.header(header::CONTENT_TYPE, "application/json;charset=utf-8");
            Body::from(body.to_string())
        }
        None if answer.html => {
            response = response.header(header::CONTENT_TYPE, "text/html");
            Body::from(format!(
                "<html><head><title>{}</title></head></html>",
                answer.status
            ))
        }
        None => Body::empty(),
    };
    response.body(body).unwrap_or_default()
}

/// Token, scopes and limits, in HubSpot's order.
fn admit(
    sim: &Sim,
    state: &mut State,
    headers: &axum::http::HeaderMap,
    call: &Call,
    now: Instant,
) -> Result<(), Answer> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let token = given.strip_prefix("Bearer ").unwrap_or_default();
    let is = |known: &Option<String>| known.as_deref().is_some_and(|known| known == token);
    if is(&sim.config.expired_token) {
        return Err(Answer::expired());
    }
    let reads = match call {
        Call::Read(_) | Call::Search | Call::Batch(Batch::Read) | Call::Properties | Call::Property(_) => {
            true
        }
        Call::Create
        | Call::Update(_)
        | Call::Archive(_)
        | Call::Batch(_)
        | Call::Erase
        | Call::CreateProperty => false,
    };
    if is(&sim.config.read_only_token) {
        if !reads {
            return Err(Answer::missing_scopes("crm.objects.contacts.write"));
        }
    } else if token != sim.config.token || token.is_empty() {
        return Err(Answer::unauthenticated());
    }
    state
        .limiter
        .admit(*call == Call::Search, now)
        .map_err(Answer::rate_limited)
}

/// The body, which must be JSON and say so; `null` where the method has none.
fn parse(headers: &axum::http::HeaderMap, method: &Method, body: &[u8]) -> Result<Value, Answer> {
    if *method == Method::GET || *method == Method::DELETE {
        return Ok(Value::Null);
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind
        .trim_start()
        .to_ascii_lowercase()
        .starts_with("application/json")
    {
        return Err(Answer::error(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            "HTTP 415 Unsupported Media Type",
        ));
    }
    serde_json::from_slice(body)
        .map_err(|error| Answer::validation(&format!("Invalid input JSON on line {}: {error}", error.line())))
}

fn run(sim: &Sim, state: &mut State, call: Call, query: &Query, body: Value, newer: bool) -> Handled {
    let key = query.id_property.as_deref();
    match call {
        Call::Create => single::create(sim, state, &body, newer),
        Call::Read(id) => single::read(sim, state, &id, key, &query.properties),
        Call::Update(id) => single::update(sim, state, &id, key, &body, newer),
        Call::Archive(id) => Ok(single::archive(sim, state, &id)),
        Call::Search => search::search(sim, state, body),
        Call::Batch(kind) => batch::run(sim, state, kind, body, newer),
        Call::Erase => single::erase(sim, state, body),
        Call::Properties => Ok(Answer::json(
            200,
            serde_json::json!({"results": state.schema.describe_all()}),
        )),
        Call::Property(name) => match state.schema.get(&name) {
            Some(spec) => Ok(Answer::json(200, state.schema.describe(spec))),
            None => Err(Answer::not_found()),
        },
        Call::CreateProperty => single::create_property(state, body),
    }
}

/// The contacts that a call writes to, by e-mail where they have one: two calls that share one here race.
fn written_by(sim: &Sim, state: &State, call: &Call, query: &Query, body: &Value) -> Vec<String> {
    let name = |id: Option<&str>, key: Option<&str>, body: &Value| {
        let record = id
            .and_then(|id| single::resolve(sim, state, id, key).ok().flatten())
            .and_then(|id| state.store.get(id));
        let known = record
            .map(|record| record.email().to_owned())
            .filter(|email| !email.is_empty());
        let named = id
            .filter(|_| key == Some("email"))
            .or(body["properties"]["email"].as_str());
        known
            .or_else(|| named.map(str::to_lowercase))
            .or_else(|| id.map(|id| format!("{} {id}", key.unwrap_or("id"))))
    };
    let inputs = || body["inputs"].as_array().into_iter().flatten();
    match call {
        Call::Create => name(None, None, body).into_iter().collect(),
        Call::Update(id) => name(Some(id), query.id_property.as_deref(), body)
            .into_iter()
            .collect(),
        Call::Batch(Batch::Read) => Vec::new(),
        Call::Batch(_) => inputs()
            .filter_map(|input| name(input["id"].as_str(), input["idProperty"].as_str(), input))
            .collect(),
        _ => Vec::new(),
    }
}
