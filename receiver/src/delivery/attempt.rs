//! One attempt at one lead: stored body -> (what a thin payload lacks) -> properties -> CRM.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::hydrate;
use crate::config::Sink;
use crate::crm::{Crm, Failure, Gate, Known, Outcome, Upsert};
use crate::queue::{Claim, Queue};
use crate::source::Webhook;

/// What the receiver stored for a lead.
#[derive(Deserialize)]
struct Stored {
    lead: Value,
    #[serde(default)]
    payload: Value,
    /// Where the rest of a thin payload is.
    hydrate: Option<String>,
}

/// What an attempt needs besides the lead.
pub(super) struct Tools<'a> {
    pub(super) sink: &'a Sink,
    pub(super) crm: &'a dyn Crm,
    pub(super) gate: &'a dyn Gate,
    /// The webhook that took the lead, if it still exists.
    pub(super) webhook: Option<Arc<Webhook>>,
    pub(super) queue: &'a dyn Queue,
    pub(super) client: &'a reqwest::Client,
}

/// Maps the lead as the sink says now, and upserts it.
pub(super) async fn attempt(claim: &Claim, tools: &Tools<'_>) -> Outcome {
    let stored: Stored = match serde_json::from_slice(&claim.body) {
        Ok(stored) => stored,
        Err(_) => {
            return Outcome::Reject(Failure::new(
                "Unreadable",
                "the stored lead cannot be read; it was written by another version",
            ));
        }
    };
    let stored = match &stored.hydrate {
        None => stored,
        Some(url) => match hydrate::fetch(url, &stored.payload, &stored.lead, claim, tools).await {
            Ok((lead, payload)) => Stored {
                lead,
                payload,
                hydrate: None,
            },
            Err(outcome) => return outcome,
        },
    };
    let properties = match properties(claim, &stored, tools.sink) {
        Ok(properties) => properties,
        Err(why) => return Outcome::Reject(why),
    };
    let upsert = Upsert {
        properties,
        webhook: webhook_of(claim),
        lead: stored.lead,
        payload: stored.payload,
        record: claim.record.as_deref().map(Known::from_memory),
        unknown: claim.unknown,
    };
    let no_outcome = || Outcome::Retry {
        after: None,
        why: Failure::new("NoOutcome", "the CRM's client gave no outcome for the lead"),
        unknown: true,
    };
    tools
        .crm
        .upsert(vec![upsert], tools.gate)
        .await
        .pop()
        .unwrap_or_else(no_outcome)
}

fn properties(claim: &Claim, stored: &Stored, sink: &Sink) -> Result<Vec<(String, Value)>, Failure> {
    let properties = sink
        .mapping
        .apply(&stored.lead, &stored.payload, &webhook_of(claim))
        .map_err(|error| {
            Failure::new(
                "MappingFailed",
                format!("{error}; correct the sink's properties and replay the lead"),
            )
        })?;
    if properties.is_empty() {
        return Err(Failure::new(
            "NothingToSend",
            "the sink's properties give no value for this lead",
        ));
    }
    Ok(properties)
}

fn webhook_of(claim: &Claim) -> Value {
    let (namespace, name) = claim
        .webhook
        .as_str()
        .split_once('/')
        .unwrap_or(("default", claim.webhook.as_str()));
    json!({"name": name, "namespace": namespace})
}
