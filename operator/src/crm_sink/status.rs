//! What became of a sink -> its status. Pure.

use jiff::Timestamp;
use leadgate_crds::crm_sink::CrmSinkStatusLeads;
use leadgate_crds::lead_webhook::SinkError;
use leadgate_crds::reason::{FailureClass, FailureReason};
use leadgate_crds::report::{Check, PreflightReport};
use leadgate_crds::{CrmSink, CrmSinkStatus};

use super::dereference::Dereferenced;
use crate::conditions::{ConditionState, conditions, find, paused};
use crate::reasons::Reason;
use crate::stats::{last_audit, newest};
use crate::validation::ValidationError;

/// How the check ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing is wrong with it.
    Valid,
    /// A person has to change something.
    Mistakes(Vec<ValidationError>),
    /// It could not be checked: reason and message.
    Failed(Reason, String),
    /// A person has paused its reconciliation with an annotation: nothing was looked at or changed.
    Paused,
}

/// The status; `previous` gives what stays.
pub fn status(
    sink: &CrmSink,
    previous: &CrmSinkStatus,
    outcome: &Outcome,
    facts: &Dereferenced,
    now: Timestamp,
) -> CrmSinkStatus {
    let generation = match outcome {
        Outcome::Paused => previous.observed_generation,
        _ => sink.metadata.generation.unwrap_or_default(),
    };
    let mut status = CrmSinkStatus {
        observed_generation: generation,
        kind: sink.spec.crm().map(|crm| crm.name().to_owned()),
        webhooks: i64::try_from(facts.webhooks).unwrap_or(i64::MAX),
        ..previous.clone()
    };
    if !facts.figures.is_empty() {
        count(&mut status, sink, facts);
    }
    status.paused = sink.spec.suspend || status.paused_until.is_some() || reason(facts).is_some();
    if silent(&status, facts) {
        status.paused |= previous.paused && seen(&previous.conditions, "Delivering").is_some();
    }
    let named = states(sink, &status, outcome, facts, &previous.conditions);
    status.conditions = conditions(named, &previous.conditions, generation, now);
    status
}

fn count(status: &mut CrmSinkStatus, sink: &CrmSink, facts: &Dereferenced) {
    status.leads = CrmSinkStatusLeads {
        deliveries: facts.figures.iter().map(|figures| figures.leads.deliveries).sum(),
        oldest_pending_seconds: rounded(
            facts
                .figures
                .iter()
                .map(|figures| figures.leads.oldest_pending_seconds)
                .max()
                .unwrap_or_default(),
        ),
    };
    status.paused_until = facts
        .figures
        .iter()
        .filter_map(|figures| figures.paused_until.clone())
        .max_by_key(|until| until.0);
    // A receiver that has just started has not read it yet.
    let found = last_audit(facts.figures.iter().filter_map(|figures| figures.audit.as_ref()));
    let found = found.or_else(|| status.audit.take());
    status.audit = found.filter(|_| sink.spec.audit.is_some());
    status.last_error = newest(
        facts
            .figures
            .iter()
            .filter_map(|figures| figures.last_error.as_ref()),
    )
    .or_else(|| status.last_error.clone());
}

/// Its webhooks' receivers have not said anything yet to this operator.
fn silent(status: &CrmSinkStatus, facts: &Dereferenced) -> bool {
    status.webhooks > 0 && facts.figures.is_empty()
}

/// What a condition said last, if receivers said it and not the specification.
fn seen(previous: &[leadgate_crds::common::Condition], name: &str) -> Option<ConditionState> {
    find(previous, name).map(ConditionState::of).filter(|last| {
        ![Reason::NoWebhooks.as_str(), Reason::Suspended.as_str()].contains(&last.reason.as_str())
    })
}

/// To minutes above one: an age that changes each second would be written each time.
fn rounded(seconds: i64) -> i64 {
    if seconds < 60 { seconds } else { seconds / 60 * 60 }
}

/// Why the receivers wait.
fn reason(facts: &Dereferenced) -> Option<&str> {
    facts
        .figures
        .iter()
        .find_map(|figures| figures.paused_reason.as_deref())
}

