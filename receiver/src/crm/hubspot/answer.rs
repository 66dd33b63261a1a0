//! What HubSpot's answers mean. Sources of each fact: the vendor's OpenAPI documents, its error-handling guide
//! (developers.hubspot.com/docs/api/error-handling) and captured bodies.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::crm::{Failure, retry_after};

/// The rolling limit's window; HubSpot does not send Retry-After dependably.
const ROLLING: Duration = Duration::from_secs(10);
/// The daily limit resets at midnight of the account's time zone, which the answer does not tell.
const DAILY: Duration = Duration::from_mins(30);
/// How often wrong credentials are tried again, so that a corrected token is noticed.
const CREDENTIALS: Duration = Duration::from_mins(1);
/// The least wait after 423 Locked, by HubSpot's guide.
const LOCKED: Duration = Duration::from_secs(2);

/// One answer of HubSpot to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done; the record's id, if the body tells.
    Done(Option<String>),
    /// No record has that key.
    NotFound(Failure),
    /// Another record has that key; its id stands in the message.
    Conflict(Option<String>, Failure),
    /// Temporary.
    Retry(Option<Duration>, Failure),
    /// Nothing will be accepted for so long.
    Pause(Duration, Failure),
    /// Never acceptable.
    Reject(Failure),
}

/// Classifies an answer.
pub fn classify(status: u16, headers: &HeaderMap, body: &str) -> Answer {
    let parsed: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let failure = |reason: &'static str, message: String| Failure::new(reason, message).with_answer(body);
    let after = retry_after(headers);
    match status {
        200..=299 => Answer::Done(parsed.get("id").and_then(id_text)),
        401 => Answer::Pause(
            after.unwrap_or(CREDENTIALS),
            failure(
                "InvalidCredentials",
                format!(
                    "HubSpot refused the token (401 {}); put a valid private-app token or service key into the Secret",
                    category(&parsed)
                ),
            ),
        ),
        403 => Answer::Pause(
            after.unwrap_or(CREDENTIALS),
            failure(
                "MissingScopes",
                format!(
                    "HubSpot's token lacks a permission (403 {}); give it crm.objects.contacts.read and crm.objects.contacts.write",
                    category(&parsed)
                ),
            ),
        ),
        404 => Answer::NotFound(failure(
            "RecordNotFound",
            "HubSpot has no record with this key".to_owned(),
        )),
        409 => Answer::Conflict(
            existing_id(&parsed),
            failure(
                "RecordConflict",
                "another HubSpot record has one of the lead's unique values".to_owned(),
            ),
        ),
        423 => Answer::Retry(
            Some(after.unwrap_or(LOCKED).max(LOCKED)),
            failure("Locked", "HubSpot is busy with this record (423)".to_owned()),
        ),
        429 => rate_limited(headers, &parsed, after, &failure),
        408 | 477 => Answer::Retry(
            after,
            failure("TryLater", format!("HubSpot asked to try again later ({status})")),
        ),
        500..=599 => Answer::Retry(
            after,
            failure("Unavailable", format!("HubSpot failed ({status})")),
        ),
        300..=399 => Answer::Pause(
            CREDENTIALS,
            failure(
                "Redirected",
                format!("hubspot.baseUrl answers with a redirect ({status}); write the API's own address"),
            ),
        ),
        400 => Answer::Reject(invalid(&parsed).with_answer(body)),
        _ => Answer::Reject(failure(
            "Refused",
            format!("HubSpot refused the lead ({status} {})", category(&parsed)),
        )),
    }
}

