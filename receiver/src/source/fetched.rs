//! What the answers of senders' APIs mean when a lead is fetched. Pure.
//!
//! APIs differ most in how they say that a token has ended or that there were too many calls: often with 400. Sources: Meta,
//! developers.facebook.com/docs/graph-api/guides/error-handling and …/overview/rate-limiting; LinkedIn,
//! learn.microsoft.com/linkedin/shared/api-guide/concepts/error-handling; Eventbrite,
//! eventbrite.com/developer/v3/api_overview/errors; HubSpot, developers.hubspot.com/docs/api/error-handling.

use serde_json::Value;

use crate::json_text;
use crate::outbound::refuses_credentials;

/// What an answer means.
#[derive(Debug, Clone, PartialEq)]
pub enum Fetched {
    /// The lead.
    Lead(Value),
    /// The token is refused, or lacks a permission: no lead can be fetched until it is replaced.
    Credentials(String),
    /// Too many calls: no lead can be fetched for a while.
    Throttled(String),
    /// Temporary, or not the API's own words.
    Unavailable(String),
    /// The lead does not exist, or the token may not see it: the API does not say which.
    Unclear(String),
    /// It will never be had.
    Refused(String),
}

/// Judges an answer. The messages quote nothing but codes.
pub fn judge(status: u16, body: &[u8]) -> Fetched {
    let json = json_text::read(body);
    let page = body.trim_ascii_start().starts_with(b"<");
    let by_code = json
        .as_ref()
        .and_then(|json| meta(status, json).or_else(|| words(json)));
    if status >= 300
        && let Some(known) = by_code
    {
        return known;
    }
    match status {
        200..=299 => match json {
            Some(lead @ Value::Object(_)) => Fetched::Lead(lead),
            _ => Fetched::Unavailable(format!(
                "the sender's API (payload.hydrate) answered {status} with something other than a JSON object, perhaps from a proxy or a maintenance page"
            )),
        },
        _ if (status == 403 || refuses_credentials(status)) && !page => credentials(&status.to_string()),
        429 => throttled("429"),
        408 | 423 | 425 | 449 | 460 | 477 | 499 | 500..=599 => {
            Fetched::Unavailable(format!("the sender's API (payload.hydrate) answered {status}"))
        }
        300..=399 => Fetched::Unavailable(format!(
            "payload.hydrate.baseUrl answers with a redirect ({status}); write the API's own address"
        )),
        _ if page => Fetched::Unavailable(format!(
            "not the sender's API but something between it and Leadgate (a firewall, a proxy) answered {status} with an HTML page"
        )),
        404 if json.as_ref().is_some_and(is_linkedin) => unclear("404"),
        404 | 410 => Fetched::Refused(format!("the sender's API has no such lead ({status})")),
        _ => Fetched::Refused(format!("the sender's API refused to give the lead ({status})")),
    }
}

fn credentials(code: &str) -> Fetched {
    Fetched::Credentials(format!(
        "the sender's API refused the token of payload.hydrate ({code}); put a valid one, with permission to read leads, into its Secret"
    ))
}

fn throttled(code: &str) -> Fetched {
    Fetched::Throttled(format!("the sender's API asked for fewer calls ({code})"))
}

fn unclear(code: &str) -> Fetched {
    Fetched::Unclear(format!(
        "the sender's API has no such lead, or the token of payload.hydrate has no access to it ({code})"
    ))
}

/// Meta: `{"error": {"type": "OAuthException", "code": 190, "error_subcode": 463, "is_transient": false, …}}`.
fn meta(status: u16, body: &Value) -> Option<Fetched> {
    let error = body.get("error")?;
    let code = error.get("code").and_then(Value::as_i64)?;
    let subcode = error.get("error_subcode").and_then(Value::as_i64);
    let transient = error.get("is_transient").and_then(Value::as_bool) == Some(true);
    let told = format!("{status}, code {code}");
    Some(match code {
        // A session or token that is over; 3, 10, 200 to 299: a permission that is lacking.
        102 | 190 | 463 | 467 | 3 | 10 | 200..=299 => credentials(&told),
        // Calls of the app, the user, the page; 613 and 80000 to 80014: of one kind, leads among them; 368: for a while.
        4 | 17 | 32 | 341 | 368 | 613 | 80_000..=80_014 => throttled(&told),
        _ if transient || matches!(code, 1 | 2) => {
            Fetched::Unavailable(format!("the sender's API failed for a while ({told})"))
        }
        // "does not exist, cannot be loaded due to missing permissions, or does not support this operation"
        100 if subcode == Some(33) => unclear(&told),
        803 => Fetched::Refused(format!("the sender's API has no such lead ({told})")),
        _ => Fetched::Refused(format!("the sender's API refused to give the lead ({told})")),
    })
}

