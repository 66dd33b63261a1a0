//! Calls to a CRM that deliver no lead: deletions for erasures, and audits.

use std::time::Duration;

use leadgate_crds::reason::FailureReason;

use super::answer::Answer;
use super::{Failure, Outcome, Throttled};
use crate::outbound::NoAnswer;

/// What became of a record that was to be deleted: it is not there any more; or why it still is.
pub type Deletion = Result<(), Undone>;

/// Ids of the other records of a record's person; `None`: the record is not there any more, or does not tell whose it is.
pub type Twins = Option<Vec<String>>;

/// Why a call that delivers no lead came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// Ask again, not before this.
    Later {
        /// If the CRM said so; else zero.
        after: Duration,
        /// Why.
        why: Failure,
    },
    /// The CRM will not do it.
    Failed(Failure),
}

impl Undone {
    /// Ask again.
    pub(crate) fn later(why: Failure) -> Self {
        Self::Later {
            after: Duration::ZERO,
            why,
        }
    }

    /// An id that cannot be one of this CRM's.
    pub(super) fn no_id() -> Self {
        Self::Failed(Failure::new(
            FailureReason::NoRecordId,
            "what the ledger has is no id of a record of this CRM",
        ))
    }

    /// The CRM says that it did what was not asked for.
    pub(super) fn strange() -> Self {
        Self::later(Failure::new(
            FailureReason::UnreadableAnswer,
            "the CRM's answer does not fit the call",
        ))
    }
}

impl From<Failure> for Undone {
    fn from(why: Failure) -> Self {
        Self::Failed(why)
    }
}

impl From<Throttled> for Undone {
    fn from(denied: Throttled) -> Self {
        let why = denied.paused.map_or_else(
            || Failure::new(FailureReason::RateLimited, "the sink's rate limit is used up"),
            |paused| Failure::new(paused.reason, paused.message),
        );
        Self::Later {
            after: denied.wait,
            why,
        }
    }
}

impl From<NoAnswer> for Undone {
    fn from(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::Throttled(denied) => denied.into(),
            NoAnswer::Failed(why, _) => Self::later(why),
        }
    }
}

impl From<Answer> for Undone {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Done(_) => Self::strange(),
            Answer::Retry { after, why, .. } => Self::Later {
                after: after.unwrap_or_default(),
                why,
            },
            Answer::Pause(after, why) => Self::Later { after, why },
            Answer::Suspect { why, .. } => Self::later(why),
            Answer::NotFound(why)
            | Answer::Conflict(_, why)
            | Answer::Refused(why, _)
            | Answer::Reject(why) => Self::Failed(why),
        }
    }
}

impl From<Outcome> for Undone {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Throttled(denied) => denied.into(),
            Outcome::Pause { pause, why } => Self::Later { after: pause, why },
            Outcome::Retry { after, why, .. } => Self::Later {
                after: after.unwrap_or_default(),
                why,
            },
            Outcome::AwaitVisibility { why, .. } | Outcome::Suspect { why, .. } => Self::later(why),
            Outcome::Reject(why) | Outcome::Refused { why, .. } | Outcome::Hold { why, .. } => {
                Self::Failed(why)
            }
            Outcome::Unwanted(_) | Outcome::Delivered { .. } => Self::strange(),
        }
    }
}

/// What an answer to a deletion means.
pub(super) fn deleted(answer: Answer) -> Deletion {
    match answer {
        Answer::Done(_) | Answer::NotFound(_) => Ok(()),
        other => Err(other.into()),
    }
}
