//! What became of a receiver -> its status. Pure.

use jiff::Timestamp;
use kube::ResourceExt as _;
use leadgate_crds::{LeadReceiver, LeadReceiverStatus};

use super::Outcome;
use super::build::network::public_port;
use super::conditions::states;
use super::observe::Observed;
use crate::conditions::conditions;
use crate::names;
use crate::stores::StoreKey;

/// What is counted over the webhooks of a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    pub webhooks: i64,
    pub pending: i64,
}

/// The status; `previous` gives what stays.
pub fn status(
    receiver: &LeadReceiver,
    previous: &LeadReceiverStatus,
    outcome: &Outcome,
    observed: &Observed,
    store: &StoreKey,
    served: Served,
    now: Timestamp,
) -> LeadReceiverStatus {
    let generation = match outcome {
        Outcome::Paused => previous.observed_generation,
        _ => receiver.metadata.generation.unwrap_or_default(),
    };
    let figures = observed.figures.as_ref();
    let named = states(outcome, observed, store, &previous.conditions);
    LeadReceiverStatus {
        observed_generation: generation,
        conditions: conditions(named, &previous.conditions, generation, now),
        replicas: observed.rollout.as_ref().map_or(0, |rollout| rollout.replicas),
        selector: Some(names::selector_text(&receiver.name_any())),
        webhooks: served.webhooks,
        pending: served.pending,
        store: Some(store.shown()),
        queue_used: match figures {
            Some(figures) => figures.queue_used.map(|percent| format!("{percent}%")),
            None => previous.queue_used.clone(),
        },
        addresses: vec![address(receiver)],
    }
}

/// Where callers in the cluster reach the pods.
pub fn address(receiver: &LeadReceiver) -> String {
    let (_, scheme) = public_port(receiver.spec.tls.is_some());
    format!(
        "{scheme}://{}.{}.svc",
        names::receiver(&receiver.name_any()),
        receiver.namespace().unwrap_or_default()
    )
}
