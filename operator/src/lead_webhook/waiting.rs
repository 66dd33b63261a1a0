//! Sinks that a webhook no longer names and for which its leads still wait: receivers go on delivering to them. Pure.

use std::collections::BTreeMap;

use leadgate_crds::LeadWebhook;
use leadgate_crds::lead_webhook::LeadWebhookStatusSink;

use crate::context::{Context, name_of};
use crate::reasons::Reason;
use crate::validation::{ErrorScope, ValidationError};

/// The sinks by name, each with how many deliveries wait for it, for its CRM or for a person.
pub type Waiting = BTreeMap<String, i64>;

/// From what the receivers said last; before they were asked, from what the status says.
pub fn waiting(webhook: &LeadWebhook, context: &Context) -> Waiting {
    let said = context.of_webhooks.with(&name_of(webhook), |state| {
        let mut all = state.figures.values().map(|stats| of(webhook, &stats.routes));
        let mut sum = all.next()?;
        // Receivers that share a queue say the same.
        for more in all {
            for (sink, leads) in more {
                let known = sum.entry(sink).or_default();
                *known = leads.max(*known);
            }
        }
        Some(sum)
    });
    said.unwrap_or_else(|| {
        let written = webhook.status.as_ref().map(|status| status.sinks.as_slice());
        of(webhook, written.unwrap_or_default())
    })
}

fn of(webhook: &LeadWebhook, routes: &[LeadWebhookStatusSink]) -> Waiting {
    routes
        .iter()
        .filter(|route| !names(webhook, &route.name))
        .map(|route| {
            let of = &route.deliveries;
            (route.name.clone(), of.pending + of.held + of.dead)
        })
        .filter(|(_, leads)| *leads > 0)
        .collect()
}

/// Whether a webhook names a sink.
pub fn names(webhook: &LeadWebhook, sink: &str) -> bool {
    webhook.spec.sinks.iter().any(|route| route.name == sink)
}

/// Whether a webhook's receivers deliver to a sink: it names it, or its leads wait for it.
pub fn feeds(webhook: &LeadWebhook, sink: &str, context: &Context) -> bool {
    names(webhook, sink) || waiting(webhook, context).contains_key(sink)
}

/// What a person should know of leads that nobody delivers.
pub fn without_sink(name: &str, leads: i64, why: &str) -> ValidationError {
    ValidationError {
        about: ErrorScope::Delivery,
        reason: Reason::SinkGone,
        message: format!(
            "{leads} deliveries are pending for CrmSink {name}, which spec.sinks no longer names: {why}; correct that and they are \
             delivered, or move or discard them (/api/v1/leads?set=pending of the receivers)"
        ),
    }
}
