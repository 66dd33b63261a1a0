//! What becomes of a lead after an attempt. Pure.

use std::time::Duration;

use serde_json::json;

use super::backoff::backoff;
use crate::config::DeliverySettings;
use crate::crm::{self, Failure};
use crate::queue::{self, Doubt, ParkReason, ParkedSet};

/// How long a contact's record is remembered: longer than any search lags, short enough that merged records are found
/// again.
const REMEMBER: Duration = Duration::from_hours(24);

/// What the worker does with an outcome.
#[derive(Debug)]
pub(super) struct Decision {
    /// For the queue.
    pub(super) settle: queue::Outcome,
    /// For metrics.
    pub(super) label: &'static str,
    /// For the log and the status, when it did not arrive.
    pub(super) failure: Option<Failure>,
    /// The sink is to be paused, for this reason.
    pub(super) pause: Option<Duration>,
}

/// The lead and its circumstances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) attempt: u32,
    pub(super) age: Duration,
    pub(super) keep_dead: Duration,
    pub(super) keep_held: Duration,
    pub(super) delivery: &'a DeliverySettings,
}

pub(super) fn decide(outcome: crm::Outcome, lead: Circumstances<'_>) -> Decision {
    let plain = |settle, label| Decision {
        settle,
        label,
        failure: None,
        pause: None,
    };
    match outcome {
        crm::Outcome::Delivered { record } => plain(
            queue::Outcome::Delivered {
                remember: record.map(|id| (id, REMEMBER)),
            },
            "delivered",
        ),
        crm::Outcome::Denied(denied) => plain(queue::Outcome::Release { after: denied.wait }, "deferred"),
        crm::Outcome::Pause { pause, why } => Decision {
            pause: Some(pause),
            failure: Some(why),
            ..plain(queue::Outcome::Release { after: pause }, "paused")
        },
        crm::Outcome::Reject(why) => park(ParkedSet::Dead, "dead", why, lead.keep_dead),
        crm::Outcome::Hold { why, candidates } => {
            let answer = if candidates.is_empty() {
                why.answer.clone()
            } else {
                json!({ "candidates": candidates }).to_string()
            };
            park(ParkedSet::Held, "held", why.with_answer(&answer), lead.keep_held)
        }
        crm::Outcome::Settle { after, why } => Decision {
            failure: Some(why),
            ..plain(
                queue::Outcome::Retry {
                    after,
                    doubt: Doubt::Clear,
                },
                "retried",
            )
        },
        crm::Outcome::Retry { after, why, unknown } => {
            let settings = lead.delivery;
            let wait = backoff(lead.attempt, settings.initial_backoff, settings.max_backoff)
                .max(after.unwrap_or_default());
            if lead.age + wait > settings.max_age {
                let message = format!(
                    "given up after {} attempts (delivery.retry.maxAge); the last one: {}",
                    lead.attempt, why.message
                );
                let answer = why.answer.clone();
                return park(
                    ParkedSet::Dead,
                    "dead",
                    Failure::new("RetriesExhausted", message).with_answer(&answer),
                    lead.keep_dead,
                );
            }
            let doubt = if unknown { Doubt::Add } else { Doubt::Keep };
            Decision {
                failure: Some(why),
                ..plain(queue::Outcome::Retry { after: wait, doubt }, "retried")
            }
        }
    }
}

fn park(set: ParkedSet, label: &'static str, why: Failure, keep: Duration) -> Decision {
    let reason = ParkReason {
        reason: why.reason.to_owned(),
        message: why.message.clone(),
        answer: why.answer.clone(),
    };
    Decision {
        settle: queue::Outcome::Park {
            set,
            why: reason,
            keep,
        },
        label,
        failure: Some(why),
        pause: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;
    use crate::crm::Denied;
    use crate::queue::{Breaker, RateLimit};

    fn settings() -> DeliverySettings {
        DeliverySettings {
            timeout: Duration::from_secs(10),
            max_age: Duration::from_hours(72),
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_mins(15),
            limit: RateLimit {
                requests: 100,
                per: Duration::from_secs(10),
            },
            breaker: Breaker {
                failures: 5,
                cooldown: Duration::from_secs(30),
            },
            concurrency: 8,
            batch_size: 100,
            linger: Duration::from_millis(50),
        }
    }

    fn after(outcome: crm::Outcome, age: Duration) -> Decision {
        let delivery = settings();
        let hour = Duration::from_hours(1);
        decide(
            outcome,
            Circumstances {
                attempt: 2,
                age,
                keep_dead: hour,
                keep_held: hour,
                delivery: &delivery,
            },
        )
    }

    #[test]
    fn a_temporary_failure_waits_at_least_as_long_as_the_crm_asked_and_dies_of_old_age_only() {
        let retry = |after| crm::Outcome::Retry {
            after,
            why: Failure::new("Unavailable", "HubSpot failed"),
            unknown: true,
        };
        let long = Duration::from_hours(2);
        let decision = after(retry(Some(long)), Duration::ZERO);
        let queue::Outcome::Retry {
            after: wait,
            doubt: Doubt::Add,
        } = decision.settle
        else {
            panic!("{decision:?}")
        };
        assert!(wait >= long);
        let old = after(retry(None), Duration::from_hours(72));
        let queue::Outcome::Park {
            set: ParkedSet::Dead,
            why,
            ..
        } = old.settle
        else {
            panic!("{old:?}")
        };
        assert_eq!(why.reason, "RetriesExhausted");
    }

    #[test]
    fn a_pause_or_a_closed_gate_costs_the_lead_nothing() {
        let why = Failure::new("RateLimited", "wait");
        let paused = after(
            crm::Outcome::Pause {
                pause: Duration::from_secs(9),
                why,
            },
            Duration::from_hours(100),
        );
        assert_eq!(paused.pause, Some(Duration::from_secs(9)));
        assert!(matches!(paused.settle, queue::Outcome::Release { .. }));
        let denied = crm::Outcome::Denied(Denied {
            wait: Duration::from_secs(3),
            reason: "full".to_owned(),
        });
        assert!(
            matches!(after(denied, Duration::ZERO).settle, queue::Outcome::Release { after } if after.as_secs() == 3)
        );
    }

    #[test]
    fn what_the_crm_refuses_for_good_is_dead_at_once_and_what_needs_a_person_is_held() {
        let why = Failure::new("InvalidEmail", "email");
        assert!(matches!(
            after(crm::Outcome::Reject(why.clone()), Duration::ZERO).settle,
            queue::Outcome::Park {
                set: ParkedSet::Dead,
                ..
            }
        ));
        assert!(matches!(
            after(
                crm::Outcome::Hold {
                    why,
                    candidates: vec!["51".to_owned()]
                },
                Duration::ZERO
            )
            .settle,
            queue::Outcome::Park {
                set: ParkedSet::Held,
                ..
            }
        ));
    }
}
