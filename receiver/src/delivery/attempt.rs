//! One attempt at a lead or a batch of them: stored body -> (what a thin payload lacks) -> properties -> CRM.

use std::sync::Arc;

use leadgate_crds::crm_sink::OnRefusedProperty;
use leadgate_crds::reason::FailureReason;
use serde_json::{Value, json};

use super::context::Context;
use super::hydrate;
use crate::config::Sink;
use crate::crm::{Crm, Failure, Known, Mapping, Outcome, RefusedProperty, Throttle, Upsert};
use crate::expression::sparingly;
use crate::lead::StoredLead;
use crate::queue::Claim;

/// Maps the lead as the sink says now; or what becomes of it instead.
pub(super) async fn prepare(claim: &Claim, context: &Context<'_>) -> Result<Upsert, Outcome> {
    let stored = StoredLead::decode(&claim.body).map_err(|_| {
        Outcome::Reject(Failure::new(
            FailureReason::Unreadable,
            "the stored lead cannot be read; it was written by another version",
        ))
    })?;
    let stored = match &stored.hydrate {
        None => stored,
        Some(url) => {
            let (lead, payload) = hydrate::fetch(url, &stored.payload, &stored.lead, claim, context).await?;
            StoredLead {
                lead,
                payload,
                hydrate: None,
            }
        }
    };
    let webhook = webhook_of(claim);
    let (mapped, stored) = mapped(stored, &webhook, context.sink).await;
    let (properties, create_only) = mapped.map_err(Outcome::Reject)?;
    let known = claim
        .record
        .as_deref()
        .and_then(|text| Known::from_memory(text, &context.sink.account));
    let chosen = known.as_ref().is_some_and(|(_, chosen)| *chosen);
    Ok(Upsert {
        properties,
        create_only,
        webhook,
        lead: stored.lead,
        payload: stored.payload,
        record: known.map(|(record, _)| record),
        chosen,
        in_doubt: claim.in_doubt,
        attempt: claim.attempt,
    })
}

/// What became of a lead.
#[derive(Debug, Clone)]
pub(super) struct Attempted {
    pub(super) outcome: Outcome,
    /// What the CRM did not take while it took the rest.
    pub(super) without: Vec<RefusedProperty>,
    /// It never came to the CRM: whatever is in its way is its own, and the sink's other leads go on.
    pub(super) before_crm: bool,
}

/// How often a lead is offered in one attempt, each time without what was refused: CRMs may name one property at a time.
const MAX_OFFERS: usize = 8;

/// Makes one attempt at each of several leads; one result per claim, in their order.
pub(super) async fn attempt(
    claims: &[Claim],
    crm: &dyn Crm,
    throttle: &dyn Throttle,
    contexts: &[Context<'_>],
) -> Vec<Attempted> {
    let mut attempted = Vec::with_capacity(claims.len());
    let (mut places, mut upserts) = (Vec::new(), Vec::new());
    for (place, (claim, context)) in claims.iter().zip(contexts).enumerate() {
        let (outcome, before_crm) = match prepare(claim, context).await {
            Ok(upsert) => {
                places.push(place);
                upserts.push(upsert);
                (no_outcome(), false)
            }
            Err(outcome) => (outcome, true),
        };
        attempted.push(Attempted {
            outcome,
            without: Vec::new(),
            before_crm,
        });
    }
    let drops = contexts
        .first()
        .is_some_and(|context| context.sink.delivery.on_refused_property == OnRefusedProperty::Drop);
    for _ in 0..MAX_OFFERS {
        if upserts.is_empty() {
            break;
        }
        let outcomes = crm.upsert(&upserts, throttle).await;
        let offered = places.into_iter().zip(upserts).zip(outcomes);
        (places, upserts) = (Vec::new(), Vec::new());
        for ((place, upsert), outcome) in offered {
            let Some(this) = attempted.get_mut(place) else {
                continue;
            };
            if let Outcome::Refused { properties, .. } = &outcome
                && drops
                && let Some(rest) = without(upsert, properties)
            {
                this.without.extend(properties.iter().cloned());
                places.push(place);
                upserts.push(rest);
            }
            this.outcome = outcome;
        }
    }
    attempted
}

/// The lead without these properties, or with what of them the CRM takes; `None` if that changes nothing, or leaves nothing.
fn without(mut upsert: Upsert, refused: &[RefusedProperty]) -> Option<Upsert> {
    let before = upsert.for_create().count();
    let mut shortened = false;
    let mut taken = |(name, value): &mut (String, Value)| {
        let mut refusals = refused.iter().filter(|refused| refused.property == *name);
        let Some(refusal) = refusals.next() else {
            return true;
        };
        match &refusal.instead {
            Some(instead) if value.as_str() != Some(instead) => {
                *value = Value::from(instead.as_str());
                shortened = true;
                true
            }
            _ => false,
        }
    };
    upsert.properties.retain_mut(&mut taken);
    upsert.create_only.retain_mut(&mut taken);
    let after = upsert.for_create().count();
    (after > 0 && (after < before || shortened)).then_some(upsert)
}

fn no_outcome() -> Outcome {
    Outcome::Retry {
        after: None,
        why: Failure::new(
            FailureReason::NoOutcome,
            "the CRM's client gave no outcome for the lead",
        ),
        in_doubt: true,
    }
}

type Properties = Vec<(String, Value)>;
type Mapped = Result<(Properties, Properties), Failure>;

/// The properties, made on a thread of their own if they turn out to be heavy.
async fn mapped(stored: StoredLead, webhook: &Value, sink: &Arc<Sink>) -> (Mapped, StoredLead) {
    if let Some(mapped) = sparingly(|| properties(&stored, webhook, sink)) {
        return (mapped, stored);
    }
    let (stored, webhook, sink) = (Arc::new(stored), webhook.clone(), Arc::clone(sink));
    let lent = Arc::clone(&stored);
    let heavy = tokio::task::spawn_blocking(move || properties(&lent, &webhook, &sink)).await;
    let mapped = heavy.unwrap_or_else(|error| {
        tracing::error!(%error, "failed to map a lead to the sink's properties");
        let message = "failed to map the lead to the sink's properties; see the log";
        Err(Failure::new(FailureReason::MappingFailed, message))
    });
    (mapped, Arc::unwrap_or_clone(stored))
}

/// `properties`, and what `createOnly` adds to them.
fn properties(stored: &StoredLead, webhook: &Value, sink: &Sink) -> Mapped {
    let apply = |field: &str, mapping: &Mapping| {
        mapping
            .apply(&stored.lead, &stored.payload, webhook)
            .map_err(|error| {
                Failure::new(
                    FailureReason::MappingFailed,
                    format!("{field}.{error}; correct the sink's {field} and replay the lead"),
                )
            })
    };
    let properties = apply("properties", &sink.mapping)?;
    let mut create_only = apply("createOnly", &sink.create_only)?;
    create_only.retain(|(name, _)| {
        !properties
            .iter()
            .any(|(given, _)| given.eq_ignore_ascii_case(name))
    });
    if properties.is_empty() && create_only.is_empty() {
        return Err(Failure::new(
            FailureReason::NothingToSend,
            "the sink's properties give no value for this lead",
        ));
    }
    Ok((properties, create_only))
}

fn webhook_of(claim: &Claim) -> Value {
    json!({"name": claim.webhook.name(), "namespace": claim.webhook.namespace()})
}
