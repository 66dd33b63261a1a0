//! What a changed webhook would make of the leads that are kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use leadgate_crds::api::{Changed, ChangedField, Diff, DiffPage, Set};
use serde_json::Value;

use super::named;
use crate::admin::dead_letters::{bad_request, read_cursor, told, unavailable, unreadable};
use crate::admin::shared::Admin;
use crate::config;
use crate::lead::StoredLead;
use crate::queue::{DeadLetterSet, ListFilter};
use crate::source::Webhook;

/// Leads that are compared at a time.
const PAGE: usize = 100;

/// `POST /api/v1/webhooks/{namespace}/{name}/diff`: how its kept leads would differ.
pub(super) async fn diff(
    State(admin): State<Arc<Admin>>,
    Path((namespace, name)): Path<(String, String)>,
    body: Result<Json<Diff>, JsonRejection>,
) -> Result<Response, Response> {
    let Json(asked) = body.map_err(|error| unreadable(&error))?;
    let set = match asked.set {
        Set::Delivered => DeadLetterSet::Delivered,
        Set::Dead => DeadLetterSet::Dead,
        Set::Held => DeadLetterSet::Held,
        Set::Unrouted => DeadLetterSet::Unrouted,
        Set::Pending | Set::Rejected => {
            return Err(bad_request("set must be delivered, dead, held or unrouted"));
        }
    };
    let webhook = named(&admin, &namespace, &name)?;
    let candidate = tokio::task::spawn_blocking(move || config::candidate(asked.manifest)).await;
    let candidate = candidate
        .map_err(|_| bad_request("manifest: it cannot be processed"))?
        .map_err(|problems| bad_request(&format!("manifest: {}", problems.join("; "))))?;
    let after = asked.after.as_deref().map(read_cursor);
    let filter = ListFilter {
        webhook: Some(webhook.id.clone()),
        by_acceptance: true,
        after: after.transpose()?,
        limit: PAGE,
        ..ListFilter::default()
    };
    let page = admin
        .queue
        .list(set, &filter)
        .await
        .map_err(|error| unavailable(&error))?;
    let mut compared = DiffPage {
        next: told(page.next),
        ..DiffPage::default()
    };
    for lead in &page.items {
        compared.compared += 1;
        let Ok(stored) = StoredLead::decode(&lead.body) else {
            continue;
        };
        let changed = compare(&candidate, &stored);
        if changed.refused.is_some() || !changed.fields.is_empty() {
            compared.items.push(Changed {
                id: lead.id.to_string(),
                ..changed
            });
        }
    }
    Ok(Json(compared).into_response())
}

fn compare(candidate: &Webhook, stored: &StoredLead) -> Changed {
    let mut changed = Changed {
        id: String::new(),
        refused: None,
        fields: Vec::new(),
    };
    let again = candidate
        .map_again(stored)
        .and_then(|(_, body)| StoredLead::decode(&body).map_err(|error| error.to_string()));
    let again = match again {
        Ok(again) => again,
        Err(why) => {
            changed.refused = Some(why);
            return changed;
        }
    };
    let names = |lead: &Value| {
        lead.as_object()
            .map(|fields| fields.keys().cloned().collect::<Vec<_>>())
    };
    let all: BTreeSet<String> = [&stored.lead, &again.lead]
        .into_iter()
        .filter_map(names)
        .flatten()
        .collect();
    for field in all {
        let of = |lead: &Value| lead.get(&field).cloned().unwrap_or_default();
        let (from, to) = (of(&stored.lead), of(&again.lead));
        if from != to {
            changed.fields.push(ChangedField { field, from, to });
        }
    }
    changed
}
