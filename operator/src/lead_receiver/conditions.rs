//! What each condition of a receiver says. Pure.

use leadgate_crds::common::Condition;

use super::Outcome;
use super::observe::Observed;
use crate::conditions::{ConditionState, find, paused};
use crate::reasons::Reason;
use crate::stores::StoreKey;
use crate::validation::ValidationError;
use crate::workloads::PodState;

/// From so many percent of the queue's memory on a person should do something.
const NEARLY_FULL: u64 = 80;

/// All conditions, in the order in which they are shown.
pub fn states(
    outcome: &Outcome,
    observed: &Observed,
    store: &StoreKey,
    previous: &[Condition],
) -> Vec<(&'static str, ConditionState)> {
    let before = find(previous, "Accepted").map(ConditionState::of);
    let accepted = accepted(outcome, before);
    let queue = queue(outcome, observed, store);
    let durable = durable(observed, &queue);
    let available = available(observed);
    let ready = ready(outcome, observed, [&accepted, &available, &queue]);
    let stalled = stalled(outcome, observed, &accepted);
    let reconciling = reconciling(outcome, observed, &ready, &stalled);
    vec![
        ("Accepted", accepted),
        ("QueueReady", queue),
        ("QueueDurable", durable),
        ("Available", available),
        ("Ready", ready),
        ("Reconciling", reconciling),
        ("Stalled", stalled),
    ]
}

fn mistakes(errors: &[ValidationError]) -> Option<ConditionState> {
    let first = errors.first()?;
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    Some(ConditionState::no(first.reason, messages.join("; ")))
}

fn accepted(outcome: &Outcome, before: Option<ConditionState>) -> ConditionState {
    let valid = || {
        let hints = match outcome {
            Outcome::Applied { hints, .. } => hints.as_slice(),
            _ => &[],
        };
        let told: Vec<&str> = hints.iter().map(|hint| hint.message.as_str()).collect();
        match hints.first() {
            Some(first) => ConditionState::yes(
                first.reason,
                format!("the specification is valid, but {}", told.join("; ")),
            ),
            None => ConditionState::yes(Reason::Valid, "the specification is valid"),
        }
    };
    match outcome {
        Outcome::Applied { errors, .. } | Outcome::Mistakes(errors) => mistakes(errors).unwrap_or_else(valid),
        Outcome::Failed(..) | Outcome::Paused => {
            before.unwrap_or_else(|| ConditionState::unknown(Reason::NotCheckedYet, "not checked yet"))
        }
        Outcome::InUse(_) => before.unwrap_or_else(valid),
    }
}

fn queue(outcome: &Outcome, observed: &Observed, store: &StoreKey) -> ConditionState {
    let managed = *store == StoreKey::Managed;
    let note = match outcome {
        Outcome::Applied { note, .. } => note.clone(),
        _ => None,
    };
    if let Some(why) = observed.unreachable.as_ref().filter(|_| observed.stale) {
        return match &observed.figures {
            Some(_) => ConditionState::unknown(
                Reason::StatusStale,
                format!("the receivers have not reported for more than a minute: {why}"),
            ),
            None => ConditionState::unknown(
                Reason::ReceiversSilent,
                format!("the receivers are not reachable: {why}"),
            ),
        };
    }
    let asked = observed.pods.iter().any(|pod| pod.ready);
    if let Some(figures) = observed.figures.as_ref().filter(|_| asked) {
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
            (true, true) => ConditionState::yes(Reason::Ready, join("the queue is available", note)),
            (true, false) => ConditionState::no(Reason::Unsafe, figures.queue_problems.join("; ")),
            (false, _) => ConditionState::no(Reason::Unavailable, figures.queue_problems.join("; ")),
        };
    }
    if !managed {
        return ConditionState::unknown(Reason::NotCheckedYet, "no receiver is ready to check the queue");
    }
    let trouble = observed.redis_pods.iter().find_map(|pod| pod.trouble.clone());
    match (&observed.redis, trouble) {
        (Some(redis), _) if redis.ready > 0 => {
            ConditionState::yes(Reason::Ready, join("the managed Redis is ready", note))
        }
        (_, Some((reason, message))) => ConditionState::no(
            &reason,
            format!("the pod of the managed Redis does not start: {message}"),
        ),
        (Some(_), None) if observed.redis_refused.is_some() => ConditionState::no(
            Reason::PodsRefused,
            format!(
                "the pod of the managed Redis cannot be created: {}",
                observed.redis_refused.as_deref().unwrap_or_default()
            ),
        ),
        (Some(_), None) => ConditionState::no(Reason::Starting, "the managed Redis is starting"),
        (None, None) => ConditionState::no(Reason::NotCreatedYet, "the managed Redis is not created yet"),
    }
}

