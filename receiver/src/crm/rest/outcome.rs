//! What becomes of a lead, where more than one call ends alike. Pure.

use leadgate_crds::reason::FailureReason;

use super::description::Find;
use crate::crm::answer::Answer;
use crate::crm::{Failure, Outcome, Upsert};

/// What becomes of a lead that the CRM did not take. `creates`: an answer of failure may hide a new record.
pub(super) fn unfinished(answer: Answer, creates: bool, lead: &Upsert) -> Outcome {
    match answer {
        Answer::Done(record) => Outcome::Delivered { record },
        Answer::Retry { after, why, in_doubt } => Outcome::Retry {
            after,
            why,
            in_doubt: in_doubt && creates,
        },
        Answer::Suspect { why, in_doubt, own } => Outcome::Suspect {
            why,
            in_doubt: in_doubt && creates,
            own,
        },
        Answer::Refused(why, properties) if properties.iter().any(|p| lead.identifies(&p.property)) => {
            Outcome::Reject(why)
        }
        Answer::Refused(why, properties) => Outcome::Refused { why, properties },
        Answer::Pause(pause, why) => Outcome::Pause { pause, why },
        Answer::Reject(why) | Answer::NotFound(why) => Outcome::Reject(why),
        Answer::Conflict(id, why) => Outcome::Hold {
            why,
            candidates: id.into_iter().collect(),
        },
    }
}

/// The CRM has a record that its lookup does not show: it is waited for once; `None`: it was.
pub(super) fn await_lookup(find: &Find, lead: &Upsert) -> Option<Outcome> {
    let lag = find.lookup.lag;
    (lead.in_doubt.is_none() && !lag.is_zero()).then(|| Outcome::Retry {
        after: Some(lag),
        why: not_visible(),
        in_doubt: true,
    })
}

/// Why a lead waits for the lookup.
pub(super) fn not_visible() -> Failure {
    Failure::new(
        FailureReason::AwaitingVisibility,
        "the CRM may have a record that its lookup does not show yet; waiting for rest.lookup.lag",
    )
}

/// A person must say which of these it is.
pub(super) fn several(candidates: Vec<String>) -> Outcome {
    Outcome::Hold {
        why: Failure::new(
            FailureReason::SeveralRecords,
            format!(
                "rest.lookup.match takes records {} for the lead's; merge them in the CRM, or decide which one it is",
                candidates.join(", ")
            ),
        ),
        candidates,
    }
}

/// A path that is not there is a matter of the sink; or of the lead, if the path is made of it.
pub(super) fn path_missing(why: &Failure, field: &str) -> Outcome {
    Outcome::Suspect {
        why: Failure::new(
            FailureReason::UnknownPath,
            format!("{}; see rest.baseUrl and {field}", why.message),
        )
        .with_answer(&why.answer),
        in_doubt: false,
        own: true,
    }
}
