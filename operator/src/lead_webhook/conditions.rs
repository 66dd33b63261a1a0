//! What each condition of a webhook says. Pure.

use leadgate_crds::lead_webhook::milliseconds;
use leadgate_crds::{LeadWebhook, LeadWebhookStatus};

use super::outcome::{Observed, Outcome};
use super::{programmed, waiting};
use crate::conditions::{ConditionState, find, paused as paused_by_person};
use crate::edges::Edge;
use crate::reasons::Reason;
use crate::stats::WebhookStats;
use crate::validation::ErrorScope;

/// All conditions, in the order in which they are shown.
pub fn states(
    webhook: &LeadWebhook,
    status: &LeadWebhookStatus,
    outcome: &Outcome,
    observed: &Observed,
) -> Vec<(&'static str, ConditionState)> {
    let before = |name: &str| {
        webhook
            .status
            .as_ref()
            .and_then(|status| find(&status.conditions, name))
            .map(ConditionState::of)
    };
    let accepted = accepted(outcome, observed, before("Accepted"));
    let resolved = resolved(outcome, before("ResolvedRefs"));
    // Its receiver was not looked at since the operator started: what was said last still holds.
    let unheard = observed
        .receiver
        .as_ref()
        .is_some_and(|receiver| receiver.conditions.is_empty());
    let last = |name: &str| before(name).filter(|_| unheard);
    let programmed = is_programmed(webhook, outcome, observed, last("Programmed"));
    let delivering = last("Delivering").unwrap_or_else(|| delivering(webhook, status, outcome, observed));
    let exposed = exposed(webhook, outcome, observed);
    let mut needed = vec![&accepted, &resolved, &programmed];
    needed.extend(&exposed);
    let ready = ready(webhook, outcome, &needed, &delivering);
    let stalled = stalled(outcome, observed, [&accepted, &resolved, &programmed]);
    let reconciling = reconciling(outcome, &ready, &stalled);
    let mut all = vec![
        ("Accepted", accepted),
        ("ResolvedRefs", resolved),
        ("Programmed", programmed),
    ];
    all.extend(exposed.map(|exposed| ("Exposed", exposed)));
    all.extend([
        ("Delivering", delivering),
        ("Ready", ready),
        ("Reconciling", reconciling),
        ("Stalled", stalled),
    ]);
    all
}

fn mistakes(outcome: &Outcome, about: ErrorScope) -> Option<ConditionState> {
    let (Outcome::Mistakes(all) | Outcome::Draining { mistakes: all, .. }) = outcome else {
        return None;
    };
    let ours: Vec<_> = all.iter().filter(|mistake| mistake.about == about).collect();
    let first = ours.first()?;
    let messages: Vec<&str> = ours.iter().map(|mistake| mistake.message.as_str()).collect();
    Some(ConditionState::no(first.reason, messages.join("; ")))
}

/// What a person should know although everything was made: of one subject.
fn notes(outcome: &Outcome, about: ErrorScope) -> Option<(Reason, String)> {
    let Outcome::Applied(notes) = outcome else {
        return None;
    };
    let ours: Vec<_> = notes.iter().filter(|note| note.about == about).collect();
    let messages: Vec<&str> = ours.iter().map(|note| note.message.as_str()).collect();
    Some((ours.first()?.reason, messages.join("; ")))
}

/// What whoever serves its Ingress or HTTPRoute lacks.
fn of_edge(outcome: &Outcome) -> Option<ConditionState> {
    let noted = || notes(outcome, ErrorScope::Edge).map(|(reason, why)| ConditionState::no(reason, why));
    mistakes(outcome, ErrorScope::Edge).or_else(noted)
}

/// What holds, with what a person should know nevertheless.
fn noted(outcome: &Outcome, about: ErrorScope, statement: ConditionState) -> ConditionState {
    match notes(outcome, about) {
        Some((reason, message)) => {
            ConditionState::yes(reason, format!("{}, but {message}", statement.message))
        }
        None => statement,
    }
}

