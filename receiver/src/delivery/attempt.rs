//! One attempt at one lead: stored body -> properties -> CRM.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::Sink;
use crate::crm::{Crm, Failure, Gate, Outcome, Upsert};
use crate::queue::Claim;

/// What the receiver stored for a lead.
#[derive(Deserialize)]
struct Stored {
    lead: Value,
    #[serde(default)]
    payload: Value,
}

/// Maps the lead as the sink says now, and upserts it.
pub(super) async fn attempt(claim: &Claim, sink: &Sink, crm: &dyn Crm, gate: &dyn Gate) -> Outcome {
    let properties = match properties(claim, sink) {
        Ok(properties) => properties,
        Err(why) => return Outcome::Reject(why),
    };
    let upsert = Upsert {
        properties,
        record: claim.record.clone(),
        unknown: claim.unknown,
    };
    let no_outcome = || Outcome::Retry {
        after: None,
        why: Failure::new("NoOutcome", "the CRM's client gave no outcome for the lead"),
        unknown: true,
    };
    crm.upsert(vec![upsert], gate)
        .await
        .pop()
        .unwrap_or_else(no_outcome)
}

fn properties(claim: &Claim, sink: &Sink) -> Result<Vec<(String, Value)>, Failure> {
    let stored: Stored = serde_json::from_slice(&claim.body).map_err(|_| {
        Failure::new(
            "Unreadable",
            "the stored lead cannot be read; it was written by another version",
        )
    })?;
    let (namespace, name) = claim
        .webhook
        .as_str()
        .split_once('/')
        .unwrap_or(("default", claim.webhook.as_str()));
    let webhook = json!({"name": name, "namespace": namespace});
    let properties = sink
        .mapping
        .apply(&stored.lead, &stored.payload, &webhook)
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
