//! One attempt at a lead or a batch of them: stored body -> (what a thin payload lacks) -> properties -> CRM.

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
    /// The webhook that took the lead, if it still exists.
    pub(super) webhook: Option<Arc<Webhook>>,
    pub(super) queue: &'a dyn Queue,
    pub(super) client: &'a reqwest::Client,
}

/// Maps the lead as the sink says now; or what becomes of it instead.
pub(super) async fn prepare(claim: &Claim, tools: &Tools<'_>) -> Result<Upsert, Outcome> {
    let stored: Stored = serde_json::from_slice(&claim.body).map_err(|_| {
        Outcome::Reject(Failure::new(
            "Unreadable",
            "the stored lead cannot be read; it was written by another version",
        ))
    })?;
    let stored = match &stored.hydrate {
        None => stored,
        Some(url) => {
            let (lead, payload) = hydrate::fetch(url, &stored.payload, &stored.lead, claim, tools).await?;
            Stored {
                lead,
                payload,
                hydrate: None,
            }
        }
    };
    let properties = properties(claim, &stored, tools.sink).map_err(Outcome::Reject)?;
    Ok(Upsert {
        properties,
        webhook: webhook_of(claim),
        lead: stored.lead,
        payload: stored.payload,
        record: claim.record.as_deref().map(Known::from_memory),
        unknown: claim.unknown,
    })
}

/// Makes one attempt at each of several leads; one outcome per claim, in their order.
pub(super) async fn attempt(
    claims: &[Claim],
    crm: &dyn Crm,
    gate: &dyn Gate,
    tools: &[Tools<'_>],
) -> Vec<Outcome> {
    let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(claims.len());
    let mut upserts = Vec::with_capacity(claims.len());
    for (claim, tools) in claims.iter().zip(tools) {
        match prepare(claim, tools).await {
            Ok(upsert) => {
                upserts.push(upsert);
                outcomes.push(None);
            }
            Err(outcome) => outcomes.push(Some(outcome)),
        }
    }
    let mut made = if upserts.is_empty() {
        Vec::new().into_iter()
    } else {
        crm.upsert(&upserts, gate).await.into_iter()
    };
    let no_outcome = || Outcome::Retry {
        after: None,
        why: Failure::new("NoOutcome", "the CRM's client gave no outcome for the lead"),
        unknown: true,
    };
    outcomes
        .into_iter()
        .map(|outcome| outcome.or_else(|| made.next()).unwrap_or_else(no_outcome))
        .collect()
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
