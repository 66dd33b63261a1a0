//! What becomes of a lead after an attempt. Pure.

use std::time::Duration;

use leadgate_crds::reason::FailureReason;

use super::backoff::backoff;
use super::judge::RETRY_AFTER_MISCONFIGURED;
use crate::config::DeliverySettings;
use crate::crm::{self, Failure, Known, MAX_PAUSE};
use crate::outcomes::DeliveryOutcome;
use crate::queue::{self, Candidates, DeadLetterReason, DeadLetterSet, LastError};

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
    /// How long the payload of a delivered lead is kept.
    pub(super) keep_payload: Duration,
    pub(super) delivery: &'a DeliverySettings,
    /// The sink's, in which its record is.
    pub(super) account: &'a str,
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
                remember: record
                    .as_ref()
                    .map(|id| (Known::reached(id, lead.account), REMEMBER_RECORD_FOR)),
                record,
                keep: lead.keep_payload,
            },
            DeliveryOutcome::Delivered,
        ),
        crm::Outcome::Unwanted(why) => plain(queue::Disposition::Unwanted(why), why.into()),
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
                in_doubt: false,
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
            // However long the CRM asks to wait, a correction is noticed, and there is one more attempt before the lead is given
            // up.
            let wait = backoff(lead.attempt, settings.initial_backoff, settings.max_backoff)
                .max(after.unwrap_or_default().min(MAX_PAUSE))
                .min(left);
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
mod tests;
