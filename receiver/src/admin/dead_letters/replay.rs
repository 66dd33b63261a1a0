//! Leads are sent on: replayed, moved, made due; one, or many in the order in which they were accepted.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use leadgate_crds::words::{DECIDED, IN_FLIGHT, NO_KEY, NO_SINK, NO_WEBHOOK, OVERTAKEN, STILL_INVALID};
use serde_json::{Value, json};

use super::refusals::{bad_request, conflict, left_because, unavailable};
use super::which::{Meant, Which, select, told};
use crate::admin::api::NothingDone;
use crate::admin::caller::Caller;
use crate::admin::shared::Admin;
use crate::lead::StoredLead;
use crate::queue::{
    Contact, DeadLetter, DeadLetterSet, Instead, LeadId, QueueError, Requeue, Requeued, SinkId,
};
use crate::source::{Parsed, Refusal, RejectedRequest};

/// So many leads are replayed in one call at most: each is read with its payload.
const MAX_REPLAYED: usize = 100;

/// `POST /api/v1/leads/{id}/replay`: back into its contact's line; what has no sink is read or routed again as the webhook is
/// now. With `record=ID` the lead, and what its contact sends later, updates that CRM record; with `create=true` it makes a
/// new one, whatever matching finds.
pub(in super::super) async fn replay(
    State(admin): State<Arc<Admin>>,
    Caller(by): Caller,
    Path(id): Path<String>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Response> {
    let meant = Meant::read(&admin, query).await?;
    let decision = meant.decision()?;
    let mut found = select(&admin, &LeadId::new(id), &meant).await?;
    found.retain(|lead| lead.set != DeadLetterSet::Pending);
    if found.is_empty() {
        return Err(bad_request(
            "the lead is pending and cannot be replayed; POST …/expedite makes it due now",
        ));
    }
    if decision.is_some() {
        found.retain(|lead| lead.set == DeadLetterSet::Held);
    }
    if found.is_empty() {
        return Err(conflict(DECIDED));
    }
    if decision.is_some() && found.len() > 1 {
        return Err(bad_request(
            "several sinks have set the lead aside; select the sink of the record with sink=NAMESPACE/NAME",
        ));
    }
    let how = Requeue {
        record: decision.as_ref().map(|(record, keep)| (record.as_str(), *keep)),
        force: meant.which.force,
        by: &by,
        ..Requeue::default()
    };
    if !how.force && found.iter().all(|lead| lead.overtaken) {
        return Err(conflict(OVERTAKEN));
    }
    let mut results = Vec::new();
    for lead in found {
        results.push(
            replay_one(&admin, &lead, how)
                .await
                .map_err(|error| unavailable(&error))?,
        );
    }
    let in_flight = |result: &Value| result.get("reason").and_then(Value::as_str) == Some(IN_FLIGHT);
    if results.iter().all(in_flight) {
        return Err(conflict(IN_FLIGHT));
    }
    let is_done = results
        .iter()
        .any(|result| result.get("replayed") == Some(&Value::Bool(true)));
    let mut response = Json(json!({"items": results})).into_response();
    if !is_done {
        response.extensions_mut().insert(NothingDone);
    }
    Ok(response)
}

/// `POST /deadletters/replay?set=&sink=&webhook=&reason=&after=&limit=`: up to `limit` leads of a set, in the order in which
/// they were accepted. `next` continues.
pub(in super::super) async fn replay_many(
    State(admin): State<Arc<Admin>>,
    Caller(by): Caller,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Response> {
    let meant = Meant::read(&admin, query).await?;
    if meant.decision()?.is_some() {
        return Err(bad_request(
            "record and create apply to one lead: use POST /api/v1/leads/ID/replay",
        ));
    }
    let set = meant.which.set.unwrap_or(DeadLetterSet::Dead);
    if set == DeadLetterSet::Pending {
        return Err(bad_request(
            "set must be held, dead, unrouted or rejected: pending leads are delivered without a replay",
        ));
    }
    let of_query = meant.mark("replay");
    let mut filter = meant.filter(&of_query)?;
    filter.limit = filter.limit.min(MAX_REPLAYED);
    filter.by_acceptance = true;
    let page = admin
        .queue
        .list(set, &filter)
        .await
        .map_err(|error| unavailable(&error))?;
    let how = Requeue {
        force: meant.which.force,
        by: &by,
        ..Requeue::default()
    };
    let (mut replayed, mut kept) = (0, Vec::new());
    for lead in page.items.iter().filter(|lead| meant.includes(lead)) {
        let mut result = replay_one(&admin, lead, how)
            .await
            .map_err(|error| unavailable(&error))?;
        if result.get("replayed") == Some(&Value::Bool(true)) {
            replayed += 1;
        } else {
            if let Value::Object(members) = &mut result {
                members.insert("id".to_owned(), json!(lead.id.as_str()));
            }
            kept.push(result);
        }
    }
    tracing::info!(set = set.as_str(), replayed, kept = kept.len(), "leads replayed");
    Ok(Json(json!({"replayed": replayed, "kept": kept, "next": told(page.next, &of_query)})).into_response())
}

/// `POST /api/v1/leads/{id}/move?to=SINK`: into the line of another sink.
pub(in super::super) async fn move_to(
    State(admin): State<Arc<Admin>>,
    Caller(by): Caller,
    Path(id): Path<String>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Response> {
    let meant = Meant::read(&admin, query).await?;
    let Some(to) = meant.to.clone() else {
        return Err(bad_request("to: name the sink to move the lead to"));
    };
    let mut found = select(&admin, &LeadId::new(id), &meant).await?;
    found.retain(|lead| lead.set != DeadLetterSet::Rejected);
    let [lead] = found.as_slice() else {
        return Err(bad_request(
            "several sinks have the lead, or it never became a lead; select one with sink=NAMESPACE/NAME and set=",
        ));
    };
    if lead.sink.as_ref() == Some(&to) {
        return Err(bad_request("to: the sink already has the lead"));
    }
    let moved = requeue(
        &admin,
        lead,
        std::slice::from_ref(&to),
        Requeue {
            force: meant.which.force,
            by: &by,
            ..Requeue::default()
        },
    )
    .await
    .map_err(|error| unavailable(&error))?;
    if let Some(why) = left_because(moved) {
        return Err(conflict(why));
    }
    tracing::info!(lead = %lead.id, from = lead.set.as_str(), sink = %to, "lead moved to another sink");
    Ok(Json(json!({"moved": true, "sink": to.as_str()})).into_response())
}

/// `POST /api/v1/leads/{id}/expedite`: what waits is due now.
pub(in super::super) async fn expedite(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Response> {
    let meant = Meant::read(&admin, query).await?;
    let id = LeadId::new(id);
    let mut found = select(&admin, &id, &meant).await?;
    found.retain(|lead| lead.set == DeadLetterSet::Pending);
    if found.is_empty() {
        return Err(bad_request(
            "the lead is not pending; POST …/replay delivers it again",
        ));
    }
    let mut due = Vec::new();
    for sink in found.iter().filter_map(|lead| lead.sink.as_ref()) {
        let done = admin
            .queue
            .expedite(sink, &id)
            .await
            .map_err(|error| unavailable(&error))?;
        due.push(json!({"sink": sink.as_str(), "due": done}));
    }
    Ok(Json(json!({"items": due})).into_response())
}

async fn requeue(
    admin: &Admin,
    lead: &DeadLetter,
    to: &[SinkId],
    how: Requeue<'_>,
) -> Result<Requeued, QueueError> {
    admin
        .queue
        .requeue(lead.set, lead.sink.as_ref(), &lead.id, to, how)
        .await
}

/// Why a lead was left as it was, of what [`replay_one`] answers; `None`: it was not.
pub(in super::super) fn kept_because(result: &Value) -> Option<String> {
    if result.get("replayed") == Some(&Value::Bool(true)) {
        return None;
    }
    let reason = result.get("reason").and_then(Value::as_str);
    Some(reason.unwrap_or(IN_FLIGHT).to_owned())
}

/// Puts a lead back into its line, or reads or routes it again where it has none.
pub(in super::super) async fn replay_one(
    admin: &Admin,
    lead: &DeadLetter,
    how: Requeue<'_>,
) -> Result<Value, QueueError> {
    let no = |why: &str| {
        Ok(json!({"sink": lead.sink.as_ref().map(SinkId::as_str), "replayed": false, "reason": why}))
    };
    if lead.key_missing {
        return no(NO_KEY);
    }
    if lead.overtaken && !how.force {
        return no(OVERTAKEN);
    }
    let told = |name: &str, of: Value, done: Requeued| {
        let reason = left_because(done);
        let mut told = json!({name: of, "replayed": reason.is_none()});
        if let (Some(reason), Value::Object(members)) = (reason, &mut told) {
            members.insert("reason".to_owned(), json!(reason));
        }
        told
    };
    match (&lead.sink, lead.set) {
        (Some(sink), DeadLetterSet::Delivered) => match again(admin, lead) {
            Err(why) => no(&why),
            Ok((contact, body)) => {
                let how = Requeue {
                    instead: Some(Instead {
                        contact: &contact,
                        webhook: &lead.webhook,
                        body: &body,
                    }),
                    ..how
                };
                let done = requeue(admin, lead, std::slice::from_ref(sink), how).await?;
                Ok(told("sink", json!(sink.as_str()), done))
            }
        },
        (Some(sink), _) => {
            // Who replays has put something right.
            admin.preflights.ask_again(sink);
            let done = requeue(admin, lead, std::slice::from_ref(sink), how).await?;
            Ok(told("sink", json!(sink.as_str()), done))
        }
        (None, DeadLetterSet::Unrouted) => match route(admin, lead) {
            Err(why) => no(&why),
            Ok(sinks) => {
                let done = requeue(admin, lead, &sinks, how).await?;
                let sinks: Vec<&str> = sinks.iter().map(SinkId::as_str).collect();
                Ok(told("sinks", json!(sinks), done))
            }
        },
        (None, _) => replay_rejected(admin, lead, how.by).await,
    }
}

/// What a lead that was delivered is as its webhook is now.
fn again(admin: &Admin, lead: &DeadLetter) -> Result<(Contact, Vec<u8>), String> {
    let config = Arc::clone(&admin.config.borrow());
    let webhook = config.webhook(&lead.webhook).ok_or(NO_WEBHOOK)?;
    let stored = StoredLead::decode(&lead.body).map_err(|_| "the stored lead cannot be read")?;
    let (contact, body) = webhook.map_again(&stored)?;
    let body = match StoredLead::trace(&lead.body) {
        Some(trace) => StoredLead::with_trace(&body, trace),
        None => body,
    };
    Ok((contact, body))
}

/// Where a lead goes as its webhook is now.
fn route(admin: &Admin, lead: &DeadLetter) -> Result<Vec<SinkId>, String> {
    let config = Arc::clone(&admin.config.borrow());
    let webhook = config.webhook(&lead.webhook).ok_or(NO_WEBHOOK)?;
    let stored = StoredLead::decode(&lead.body).map_err(|_| "the stored lead cannot be read")?;
    let sinks = webhook
        .sinks_of(&stored.lead, &stored.payload)
        .map_err(|problem| problem.message)?;
    if sinks.is_empty() {
        return Err(NO_SINK.to_owned());
    }
    Ok(sinks.to_vec())
}

async fn replay_rejected(admin: &Admin, dead_letter: &DeadLetter, by: &str) -> Result<Value, QueueError> {
    let config = Arc::clone(&admin.config.borrow());
    let Some(webhook) = config.webhook(&dead_letter.webhook) else {
        return Ok(json!({"replayed": false, "reason": NO_WEBHOOK}));
    };
    let not_replayed = |reason: &str| Ok(json!({"replayed": false, "reason": reason}));
    let Ok(rejected) = RejectedRequest::decode(&dead_letter.body) else {
        return not_replayed("the stored request cannot be read");
    };
    let parsed = match rejected.replay(webhook, &config.kept(webhook), dead_letter.accepted_at) {
        Ok(parsed) => parsed,
        Err(reason) => return not_replayed(reason),
    };
    match parsed {
        // Half of a batch is not replayed: the other half would go with it.
        Ok(Parsed::Leads(batch)) if !batch.others.is_empty() => {
            Ok(json!({"replayed": false, "reason": "some of its items are still not valid"}))
        }
        Ok(Parsed::Leads(batch)) => {
            let admissions = admin.queue.accept(batch.leads).await?;
            admin
                .queue
                .discard(DeadLetterSet::Rejected, None, &dead_letter.id, by)
                .await?;
            let known = admissions.iter().filter(|a| !a.is_new()).count();
            Ok(json!({"replayed": true, "leads": admissions.len(), "duplicates": known}))
        }
        Ok(Parsed::Challenge(_)) => {
            Ok(json!({"replayed": false, "reason": "the request is a handshake, not a lead"}))
        }
        Ok(Parsed::Ignored(reason)) => Ok(json!({"replayed": false, "reason": reason})),
        Err(Refusal::Body(error)) => Ok(json!({"replayed": false, "reason": error.to_string()})),
        Err(Refusal::Invalid(problems)) => {
            Ok(json!({"replayed": false, "reason": STILL_INVALID, "errors": problems}))
        }
    }
}
