//! Leads that wait for a person: list, show, replay, discard.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, http};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use problem_details::ProblemDetails;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, time};
use crate::crm::Known;
use crate::queue::{LeadId, ListFilter, Parked, ParkedSet, QueueError, SinkId, WebhookId};
use crate::source::auth::RawRequest;
use crate::source::{Refusal, Taken};

/// How many are listed unless asked otherwise.
const PAGE: usize = 50;

/// Which parked leads are meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    set: Option<ParkedSet>,
    sink: Option<String>,
    webhook: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
    /// Of a replay: the CRM record that a person chose.
    record: Option<String>,
    /// Of a replay: a person says that no record is the lead's.
    #[serde(default)]
    create: bool,
}

/// How long a person's decision about a contact's record stands: longer than any CRM's outage.
const DECIDED: Duration = Duration::from_hours(720);

impl Which {
    /// What a person decided about the record, as the queue remembers it.
    fn decision(&self) -> Result<Option<String>, &'static str> {
        match (&self.record, self.create) {
            (Some(_), true) => Err("either record=ID or create=true, not both"),
            (None, true) => Ok(Some(Known::New.into_memory())),
            (None, false) => Ok(None),
            (Some(id), false) => {
                let fine = !id.is_empty()
                    && id.len() <= 128
                    && id
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'));
                if fine {
                    Ok(Some(id.clone()))
                } else {
                    Err(
                        "record is the id of a CRM record: up to 128 letters, digits, hyphens, underscores, dots and colons",
                    )
                }
            }
        }
    }
}

