//! What Salesforce's answers mean: single calls, items of a collection, and sign-ins. Pure.
//!
//! Sources of each fact: the REST API Developer Guide (status codes, error responses, `sobject` rows by external id,
//! collections, `Sforce-*` headers), the OAuth error codes of Salesforce Help, and captured bodies.

mod codes;
mod token;

use std::time::Duration;

use serde_json::Value;

pub(super) use codes::{unknown_field, word};
pub(super) use token::{Token, token};

use crate::crm::exchange::{Body, NoAnswer, Reply};
use crate::crm::{Failure, RefusedProperty, retry_after};

/// How often what a person must correct is tried again, so that the correction is noticed.
pub(super) const RETRY_AFTER_MISCONFIGURED: Duration = Duration::from_mins(1);
/// The daily limit is a rolling one of 24 h: some of it comes back all the time.
pub(super) const RETRY_AFTER_DAILY_LIMIT: Duration = Duration::from_mins(15);
/// Too many long calls at once.
const RETRY_AFTER_RATE_LIMITED: Duration = Duration::from_secs(10);

/// One answer of Salesforce about one record.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// Done; the record's id, if the body tells.
    Done(Option<String>),
    /// The access token is not valid (any more).
    Expired(Failure),
    /// The record (or the path) is not there, was deleted, merged or converted.
    Gone(Failure),
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
    pub(super) fn unproven(reply: &Reply) -> Self {
        Self::Retry {
            after: None,
            why: reply.foreign("Salesforce"),
            in_doubt: true,
        }
    }

    /// Whether fewer records in a call may get a better answer: a trigger's or flow's limits are those of the whole call.
    pub(super) fn automation_failed(&self) -> bool {
        matches!(self, Self::Reject(why) if why.reason == codes::AUTOMATION)
    }

    /// Whether a limit of the whole call is what failed.
    pub(super) fn exceeds_limits(&self) -> bool {
        matches!(self, Self::Reject(why) if self.automation_failed() && codes::names_a_limit(&why.answer))
    }

    /// A matter of the sink or of the organisation.
    pub(super) fn settings(reason: &'static str, message: String, answer: &str) -> Self {
        Self::Pause(
            RETRY_AFTER_MISCONFIGURED,
            Failure::new(reason, message).with_answer(answer),
        )
    }
}

/// One error of the array that Salesforce answers with; collections call the code `statusCode`.
pub(super) struct Error<'a> {
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    pub(super) fields: Vec<&'a str>,
    pub(super) body: &'a Value,
}

fn errors(body: &Value) -> Vec<Error<'_>> {
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

/// Classifies an answer to a call about one record of `object`, or to a collection as a whole.
pub(super) fn classify(reply: &Reply, object: &str) -> Answer {
    let (status, text, body) = (reply.status, reply.text.as_str(), reply.json());
    let failure = |reason: &'static str, message: String| Failure::new(reason, message).with_answer(text);
    let after = retry_after(&reply.headers);
    match status {
        200..=299 if !body.is_null() || (status == 204 && reply.body == Body::Empty) => {
            return Answer::Done(body.get("id").and_then(Value::as_str).and_then(record_id));
        }
        200..=299 => return Answer::unproven(reply),
        300 => {
            let ids = several(body);
            let message = several_message(&ids);
            return Answer::Several(ids, failure("SeveralRecords", message));
        }
        301..=399 => {
            return Answer::Suspect {
                why: failure(
                    "Redirected",
                    format!(
                        "salesforce.instanceUrl answers with a redirect ({status}); write the organisation's My Domain address"
                    ),
                ),
                own: false,
            };
        }
        500..=599 => {
            return Answer::Retry {
                after,
                why: failure("Unavailable", format!("Salesforce failed ({status})")),
                // 503 says that the server did not begin.
                in_doubt: status != 503,
            };
        }
        _ => {}
    }
    let errors = errors(body);
    if let Some(answer) = codes::answer(&errors, object, text) {
        return not_before(answer, after);
    }
    let code = errors.first().map_or("", |error| word(error.code));
    if reply.body == Body::Html && !matches!(status, 401 | 408 | 429) {
        return Answer::Suspect {
            why: reply.foreign("Salesforce"),
            own: false,
        };
    }
    match status {
        401 => Answer::Expired(failure(
            "InvalidCredentials",
            format!("Salesforce refused the access token (401 {code})"),
        )),
        403 => Answer::Suspect {
            why: failure(
                "MissingPermission",
                format!(
                    "Salesforce's integration user lacks a permission, for all leads or for this one (403 {code}); give its permission set API Enabled, and create, read and edit on {object}"
                ),
            ),
            own: true,
        },
        404 | 405 => Answer::Gone(failure(
            "RecordNotFound",
            format!("Salesforce has no such record or path ({status} {code})"),
        )),
        408 | 429 => Answer::Pause(
            after.unwrap_or(RETRY_AFTER_RATE_LIMITED),
            failure("RateLimited", format!("Salesforce asked to slow down ({status})")),
        ),
        _ => Answer::Reject(failure(
            "Refused",
            format!("Salesforce refused the lead ({status} {code}); its answer is in the dead letter"),
        )),
    }
}

/// A `Retry-After` is obeyed in full, whatever the error code asks for.
fn not_before(answer: Answer, after: Option<Duration>) -> Answer {
    match (answer, after) {
        (Answer::Pause(pause, why), Some(after)) => Answer::Pause(pause.max(after), why),
        (Answer::Retry { why, in_doubt, .. }, after @ Some(_)) => Answer::Retry { after, why, in_doubt },
        (answer, _) => answer,
    }
}

/// Classifies one result of a collection.
pub(super) fn item(result: &Value, object: &str) -> Answer {
    if result.get("success").and_then(Value::as_bool) == Some(true) {
        return Answer::Done(result.get("id").and_then(Value::as_str).and_then(record_id));
    }
    let text = result.get("errors").map(Value::to_string).unwrap_or_default();
    let errors = errors(result.get("errors").unwrap_or(&Value::Null));
    codes::answer(&errors, object, &text).unwrap_or_else(|| {
        let code = errors.first().map_or("", |error| word(error.code));
        Answer::Reject(
            Failure::new(
                "Refused",
                format!("Salesforce refused the lead ({code}); its answer is in the dead letter"),
            )
            .with_answer(&text),
        )
    })
}

/// Names the records: a person must look at them.
fn several_message(ids: &[String]) -> String {
    format!(
        "Salesforce records {} have the lead's external id; merge them, or decide which one it is",
        ids.join(", ")
    )
}

/// 300: `["/services/data/v62.0/sobjects/Lead/00Q…", …]`.
fn several(body: &Value) -> Vec<String> {
    body.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter_map(|url| record_id(url.rsplit('/').next().unwrap_or_default()))
        .collect()
}

/// A record's id: 15 or 18 letters and digits. Nothing else may get into a URL as one.
pub(super) fn record_id(text: &str) -> Option<String> {
    let is_id = matches!(text.len(), 15 | 18) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    is_id.then(|| text.to_owned())
}

/// The ids in a text.
fn record_ids(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        // A word of 15 letters is possible; all three-letter key prefixes of leads and contacts begin with 0.
        .filter(|word| word.starts_with('0') || word.starts_with('a'))
        .filter(|word| word.bytes().any(|b| b.is_ascii_digit()))
        .filter_map(record_id)
        .collect()
}

#[cfg(test)]
mod tests;
