//! Who is to blame for a refusal that may concern one lead or the whole account. Pure.

use std::time::Duration;

use crate::crm::{Failure, Outcome, PreflightReport};

/// How often what a person must correct is tried again, so that the correction is noticed.
pub(super) const RETRY_AFTER_MISCONFIGURED: Duration = Duration::from_mins(1);

/// What speaks for or against a lead that was refused ([`Outcome::Suspect`]).
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Other leads arrived in the last minute.
    pub(super) others_pass: bool,
    /// What the CRM said about the account just now, if it was asked.
    pub(super) preflight: Option<PreflightReport>,
}

/// Turns a suspect's outcome into one that delivery acts on: the lead steps back alone (`Retry`), or the account is left
/// alone (`Pause`). What stays `Suspect` is a refusal in the CRM's own words that nothing speaks against: the sink
/// pauses, but the lead grows old meanwhile and goes behind the others.
pub(super) fn judge(outcome: Outcome, evidence: &Evidence) -> Outcome {
    let Outcome::Suspect { why, in_doubt, own } = outcome else {
        return outcome;
    };
    let steps_back = |why| Outcome::Retry {
        after: None,
        why,
        in_doubt,
    };
    // A pause would forget that the CRM may have it.
    if in_doubt || evidence.others_pass {
        return steps_back(why);
    }
    match evidence.preflight.as_ref().and_then(account_refused) {
        Some(account) => Outcome::Pause {
            pause: RETRY_AFTER_MISCONFIGURED,
            why: Failure {
                answer: why.answer,
                ..account.clone()
            },
        },
        None if own => Outcome::Suspect { why, in_doubt, own },
        None => steps_back(why),
    }
}

fn account_refused(preflight: &PreflightReport) -> Option<&Failure> {
    [&preflight.credentials, &preflight.reachable]
        .into_iter()
        .find_map(|check| check.as_ref()?.as_ref().err())
}

#[cfg(test)]
mod tests {
    use leadgate_crds::reason::FailureReason;

    use super::*;

    #[test]
    fn a_lead_is_told_from_the_account_by_the_others_by_the_preflight_and_by_whose_words_it_are() {
        let suspect = |own, in_doubt| Outcome::Suspect {
            why: Failure::new(FailureReason::Refused, "no"),
            in_doubt,
            own,
        };
        let fine = || PreflightReport {
            reachable: Some(Ok(())),
            credentials: Some(Ok(())),
            ..PreflightReport::default()
        };
        let refused = || PreflightReport {
            credentials: Some(Err(Failure::new(FailureReason::InvalidCredentials, "the token"))),
            ..fine()
        };
        let page = || PreflightReport {
            reachable: Some(Err(Failure::new(FailureReason::ForeignAnswer, "a page"))),
            ..PreflightReport::default()
        };
        let unasked = PreflightReport::default;
        // own words, in doubt, others pass, preflight -> what becomes of it
        let table: [(bool, bool, bool, Option<PreflightReport>, &str); 10] = [
            (false, false, false, Some(fine()), "steps back"),
            (false, false, false, Some(unasked()), "steps back"),
            (false, false, false, Some(refused()), "pause InvalidCredentials"),
            (false, false, false, Some(page()), "pause ForeignAnswer"),
            (false, false, true, Some(refused()), "steps back"),
            (true, false, false, Some(fine()), "unclear"),
            (true, false, false, None, "unclear"),
            (true, false, false, Some(refused()), "pause InvalidCredentials"),
            (true, false, true, None, "steps back"),
            (false, true, false, Some(page()), "steps back"),
        ];
        for (own, in_doubt, others_pass, preflight, expected) in table {
            let evidence = Evidence {
                others_pass,
                preflight,
            };
            let told = match judge(suspect(own, in_doubt), &evidence) {
                Outcome::Retry { in_doubt: kept, .. } if kept == in_doubt => "steps back".to_owned(),
                Outcome::Pause { why, .. } => format!("pause {}", why.reason),
                Outcome::Suspect { .. } => "unclear".to_owned(),
                other => format!("{other:?}"),
            };
            assert_eq!(told, expected, "own={own} {evidence:?}");
        }
    }
}
