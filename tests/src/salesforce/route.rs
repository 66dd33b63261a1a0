//! What becomes of a request: session, limit, faults, the call itself, the books.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;

use super::answers::{Answer, Fail, PAGE};
use super::collections::{self, Collection};
use super::incoming::{Incoming, decode};
use super::rows;
use super::{Fault, Sim, State, session, soql, store};
use crate::simulator::Connection;

/// Ends what a request began, also when the client hangs up in the middle.
struct UnderWay {
    sim: Arc<Sim>,
    keys: Vec<String>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.sim.lock();
        for key in &self.keys {
            state.under_way.remove(key);
        }
    }
}

/// Handles one request from its arrival to its answer.
pub(super) async fn handle(sim: Arc<Sim>, connection: Connection, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, 50 << 20).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let path = decode(head.uri.path());
    let now = Instant::now();

    if path == "/services/oauth2/token" {
        let answer = {
            let mut state = sim.lock();
            if state.faults.is_down(now) {
                None
            } else {
                let host = head
                    .headers
                    .get(header::HOST)
                    .and_then(|host| host.to_str().ok())
                    .unwrap_or_default();
                let form = String::from_utf8_lossy(&body);
                Some(session::token(
                    &sim.config,
                    &mut state,
                    &form,
                    &format!("http://{host}"),
                ))
            }
        };
        return match answer {
            Some(answer) => response(answer, None),
            None => connection.cut().await,
        };
    }

    // One lock for all that happens on arrival: the books show an order that really was.
    let (fault, latency, answer, usage, under_way) = {
        let mut state = sim.lock();
        state.stats.requests_total += 1;
        let (mut fault, latency) = state.faults.draw();
        if state.faults.is_down(now) {
            fault = Fault::Close;
        }
        if fault == Fault::Expire {
            state.sessions.expire();
        }
        let blocked = sim.config.blocks.as_ref();
        let answer = match &fault {
            Fault::Close => None,
            _ if blocked.is_some_and(|word| String::from_utf8_lossy(&body).contains(word)) => {
                Some(Answer::page(403))
            }
            Fault::Page { status } => Some(Answer::page(*status)),
            Fault::Error {
                status,
                code,
                retry_after,
            } => Some(scripted(&state, *status, code, *retry_after)),
            _ => {
                let failing = match &fault {
                    Fault::Item { code } => Some(code.as_str()),
                    _ => None,
                };
                let query = head.uri.query().unwrap_or_default();
                let call = Incoming {
                    method: &head.method,
                    path: &path,
                    query,
                    headers: &head.headers,
                    body: &body,
                    failing,
                };
                Some(
                    admit(&sim, &mut state, &call)
                        .and_then(|()| run(&sim, &mut state, &call))
                        .unwrap_or_else(|fail| fail.into_answer(version(&path))),
                )
            }
        };
        let keys = std::mem::take(&mut state.created_keys);
        for key in &keys {
            state.under_way.insert(key.clone());
        }
        let under_way = UnderWay {
            sim: Arc::clone(&sim),
            keys,
        };
        let lost = matches!(fault, Fault::LoseAnswer | Fault::DelayAnswer { .. });
        state.stats.lost_answers += u64::from(lost);
        let seen = match (&answer, &fault) {
            (None, _) | (_, Fault::LoseAnswer) => "cut".to_owned(),
            (Some(answer), _) => answer.status.to_string(),
        };
        let name = format!("{} {} {seen}", head.method, name(&path));
        *state.stats.requests.entry(name).or_default() += 1;
        (fault, latency, answer, usage(&sim, &state), under_way)
    };

    tokio::time::sleep(latency).await;
    if let Fault::DelayAnswer { millis } = fault {
        tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
    }
    drop(under_way);
    match answer {
        Some(answer) if fault != Fault::LoseAnswer => response(answer, Some(usage)),
        _ => connection.cut().await,
    }
}

/// Session and limit, in Salesforce's order.
fn admit(sim: &Sim, state: &mut State, call: &Incoming<'_>) -> Result<(), Fail> {
    if !state.sessions.admits(call.header("authorization")) {
        state.stats.expired += 1;
        return Err(Fail::expired());
    }
    if call.query.len() + call.path.len() > 16_384 {
        return Err(Fail::new(414, "URI_TOO_LONG", "URI is too long"));
    }
    state.used += 1;
    if state.used > sim.config.daily_limit {
        return Err(Fail::over_limit());
    }
    Ok(())
}

