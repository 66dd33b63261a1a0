//! Whether a webhook that is being deleted may go. Pure.
//!
//! Promise: no acknowledged lead is lost. A webhook goes when its leads are delivered, when there is nothing that could
//! hold leads, or when a person allows the loss. Its receivers are told to refuse new leads first, so that what is
//! counted as delivered stays all there is.

use std::time::Duration;

/// What is known of a webhook that is being deleted.
#[derive(Clone, Debug, Default)]
pub struct DrainState {
    /// Whether a person allows the loss of leads.
    pub loss_allowed: bool,
    /// Whether there are, or are to be, pods that may take leads of it.
    pub deployed: bool,
    /// Whether any of its pods is ready.
    pub receiving: bool,
    /// Whether its namespace is being deleted, and with it the pods and the managed queue.
    pub terminating: bool,
    /// What the receivers say now: pending leads, and whether they refuse new ones. `None`: they cannot be asked.
    pub now: Option<Answer>,
    /// Whether the receivers could be told to refuse new leads. A webhook whose Secret is gone cannot be configured.
    pub told: bool,
    /// The sinks that leads wait for.
    pub sinks: Vec<String>,
    /// Pending leads at last state, from the status.
    pub last_pending: i64,
    /// Accepted leads at last state, from the status.
    pub last_accepted: i64,
    /// How long ago it was deleted.
    pub since: Duration,
    /// How long it may drain.
    pub timeout: Duration,
}

/// What receivers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Leads that are still to be delivered.
    pub pending: i64,
    /// Whether all of them refuse new leads.
    pub suspended: bool,
}

/// What happens to the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may go.
    Release,
    /// It drains.
    Wait(String),
    /// It takes too long: a person has to decide.
    Blocked(String),
}

/// Decides.
pub fn decide(state: &DrainState) -> Decision {
    // Of a namespace that goes, everything else goes at the same time: nobody is left to deliver anything.
    if state.loss_allowed || state.terminating && !state.receiving {
        return Decision::Release;
    }
    let what = match state.now {
        Some(Answer {
            pending: 0,
            suspended,
        }) if suspended || !state.told => return Decision::Release,
        Some(Answer { pending: 0, .. }) => "the receivers are being told to refuse new leads".to_owned(),
        Some(Answer { pending, .. }) => leads(pending, &state.sinks),
        None if state.last_pending == 0 && !state.deployed => return Decision::Release,
        // Nothing was ever accepted, and nobody is there to accept: pods that never started.
        None if state.last_pending == 0 && state.last_accepted == 0 && !state.receiving => {
            return Decision::Release;
        }
        None if state.last_pending > 0 => {
            format!(
                "{} at the last report; the receivers are not reachable",
                leads(state.last_pending, &state.sinks)
            )
        }
        None => "the receivers are not reachable and may have pending leads".to_owned(),
    };
    if state.since < state.timeout {
        Decision::Wait(format!("deletion waits for leads to be delivered: {what}"))
    } else {
        Decision::Blocked(format!(
            "deletion waits for leads to be delivered, longer than drainTimeout of the LeadReceiver: {what}. Fix the delivery (a \
             LeadReceiver with 0 replicas delivers nothing), or give up these leads with the annotation {}: \"true\"",
            crate::names::ALLOW_LOSS
        ))
    }
}

fn leads(pending: i64, sinks: &[String]) -> String {
    let sinks = match sinks {
        [] => String::new(),
        sinks => format!(" for CrmSink {}", sinks.join(", ")),
    };
    match pending {
        1 => format!("1 delivery is pending{sinks}"),
        n => format!("{n} deliveries are pending{sinks}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions() {
        let base = DrainState {
            deployed: true,
            receiving: true,
            told: true,
            last_accepted: 10,
            since: Duration::from_secs(5),
            timeout: Duration::from_mins(10),
            ..DrainState::default()
        };
        let late = Duration::from_hours(1);
        let answer = |pending, suspended| Some(Answer { pending, suspended });
        #[rustfmt::skip]
        let table: Vec<(&str, DrainState, &str)> = vec![
            ("drained", DrainState { now: answer(0, true), ..base.clone() }, "release"),
            ("drained, but still accepting", DrainState { now: answer(0, false), ..base.clone() }, "wait: being told"),
            ("drained, cannot be configured", DrainState { now: answer(0, false), told: false, ..base.clone() }, "release"),
            ("leads left", DrainState { now: answer(3, true), ..base.clone() }, "wait: 3 deliveries are pending"),
            ("leads left for a sink", DrainState { now: answer(3, true), sinks: vec!["crm".to_owned()], ..base.clone() }, "wait: pending for CrmSink crm"),
            ("leads left for too long", DrainState { now: answer(3, true), since: late, ..base.clone() }, "blocked: 3 deliveries are pending"),
            ("loss allowed", DrainState { now: answer(3, true), loss_allowed: true, ..base.clone() }, "release"),
            ("no answer, nothing pending", DrainState { ..base.clone() }, "wait: not reachable"),
            ("no answer for too long", DrainState { since: late, ..base.clone() }, "blocked: not reachable"),
            ("no answer, leads at last state", DrainState { last_pending: 1, ..base.clone() }, "wait: 1 delivery is pending at the last report"),
            ("no Deployment, nothing pending", DrainState { deployed: false, receiving: false, ..base.clone() }, "release"),
            ("no Deployment, leads at last state", DrainState { deployed: false, receiving: false, last_pending: 2, ..base.clone() }, "wait: 2 deliveries"),
            ("pods never started", DrainState { receiving: false, last_accepted: 0, ..base.clone() }, "release"),
            ("pods are down", DrainState { receiving: false, ..base.clone() }, "wait: not reachable"),
            ("no lead yet, pods ready, no answer", DrainState { last_accepted: 0, ..base.clone() }, "wait: not reachable"),
            ("no time to drain", DrainState { now: answer(1, true), timeout: Duration::ZERO, ..base.clone() }, "blocked: 1 delivery is pending"),
        ];
        for (case, state, expected) in table {
            let made = match decide(&state) {
                Decision::Release => "release".to_owned(),
                Decision::Wait(why) => format!("wait: {why}"),
                Decision::Blocked(why) => {
                    assert!(why.contains("leadgate.dev/allow-loss"), "{case}");
                    format!("blocked: {why}")
                }
            };
            let (verdict, words) = expected.split_once(": ").unwrap_or((expected, ""));
            assert!(
                made.starts_with(verdict) && made.contains(words),
                "{case}: {made}, expected {expected}"
            );
        }
    }
}