/// What stands in the way now: why deliveries wait, else what a receiver found when it asked the CRM, else the last
/// error while leads are waiting.
fn current_failure(status: &CrmSinkStatus, facts: &Dereferenced) -> Option<SinkError> {
    if let Some(reason) = reason(facts) {
        let said = facts
            .figures
            .iter()
            .find_map(|figures| figures.paused_message.clone());
        let detail = status.last_error.as_ref().filter(|error| error.reason == reason);
        return Some(SinkError {
            reason: reason.to_owned(),
            message: said
                .or_else(|| detail.map(|error| error.message.clone()))
                .unwrap_or_else(|| reason.to_owned()),
            time: None,
        });
    }
    refused(preflight(facts)).or_else(|| {
        status
            .last_error
            .clone()
            .filter(|_| status.leads.deliveries.pending > 0)
    })
}

/// The newest look at the CRM.
fn preflight(facts: &Dereferenced) -> Option<&PreflightReport> {
    facts
        .figures
        .iter()
        .filter_map(|figures| figures.preflight.as_ref())
        .max_by_key(|preflight| preflight.time)
}

/// What the CRM refused when it was asked.
fn refused(preflight: Option<&PreflightReport>) -> Option<SinkError> {
    let preflight = preflight?;
    let check = [&preflight.credentials, &preflight.reachable]
        .into_iter()
        .flatten()
        .find(|check| !check.ok)?;
    Some(SinkError {
        reason: check.reason.clone(),
        message: check.message.clone(),
        time: None,
    })
}

fn states(
    sink: &CrmSink,
    status: &CrmSinkStatus,
    outcome: &Outcome,
    facts: &Dereferenced,
    previous: &[leadgate_crds::common::Condition],
) -> Vec<(&'static str, ConditionState)> {
    let accepted = match outcome {
        Outcome::Valid => {
            ConditionState::yes(Reason::Valid, "the specification is valid, and its Secrets exist")
        }
        Outcome::Mistakes(mistakes) => {
            let messages: Vec<&str> = mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
            let reason = mistakes
                .first()
                .map_or(Reason::CrmUnclear, |mistake| mistake.reason);
            ConditionState::no(reason, messages.join("; "))
        }
        Outcome::Failed(..) | Outcome::Paused => find(previous, "Accepted").map_or_else(
            || ConditionState::unknown(Reason::NotCheckedYet, "not checked yet"),
            ConditionState::of,
        ),
    };
    let failure = current_failure(status, facts);
    let heard = !facts.figures.is_empty();
    let asked = preflight(facts);
    let (mut credentials, mut reachable) = connection(failure.as_ref(), status, heard, asked);
    let mut delivering = delivering(sink, status, failure.as_ref(), heard, asked);
    if silent(status, facts) {
        // What was seen last still holds: an operator that has just started must not take it back.
        let last = |name: &str, now: ConditionState| seen(previous, name).unwrap_or(now);
        credentials = last("CredentialsValid", credentials);
        reachable = last("Reachable", reachable);
        if !sink.spec.suspend {
            delivering = last("Delivering", delivering);
        }
    }
    let ready = ready(sink, outcome, [&accepted, &credentials, &reachable], &delivering);
    let stalled = if accepted.fails() && !matches!(outcome, Outcome::Failed(..)) {
        ConditionState::yes(&accepted.reason, accepted.message.clone())
    } else {
        ConditionState::no(Reason::Progressing, "No blocking problem")
    };
    let reconciling = match outcome {
        Outcome::Failed(reason, message) => ConditionState::yes(*reason, message.clone()),
        Outcome::Paused => paused(),
        _ => ConditionState::no(Reason::Done, "it was checked"),
    };
    vec![
        ("Accepted", accepted),
        ("CredentialsValid", credentials),
        ("Reachable", reachable),
        ("Delivering", delivering),
        ("Ready", ready),
        ("Reconciling", reconciling),
        ("Stalled", stalled),
    ]
}