/// APIs that name what is wrong with a word or a number of their own.
fn words(body: &Value) -> Option<Fetched> {
    // Eventbrite: {"status_code": 400, "error": "INVALID_AUTH"}; HubSpot: {"category": "EXPIRED_AUTHENTICATION"};
    // LinkedIn: {"status": 401, "code": "REVOKED_ACCESS_TOKEN", "serviceErrorCode": 65601}.
    let word = ["error", "category", "code", "errorType"]
        .iter()
        .find_map(|name| body.get(*name).and_then(Value::as_str))
        .unwrap_or_default();
    let service = body.get("serviceErrorCode").and_then(Value::as_i64);
    match (word, service) {
        (
            "INVALID_AUTH"
            | "INVALID_AUTH_HEADER"
            | "NO_AUTH"
            | "NOT_AUTHORIZED"
            | "INVALID_AUTHENTICATION"
            | "EXPIRED_AUTHENTICATION"
            | "MISSING_SCOPES"
            | "INVALID_ACCESS_TOKEN"
            | "EXPIRED_ACCESS_TOKEN"
            | "REVOKED_ACCESS_TOKEN",
            _,
        ) => Some(credentials(word)),
        ("HIT_RATE_LIMIT" | "RATE_LIMITS" | "RATE_LIMIT" | "TOO_MANY_REQUESTS", _) => Some(throttled(word)),
        (_, Some(code @ 65_600..=65_604)) => Some(credentials(&code.to_string())),
        // LinkedIn's versions live for a year, and each call names one.
        ("VERSION_MISSING" | "NONEXISTENT_VERSION", _) => Some(Fetched::Credentials(format!(
            "the sender's API does not know the version that it was asked for ({word}); set the header LinkedIn-Version in payload.hydrate.headers to one of its versions of the last year"
        ))),
        _ => None,
    }
}

/// LinkedIn answers 404 also to a token that may not see what is asked for.
fn is_linkedin(body: &Value) -> bool {
    body.get("serviceErrorCode").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_answers_mean_what_the_senders_say() {
        let meta = |code: i64, more: &str| {
            format!(r#"{{"error":{{"message":"Ada","type":"OAuthException","code":{code}{more}}}}}"#)
        };
        let table: Vec<(u16, String, &str)> = vec![
            (200, r#"{"id":"1"}"#.to_owned(), "Lead"),
            (200, "<html>maintenance</html>".to_owned(), "Unavailable"),
            (200, "[]".to_owned(), "Unavailable"),
            (
                400,
                r#"{"status":400,"code":"VERSION_MISSING","message":"A version must be present"}"#.to_owned(),
                "Credentials",
            ),
            (
                426,
                r#"{"status":426,"code":"NONEXISTENT_VERSION","message":"Requested version 20240101 is not active"}"#
                    .to_owned(),
                "Credentials",
            ),
            (400, meta(190, r#","error_subcode":463"#), "Credentials"),
            (400, meta(190, ""), "Credentials"),
            (400, meta(102, ""), "Credentials"),
            (403, meta(10, ""), "Credentials"),
            (403, meta(200, ""), "Credentials"),
            (400, meta(4, r#","is_transient":true"#), "Throttled"),
            (400, meta(17, ""), "Throttled"),
            (400, meta(32, ""), "Throttled"),
            (400, meta(613, ""), "Throttled"),
            (400, meta(80_005, ""), "Throttled"),
            (500, meta(2, ""), "Unavailable"),
            (400, meta(999, r#","is_transient":true"#), "Unavailable"),
            (400, meta(100, r#","error_subcode":33"#), "Unclear"),
            (400, meta(100, ""), "Refused"),
            (404, meta(803, ""), "Refused"),
            (
                401,
                r#"{"status":401,"serviceErrorCode":65601,"code":"REVOKED_ACCESS_TOKEN"}"#.to_owned(),
                "Credentials",
            ),
            (
                400,
                r#"{"status":400,"serviceErrorCode":65602}"#.to_owned(),
                "Credentials",
            ),
            (
                404,
                r#"{"status":404,"serviceErrorCode":0}"#.to_owned(),
                "Unclear",
            ),
            (
                400,
                r#"{"status_code":400,"error":"INVALID_AUTH"}"#.to_owned(),
                "Credentials",
            ),
            (
                403,
                r#"{"status_code":403,"error":"NOT_AUTHORIZED"}"#.to_owned(),
                "Credentials",
            ),
            (
                429,
                r#"{"status_code":429,"error":"HIT_RATE_LIMIT"}"#.to_owned(),
                "Throttled",
            ),
            (
                404,
                r#"{"status_code":404,"error":"NOT_FOUND"}"#.to_owned(),
                "Refused",
            ),
            (
                401,
                r#"{"category":"EXPIRED_AUTHENTICATION"}"#.to_owned(),
                "Credentials",
            ),
            (403, r#"{"category":"MISSING_SCOPES"}"#.to_owned(), "Credentials"),
            (
                404,
                r#"{"status":"error","message":"resource not found"}"#.to_owned(),
                "Refused",
            ),
            (401, String::new(), "Credentials"),
            (498, String::new(), "Credentials"),
            (460, String::new(), "Unavailable"),
            (403, "<html>blocked</html>".to_owned(), "Unavailable"),
            (404, "<html>not here</html>".to_owned(), "Unavailable"),
            (404, String::new(), "Refused"),
            (302, String::new(), "Unavailable"),
            (429, String::new(), "Throttled"),
            (503, String::new(), "Unavailable"),
        ];
        for (status, body, expected) in table {
            let (kind, message) = match judge(status, body.as_bytes()) {
                Fetched::Lead(_) => ("Lead", String::new()),
                Fetched::Credentials(m) => ("Credentials", m),
                Fetched::Throttled(m) => ("Throttled", m),
                Fetched::Unavailable(m) => ("Unavailable", m),
                Fetched::Unclear(m) => ("Unclear", m),
                Fetched::Refused(m) => ("Refused", m),
            };
            assert_eq!(kind, expected, "{status} {body}");
            assert!(!message.contains("Ada"), "{message}");
        }
    }
}
