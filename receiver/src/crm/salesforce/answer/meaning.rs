//! What an answer of Salesforce can mean, and what is read from one: errors, ids, words.

use std::time::Duration;

use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use crate::crm::{Failure, RefusedProperty};
use crate::outbound::{NoAnswer, Reply};

/// How often what a person must correct is tried again, so that the correction is noticed.
pub(in super::super) const RETRY_AFTER_MISCONFIGURED: Duration = Duration::from_mins(1);
/// The daily limit is a rolling one of 24 h: some of it comes back all the time.
pub(in super::super) const RETRY_AFTER_DAILY_LIMIT: Duration = Duration::from_mins(15);
/// Too many long calls at once.
pub(super) const RETRY_AFTER_RATE_LIMITED: Duration = Duration::from_secs(10);

/// One answer of Salesforce about one record: the words that all CRMs share ([`crate::crm::answer`]), and its own.
#[derive(Debug, Clone)]
pub(in super::super) enum Answer {
    /// Done; the record's id, if the body tells.
    Done(Option<String>),
    /// The access token is not valid (any more).
    Expired(Failure),
    /// The record (or the path) is not there, was deleted, merged or converted.
    NotFound(Failure),
    /// Several records have the external id; their ids.
    Several(Vec<String>, Failure),
    /// A duplicate rule objects; ids of the records of the same object that it found.
    Duplicates(Vec<String>, Failure),
    /// Another record has the value of this unique field; the record's id.
    Taken {
        field: String,
        holder: Option<String>,
        why: Failure,
    },
    /// Temporary.
    Retry {
        after: Option<Duration>,
        why: Failure,
        /// Whether Salesforce may have written it.
        in_doubt: bool,
    },
    /// Nothing will be accepted for so long.
    Pause(Duration, Failure),
    /// Refused, and it is not plain whether because of the lead or of the organisation.
    Suspect {
        why: Failure,
        /// By Salesforce, not by something in between.
        own: bool,
    },
    /// Never acceptable.
    Reject(Failure),
    /// Acceptable without these fields, as Salesforce spells them.
    Refused(Failure, Vec<RefusedProperty>),
    /// There is none.
    None(NoAnswer),
}

impl Answer {
    /// Success that is not in Salesforce's words: what was asked for may be done.
    pub(in super::super) fn unproven(reply: &Reply) -> Self {
        Self::Retry {
            after: None,
            why: reply.foreign("Salesforce"),
            in_doubt: true,
        }
    }

    /// Whether fewer records in a call may get a better answer: a trigger's or flow's limits are those of the whole call.
    pub(in super::super) fn automation_failed(&self) -> bool {
        matches!(self, Self::Reject(why) if why.reason == FailureReason::AutomationFailed)
    }

    /// Whether a limit of the whole call is what failed.
    pub(in super::super) fn exceeds_limits(&self) -> bool {
        matches!(self, Self::Reject(why) if self.automation_failed() && names_a_limit(&why.answer))
    }

    /// A matter of the sink or of the organisation.
    pub(in super::super) fn settings(reason: FailureReason, message: String, answer: &str) -> Self {
        Self::Pause(
            RETRY_AFTER_MISCONFIGURED,
            Failure::new(reason, message).with_answer(answer),
        )
    }
}

/// One error of the array that Salesforce answers with; collections call the code `statusCode`.
pub(super) struct Error<'a> {
    pub(in super::super) code: &'a str,
    pub(in super::super) message: &'a str,
    pub(in super::super) fields: Vec<&'a str>,
    pub(in super::super) body: &'a Value,
}

pub(super) fn errors(body: &Value) -> Vec<Error<'_>> {
    body.as_array()
        .into_iter()
        .flatten()
        .map(|error| {
            let text = |name: &str| error.get(name).and_then(Value::as_str);
            Error {
                code: text("errorCode")
                    .or_else(|| text("statusCode"))
                    .unwrap_or_default(),
                message: text("message").unwrap_or_default(),
                fields: error
                    .get("fields")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect(),
                body: error,
            }
        })
        .collect()
}

/// Marks of the limits that a transaction has (Apex Developer Guide, "Execution Governors and Limits").
const LIMIT_MARKS: &[&str] = &[
    "LimitException",
    "Too many",
    "time limit exceeded",
    "heap size too large",
    "governor limit",
    "TXN_",
];

pub(super) fn names(text: &str, marks: &[&str]) -> bool {
    marks.iter().any(|mark| text.contains(mark))
}

/// Whether an answer says that a transaction's limits were exceeded.
fn names_a_limit(text: &str) -> bool {
    names(text, LIMIT_MARKS)
}

/// Names the records: a person must look at them.
pub(super) fn several_message(ids: &[String]) -> String {
    format!(
        "Salesforce records {} have the lead's external id; merge them, or decide which one it is",
        ids.join(", ")
    )
}

/// A record's id: 15 or 18 letters and digits. Nothing else may get into a URL as one.
pub(in super::super) fn record_id(text: &str) -> Option<String> {
    let is_id = matches!(text.len(), 15 | 18) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    is_id.then(|| text.to_owned())
}

/// The ids in a text.
pub(super) fn record_ids(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        // A word of 15 letters is possible; all three-letter key prefixes of leads and contacts begin with 0.
        .filter(|word| word.starts_with('0') || word.starts_with('a'))
        .filter(|word| word.bytes().any(|b| b.is_ascii_digit()))
        .filter_map(record_id)
        .collect()
}

/// A field's name or a code: short and without blanks, so never a person's value.
pub(in super::super) fn word(text: &str) -> &str {
    let is_word = text.len() <= 80
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
    if is_word { text } else { "" }
}
