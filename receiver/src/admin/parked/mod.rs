//! Leads, one by one: those that wait for a person, and those that wait for delivery.

mod replay;
mod which;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use problem_details::ProblemDetails;
use serde_json::{Value, json};

use super::{Admin, time};
use crate::queue::{LeadId, Parked, ParkedSet, QueueError, SinkId};
use replay::{IN_FLIGHT, conflict};
use which::{Meant, Which, told};

pub(super) use replay::{expedite, move_to, replay, replay_many};

/// `GET /deadletters?set=dead|held|unrouted|rejected|pending&sink=&webhook=&reason=&after=&limit=`: without payloads, which
/// a list need not show.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Response> {
    let meant = Meant::read(&admin, query).await?;
    let set = meant.which.set.unwrap_or(ParkedSet::Dead);
    let page = admin
        .queue
        .list(set, &meant.filter()?)
        .await
        .map_err(|error| unavailable(&error))?;
    let items: Vec<Value> = page
        .items
        .iter()
        .filter(|lead| meant.includes(lead))
        .map(summary)
        .collect();
    Ok(Json(json!({"items": items, "next": told(page.next)})).into_response())
}

/// `GET /deadletters/{id}`: everything, payload and the CRM's answer included.
pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Response> {
    let meant = Meant::read(&admin, query).await?;
    let found = select(&admin, &LeadId::new(id), &meant).await?;
    Ok(Json(json!({"items": found.iter().map(whole).collect::<Vec<_>>()})).into_response())
}

/// `DELETE /deadletters/{id}`: gone for good, and counted. What waits for delivery goes only if `set=pending` says so.
pub(super) async fn discard(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Response> {
    let meant = Meant::read(&admin, query).await?;
    let mut found = select(&admin, &LeadId::new(id), &meant).await?;
    if meant.which.set.is_none() {
        found.retain(|lead| lead.set != ParkedSet::Pending);
    }
    if found.is_empty() {
        return Err(bad_request(
            "the lead waits for delivery; set=pending discards it",
        ));
    }
    for lead in found {
        let gone = admin.queue.discard(lead.set, lead.sink.as_ref(), &lead.id).await;
        if !gone.map_err(|error| unavailable(&error))? {
            return Err(conflict(IN_FLIGHT));
        }
        tracing::info!(lead = %lead.id, set = lead.set.as_str(), "a lead was discarded");
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Where a lead is, of what the query means.
async fn select(admin: &Admin, id: &LeadId, meant: &Meant) -> Result<Vec<Parked>, Response> {
    let mut found = admin.queue.show(id).await.map_err(|error| unavailable(&error))?;
    found.retain(|lead| meant.includes(lead));
    if found.is_empty() {
        return Err(ProblemDetails::from_status_code(StatusCode::NOT_FOUND)
            .with_detail(
                "no lead that waits has this id (in this set and sink); what was delivered is not kept",
            )
            .into_response());
    }
    Ok(found)
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
        "overtaken": parked.overtaken,
        "acceptedAt": time(parked.accepted_at),
        // Of a pending lead: since when it waits, and when it is tried.
        "parkedAt": time(parked.parked_at),
        "expiresAt": parked.expires_at.and_then(time),
        "dueAt": parked.due.and_then(|due| time(due.at)),
        "delivering": parked.due.map(|due| due.claimed),
        "behind": parked.due.map(|due| due.behind),
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

fn unavailable(error: &QueueError) -> Response {
    ProblemDetails::from_status_code(StatusCode::SERVICE_UNAVAILABLE)
        .with_detail(error.to_string())
        .into_response()
}
