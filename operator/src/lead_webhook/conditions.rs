//! What each condition of a webhook says. Pure.

use leadgate_crds::{LeadWebhook, LeadWebhookStatus};

use super::outcome::{Observed, Outcome};
use super::validate::storage_note;
use super::waiting;
use crate::conditions::{ConditionState, find};
use crate::reasons::Reason;
use crate::stats::{ReceiverStats, milliseconds};
use crate::validation::ErrorScope;
use crate::workloads::PodState;

/// From so many percent of the queue's memory on a person should do something.
const NEARLY_FULL: u64 = 80;

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
    let queue = queue(webhook, observed);
    let available = available(observed);
    let delivering = delivering(webhook, status, outcome, observed);
    let ready = ready(
        webhook,
        outcome,
        [&accepted, &resolved, &queue, &available],
        &delivering,
    );
    let stalled = stalled(outcome, observed, &accepted, &resolved);
    let reconciling = reconciling(outcome, observed, &ready, &stalled);
    vec![
        ("Accepted", accepted),
        ("ResolvedRefs", resolved),
        ("QueueReady", queue),
        ("Available", available),
        ("Delivering", delivering),
        ("Ready", ready),
        ("Reconciling", reconciling),
        ("Stalled", stalled),
    ]
}

fn mistakes(outcome: &Outcome, about: ErrorScope) -> Option<ConditionState> {
    let Outcome::Mistakes(all) = outcome else {
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
    let problems = observed
        .figures
        .as_ref()
        .map(|figures| figures.problems.join("; "));
    match problems.filter(|problems| !problems.is_empty()) {
        Some(problems) => ConditionState::no(
            Reason::InvalidConfiguration,
            format!("the receivers report: {problems}"),
        ),
        None if matches!(outcome, Outcome::Failed(..)) => {
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
    if let Some(statement) = mistakes(outcome, ErrorScope::References) {
        return statement;
    }
    match outcome {
        Outcome::Failed(..) => {
            before.unwrap_or_else(|| ConditionState::unknown(Reason::NotCheckedYet, "not checked yet"))
        }
        _ => noted(
            outcome,
            ErrorScope::References,
            ConditionState::yes(Reason::Resolved, "all sinks, Secrets and keys exist"),
        ),
    }
}

fn queue(webhook: &LeadWebhook, observed: &Observed) -> ConditionState {
    let managed = webhook.spec.queue.is_managed();
    if let Some(figures) = &observed.figures
        && observed.unreachable.is_none()
    {
        return match (figures.queue_ready, figures.queue_problems.is_empty()) {
            (true, true) if figures.queue_used.is_some_and(|percent| percent >= NEARLY_FULL) => {
                ConditionState::yes(
                    Reason::NearlyFull,
                    format!(
                        "at least {NEARLY_FULL} % of the queue's memory is used, and a full queue rejects leads with 503; fix the \
                     delivery, discard leads that are not needed, or {}",
                        if managed {
                            "increase spec.queue.memory"
                        } else {
                            "increase maxmemory of your own Redis"
                        }
                    ),
                )
            }
            (true, true) => {
                let note = storage_note(webhook, observed.redis.as_ref().filter(|_| managed));
                ConditionState::yes(Reason::Ready, join("the queue is available", note))
            }
            (true, false) => ConditionState::no(Reason::Unsafe, figures.queue_problems.join("; ")),
            (false, _) => ConditionState::no(Reason::Unavailable, figures.queue_problems.join("; ")),
        };
    }
    if !managed {
        return match &observed.unreachable {
            Some(why) => ConditionState::unknown(
                Reason::ReceiversSilent,
                format!("the receivers are not reachable: {why}"),
            ),
            None => ConditionState::unknown(Reason::NotCheckedYet, "no receiver is ready to check the queue"),
        };
    }
    let trouble = observed.redis_pods.iter().find_map(|pod| pod.trouble.clone());
    match (&observed.redis, trouble) {
        (Some(redis), _) if redis.ready => ConditionState::yes(
            Reason::Ready,
            join("the managed Redis is ready", storage_note(webhook, Some(redis))),
        ),
        (_, Some((reason, message))) => ConditionState::no(
            &reason,
            format!("the pod of the managed Redis does not start: {message}"),
        ),
        (Some(_), None) => ConditionState::no(Reason::Starting, "the managed Redis is starting"),
        (None, None) => ConditionState::no(Reason::NotCreatedYet, "the managed Redis is not created yet"),
    }
}

fn join(text: &str, note: Option<String>) -> String {
    match note {
        Some(note) => format!("{text}; {note}"),
        None => text.to_owned(),
    }
}

fn available(observed: &Observed) -> ConditionState {
    let Some(rollout) = &observed.rollout else {
        return ConditionState::no(Reason::NotCreatedYet, "the receivers are not created yet");
    };
    if rollout.wanted == 0 {
        return ConditionState::yes(
            Reason::ScaledToZero,
            "scaled to zero (spec.receiver.replicas is 0)",
        );
    }
    let trouble = trouble(&observed.pods);
    if rollout.ready > 0 {
        let text = format!("{} of {} pods are ready", rollout.ready, rollout.wanted);
        return match trouble {
            Some((_, message)) if rollout.ready < rollout.wanted => ConditionState::yes(
                Reason::PodsReady,
                format!("{text}; another pod does not start: {message}"),
            ),
            _ => ConditionState::yes(Reason::PodsReady, text),
        };
    }
    match trouble {
        Some((reason, message)) => ConditionState::no(&reason, format!("the pods do not start: {message}")),
        None => ConditionState::no(
            Reason::Starting,
            format!("0 of {} pods are ready", rollout.wanted),
        ),
    }
}

/// Of the newest pod that has one.
fn trouble(pods: &[PodState]) -> Option<(String, String)> {
    pods.iter().find_map(|pod| {
        let (reason, message) = pod.trouble.clone()?;
        let message = if message.is_empty() {
            reason.clone()
        } else {
            message
        };
        Some((reason, message))
    })
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
    if let Some(statement) = paused(figures) {
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
    if let Some(missed) = missed(webhook, status, figures) {
        return ConditionState::no(Reason::ObjectiveMissed, missed);
    }
    if figures.stored.accepted == 0 {
        return ConditionState::unknown(Reason::NoLeadsYet, "no lead has been accepted yet");
    }
    if !figures.hints.is_empty() {
        let message = format!("leads are delivered, but {}", figures.hints.join("; "));
        return ConditionState::yes(Reason::AttentionNeeded, message);
    }
    let former: Vec<String> = figures
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
    ConditionState::yes(
        Reason::Delivering,
        format!("leads are delivered{}", former.concat()),
    )
}

fn paused(figures: &ReceiverStats) -> Option<ConditionState> {
    figures
        .sinks
        .iter()
        .filter(|(name, _)| figures.routes.iter().any(|route| route.name == **name))
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

fn missed(webhook: &LeadWebhook, status: &LeadWebhookStatus, figures: &ReceiverStats) -> Option<String> {
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
            .filter_map(|route| figures.sinks.get(&route.name))
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
    needed: [&ConditionState; 4],
    delivering: &ConditionState,
) -> ConditionState {
    if let Outcome::Draining(_, message) = outcome {
        return ConditionState::no(Reason::Draining, message.clone());
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

fn stalled(
    outcome: &Outcome,
    observed: &Observed,
    accepted: &ConditionState,
    resolved: &ConditionState,
) -> ConditionState {
    if let Outcome::Draining(true, message) = outcome {
        return ConditionState::yes(Reason::DrainTimeout, message.clone());
    }
    if matches!(outcome, Outcome::Failed(..) | Outcome::Draining(..)) {
        return ConditionState::no(Reason::Progressing, "Reconciliation in progress");
    }
    for statement in [accepted, resolved] {
        if statement.fails() {
            return ConditionState::yes(&statement.reason, statement.message.clone());
        }
    }
    if let Some(why) = observed
        .rollout
        .as_ref()
        .and_then(|rollout| rollout.failed.clone())
    {
        return ConditionState::yes(
            Reason::RolloutFailed,
            join(&why, trouble(&observed.pods).map(|(_, message)| message)),
        );
    }
    ConditionState::no(Reason::Progressing, "No blocking problem")
}

fn reconciling(
    outcome: &Outcome,
    observed: &Observed,
    ready: &ConditionState,
    stalled: &ConditionState,
) -> ConditionState {
    if stalled.holds() {
        return ConditionState::no(Reason::Stalled, "Waiting for a change");
    }
    match outcome {
        Outcome::Failed(reason, message) => return ConditionState::yes(*reason, message.clone()),
        Outcome::Draining(_, message) => return ConditionState::yes(Reason::Draining, message.clone()),
        _ => {}
    }
    let rolled_out = observed
        .rollout
        .as_ref()
        .is_some_and(|rollout| rollout.complete || rollout.wanted == 0);
    if !rolled_out {
        return ConditionState::yes(Reason::RollingOut, "the receivers are being updated");
    }
    if ready.holds() {
        ConditionState::no(Reason::Done, "All resources are up to date")
    } else {
        ConditionState::yes(&ready.reason, ready.message.clone())
    }
}

#[cfg(test)]
mod tests;