fn rate_limited(
    headers: &HeaderMap,
    body: &Value,
    after: Option<Duration>,
    failure: &dyn Fn(&'static str, String) -> Failure,
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
        let pause = after.unwrap_or(DAILY);
        return Answer::Pause(
            pause,
            failure(
                "DailyLimit",
                "HubSpot's daily request limit is used up".to_owned(),
            ),
        );
    }
    let window = number("x-hubspot-ratelimit-interval-milliseconds").map_or(ROLLING, Duration::from_millis);
    let pause = after.unwrap_or(if policy == "SECONDLY" {
        Duration::from_secs(1)
    } else {
        window
    });
    Answer::Pause(
        pause,
        failure(
            "RateLimited",
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

/// Which properties HubSpot did not accept, and its codes: from the old form, where a list stands inside the message,
/// or the newer `errors`.
fn invalid(body: &Value) -> Failure {
    let mut found: Vec<(String, String)> = Vec::new();
    let message = body.get("message").and_then(Value::as_str).unwrap_or_default();
    if let Some(start) = message.find('[')
        && let Ok(list) = serde_json::from_str::<Vec<Value>>(message.get(start..).unwrap_or_default())
    {
        found.extend(
            list.iter()
                .map(|item| (word(item.get("name")), word(item.get("error")))),
        );
    }
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
    found.dedup();
    let reason = match found.as_slice() {
        [] => "InvalidLead",
        [(_, code), ..] => match code.as_str() {
            "INVALID_EMAIL" => "InvalidEmail",
            "PROPERTY_DOESNT_EXIST" => "UnknownProperty",
            "READ_ONLY_VALUE" => "ReadOnlyProperty",
            "INVALID_OPTION" => "InvalidOption",
            _ => "InvalidProperty",
        },
    };
    let listed: Vec<String> = found
        .iter()
        .map(|(property, code)| format!("{property} ({code})"))
        .collect();
    let message = if listed.is_empty() {
        "HubSpot did not accept the lead (400); its answer is in the dead letter".to_owned()
    } else {
        format!("HubSpot did not accept these properties: {}", listed.join(", "))
    };
    Failure::new(reason, message)
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
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::type_complexity
    )]
    use super::*;
    use http::HeaderValue;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let (kind, failure) = match classify(status, &map, body) {
            Answer::Done(id) => return format!("Done {}", id.unwrap_or_default()),
            Answer::NotFound(f) => ("NotFound".to_owned(), f),
            Answer::Conflict(id, f) => (format!("Conflict {}", id.unwrap_or_default()), f),
            Answer::Retry(after, f) => (format!("Retry {:?}", after.map(|d| d.as_millis())), f),
            Answer::Pause(pause, f) => (format!("Pause {}", pause.as_millis()), f),
            Answer::Reject(f) => ("Reject".to_owned(), f),
        };
        assert!(
            !failure.message.contains('@') && !failure.message.contains("Ada"),
            "a value leaks: {}",
            failure.message
        );
        format!(
            "{kind} {}: {}",
            failure.reason,
            failure.message.split(" (").next().unwrap_or_default()
        )
    }

    #[test]
    fn the_documented_bodies_mean_what_the_documentation_says() {
        const BOTH_BAD: &str = r#"{"status":"error","message":"Property values were not valid: [{\"isValid\":false,\"message\":\"Email address Ada@x is invalid\",\"error\":\"INVALID_EMAIL\",\"name\":\"email\"},{\"isValid\":false,\"message\":\"Property \\\"nope\\\" does not exist\",\"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":\"nope\"}]","correlationId":"c","category":"VALIDATION_ERROR"}"#;
        const NEWER: &str = r#"{"status":"error","message":"bad","errors":[{"message":"Ada is read only","code":"READ_ONLY_VALUE","context":{"propertyName":["createdate"]}}],"category":"VALIDATION_ERROR"}"#;
        let none: &[(&str, &str)] = &[];
        let table: &[(u16, &[(&'static str, &str)], &str, &str)] = &[
            (200, none, r#"{"id":"51","properties":{}}"#, "Done 51"),
            (201, none, r#"{"id":"52"}"#, "Done 52"),
            (204, none, "", "Done "),
            (200, none, r#"{"id":"../evil"}"#, "Done "),
            (
                404,
                none,
                r#"{"status":"error","message":"resource not found","correlationId":"c"}"#,
                "NotFound RecordNotFound: HubSpot has no record with this key",
            ),
            (
                409,
                none,
                r#"{"status":"error","message":"Contact already exists. Existing ID: 37765128953","category":"CONFLICT"}"#,
                "Conflict 37765128953 RecordConflict: another HubSpot record has one of the lead's unique values",
            ),
            (
                409,
                none,
                r#"{"message":"conflict"}"#,
                "Conflict  RecordConflict: another HubSpot record has one of the lead's unique values",
            ),
            (
                400,
                none,
                BOTH_BAD,
                "Reject InvalidEmail: HubSpot did not accept these properties: email",
            ),
            (
                400,
                none,
                NEWER,
                "Reject ReadOnlyProperty: HubSpot did not accept these properties: createdate",
            ),
            (
                400,
                none,
                "<html>Ada</html>",
                "Reject InvalidLead: HubSpot did not accept the lead",
            ),
            (
                401,
                none,
                r#"{"category":"INVALID_AUTHENTICATION"}"#,
                "Pause 60000 InvalidCredentials: HubSpot refused the token",
            ),
            (
                403,
                none,
                r#"{"category":"MISSING_SCOPES"}"#,
                "Pause 60000 MissingScopes: HubSpot's token lacks a permission",
            ),
            (
                423,
                none,
                "",
                "Retry Some(2000) Locked: HubSpot is busy with this record",
            ),
            (
                423,
                &[("retry-after", "1")],
                "",
                "Retry Some(2000) Locked: HubSpot is busy with this record",
            ),
            (
                477,
                &[("retry-after", "7200")],
                "",
                "Retry Some(7200000) TryLater: HubSpot asked to try again later",
            ),
            (
                429,
                none,
                r#"{"policyName":"TEN_SECONDLY_ROLLING"}"#,
                "Pause 10000 RateLimited: HubSpot's request limit is used up; lower delivery.rateLimit if other apps share it",
            ),
            (
                429,
                &[("x-hubspot-ratelimit-interval-milliseconds", "11000")],
                r#"{"policyName":"TEN_SECONDLY_ROLLING"}"#,
                "Pause 11000 RateLimited: HubSpot's request limit is used up; lower delivery.rateLimit if other apps share it",
            ),
            (
                429,
                &[("retry-after", "3")],
                "{}",
                "Pause 3000 RateLimited: HubSpot's request limit is used up; lower delivery.rateLimit if other apps share it",
            ),
            (
                429,
                none,
                r#"{"policyName":"DAILY"}"#,
                "Pause 1800000 DailyLimit: HubSpot's daily request limit is used up",
            ),
            (
                429,
                &[
                    ("x-hubspot-ratelimit-daily-remaining", "0"),
                    ("retry-after", "90000"),
                ],
                "",
                "Pause 90000000 DailyLimit: HubSpot's daily request limit is used up",
            ),
            (502, none, "<html>", "Retry None Unavailable: HubSpot failed"),
            (
                503,
                &[("retry-after", "5")],
                "",
                "Retry Some(5000) Unavailable: HubSpot failed",
            ),
            (
                302,
                none,
                "",
                "Pause 60000 Redirected: hubspot.baseUrl answers with a redirect",
            ),
            (415, none, "", "Reject Refused: HubSpot refused the lead"),
        ];
        for (status, headers, body, expected) in table {
            assert_eq!(answer(*status, headers, body), *expected, "{status} {body}");
        }
    }
}
