//! Leads, one by one: those that wait for a person, and those that wait for delivery.

mod refusals;
mod replay;
mod which;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use leadgate_crds::words::IN_FLIGHT;
use serde_json::{Value, json};

use super::caller::Caller;
use super::shared::{Admin, time};
use crate::queue::{Candidates, DeadLetter, DeadLetterSet, LeadId, SinkId};
use which::{Meant, Which, select};

pub(super) use refusals::{bad_request, conflict, left_because, unavailable, unreadable};
pub(super) use replay::{expedite, kept_because, move_to, replay, replay_many, replay_one};
pub(super) use which::{Realm, is_full, mark, named, named_sink, named_webhook, read_cursor, told};

/// `GET /api/v1/leads?set=dead|held|unrouted|rejected|delivered|pending&sink=&webhook=&reason=&after=&limit=`: without payloads, which
/// a list need not show.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Response> {
    let meant = Meant::read(&admin, query).await?;
    let set = meant.which.set.unwrap_or(DeadLetterSet::Dead);
    let of_query = meant.mark("list");
    let page = admin
        .queue
        .list(set, &meant.filter(&of_query)?)
        .await
        .map_err(|error| unavailable(&error))?;
    let items: Vec<Value> = page
        .items
        .iter()
        .filter(|lead| meant.includes(lead))
        .map(summary)
        .collect();
    Ok(Json(json!({"items": items, "next": told(page.next, &of_query)})).into_response())
}

/// `GET /api/v1/leads/{id}/payload`: everything, payload and the CRM's answer included.
pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Response> {
    let meant = Meant::read(&admin, query).await?;
    let found = select(&admin, &LeadId::new(id), &meant).await?;
    Ok(Json(json!({"items": found.iter().map(whole).collect::<Vec<_>>()})).into_response())
}

/// `DELETE /api/v1/leads/{id}`: gone for good, and counted. What waits for delivery goes only if `set=pending` says so.
pub(super) async fn discard(
    State(admin): State<Arc<Admin>>,
    Caller(by): Caller,
    Path(id): Path<String>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Response> {
    let meant = Meant::read(&admin, query).await?;
    let mut found = select(&admin, &LeadId::new(id), &meant).await?;
    if meant.which.set.is_none() {
        found.retain(|lead| lead.set != DeadLetterSet::Pending);
    }
    if found.is_empty() {
        return Err(bad_request("the lead is pending; use set=pending to discard it"));
    }
    for lead in found {
        let gone = admin
            .queue
            .discard(lead.set, lead.sink.as_ref(), &lead.id, &by)
            .await;
        if !gone.map_err(|error| unavailable(&error))? {
            return Err(conflict(IN_FLIGHT));
        }
        tracing::info!(lead = %lead.id, set = lead.set.as_str(), "lead discarded");
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn summary(dead_letter: &DeadLetter) -> Value {
    json!({
        "id": dead_letter.id.as_str(),
        "set": dead_letter.set,
        "webhook": dead_letter.webhook.as_str(),
        "sink": dead_letter.sink.as_ref().map(SinkId::as_str),
        "reason": dead_letter.why.reason,
        "message": dead_letter.why.message,
        "candidates": candidates(dead_letter),
        "attempts": dead_letter.attempts,
        "overtaken": dead_letter.overtaken,
        "acceptedAt": time(dead_letter.accepted_at),
        // Of a pending lead: since when it waits, and when it is tried.
        "deadLetteredAt": time(dead_letter.dead_lettered_at),
        "expiresAt": dead_letter.expires_at.and_then(time),
        "dueAt": dead_letter.due.and_then(|due| time(due.at)),
        "delivering": dead_letter.due.map(|due| due.claimed),
        "behind": dead_letter.due.map(|due| due.behind),
    })
}

fn whole(dead_letter: &DeadLetter) -> Value {
    let mut value = summary(dead_letter);
    if let Value::Object(map) = &mut value {
        map.insert("answer".to_owned(), Value::String(dead_letter.why.answer.clone()));
        let body = serde_json::from_slice(&dead_letter.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&dead_letter.body).into_owned()));
        map.insert("body".to_owned(), body);
    }
    value
}

/// The records that a held lead may be, as they were found.
fn candidates(dead_letter: &DeadLetter) -> Option<Vec<String>> {
    (dead_letter.set == DeadLetterSet::Held).then(|| Candidates::decode(&dead_letter.why.answer))?
}
