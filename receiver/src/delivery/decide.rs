//! What becomes of a lead after an attempt. Pure.

use std::time::Duration;

use leadgate_crds::reason::FailureReason;

use super::backoff::backoff;
use super::judge::RETRY_AFTER_MISCONFIGURED;
use crate::config::DeliverySettings;
use crate::crm::{self, Failure, Known, MAX_PAUSE};
use crate::outcomes::DeliveryOutcome;
use crate::queue::{self, Candidates, DeadLetterReason, DeadLetterSet, InDoubt, LastError};

/// How long a contact's record is remembered: longer than any search lags, short enough that merged records are found
/// again.
const REMEMBER_RECORD_FOR: Duration = Duration::from_hours(24);

/// How soon a lead that was not sent is due again: it is not claimed while the throttle is closed, and at once when it opens.
const RETRY_AFTER_RELEASE: Duration = Duration::from_secs(1);

/// By how much a lead that may be to blame for a pause comes later than the others: if it is, they pass.
const SUSPECT_DELAY: Duration = Duration::from_secs(5);

/// What the worker does with an outcome.
#[derive(Debug)]
pub(super) struct Decision {
    /// For the queue.
    pub(super) settle: queue::Disposition,
    /// For metrics.
    pub(super) label: DeliveryOutcome,
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
    /// It never came to the CRM: what it waits for is not the sink's throttle.
    pub(super) before_crm: bool,
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
            queue::Disposition::Delivered {
                remember: record.map(|id| (Known::reached(&id), REMEMBER_RECORD_FOR)),
            },
            DeliveryOutcome::Delivered,
        ),
        crm::Outcome::Throttled(denied) => plain(
            queue::Disposition::Release {
                // While the throttle is closed nothing is claimed; once it is open, nothing may be late.
                after: if lead.before_crm {
                    denied.wait
                } else {
                    denied.wait.min(RETRY_AFTER_RELEASE)
                },
                why: denied
                    .paused
                    .filter(|_| lead.attempt <= 1)
                    .map(|why| LastError::new(why.reason.as_str(), &why.message)),
            },
            DeliveryOutcome::Deferred,
        ),
        crm::Outcome::Pause { pause, why } => paused(pause.min(MAX_PAUSE), RETRY_AFTER_RELEASE, why),
        // A refusal in the CRM's own words, and no lead that passes: perhaps the account, perhaps this lead.
        crm::Outcome::Suspect { why, .. } if lead.age >= lead.delivery.max_age => given_up(&why, lead),
        crm::Outcome::Suspect { why, .. } => paused(
            RETRY_AFTER_MISCONFIGURED,
            RETRY_AFTER_MISCONFIGURED + SUSPECT_DELAY,
            why,
        ),
        crm::Outcome::Reject(why) | crm::Outcome::Refused { why, .. } => {
            dead_letter(DeadLetterSet::Dead, DeliveryOutcome::Dead, why, lead.keep_dead)
        }
        crm::Outcome::Hold { why, candidates } => {
            let answer = if candidates.is_empty() {
                why.answer.clone()
            } else {
                Candidates::encode(candidates)
            };
            dead_letter(
                DeadLetterSet::Held,
                DeliveryOutcome::Held,
                why.with_answer(&answer),
                lead.keep_held,
            )
        }
        crm::Outcome::AwaitVisibility { after, why } => plain(
            queue::Disposition::Retry {
                after,
                in_doubt: InDoubt::Clear,
                why: last_error(&why),
            },
            DeliveryOutcome::Retried,
        )
        .because(why),
        crm::Outcome::Retry { after, why, in_doubt } => {
            let settings = lead.delivery;
            let left = settings.max_age.saturating_sub(lead.age);
            if left.is_zero() {
                return given_up(&why, lead);
            }
            // However long the CRM asks to wait, there is one more attempt before the lead is given up.
            let wait = backoff(lead.attempt, settings.initial_backoff, settings.max_backoff)
                .max(after.unwrap_or_default())
                .min(left);
            let in_doubt = if in_doubt { InDoubt::Set } else { InDoubt::Keep };
            plain(
                queue::Disposition::Retry {
                    after: wait,
                    in_doubt,
                    why: last_error(&why),
                },
                DeliveryOutcome::Retried,
            )
            .because(why)
        }
    }
}

