//! What HubSpot's answers mean. Sources of each fact: the vendor's OpenAPI documents, its error-handling guide
//! (developers.hubspot.com/docs/api/error-handling) and captured bodies.

use std::time::Duration;

use http::HeaderMap;
use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use crate::crm::answer::Answer;
use crate::crm::{Failure, MAX_PAUSE, RefusedProperty};
use crate::outbound::{Reply, retry_after};

/// The rolling limit's window; HubSpot does not send Retry-After dependably.
const RETRY_AFTER_RATE_LIMITED: Duration = Duration::from_secs(10);
/// The daily limit resets at midnight of the account's time zone, which the answer does not tell.
const RETRY_AFTER_DAILY_LIMIT: Duration = Duration::from_mins(30);
/// How often a full account is tried again.
const RETRY_AFTER_FULL: Duration = Duration::from_mins(15);
/// How often wrong credentials are tried again, so that a corrected token is noticed.
const RETRY_AFTER_MISCONFIGURED: Duration = Duration::from_mins(1);
/// The least wait after 423 Locked, by HubSpot's guide.
const RETRY_AFTER_LOCKED: Duration = Duration::from_secs(2);

/// Classifies an answer. What is not HubSpot's own (a firewall's page, an empty body, a gateway's JSON) proves nothing:
/// neither that a lead arrived, nor that a record is missing, nor that the token is wrong.
pub(super) fn classify(reply: &Reply) -> Answer {
    let (status, body) = (reply.status, reply.json());
    let failure = |reason: FailureReason, message: String| {
        Failure::new(reason, message)
            .with_answer(&reply.text)
            .with_status(status)
    };
    let after = retry_after(&reply.headers);
    let retry = |after, reason, message| Answer::Retry {
        after,
        why: failure(reason, message),
        in_doubt: false,
    };
    let suspect = |why, in_doubt, own| Answer::Suspect { why, in_doubt, own };
    match status {
        200..=299 if body.is_object() => Answer::Done(body.get("id").and_then(id_text)),
        200..=299 => suspect(reply.foreign("HubSpot"), true, false),
        300..=399 => suspect(
            failure(
                FailureReason::Redirected,
                format!("hubspot.baseUrl answers with a redirect ({status}); write the API's own address"),
            ),
            false,
            false,
        ),
        423 => retry(
            Some(after.unwrap_or(RETRY_AFTER_LOCKED).max(RETRY_AFTER_LOCKED)),
            FailureReason::Locked,
            "HubSpot is busy with this record (423)".to_owned(),
        ),
        429 => rate_limited(&reply.headers, body, after, &failure),
        // Not in any standard: 420 and 430 are some gateways' words for too many calls.
        408 | 420 | 430 | 477 => retry(
            after,
            FailureReason::TryLater,
            format!("HubSpot asked to try again later ({status})"),
        ),
        500..=599 => Answer::Retry {
            after,
            why: failure(FailureReason::Unavailable, format!("HubSpot failed ({status})")),
            in_doubt: true,
        },
        _ if !is_own(body) => suspect(reply.foreign("HubSpot"), false, false),
        401 => Answer::Pause(
            after.unwrap_or(RETRY_AFTER_MISCONFIGURED),
            failure(
                FailureReason::InvalidCredentials,
                format!(
                    "HubSpot refused the token (401 {}); put a valid private-app token or service key into the Secret",
                    category(body)
                ),
            ),
        ),
        403 => suspect(
            failure(
                FailureReason::MissingScopes,
                format!(
                    "HubSpot's token lacks a permission (403 {}); give it crm.objects.contacts.read and crm.objects.contacts.write",
                    category(body)
                ),
            ),
            false,
            true,
        ),
        402 | 405 | 406 | 410 | 415 | 451 => suspect(
            failure(
                FailureReason::CallRefused,
                format!(
                    "HubSpot refuses the call or the account, not what the lead says ({status} {}); see its answer, the account's plan and hubspot.apiVersion",
                    category(body)
                ),
            ),
            false,
            true,
        ),
        404 => Answer::NotFound(failure(
            FailureReason::RecordNotFound,
            "HubSpot has no record with this key".to_owned(),
        )),
        409 => Answer::Conflict(
            existing_id(body),
            failure(
                FailureReason::RecordConflict,
                "another HubSpot record has one of the lead's unique values".to_owned(),
            ),
        ),
        400 if category(body).contains("LIMIT") => Answer::Pause(
            after.unwrap_or(RETRY_AFTER_FULL).min(MAX_PAUSE),
            failure(
                FailureReason::StorageLimit,
                format!(
                    "a limit of the HubSpot account is reached (400 {}), for example that of its contacts; delete some, or buy more",
                    category(body)
                ),
            ),
        ),
        400 => {
            let (why, properties) = invalid(body);
            Answer::Refused(why.with_answer(&reply.text), properties)
        }
        _ => Answer::Reject(failure(
            FailureReason::Refused,
            format!("HubSpot refused the lead ({status} {})", category(body)),
        )),
    }
}