fn run(sim: &Sim, state: &mut State, call: &Incoming<'_>) -> Result<Answer, Fail> {
    let segments: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    let ["services", "data", version, rest @ ..] = segments.as_slice() else {
        return Err(Fail::not_found());
    };
    let (get, post, patch) = (
        *call.method == Method::GET,
        *call.method == Method::POST,
        *call.method == Method::PATCH,
    );
    let delete = *call.method == Method::DELETE;
    let lead = |object: &str| {
        if object.eq_ignore_ascii_case("Lead") {
            Ok(())
        } else {
            Err(Fail::not_found())
        }
    };
    // A contact is made in the office only.
    let changes = |object: &str, id: &str| {
        if object.eq_ignore_ascii_case("Contact") == store::is_contact(id) {
            Ok(())
        } else {
            Err(Fail::not_found())
        }
    };
    match rest {
        ["composite", ..] if !sim.config.collections => Err(Fail::not_found()),
        ["query"] if get => {
            let query = call
                .parameter("q")
                .ok_or_else(|| Fail::new(400, "MALFORMED_QUERY", "q is missing"))?;
            Ok(Answer::json(200, soql::run(state, &query, version)?))
        }
        ["limits"] if get => Ok(Answer::json(
            200,
            json!({"DailyApiRequests": {"Max": sim.config.daily_limit, "Remaining": sim.config.daily_limit.saturating_sub(state.used)}}),
        )),
        ["sobjects", object, "describe"] if get => {
            lead(object).map(|()| Answer::json(200, state.schema.describe()))
        }
        ["sobjects", object] if post => {
            lead(object)?;
            let id = rows::insert(sim, state, &call.object()?, call.wishes())?;
            Ok(Answer::json(
                201,
                json!({"id": id, "success": true, "errors": []}),
            ))
        }
        ["sobjects", object, id] if patch => {
            changes(object, id)?;
            rows::change(sim, state, id, &call.object()?, call.wishes()).map(|_| Answer::empty(204))
        }
        ["sobjects", object, id] if get => {
            lead(object)?;
            rows::read(
                state,
                state.store.get(id),
                call.parameter("fields").as_deref(),
                version,
            )
        }
        ["sobjects", object, id] if delete => {
            changes(object, id)?;
            if state.store.delete(id, sim.started) {
                Ok(Answer::empty(204))
            } else {
                Err(rows::absent(state, id))
            }
        }
        ["sobjects", object, field, value] => {
            lead(object)?;
            by_external_id(sim, state, call, field, value, version)
        }
        ["composite", "sobjects"] if post => collections::run(
            sim,
            state,
            &Collection::Create,
            &call.object()?.into(),
            call.wishes(),
            call.failing,
        ),
        ["composite", "sobjects"] if patch => collections::run(
            sim,
            state,
            &Collection::Update,
            &call.object()?.into(),
            call.wishes(),
            call.failing,
        ),
        ["composite", "sobjects", object, field] if patch => {
            lead(object)?;
            let collection = Collection::Upsert((*field).to_owned());
            collections::run(
                sim,
                state,
                &collection,
                &call.object()?.into(),
                call.wishes(),
                call.failing,
            )
        }
        ["query" | "limits" | "sobjects" | "composite", ..] => Err(Fail::new(
            405,
            "METHOD_NOT_ALLOWED",
            format!("HTTP Method '{}' not allowed.", call.method),
        )),
        _ => Err(Fail::not_found()),
    }
}

fn by_external_id(
    sim: &Sim,
    state: &mut State,
    call: &Incoming<'_>,
    field: &str,
    value: &str,
    version: &str,
) -> Result<Answer, Fail> {
    // Salesforce takes what follows the last dot of such a value for a file's extension.
    if value.contains('@') && value.contains('.') {
        return Err(Fail::not_found());
    }
    if *call.method == Method::GET {
        let field = state
            .schema
            .external(field)
            .ok_or_else(Fail::not_found)?
            .name
            .clone();
        let found = state.store.with(&field, value);
        return rows::read(
            state,
            found.first().copied(),
            call.parameter("fields").as_deref(),
            version,
        );
    }
    if *call.method != Method::PATCH {
        return Err(Fail::new(
            405,
            "METHOD_NOT_ALLOWED",
            format!("HTTP Method '{}' not allowed.", call.method),
        ));
    }
    let sent = call.object()?;
    if let Some(name) = sent
        .keys()
        .find(|name| name.eq_ignore_ascii_case("Id") || name.eq_ignore_ascii_case(field))
    {
        let message = format!("The {name} field should not be specified in the sobject data.");
        return Err(Fail::new(400, "INVALID_FIELD", message).fields([name.as_str()]));
    }
    let update_only = call.parameter("updateOnly").as_deref() == Some("true");
    let (id, created) = rows::upsert(sim, state, field, value, &sent, call.wishes(), update_only)?;
    Ok(Answer::json(
        if created { 201 } else { 200 },
        json!({"id": id, "success": true, "errors": [], "created": created}),
    ))
}

fn scripted(state: &State, status: u16, code: &str, retry_after: Option<u64>) -> Answer {
    let mut answer = if status == 300 {
        let mut fail = Fail::new(300, "", "");
        fail.several = state.store.leads().take(2).map(|lead| lead.id.clone()).collect();
        fail.into_answer("v62.0")
    } else if code.is_empty() {
        Answer::empty(status)
    } else {
        Fail::scripted(status, code).into_answer("v62.0")
    };
    answer.retry_after = retry_after;
    answer
}

fn usage(sim: &Sim, state: &State) -> String {
    format!("api-usage={}/{}", state.used, sim.config.daily_limit)
}

fn version(path: &str) -> &str {
    path.split('/').nth(3).unwrap_or("v62.0")
}

/// A request's kind, for the books: without ids and values.
fn name(path: &str) -> &'static str {
    let segments: Vec<&str> = path.trim_matches('/').split('/').skip(3).collect();
    match segments.as_slice() {
        ["query", ..] => "query",
        ["sobjects", _, "describe"] => "describe",
        ["sobjects", _] => "sobjects",
        ["sobjects", _, _] => "sobjects/{id}",
        ["sobjects", _, _, _] => "sobjects/{field}/{value}",
        ["composite", "sobjects"] => "composite/sobjects",
        ["composite", "sobjects", ..] => "composite/sobjects/{field}",
        _ => "other",
    }
}

fn response(answer: Answer, usage: Option<String>) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    if let Some(usage) = usage {
        response = response.header("sforce-limit-info", usage);
    }
    if let Some(seconds) = answer.retry_after {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    let body = match answer.body {
        Some(body) if body == PAGE => {
            response = response.header(header::CONTENT_TYPE, "text/html");
            Body::from(PAGE)
        }
        Some(body) => {
            response = response.header(header::CONTENT_TYPE, "application/json;charset=UTF-8");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    response.body(body).unwrap_or_default()
}