fn accepted(outcome: &Outcome, observed: &Observed, before: Option<ConditionState>) -> ConditionState {
    if let Some(statement) = mistakes(outcome, ErrorScope::Spec) {
        return statement;
    }
    let of_webhook = observed.figures.iter().flat_map(|figures| &figures.problems);
    let problems: Vec<&str> = of_webhook
        .chain(&observed.unreadable)
        .map(String::as_str)
        .collect();
    match (!problems.is_empty()).then(|| problems.join("; ")) {
        Some(problems) => ConditionState::no(
            Reason::InvalidConfiguration,
            format!("the receivers report: {problems}"),
        ),
        None if matches!(outcome, Outcome::Failed(..) | Outcome::Paused) => {
            before.unwrap_or_else(|| ConditionState::unknown(Reason::NotCheckedYet, "not checked yet"))
        }
        None => noted(
            outcome,
            ErrorScope::Spec,
            ConditionState::yes(Reason::Valid, "the specification is valid"),
        ),
    }
}

fn resolved(outcome: &Outcome, before: Option<ConditionState>) -> ConditionState {
    let missing = mistakes(outcome, ErrorScope::References).or_else(|| of_edge(outcome));
    if let Some(statement) = missing {
        return statement;
    }
    match outcome {
        Outcome::Failed(..) | Outcome::Paused => {
            before.unwrap_or_else(|| ConditionState::unknown(Reason::NotCheckedYet, "not checked yet"))
        }
        _ => noted(
            outcome,
            ErrorScope::References,
            ConditionState::yes(Reason::Resolved, "all sinks, Secrets and keys exist"),
        ),
    }
}

/// Whether its receiver can take leads and every ready pod runs this form of it.
fn is_programmed(
    webhook: &LeadWebhook,
    outcome: &Outcome,
    observed: &Observed,
    last: Option<ConditionState>,
) -> ConditionState {
    if matches!(outcome, Outcome::Mistakes(_)) {
        let message =
            "the last valid form of the webhook, if there was one, runs on; see Accepted and ResolvedRefs";
        return ConditionState::no(Reason::Invalid, message);
    }
    let Some(receiver) = &observed.receiver else {
        return ConditionState::unknown(Reason::NotCheckedYet, "not checked yet");
    };
    if let Some(last) = last {
        return last;
    }
    let said = |name: &str| find(&receiver.conditions, name).map(ConditionState::of);
    for name in ["Available", "QueueReady"] {
        let Some(state) = said(name) else {
            let message = format!("LeadReceiver {} was not observed yet", receiver.name);
            return ConditionState::no(Reason::NotCheckedYet, message);
        };
        if !state.holds() {
            // What keeps it from being made says more than that it is not there. An implied one has nowhere else to say it.
            let cause =
                said("Ready").filter(|ready| ready.fails() && ready.reason != Reason::Draining.as_str());
            let cause = cause.unwrap_or(state);
            let message = format!("LeadReceiver {}: {}", receiver.name, cause.message);
            return ConditionState::no(&cause.reason, message);
        }
    }
    if let Some(why) = &observed.unreachable {
        let message = format!(
            "the pods of LeadReceiver {} are not reachable: {why}",
            receiver.name
        );
        return ConditionState::unknown(Reason::ReceiversSilent, message);
    }
    if receiver.name != webhook.spec.receiver_ref.name {
        let message = format!(
            "LeadReceiver {} serves the webhook until the pods of LeadReceiver {} run it",
            receiver.name, webhook.spec.receiver_ref.name
        );
        return ConditionState::no(Reason::Moving, message);
    }
    let (runs, pods) = programmed::share(webhook, observed.figures.as_ref());
    if pods > 0 && runs == pods {
        let message = format!("{pods} of {pods} pods of LeadReceiver {} run it", receiver.name);
        // An implied one has nowhere else to say it.
        let contested = said("Stalled").filter(|stalled| stalled.reason == Reason::ObjectContested.as_str());
        if let Some(contested) = contested {
            return ConditionState::yes(
                Reason::ObjectContested,
                format!("{message}, but {}", contested.message),
            );
        }
        return ConditionState::yes(Reason::Programmed, message);
    }
    ConditionState::no(
        Reason::Pending,
        format!(
            "{runs} of {pods} pods of LeadReceiver {} run generation {}",
            receiver.name,
            webhook.metadata.generation.unwrap_or_default()
        ),
    )
}