/// The sink pauses.
fn paused(pause: Duration, after: Duration, why: Failure) -> Decision {
    Decision {
        settle: queue::Disposition::Release {
            after,
            why: Some(last_error(&why)),
        },
        label: DeliveryOutcome::Paused,
        failure: None,
        pause: Some(pause),
    }
    .because(why)
}

fn given_up(last: &Failure, lead: Circumstances<'_>) -> Decision {
    let message = format!(
        "given up after {} attempts (delivery.retry.maxAge); the last one: {}",
        lead.attempt, last.message
    );
    let why = Failure::new(FailureReason::RetriesExhausted, message).with_answer(&last.answer);
    dead_letter(DeadLetterSet::Dead, DeliveryOutcome::Dead, why, lead.keep_dead)
}

impl Decision {
    fn because(self, failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            ..self
        }
    }
}

/// As it is kept with a lead that waits.
fn last_error(why: &Failure) -> LastError {
    LastError::new(why.reason.as_str(), &why.message)
}

/// What is done with a lead before it is tried, when earlier claims of it ended without an outcome.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Caution {
    /// Nothing: it may be tried together with others.
    Together,
    /// It may be what kills workers: it is tried while no other such lead is.
    Alone,
    /// It is not tried again.
    Crashed,
}

/// A kill hits all leads that are under way, so one lost claim means nothing.
pub(super) fn caution(lost: u32) -> Caution {
    match lost {
        0..=1 => Caution::Together,
        2 => Caution::Alone,
        _ => Caution::Crashed,
    }
}

/// Of a lead that is not tried again.
pub(super) fn crashed(keep: Duration) -> Decision {
    let why = Failure::new(
        FailureReason::DeliveryCrashed,
        "three attempts in a row ended without an outcome: the receiver crashed, was killed (out of memory?) or hung \
         while it delivered this lead; see its log, look at what the lead's expressions and payload ask for, then \
         replay it",
    );
    dead_letter(DeadLetterSet::Dead, DeliveryOutcome::Dead, why, keep)
}

/// Of a lead that is older than what the sink has delivered of its contact: a person replayed it, or moved it, when the
/// newer one was on its way.
pub(super) fn superseded(keep: Duration) -> Decision {
    let why = Failure::new(
        FailureReason::OvertakenByNewer,
        "a newer lead of this contact was delivered before it, and this one would overwrite its values; discard it, or \
         replay it with force=true",
    );
    dead_letter(DeadLetterSet::Dead, DeliveryOutcome::Dead, why, keep)
}

/// Of a lead that waits until another one that was not to be tried together with it has an outcome.
pub(super) fn step_aside(after: Duration) -> Decision {
    Decision {
        settle: queue::Disposition::Release { after, why: None },
        label: DeliveryOutcome::Deferred,
        failure: None,
        pause: None,
    }
}