/// `GET /deadletters?set=dead|held|rejected&sink=&webhook=&after=&limit=`: without payloads, which a list need not show.
pub(super) async fn list(State(admin): State<Arc<Admin>>, Query(which): Query<Which>) -> Response {
    // What a cursor is made of is the store's business, and need not be fit for a URL.
    let decode = |cursor: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok();
    let after = match which.after.as_deref().map(decode) {
        Some(None) => return bad_request("after: give what `next` of the page before was"),
        cursor => cursor.flatten(),
    };
    let filter = ListFilter {
        sink: which.sink.as_deref().map(SinkId::from),
        webhook: which.webhook.as_deref().map(WebhookId::from),
        after,
        limit: which.limit.unwrap_or(PAGE).clamp(1, 1000),
    };
    match admin
        .queue
        .list(which.set.unwrap_or(ParkedSet::Dead), &filter)
        .await
    {
        Ok(page) => {
            let items: Vec<Value> = page.items.iter().map(summary).collect();
            let next = page.next.map(|cursor| URL_SAFE_NO_PAD.encode(cursor));
            Json(json!({"items": items, "next": next})).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

/// `GET /deadletters/{id}`: everything, payload and the CRM's answer included.
pub(super) async fn show(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Response {
    match admin.queue.show(&LeadId::new(id)).await {
        Ok(found) if found.is_empty() => not_found(),
        Ok(found) => Json(json!({"items": found.iter().map(whole).collect::<Vec<_>>()})).into_response(),
        Err(error) => unavailable(&error),
    }
}

/// `POST /deadletters/{id}/replay`: back into its contact's line; a rejected request is read again as the webhook is now.
/// With `record=ID` the lead, and what its contact sends later, updates that CRM record; with `create=true` it makes a
/// new one, whatever matching finds.
pub(super) async fn replay(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Response {
    let id = LeadId::new(id);
    let decision = match which.decision() {
        Ok(decision) => decision,
        Err(why) => return bad_request(why),
    };
    let found = match select(&admin, &id, &which).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    if decision.is_some() && found.len() > 1 {
        return bad_request(
            "several sinks have set the lead aside; say with sink=NAMESPACE/NAME whose record it is",
        );
    }
    let decided = decision.as_deref().map(|record| (record, DECIDED));
    let mut results = Vec::new();
    for parked in found {
        let result = match &parked.sink {
            Some(sink) => {
                // Who replays has put something right.
                admin.inspections.ask_again(sink);
                let replayed = admin.queue.replay(parked.set, sink, &id, decided).await;
                replayed.map(|done| json!({"sink": sink.as_str(), "replayed": done}))
            }
            None => replay_rejected(&admin, &parked).await,
        };
        match result {
            Ok(value) => results.push(value),
            Err(error) => return unavailable(&error),
        }
    }
    Json(json!({"items": results})).into_response()
}

/// `DELETE /deadletters/{id}`: gone for good, and counted.
pub(super) async fn discard(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Response {
    let id = LeadId::new(id);
    let found = match select(&admin, &id, &which).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    for parked in found {
        if let Err(error) = admin.queue.discard(parked.set, parked.sink.as_ref(), &id).await {
            return unavailable(&error);
        }
        tracing::info!(lead = %id, set = parked.set.as_str(), "a parked lead was discarded");
    }
    StatusCode::NO_CONTENT.into_response()
}

/// The parked forms of a lead that the query means.
async fn select(admin: &Admin, id: &LeadId, which: &Which) -> Result<Vec<Parked>, Response> {
    let mut found = admin.queue.show(id).await.map_err(|error| unavailable(&error))?;
    found.retain(|parked| {
        which.set.is_none_or(|set| set == parked.set)
            && which
                .sink
                .as_deref()
                .is_none_or(|sink| parked.sink.as_ref().is_some_and(|s| s.as_str() == sink))
    });
    if found.is_empty() {
        Err(not_found())
    } else {
        Ok(found)
    }
}

async fn replay_rejected(admin: &Admin, parked: &Parked) -> Result<Value, QueueError> {
    let config = Arc::clone(&admin.config.borrow());
    let Some(webhook) = config.webhook(&parked.webhook) else {
        return Ok(json!({"replayed": false, "reason": "its webhook does not exist any more"}));
    };
    let kept: Value = serde_json::from_slice(&parked.body).unwrap_or(Value::Null);
    let Some(body) = kept_body(&kept) else {
        return Ok(json!({"replayed": false, "reason": "its body was not kept"}));
    };
    let headers: HeaderMap = [
        ("content_type", CONTENT_TYPE),
        ("content_encoding", CONTENT_ENCODING),
    ]
    .into_iter()
    .filter_map(|(field, name)| Some((name, HeaderValue::from_str(kept.get(field)?.as_str()?).ok()?)))
    .collect();
    let request = RawRequest {
        method: &Method::POST,
        query: None,
        headers: &headers,
        body: &body,
        now: parked.accepted_at,
    };
    let taken = if kept
        .get("element")
        .is_some_and(|element| *element == Value::Bool(true))
    {
        webhook.take_element(&request)
    } else {
        webhook.take(&request)
    };
    match taken {
        // Half of a batch is not replayed: the other half would go with it.
        Ok(Taken::Leads(batch)) if !batch.others.is_empty() => {
            Ok(json!({"replayed": false, "reason": "some of its items are still not valid"}))
        }
        Ok(Taken::Leads(batch)) => {
            let admissions = admin.queue.accept(batch.leads).await?;
            admin.queue.discard(ParkedSet::Rejected, None, &parked.id).await?;
            let known = admissions.iter().filter(|a| !a.is_new()).count();
            Ok(json!({"replayed": true, "leads": admissions.len(), "duplicates": known}))
        }
        Ok(Taken::Challenge(_)) => Ok(json!({"replayed": false, "reason": "it is a handshake, not a lead"})),
        Ok(Taken::Ignored(reason)) => Ok(json!({"replayed": false, "reason": reason})),
        Err(Refusal::Body(error)) => Ok(json!({"replayed": false, "reason": error.to_string()})),
        Err(Refusal::Invalid(problems)) => {
            Ok(json!({"replayed": false, "reason": "it is still not valid", "errors": problems}))
        }
    }
}

fn kept_body(kept: &Value) -> Option<Vec<u8>> {
    if let Some(text) = kept.get("body").and_then(Value::as_str) {
        return Some(text.as_bytes().to_vec());
    }
    STANDARD.decode(kept.get("body_base64")?.as_str()?).ok()
}

fn summary(parked: &Parked) -> Value {
    json!({
        "id": parked.id.as_str(),
        "set": parked.set,
        "webhook": parked.webhook.as_str(),
        "sink": parked.sink.as_ref().map(SinkId::as_str),
        "reason": parked.why.reason,
        "message": parked.why.message,
        "candidates": candidates(parked),
        "attempts": parked.attempts,
        "acceptedAt": time(parked.accepted_at),
        "parkedAt": time(parked.parked_at),
        "expiresAt": time(parked.expires_at),
    })
}

fn whole(parked: &Parked) -> Value {
    let mut value = summary(parked);
    if let Value::Object(map) = &mut value {
        map.insert("answer".to_owned(), Value::String(parked.why.answer.clone()));
        let body = serde_json::from_slice(&parked.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&parked.body).into_owned()));
        map.insert("body".to_owned(), body);
    }
    value
}

/// The records that a held lead may be, as they were found.
fn candidates(parked: &Parked) -> Option<Value> {
    let answer: Value = serde_json::from_str(&parked.why.answer).ok()?;
    (parked.set == ParkedSet::Held).then(|| answer.get("candidates").cloned())?
}

fn bad_request(why: &str) -> Response {
    ProblemDetails::from_status_code(StatusCode::BAD_REQUEST)
        .with_detail(why)
        .into_response()
}

fn not_found() -> Response {
    ProblemDetails::from_status_code(StatusCode::NOT_FOUND)
        .with_detail("no parked lead has this id (in this set and sink)")
        .into_response()
}

fn unavailable(error: &QueueError) -> Response {
    ProblemDetails::from_status_code(StatusCode::SERVICE_UNAVAILABLE)
        .with_detail(error.to_string())
        .into_response()
}