/// What an answer to a write of one record means: HubSpot always shows the record.
pub(super) fn of_write(reply: &Reply) -> Answer {
    match classify(reply) {
        Answer::Done(None) => Answer::Suspect {
            why: reply.foreign("HubSpot"),
            in_doubt: true,
            own: false,
        },
        answer => answer,
    }
}

/// Why a read gave nothing that can be read.
pub(super) fn of_unread(reply: &Reply) -> Answer {
    match classify(reply).of_a_read() {
        Answer::Done(_) => Answer::Suspect {
            why: reply.foreign("HubSpot"),
            in_doubt: false,
            own: false,
        },
        answer => answer,
    }
}

/// Whether an error body is HubSpot's: each has one of these, and a gateway's `{"message": …}` has none.
fn is_own(body: &Value) -> bool {
    ["category", "correlationId", "errorType", "policyName"]
        .iter()
        .any(|name| body.get(name).is_some())
        || body.get("status").and_then(Value::as_str) == Some("error")
}

fn rate_limited(
    headers: &HeaderMap,
    body: &Value,
    after: Option<Duration>,
    failure: &dyn Fn(FailureReason, String) -> Failure,
) -> Answer {
    let number = |name: &str| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .and_then(|t| t.trim().parse::<u64>().ok())
    };
    let policy = body.get("policyName").and_then(Value::as_str).unwrap_or_default();
    let daily = policy == "DAILY" || number("x-hubspot-ratelimit-daily-remaining") == Some(0);
    if daily {
        let pause = after.unwrap_or(RETRY_AFTER_DAILY_LIMIT).min(MAX_PAUSE);
        return Answer::Pause(
            pause,
            failure(
                FailureReason::DailyLimit,
                "HubSpot's daily request limit is used up".to_owned(),
            ),
        );
    }
    let window = number("x-hubspot-ratelimit-interval-milliseconds")
        .map_or(RETRY_AFTER_RATE_LIMITED, Duration::from_millis);
    let usual = if policy == "SECONDLY" {
        Duration::from_secs(1)
    } else {
        window
    };
    let pause = after.unwrap_or(usual).min(MAX_PAUSE);
    Answer::Pause(
        pause,
        failure(
            FailureReason::RateLimited,
            "HubSpot's request limit is used up; lower delivery.rateLimit if other apps share it".to_owned(),
        ),
    )
}

/// An error's category: an upper-case word, never a value.
fn category(body: &Value) -> &str {
    let word = body.get("category").and_then(Value::as_str).unwrap_or_default();
    if word.len() <= 64
        && word
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    {
        word
    } else {
        ""
    }
}

fn id_text(id: &Value) -> Option<String> {
    let text = crate::expression::plain_text(id)?;
    is_id(&text).then_some(text)
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_digit())
}

/// "Contact already exists. Existing ID: 37765128953": the id stands only in the message.
fn existing_id(body: &Value) -> Option<String> {
    let message = body.get("message").and_then(Value::as_str)?;
    let (_, after) = message.split_once("Existing ID:")?;
    let id: String = after
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    is_id(&id).then_some(id)
}

