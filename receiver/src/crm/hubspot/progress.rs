//! What the leads of a batch have come to, and what a call that failed means for them. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::crm::{Failure, Outcome, Throttled};
use crate::throttle::PauseReason;

/// So many calls in a row that fail, be they halves of one another, are no lead's fault: with two culprits in a batch, one
/// half of a half passes before.
pub(super) const MAX_FAILURES_IN_ROW: usize = 4;

/// One lead's place in a batch call.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Which lead.
    pub(super) at: usize,
    /// A record's id, or a value of the unique property.
    pub(super) key: String,
    pub(super) properties: Map<String, Value>,
}

/// What the leads of a batch have come to.
pub(super) struct Progress {
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// To be tried by `batch/create`: update has not found them.
    pub(super) missing: Vec<Item>,
    /// A `batch/upsert` of one input was refused.
    pub(super) refused_alone: bool,
    /// A `batch/upsert` was taken.
    pub(super) upsert_taken: bool,
    /// What the last call said that a lead was part of, and that failed as a whole.
    pub(super) failed: Vec<Option<Outcome>>,
    /// Records that were made without the address that they were asked for by.
    pub(super) lacking: Vec<Item>,
    /// How a batch call was refused as a whole.
    pub(super) refused: Option<Failure>,
    /// A batch call was taken.
    pub(super) taken: bool,
}

impl Progress {
    pub(super) fn new(leads: usize) -> Self {
        Self {
            outcomes: vec![None; leads],
            missing: Vec::new(),
            refused_alone: false,
            upsert_taken: false,
            failed: vec![None; leads],
            lacking: Vec::new(),
            refused: None,
            taken: false,
        }
    }

    pub(super) fn ended(&self, at: usize) -> bool {
        self.outcomes.get(at).is_none_or(Option::is_some)
    }

    pub(super) fn settle(&mut self, at: usize, outcome: Outcome) {
        if let Some(slot) = self.outcomes.get_mut(at) {
            *slot = Some(outcome);
        }
    }
}

/// Two smaller calls for one of several leads; one alone is left to `upsert`.
pub(super) fn split(items: &[Item], waiting: &mut VecDeque<Vec<Item>>) {
    if items.len() > 1 {
        let (first, second) = items.split_at(items.len() / 2);
        waiting.extend([first.to_vec(), second.to_vec()]);
    }
}

/// The same for a call that failed: what became of its leads is not known, and if all calls fail HubSpot is left alone.
pub(super) fn halve(
    items: &[Item],
    outcome: Outcome,
    failed: usize,
    waiting: &mut VecDeque<Vec<Item>>,
    progress: &mut Progress,
) -> Result<(), Outcome> {
    for item in items {
        if let Some(slot) = progress.failed.get_mut(item.at) {
            *slot = Some(outcome.clone());
        }
    }
    if failed >= MAX_FAILURES_IN_ROW {
        return Err(outcome);
    }
    match items {
        [alone] => progress.settle(alone.at, outcome),
        _ => split(items, waiting),
    }
    Ok(())
}

pub(super) fn named(why: Failure, status: u16) -> Failure {
    Failure {
        message: format!("{status}, {}", why.reason),
        ..why
    }
}

/// Settles the items of a call that failed, and says what that means for the leads that were not sent.
pub(super) fn stop_of(items: &[Item], outcome: Outcome, progress: &mut Progress) -> Outcome {
    for item in items {
        progress.settle(item.at, outcome.clone());
    }
    outcome
}

/// Whether an outcome speaks of HubSpot rather than of the lead, so that the others need not be tried.
pub(super) fn stops(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Throttled(_) | Outcome::Pause { .. })
}

/// Gives every lead an outcome: those of calls that failed that failure, the first of those never sent the reason, and
/// the rest nothing but a wait.
pub(super) fn finish(progress: Progress, stop: &Outcome) -> Vec<Outcome> {
    let (wait, paused) = match stop {
        Outcome::Throttled(denied) => (denied.wait, denied.paused.clone()),
        Outcome::Pause { pause, why } => (*pause, Some(PauseReason::from(why))),
        Outcome::Retry { after, why, .. } => (
            after.unwrap_or(Duration::from_secs(1)),
            Some(PauseReason::from(why)),
        ),
        _ => (Duration::from_secs(1), None),
    };
    let told = |outcome: &Option<Outcome>| {
        outcome
            .as_ref()
            .is_some_and(|outcome| !matches!(outcome, Outcome::Throttled(_)))
    };
    let mut untold =
        !matches!(stop, Outcome::Throttled(_)) && !progress.outcomes.iter().chain(&progress.failed).any(told);
    let Progress { outcomes, failed, .. } = progress;
    outcomes
        .into_iter()
        .zip(failed)
        .map(|(outcome, failed)| {
            outcome.or(failed).unwrap_or_else(|| {
                if std::mem::take(&mut untold) {
                    return stop.clone();
                }
                Outcome::Throttled(Throttled {
                    wait,
                    paused: paused.clone(),
                })
            })
        })
        .collect()
}