/// Whether the Ingress or HTTPRoute that the webhook asks for leads senders to it.
fn exposed(webhook: &LeadWebhook, outcome: &Outcome, observed: &Observed) -> Option<ConditionState> {
    if webhook.spec.ingress.is_none() && webhook.spec.gateway.is_none() {
        return None;
    }
    if let Some(missing) = of_edge(outcome) {
        return Some(missing);
    }
    let mut addresses = Vec::new();
    for edge in &observed.edges {
        match edge {
            Some(Edge::Serves(address)) => addresses.extend(address.clone()),
            Some(Edge::Untaken(why)) => return Some(ConditionState::no(Reason::NoAddress, why.clone())),
            Some(Edge::Refused(why)) => return Some(ConditionState::no(Reason::RouteRefused, why.clone())),
            None => {
                let message = "the Ingress or HTTPRoute is not created yet";
                return Some(ConditionState::no(Reason::NotCheckedYet, message));
            }
        }
    }
    Some(ConditionState::yes(
        Reason::AtAddress,
        if addresses.is_empty() {
            "each Gateway has accepted the HTTPRoute".to_owned()
        } else {
            format!("the Ingress has the address {}", addresses.join(", "))
        },
    ))
}

fn delivering(
    webhook: &LeadWebhook,
    status: &LeadWebhookStatus,
    outcome: &Outcome,
    observed: &Observed,
) -> ConditionState {
    let Some(figures) = &observed.figures else {
        return ConditionState::unknown(Reason::NotCheckedYet, "no receiver has reported yet");
    };
    if let Some((reason, message)) = notes(outcome, ErrorScope::Delivery) {
        return ConditionState::no(reason, message);
    }
    if let Some(statement) = paused(webhook, observed) {
        return statement;
    }
    for route in figures.routes.iter().filter(|route| route.deliveries.pending > 0) {
        if let Some(error) = &route.last_error
            && error.time.as_ref().map(|t| t.0) > route.last_delivered_time.as_ref().map(|t| t.0)
        {
            let text = format!(
                "CrmSink {}: {} deliveries are pending; the last attempt failed: {}: {}",
                route.name, route.deliveries.pending, error.reason, error.message
            );
            return ConditionState::no(Reason::DeliveryFailing, text);
        }
    }
    if let Some(missed) = missed(webhook, status, figures, observed) {
        return ConditionState::no(Reason::ObjectiveMissed, missed);
    }
    if figures.stored.accepted == 0 {
        return ConditionState::unknown(Reason::NoLeadsYet, "no lead has been accepted yet");
    }
    if !figures.hints.is_empty() {
        let message = format!("leads are delivered, but {}", figures.hints.join("; "));
        return ConditionState::yes(Reason::AttentionNeeded, message);
    }
    let mut former: Vec<String> = figures
        .routes
        .iter()
        .filter(|route| route.deliveries.pending > 0 && !waiting::names(webhook, &route.name))
        .map(|route| {
            format!(
                ", also {} to CrmSink {}, which spec.sinks no longer names",
                route.deliveries.pending, route.name
            )
        })
        .collect();
    if let Some((leads, receiver)) = &observed.elsewhere {
        former.push(format!(
            ", also {leads} from the queue of LeadReceiver {receiver}, which served the webhook before"
        ));
    }
    ConditionState::yes(
        Reason::Delivering,
        format!("leads are delivered{}", former.concat()),
    )
}

fn paused(webhook: &LeadWebhook, observed: &Observed) -> Option<ConditionState> {
    let figures = observed.figures.as_ref()?;
    observed
        .sinks
        .iter()
        .filter(|(name, _)| {
            waiting::names(webhook, name) || figures.routes.iter().any(|route| route.name == **name)
        })
        .find_map(|(name, sink)| {
            let reason = sink.paused_reason.as_ref()?;
            let reason = sink.paused_message.as_ref().unwrap_or(reason);
            let until = sink
                .paused_until
                .as_ref()
                .map(|until| format!(" until {}", until.0))
                .unwrap_or_default();
            Some(ConditionState::no(
                Reason::SinkPaused,
                format!("CrmSink {name} is paused{until}: {reason}; leads are kept"),
            ))
        })
}