/// On how many disks an acknowledged lead is. Receivers say what they measure; that they measure only what servers in step
/// say, the operator knows from the pods.
fn durable(observed: &Observed, queue: &ConditionState) -> ConditionState {
    let asked = observed.pods.iter().any(|pod| pod.ready) && !observed.stale;
    let figures = observed.figures.as_ref().filter(|_| asked);
    let Some((figures, told)) =
        figures.and_then(|figures| Some((figures, figures.queue_durability.clone()?)))
    else {
        return ConditionState::unknown(
            Reason::NotCheckedYet,
            join("no receiver has checked the queue", Some(queue.message.clone())),
        );
    };
    if !figures.queue_problems.is_empty() {
        return ConditionState::no(Reason::Unsafe, figures.queue_problems.join("; "));
    }
    let waits_for = observed.rollout.as_ref().and_then(|rollout| rollout.acknowledge);
    let Some((redis, needed)) = observed.redis.as_ref().zip(waits_for) else {
        return ConditionState::yes(Reason::Measured, told);
    };
    let counted = format!("{} of {} servers have all leads", redis.ready, redis.replicas);
    if redis.ready <= needed {
        return ConditionState::no(
            Reason::ServersMissing,
            format!("{counted}, and leads wait for {}", needed + 1),
        );
    }
    if redis.is_in_step() {
        ConditionState::yes(Reason::Measured, told)
    } else {
        ConditionState::yes(Reason::Measured, join(&told, Some(counted)))
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
        return ConditionState::no(
            Reason::ScaledToZero,
            "no pod takes leads: scaled to zero (spec.replicas is 0)",
        );
    }
    let refused = rollout
        .refused
        .as_ref()
        .filter(|_| rollout.replicas < rollout.wanted);
    let trouble = trouble(&observed.pods).or_else(|| {
        let why = refused?;
        Some((Reason::PodsRefused.as_str().to_owned(), why.clone()))
    });
    if rollout.ready > 0 {
        let text = format!("{} of {} pods are ready", rollout.ready, rollout.wanted);
        return match trouble {
            Some((_, message)) if rollout.ready < rollout.wanted => ConditionState::yes(
                Reason::PodsReady,
                format!("{text}; another pod does not start: {message}"),
            ),
            _ => match &observed.not_scaling {
                Some(why) => ConditionState::yes(
                    Reason::NotScaling,
                    format!("{text}, but the HorizontalPodAutoscaler does not scale: {why}"),
                ),
                None => ConditionState::yes(Reason::PodsReady, text),
            },
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

fn ready(outcome: &Outcome, observed: &Observed, needed: [&ConditionState; 3]) -> ConditionState {
    match outcome {
        Outcome::InUse(message) => return ConditionState::no(Reason::Draining, message.clone()),
        Outcome::Failed(reason, message) => return ConditionState::no(*reason, message.clone()),
        _ => {}
    }
    if let Some(missing) = needed.iter().find(|statement| statement.fails()) {
        return (*missing).clone();
    }
    if let Some(open) = needed.iter().find(|statement| !statement.holds()) {
        return ConditionState::no(&open.reason, open.message.clone());
    }
    let complaints = observed.figures.iter().flat_map(|figures| &figures.complaints);
    let told: Vec<&str> = complaints.map(String::as_str).collect();
    let note = (!told.is_empty()).then(|| told.join("; "));
    ConditionState::yes(Reason::Ready, join("leads are accepted", note))
}

fn stalled(outcome: &Outcome, observed: &Observed, accepted: &ConditionState) -> ConditionState {
    if matches!(outcome, Outcome::Failed(..) | Outcome::InUse(_)) {
        return ConditionState::no(Reason::Progressing, "Reconciliation in progress");
    }
    if accepted.fails() {
        return ConditionState::yes(&accepted.reason, accepted.message.clone());
    }
    if let Some(contested) = &observed.contested {
        return ConditionState::yes(Reason::ObjectContested, contested.clone());
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
        Outcome::InUse(message) => return ConditionState::yes(Reason::Draining, message.clone()),
        Outcome::Paused => return paused(),
        _ => {}
    }
    if let Outcome::Applied {
        waits: Some(waits), ..
    } = outcome
    {
        return ConditionState::yes(Reason::UpgradeWaits, waits.message());
    }
    let rolled_out = observed
        .rollout
        .as_ref()
        .is_some_and(|rollout| rollout.complete || rollout.wanted == 0);
    if ready.reason == Reason::ScaledToZero.as_str() {
        return ConditionState::no(Reason::ScaledToZero, ready.message.clone());
    }
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