/// CredentialsValid and Reachable. A CRM that refuses the credentials was reached.
fn connection(
    failure: Option<&SinkError>,
    status: &CrmSinkStatus,
    heard: bool,
    asked: Option<&PreflightReport>,
) -> (ConditionState, ConditionState) {
    let delivered = heard && status.leads.deliveries.delivered > 0;
    let said = |check: fn(&PreflightReport) -> &Option<Check>| {
        asked.is_some_and(|asked| check(asked).as_ref().is_some_and(|check| check.ok))
    };
    let unknown = || ConditionState::unknown(Reason::NotTriedYet, "no receiver has called the CRM yet");
    let usual = |check: fn(&PreflightReport) -> &Option<Check>, yes: Reason, text: &str| {
        if delivered || said(check) {
            ConditionState::yes(yes, text)
        } else {
            unknown()
        }
    };
    match failure.map(|error| (FailureReason::from(error.reason.as_str()).class(), error)) {
        Some((FailureClass::Credentials, error)) => (
            ConditionState::no(
                &error.reason,
                format!(
                    "the CRM refuses the credentials: {}; correct the Secret, which is then reloaded",
                    error.message
                ),
            ),
            ConditionState::yes(Reason::Reached, "the CRM answers"),
        ),
        Some((FailureClass::Connection, error)) => (
            usual(
                |asked| &asked.credentials,
                Reason::CredentialsAccepted,
                "the CRM accepts the credentials",
            ),
            ConditionState::no(
                &error.reason,
                format!("the CRM cannot be reached: {}", error.message),
            ),
        ),
        _ => (
            usual(
                |asked| &asked.credentials,
                Reason::CredentialsAccepted,
                "the CRM accepts the credentials",
            ),
            usual(|asked| &asked.reachable, Reason::Reached, "the CRM answers"),
        ),
    }
}

fn delivering(
    sink: &CrmSink,
    status: &CrmSinkStatus,
    failure: Option<&SinkError>,
    heard: bool,
    asked: Option<&PreflightReport>,
) -> ConditionState {
    if sink.spec.suspend {
        return ConditionState::no(
            Reason::Suspended,
            "suspended by spec.suspend: leads are queued and not delivered",
        );
    }
    if status.webhooks == 0 && status.leads.deliveries.pending == 0 {
        return ConditionState::unknown(Reason::NoWebhooks, "no LeadWebhook references this sink");
    }
    if !heard {
        return ConditionState::unknown(Reason::NotCheckedYet, "no receiver has reported yet");
    }
    let until = status
        .paused_until
        .as_ref()
        .map(|until| format!(" until {}", until.0))
        .unwrap_or_default();
    match failure {
        Some(error) if status.paused => ConditionState::no(
            &error.reason,
            format!("deliveries are paused{until}: {}; leads are kept", error.message),
        ),
        Some(error) => ConditionState::no(
            &error.reason,
            format!(
                "{} deliveries are pending; the last attempt failed: {}",
                status.leads.deliveries.pending, error.message
            ),
        ),
        // Leads that carry such a property will be dead: better to know before the first one.
        None => match asked.map(|asked| asked.problems.join("; ")) {
            Some(problems) if !problems.is_empty() => ConditionState::no(Reason::PropertyProblem, problems),
            _ => ConditionState::yes(Reason::Delivering, "leads are delivered"),
        },
    }
}

fn ready(
    sink: &CrmSink,
    outcome: &Outcome,
    needed: [&ConditionState; 3],
    delivering: &ConditionState,
) -> ConditionState {
    if let Outcome::Failed(reason, message) = outcome {
        return ConditionState::no(*reason, message.clone());
    }
    if let Some(missing) = needed.iter().find(|statement| statement.fails()) {
        return (*missing).clone();
    }
    if sink.spec.suspend {
        return ConditionState::yes(Reason::Suspended, delivering.message.clone());
    }
    if delivering.fails() {
        return delivering.clone();
    }
    // What nobody has tried yet is not wrong: a new sink has to become ready before its first lead.
    ConditionState::yes(Reason::Ready, "leads are taken")
}

#[cfg(test)]
mod tests;
