//! What became of a webhook -> its status. Pure.

use jiff::Timestamp;
use leadgate_crds::LeadWebhook;
use leadgate_crds::counts::ProcessCounts;
use leadgate_crds::lead_webhook::{Latency, LeadWebhookStatus, LeadWebhookStatusLeads};

use super::conditions as judged;
use super::outcome::{Observed, Outcome};
use crate::conditions::conditions;
use crate::stats::WebhookStats;

/// The status; `previous` gives what stays.
pub fn status(
    webhook: &LeadWebhook,
    previous: &LeadWebhookStatus,
    outcome: &Outcome,
    observed: &Observed,
    url: Option<String>,
    now: Timestamp,
) -> LeadWebhookStatus {
    let generation = match outcome {
        Outcome::Paused => previous.observed_generation,
        _ => webhook.metadata.generation.unwrap_or_default(),
    };
    let mut status = LeadWebhookStatus {
        observed_generation: generation,
        url: url.or_else(|| previous.url.clone()),
        receiver: observed.receiver.as_ref().map(|receiver| receiver.name.clone()),
        conditions: Vec::new(),
        sink_names: Some(sink_names(webhook)),
        ..previous.clone()
    };
    if let Some(figures) = &observed.figures {
        count(&mut status, figures, observed.process);
    }
    let named = judged::states(webhook, &status, outcome, observed);
    status.conditions = conditions(named, &previous.conditions, generation, now);
    status
}

fn sink_names(webhook: &LeadWebhook) -> String {
    let names: Vec<&str> = webhook.spec.sinks.iter().map(|sink| sink.name.as_str()).collect();
    names.join(",")
}

fn count(status: &mut LeadWebhookStatus, figures: &WebhookStats, process: Option<ProcessCounts>) {
    status.leads = LeadWebhookStatusLeads {
        stored: figures.stored,
        process: process.unwrap_or(status.leads.process),
        deliveries: figures.routes.iter().map(|route| route.deliveries).sum(),
        last_accepted_time: figures.last_accepted.clone(),
    };
    status.sinks.clone_from(&figures.routes);
    status.success_rate = status.leads.deliveries.success_rate(figures.discarded);
    status.rejection_rate = figures.stored.rejection_rate();
    // A pod that was restarted has forgotten them.
    status.failures = crate::stats::failures(figures.failures.iter().chain(&status.failures));
    status.p99 = Latency::slowest(figures.routes.iter().filter_map(|route| route.latency.as_ref())).p99;
}