/// What HubSpot says of each property in the old form, whose list stands inside the message or as `validationResults`.
fn validation_results(body: &Value) -> Vec<Value> {
    let message = body.get("message").and_then(Value::as_str).unwrap_or_default();
    let listed = message
        .find('[')
        .and_then(|start| serde_json::from_str(message.get(start..)?).ok());
    let mut results: Vec<Value> = listed.unwrap_or_default();
    let beside = body.get("validationResults").and_then(Value::as_array);
    results.extend(beside.into_iter().flatten().cloned());
    results
}

/// What of several choices, joined with `;`, are options of the property: "Preise was not one of the allowed options: [Demo,
/// Kontakt]", or with `value: "demo"` for each. `answer`: HubSpot's words. `None`: none, all, or it does not say.
pub(super) fn accepted_choices(answer: &str, name: &str, sent: &str) -> Option<String> {
    let body: Value = serde_json::from_str(answer).ok()?;
    let text = |result: &Value, field: &str| result.get(field).and_then(Value::as_str).map(str::to_owned);
    let result = validation_results(&body).into_iter().find(|result| {
        text(result, "name").as_deref() == Some(name)
            && text(result, "error").as_deref() == Some("INVALID_OPTION")
    })?;
    let message = text(&result, "message")?;
    let (_, options) = message.split_once("allowed options: [")?;
    let listed: Vec<&str> = options.trim_end_matches(']').split(',').map(str::trim).collect();
    let is_option =
        |choice: &&str| listed.contains(choice) || options.contains(&format!("value: \"{choice}\""));
    let choices: Vec<&str> = sent.split(';').collect();
    let accepted: Vec<&str> = choices.iter().copied().filter(is_option).collect();
    (!accepted.is_empty() && accepted.len() < choices.len()).then(|| accepted.join(";"))
}

/// Which properties HubSpot did not accept, and its codes: from the old form, or the newer `errors`. The properties are named only if every error names its one.
fn invalid(body: &Value) -> (Failure, Vec<RefusedProperty>) {
    let mut found: Vec<(String, String)> = Vec::new();
    found.extend(
        validation_results(body)
            .iter()
            .map(|result| (word(result.get("name")), word(result.get("error")))),
    );
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let property = error
            .pointer("/context/propertyName/0")
            .or_else(|| error.get("in"));
        found.push((
            word(property),
            word(error.get("code").or_else(|| error.get("subCategory"))),
        ));
    }
    found.retain(|(property, code)| !property.is_empty() || !code.is_empty());
    found.sort();
    found.dedup();
    let refused: Vec<RefusedProperty> = found
        .iter()
        .map(|(property, code)| RefusedProperty::whole(property, reason(code)))
        .collect();
    let listed: Vec<String> = found
        .iter()
        .map(|(property, code)| format!("{property} ({code})"))
        .collect();
    let message = if listed.is_empty() {
        "HubSpot did not accept the lead (400); its answer is in the dead letter".to_owned()
    } else {
        format!("HubSpot did not accept these properties: {}", listed.join(", "))
    };
    let why = Failure::new(
        refused
            .first()
            .map_or(FailureReason::InvalidLead, |first| first.reason.clone()),
        message,
    );
    let all_named = refused.iter().all(|refused| !refused.property.is_empty());
    (why, if all_named { refused } else { Vec::new() })
}

fn reason(code: &str) -> FailureReason {
    match code {
        "INVALID_EMAIL" => FailureReason::InvalidEmail,
        "PROPERTY_DOESNT_EXIST" => FailureReason::UnknownProperty,
        "READ_ONLY_VALUE" => FailureReason::ReadOnlyProperty,
        "INVALID_OPTION" => FailureReason::InvalidOption,
        code if code.contains("TOO_LONG") || code.contains("MAX_LENGTH") => FailureReason::TooLong,
        _ => FailureReason::InvalidProperty,
    }
}

/// A property's name or a code: short and without blanks, so never a person's value.
fn word(value: Option<&Value>) -> String {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    let is_word = text.len() <= 100
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if is_word { text.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests;