fn dead_letter(set: DeadLetterSet, label: DeliveryOutcome, why: Failure, keep: Duration) -> Decision {
    let reason = DeadLetterReason {
        reason: why.reason.as_str().to_owned(),
        message: why.message.clone(),
        answer: why.answer.clone(),
    };
    Decision {
        settle: queue::Disposition::DeadLetter {
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
    use crate::crm::Throttled;
    use crate::queue::{Breaker, RateLimit};
    use crate::throttle::PauseReason;

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
            on_refused_property: leadgate_crds::crm_sink::OnRefusedProperty::Drop,
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
                before_crm: false,
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
            why: Failure::new(FailureReason::Unavailable, "HubSpot failed"),
            in_doubt: true,
        };
        let long = Duration::from_hours(2);
        let decision = after(retry(Some(long)), Duration::ZERO);
        let queue::Disposition::Retry {
            after: wait,
            in_doubt: InDoubt::Set,
            why,
        } = decision.settle
        else {
            panic!("{decision:?}")
        };
        assert!(wait >= long);
        let for_ever = after(
            retry(Some(Duration::from_secs(99_999_999_999))),
            Duration::from_hours(70),
        );
        assert!(
            matches!(for_ever.settle, queue::Disposition::Retry { after, .. } if after == Duration::from_hours(2)),
            "{for_ever:?}"
        );
        assert_eq!(why, LastError::new("Unavailable", "HubSpot failed"));
        let old = after(retry(None), Duration::from_hours(72));
        let queue::Disposition::DeadLetter {
            set: DeadLetterSet::Dead,
            why,
            ..
        } = old.settle
        else {
            panic!("{old:?}")
        };
        assert_eq!(why.reason, "RetriesExhausted");
    }

    #[test]
    fn a_pause_or_a_closed_throttle_costs_the_lead_nothing() {
        let why = Failure::new(FailureReason::RateLimited, "wait");
        let paused = after(
            crm::Outcome::Pause {
                pause: Duration::from_secs(9),
                why,
            },
            Duration::from_hours(100),
        );
        assert_eq!(paused.pause, Some(Duration::from_secs(9)));
        assert!(
            matches!(paused.settle, queue::Disposition::Release { after, .. } if after == RETRY_AFTER_RELEASE),
            "however early the pause ends, it is due"
        );
        let year = after(
            crm::Outcome::Pause {
                pause: Duration::from_hours(24 * 365),
                why: Failure::new(FailureReason::RateLimited, "wait"),
            },
            Duration::ZERO,
        );
        assert_eq!(year.pause, Some(MAX_PAUSE));
        let denied = crm::Outcome::Throttled(Throttled {
            wait: Duration::from_secs(3),
            paused: Some(PauseReason::circuit_open()),
        });
        assert!(
            matches!(after(denied, Duration::ZERO).settle, queue::Disposition::Release { after, why: None } if after == RETRY_AFTER_RELEASE)
        );
    }

    #[test]
    fn after_three_lost_claims_a_lead_is_dead_and_before_the_third_it_is_tried_alone() {
        let expected = [
            Caution::Together,
            Caution::Together,
            Caution::Alone,
            Caution::Crashed,
            Caution::Crashed,
        ];
        for (lost, expected) in (0..).zip(expected) {
            assert_eq!(caution(lost), expected, "{lost}");
        }
        let queue::Disposition::DeadLetter { set, why, .. } = crashed(Duration::from_hours(1)).settle else {
            panic!("it is not tried again")
        };
        assert_eq!(
            (set, why.reason.as_str()),
            (DeadLetterSet::Dead, "DeliveryCrashed")
        );
    }

    #[test]
    fn a_lead_that_may_be_to_blame_for_a_pause_grows_old_meanwhile() {
        let suspect = || crm::Outcome::Suspect {
            why: Failure::new(FailureReason::MissingScopes, "a permission"),
            in_doubt: false,
            own: true,
        };
        let young = after(suspect(), Duration::from_hours(1));
        assert_eq!(young.pause, Some(RETRY_AFTER_MISCONFIGURED));
        assert!(
            matches!(young.settle, queue::Disposition::Release { after, .. } if after > RETRY_AFTER_MISCONFIGURED),
            "it goes behind the leads that wait for the end of the pause"
        );
        let old = after(suspect(), Duration::from_hours(72));
        let queue::Disposition::DeadLetter { set, why, .. } = old.settle else {
            panic!("{old:?}")
        };
        assert_eq!(
            (set, why.reason.as_str()),
            (DeadLetterSet::Dead, "RetriesExhausted")
        );
        assert!(why.message.contains("a permission"), "{}", why.message);
    }

    #[test]
    fn what_the_crm_refuses_for_good_is_dead_at_once_and_what_needs_a_person_is_held() {
        let why = Failure::new(FailureReason::InvalidEmail, "email");
        assert!(matches!(
            after(crm::Outcome::Reject(why.clone()), Duration::ZERO).settle,
            queue::Disposition::DeadLetter {
                set: DeadLetterSet::Dead,
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
            queue::Disposition::DeadLetter {
                set: DeadLetterSet::Held,
                ..
            }
        ));
    }
}
