//! Whether a webhook that is being deleted may go. Pure.
//!
//! Promise: no acknowledged lead is lost. A webhook goes when its leads are delivered, when there is nothing that could
//! hold leads, or when a person allows the loss. Its receivers are told to refuse new leads first, so that what is
//! counted as delivered stays all there is.

use std::time::Duration;

/// What is known of a webhook that is being deleted.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// Whether a person allows the loss of leads.
    pub loss_allowed: bool,
    /// Whether its Deployment exists.
    pub deployed: bool,
    /// Whether any of its pods is ready.
    pub receiving: bool,
    /// What the receivers say now: pending leads, and whether they refuse new ones. `None`: they cannot be asked.
    pub now: Option<Answer>,
    /// Whether the receivers could be told to refuse new leads. A webhook whose Secret is gone cannot be configured.
    pub told: bool,
    /// Pending leads at last sight, from the status.
    pub last_pending: i64,
    /// Accepted leads at last sight, from the status.
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
pub fn decide(sight: &Sight) -> Decision {
    if sight.loss_allowed {
        return Decision::Release;
    }
    let what = match sight.now {
        Some(Answer {
            pending: 0,
            suspended,
        }) if suspended || !sight.told => return Decision::Release,
        Some(Answer { pending: 0, .. }) => "its receivers are being told to refuse new leads".to_owned(),
        Some(Answer { pending, .. }) => leads(pending),
        None if sight.last_pending == 0 && !sight.deployed => return Decision::Release,
        // Nothing was ever accepted, and nobody is there to accept: pods that never started.
        None if sight.last_pending == 0 && sight.last_accepted == 0 && !sight.receiving => {
            return Decision::Release;
        }
        None if sight.last_pending > 0 => {
            format!(
                "{} at last sight; its receivers cannot be asked",
                leads(sight.last_pending)
            )
        }
        None => "its receivers cannot be asked whether leads are left".to_owned(),
    };
    if sight.since < sight.timeout {
        Decision::Wait(format!("deletion waits for leads to be delivered: {what}"))
    } else {
        Decision::Blocked(format!(
            "deletion waits for leads to be delivered, longer than spec.drainTimeout: {what}. Repair the delivery, or \
             give up these leads with the annotation {}: \"true\"",
            crate::names::ALLOW_LOSS
        ))
    }
}

fn leads(pending: i64) -> String {
    match pending {
        1 => "1 delivery is left".to_owned(),
        n => format!("{n} deliveries are left"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions() {
        let base = Sight {
            deployed: true,
            receiving: true,
            told: true,
            last_accepted: 10,
            since: Duration::from_secs(5),
            timeout: Duration::from_mins(10),
            ..Sight::default()
        };
        let late = Duration::from_hours(1);
        let answer = |pending, suspended| Some(Answer { pending, suspended });
        #[rustfmt::skip]
        let table: Vec<(&str, Sight, &str)> = vec![
            ("drained", Sight { now: answer(0, true), ..base.clone() }, "release"),
            ("drained, but still accepting", Sight { now: answer(0, false), ..base.clone() }, "wait: being told"),
            ("drained, cannot be configured", Sight { now: answer(0, false), told: false, ..base.clone() }, "release"),
            ("leads left", Sight { now: answer(3, true), ..base.clone() }, "wait: 3 deliveries are left"),
            ("leads left for too long", Sight { now: answer(3, true), since: late, ..base.clone() }, "blocked: 3 deliveries are left"),
            ("loss allowed", Sight { now: answer(3, true), loss_allowed: true, ..base.clone() }, "release"),
            ("no answer, nothing pending", Sight { ..base.clone() }, "wait: cannot be asked"),
            ("no answer for too long", Sight { since: late, ..base.clone() }, "blocked: cannot be asked"),
            ("no answer, leads at last sight", Sight { last_pending: 1, ..base.clone() }, "wait: 1 delivery is left at last sight"),
            ("no Deployment, nothing pending", Sight { deployed: false, receiving: false, ..base.clone() }, "release"),
            ("no Deployment, leads at last sight", Sight { deployed: false, receiving: false, last_pending: 2, ..base.clone() }, "wait: 2 deliveries"),
            ("pods never started", Sight { receiving: false, last_accepted: 0, ..base.clone() }, "release"),
            ("pods are down", Sight { receiving: false, ..base.clone() }, "wait: cannot be asked"),
            ("no lead yet, pods ready, no answer", Sight { last_accepted: 0, ..base.clone() }, "wait: cannot be asked"),
            ("no time to drain", Sight { now: answer(1, true), timeout: Duration::ZERO, ..base.clone() }, "blocked: 1 delivery is left"),
        ];
        for (case, sight, expected) in table {
            let made = match decide(&sight) {
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
