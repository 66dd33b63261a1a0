//! What Salesforce's answers mean: single calls, items of a collection, and sign-ins. Pure.
//!
//! Sources of each fact: the REST API Developer Guide (status codes, error responses, `sobject` rows by external id,
//! collections, `Sforce-*` headers), the OAuth error codes of Salesforce Help, and captured bodies.

mod codes;
mod meaning;
mod sent;
mod token;

use std::time::Duration;

use leadgate_crds::reason::FailureReason;
use serde_json::Value;

pub(super) use codes::unknown_field;
pub(super) use meaning::{Answer, RETRY_AFTER_DAILY_LIMIT, RETRY_AFTER_MISCONFIGURED, record_id, word};
use meaning::{RETRY_AFTER_RATE_LIMITED, errors, several_message};
pub(super) use sent::{in_sight_of, references, without};
pub(super) use token::{Token, token};

use crate::crm::Failure;
use crate::outbound::{Body, Reply, retry_after};

/// Classifies an answer to a call about one record of `object`, or to a collection as a whole.
pub(super) fn classify(reply: &Reply, object: &str) -> Answer {
    let (status, text, body) = (reply.status, reply.text.as_str(), reply.json());
    let failure = |reason: FailureReason, message: String| {
        Failure::new(reason, message)
            .with_answer(text)
            .with_status(status)
    };
    let after = retry_after(&reply.headers);
    match status {
        200..=299 if !body.is_null() || (status == 204 && reply.body == Body::Empty) => {
            return Answer::Done(body.get("id").and_then(Value::as_str).and_then(record_id));
        }
        200..=299 => return Answer::unproven(reply),
        300 => {
            let ids = several(body);
            let message = several_message(&ids);
            return Answer::Several(ids, failure(FailureReason::SeveralRecords, message));
        }
        301..=399 => {
            return Answer::Suspect {
                why: failure(
                    FailureReason::Redirected,
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
                why: failure(
                    FailureReason::Unavailable,
                    format!("Salesforce failed ({status})"),
                ),
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
            FailureReason::InvalidCredentials,
            format!("Salesforce refused the access token (401 {code})"),
        )),
        403 => Answer::Suspect {
            why: failure(
                FailureReason::MissingPermission,
                format!(
                    "Salesforce's integration user lacks a permission, for all leads or for this one (403 {code}); give its permission set API Enabled, and create, read and edit on {object}"
                ),
            ),
            own: true,
        },
        404 | 405 => Answer::NotFound(failure(
            FailureReason::RecordNotFound,
            format!("Salesforce has no such record or path ({status} {code})"),
        )),
        // Salesforce Edge does not know where the organisation is (REST API Developer Guide, "Status Codes and Error Responses").
        420 => Answer::Retry {
            after,
            why: failure(
                FailureReason::Unavailable,
                "Salesforce does not find the organisation for now (420)".to_owned(),
            ),
            in_doubt: false,
        },
        408 | 429 => Answer::Pause(
            after.unwrap_or(RETRY_AFTER_RATE_LIMITED),
            failure(
                FailureReason::RateLimited,
                format!("Salesforce asked to slow down ({status})"),
            ),
        ),
        _ => Answer::Reject(failure(
            FailureReason::Refused,
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
                FailureReason::Refused,
                format!("Salesforce refused the lead ({code}); its answer is in the dead letter"),
            )
            .with_answer(&text),
        )
    })
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

#[cfg(test)]
mod tests;