fn missed(
    webhook: &LeadWebhook,
    status: &LeadWebhookStatus,
    figures: &WebhookStats,
    observed: &Observed,
) -> Option<String> {
    let objectives = &webhook.spec.objectives;
    if let (Some(wanted), Some(p99)) = (&objectives.speed_to_lead, &status.p99)
        && milliseconds(p99) > wanted.get().as_secs_f64() * 1000.0
    {
        return Some(format!(
            "objectives.speedToLead is {wanted}, but the 99th percentile is {p99}"
        ));
    }
    // A queue that does not move has no latencies to show.
    if let Some(wanted) = &objectives.speed_to_lead {
        let oldest = figures
            .routes
            .iter()
            .filter(|route| route.deliveries.pending > 0)
            .filter_map(|route| observed.sinks.get(&route.name))
            .map(|sink| sink.leads.oldest_pending_seconds)
            .max()
            .unwrap_or_default();
        if u64::try_from(oldest).unwrap_or_default() > wanted.get().as_secs() {
            return Some(format!(
                "objectives.speedToLead is {wanted}, but a lead has been pending for longer"
            ));
        }
    }
    let wanted: f64 = objectives.success_rate.as_ref()?.parse().ok()?;
    let rate = status.success_rate.as_ref()?;
    (rate.parse::<f64>().ok()? < wanted)
        .then(|| format!("objectives.successRate is {wanted}, but {rate} % of deliveries were confirmed"))
}

fn ready(
    webhook: &LeadWebhook,
    outcome: &Outcome,
    needed: &[&ConditionState],
    delivering: &ConditionState,
) -> ConditionState {
    if let Outcome::Draining { why, .. } = outcome {
        return ConditionState::no(Reason::Draining, why.clone());
    }
    if let Outcome::Failed(reason, message) = outcome {
        return ConditionState::no(*reason, message.clone());
    }
    if let Some(missing) = needed.iter().find(|statement| statement.fails()) {
        return (*missing).clone();
    }
    // A missed objective is late, not absent.
    if delivering.fails() && delivering.reason != Reason::ObjectiveMissed.as_str() {
        return delivering.clone();
    }
    if let Some(open) = needed.iter().find(|statement| !statement.holds()) {
        return ConditionState::no(&open.reason, open.message.clone());
    }
    if webhook.spec.suspend {
        return ConditionState::yes(
            Reason::Suspended,
            "suspended by spec.suspend: requests are answered with 503",
        );
    }
    ConditionState::yes(Reason::Ready, "leads are accepted")
}

/// Whether a person has to change something: in the webhook, in what it refers to, or in a receiver that takes no leads.
fn stalled(
    outcome: &Outcome,
    observed: &Observed,
    [accepted, resolved, programmed]: [&ConditionState; 3],
) -> ConditionState {
    if let Outcome::Draining { late: true, why, .. } = outcome {
        return ConditionState::yes(Reason::DrainTimeout, why.clone());
    }
    if matches!(outcome, Outcome::Failed(..) | Outcome::Draining { .. }) {
        return ConditionState::no(Reason::Progressing, "Reconciliation in progress");
    }
    // What an edge lacks may be on its way, such as a certificate that is made for its Ingress.
    let of_edge_only = mistakes(outcome, ErrorScope::References).is_none();
    for (statement, passes) in [(accepted, false), (resolved, of_edge_only)] {
        if statement.fails() && !passes {
            return ConditionState::yes(&statement.reason, statement.message.clone());
        }
    }
    if let Some(contested) = &observed.contested {
        return ConditionState::yes(Reason::ObjectContested, contested.clone());
    }
    let receiver = observed.receiver.iter().flat_map(|receiver| &receiver.conditions);
    let mut said = receiver.filter(|said| said.type_ == "Stalled" && said.status == "True");
    if programmed.fails() && said.any(|said| said.reason == programmed.reason) {
        return ConditionState::yes(&programmed.reason, programmed.message.clone());
    }
    ConditionState::no(Reason::Progressing, "No blocking problem")
}

fn reconciling(outcome: &Outcome, ready: &ConditionState, stalled: &ConditionState) -> ConditionState {
    if stalled.holds() {
        return ConditionState::no(Reason::Stalled, "Waiting for a change");
    }
    match outcome {
        Outcome::Failed(reason, message) => return ConditionState::yes(*reason, message.clone()),
        Outcome::Draining { why, .. } => return ConditionState::yes(Reason::Draining, why.clone()),
        Outcome::Paused => return paused_by_person(),
        _ => {}
    }
    if ready.reason == Reason::ScaledToZero.as_str() {
        // A person wants it so.
        return ConditionState::no(Reason::ScaledToZero, ready.message.clone());
    }
    if ready.holds() {
        ConditionState::no(Reason::Done, "All resources are up to date")
    } else {
        ConditionState::yes(&ready.reason, ready.message.clone())
    }
}

#[cfg(test)]
mod tests;
