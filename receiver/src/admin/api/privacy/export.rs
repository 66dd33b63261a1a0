//! Everything that is held about a person, in one document.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use leadgate_crds::api::{Export, ExportedLead, Person, Set, Story};
use serde_json::Value;

use super::{Targets, walk};
use crate::admin::api::view;
use crate::admin::dead_letters::{unavailable, unreadable};
use crate::admin::shared::{Admin, timestamp};
use crate::queue::{DeadLetter, SinkId};

/// `POST /api/v1/privacy/exports`: a POST, because an address does not belong into a URL.
pub(in super::super) async fn export(
    State(admin): State<Arc<Admin>>,
    body: Result<Json<Person>, JsonRejection>,
) -> Result<Response, Response> {
    let Json(person) = body.map_err(|error| unreadable(&error))?;
    let targets = Targets::of(&admin, &person)?;
    let entered = walk::entered(&admin, &targets).await;
    let entered = entered.map_err(|error| unavailable(&error))?;
    let (mut leads, mut closed) = (Vec::new(), 0);
    for (set, told) in walk::SETS {
        let mut after = None;
        loop {
            let part = walk::part(&admin, &targets, &entered, set, after).await;
            let part = part.map_err(|error| unavailable(&error))?;
            closed += part.closed;
            leads.extend(part.found.iter().filter_map(|lead| exported(lead, told)));
            after = part.next;
            if after.is_none() {
                break;
            }
        }
    }
    let webhooks = walk::webhooks(&admin).await;
    let mut entries = Vec::new();
    for webhook in webhooks.map_err(|error| unavailable(&error))? {
        let found = walk::entries(&admin, &targets, &webhook).await;
        entries.extend(found.map_err(|error| unavailable(&error))?);
    }
    let mut entries: Vec<Story> = entries.iter().map(view::story).collect();
    entries.sort_by_key(|story| story.lead.received_at);
    leads.sort_by_key(|lead| lead.received_at);
    let missing = (closed > 0).then(|| {
        format!(
            "{closed} leads could not be looked at, because the keys that sealed them are missing (reason KeyMissing): add the keys \
             again, and repeat the export"
        )
    });
    Ok(Json(Export {
        exported_at: jiff::Timestamp::now(),
        leads,
        entries,
        missing: missing.into_iter().collect(),
    })
    .into_response())
}

/// `None`: its time is none.
fn exported(lead: &DeadLetter, set: Set) -> Option<ExportedLead> {
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let data = serde_json::from_slice(&lead.body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&lead.body).into_owned()));
    Some(ExportedLead {
        id: lead.id.to_string(),
        webhook: lead.webhook.to_string(),
        sink: lead.sink.as_ref().map(SinkId::to_string),
        set,
        received_at: timestamp(lead.accepted_at)?,
        kept_until: lead.expires_at.and_then(timestamp),
        reason: said(&lead.why.reason),
        message: said(&lead.why.message),
        answer: said(&lead.why.answer),
        data,
    })
}
