//! Answers of CRMs, as their documents show them, and what they mean.
#![allow(clippy::unwrap_used, clippy::type_complexity)] // tables of facts

use http::{HeaderName, HeaderValue};

use super::*;
use crate::expression::Program;

fn part(field: &'static str, source: &str) -> Part {
    Part {
        field,
        program: Program::compile(source).unwrap(),
    }
}

fn answers(delivered: &str, conflict: &str, message: Option<&str>, id: Option<&str>) -> Answers {
    Answers {
        delivered: part("rest.answers.delivered", delivered),
        conflict: part("rest.answers.conflict", conflict),
        retry: part("rest.answers.retry", "status == 429 || status >= 500"),
        message: message.map(|source| part("rest.answers.message", source)),
        id: id.map(|source| part("rest.answers.id", source)),
    }
}

fn standard() -> Answers {
    answers("status < 300", "status == 409", None, None)
}

fn seen(call: &str, status: u16, headers: &[(&'static str, &str)], body: &str) -> Seen {
    let headers = headers
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect();
    Seen::new(Reply::new(status, headers, body.to_owned()), call)
}

/// `Done 7`, or the answer, its wait in seconds, its reason and message.
fn told(answers: &Answers, seen: &Seen) -> String {
    let id = part("rest.create.id", "body.id");
    let reason = |why: &Failure| format!("{}: {}", why.reason, why.message);
    match classify(answers, seen, Some(&id), &["email", "source", "Email"]) {
        Answer::Done(id) => format!("Done {}", id.unwrap_or_default()),
        Answer::NotFound(why) => format!("NotFound {}", reason(&why)),
        Answer::Conflict(id, why) => format!("Conflict {} {}", id.unwrap_or_default(), reason(&why)),
        Answer::Retry(after, why) => {
            format!("Retry {:?} {}", after.map(|after| after.as_secs()), reason(&why))
        }
        Answer::Pause(pause, why) => format!("Pause {} {}", pause.as_secs(), reason(&why)),
        Answer::Reject(why) => format!("Reject {}", reason(&why)),
    }
}

#[test]
fn the_usual_answers_mean_what_http_says() {
    let limited =
        "RateLimited: the CRM's request limit is used up (429); lower delivery.rateLimit if this comes often";
    let table: &[(&str, u16, &[(&'static str, &str)], &str, &str)] = &[
        ("create", 201, &[], r#"{"id": 7}"#, "Done 7"),
        ("create", 200, &[], r#"{"id": "a-b"}"#, "Done a-b"),
        ("create", 204, &[], "", "Done "),
        ("create", 200, &[], r#"{"id": "a\nb"}"#, "Done "),
        (
            "create",
            409,
            &[],
            r#"{"email": "taken"}"#,
            "Conflict  RecordConflict: the CRM has another record with one of the lead's unique values (409; it names email)",
        ),
        (
            "update",
            404,
            &[],
            "",
            "NotFound RecordNotFound: the CRM has no record with this id (404)",
        ),
        (
            "update",
            410,
            &[],
            "",
            "NotFound RecordNotFound: the CRM has no record with this id (410)",
        ),
        (
            "create",
            404,
            &[],
            "",
            "NotFound UnknownPath: the CRM has nothing at the path of this call (404)",
        ),
        (
            "create",
            429,
            &[("retry-after", "3600")],
            "",
            &format!("Pause 3600 {limited}"),
        ),
        (
            "create",
            429,
            &[("ratelimit", "limit=100, remaining=0, reset=5")],
            "",
            &format!("Pause 5 {limited}"),
        ),
        (
            "create",
            429,
            &[("ratelimit-reset", "8"), ("retry-after", "9")],
            "",
            &format!("Pause 9 {limited}"),
        ),
        ("create", 429, &[], "", &format!("Pause 10 {limited}")),
        (
            "create",
            503,
            &[("retry-after", "7")],
            "<html>",
            "Retry Some(7) Unavailable: the CRM failed (503)",
        ),
        (
            "create",
            500,
            &[],
            "",
            "Retry None Unavailable: the CRM failed (500)",
        ),
        (
            "create",
            401,
            &[],
            "",
            "Pause 60 InvalidCredentials: the CRM refused the credentials (401); put valid ones, with the right to write leads, into the Secret of rest.auth",
        ),
        (
            "lookup",
            302,
            &[],
            "",
            "Pause 60 Redirected: rest.baseUrl answers with a redirect (302); write the API's own address",
        ),
        (
            "create",
            400,
            &[],
            r#"{"error": true, "errors": {"email": ["ada@example.com is bad"], "source": ["?"]}}"#,
            "Reject Refused: the CRM refused the lead (400; it names email, source)",
        ),
        (
            "create",
            422,
            &[],
            r#"{"errors": [{"title": "no", "source": {"pointer": "/data/attributes/email"}}]}"#,
            "Reject Refused: the CRM refused the lead (422; it names email)",
        ),
        (
            "create",
            418,
            &[],
            "Ada",
            "Reject Refused: the CRM refused the lead (418)",
        ),
    ];
    for (call, status, headers, body, expected) in table {
        assert_eq!(
            told(&standard(), &seen(call, *status, headers, body)),
            *expected,
            "{status} {body}"
        );
    }
}

#[test]
fn a_sink_can_read_success_and_failure_from_the_body() {
    // Zoho CRM: the result of each record stands inside 200 or 202.
    let zoho = answers(
        "status < 300 && body.data[0].status == 'success'",
        "body.data[0].code == 'DUPLICATE_DATA'",
        Some("body.data[0].message"),
        Some("body.data[0].details.id"),
    );
    let refused = r#"{"data":[{"code":"INVALID_DATA","details":{"api_name":"Email"},"message":"invalid data","status":"error"}]}"#;
    assert_eq!(
        told(&zoho, &seen("upsert", 202, &[], refused)),
        "Reject Refused: the CRM refused the lead (202; it names Email)"
    );
    let conflict =
        r#"{"data":[{"code":"DUPLICATE_DATA","details":{"id":"55"},"message":"dup","status":"error"}]}"#;
    assert!(told(&zoho, &seen("upsert", 202, &[], conflict)).starts_with("Conflict 55 RecordConflict"));
    // What the sink says comes before what HTTP says.
    let odd = answers("status == 403", "false", None, None);
    assert_eq!(told(&odd, &seen("create", 403, &[], r#"{"id": 1}"#)), "Done 1");
    // `call` tells a lookup's 404 from a create's.
    let lookup = answers(
        "status < 300 || (call == 'lookup' && status == 404)",
        "false",
        None,
        None,
    );
    assert_eq!(told(&lookup, &seen("lookup", 404, &[], "")), "Done ");
    assert!(told(&lookup, &seen("create", 404, &[], "")).starts_with("NotFound"));
}

#[test]
fn the_crms_words_are_kept_apart_from_the_message() {
    let words = answers("status < 300", "false", Some("body.error"), None);
    let why = |body: &str| match classify(&words, &seen("create", 400, &[], body), None, &["email"]) {
        Answer::Reject(why) => why,
        other => unreachable!("{other:?}"),
    };
    let refused = why(r#"{"error": "ada@example.com is no address", "field": "email"}"#);
    assert_eq!(refused.answer, "ada@example.com is no address");
    assert!(!refused.message.contains('@'), "{}", refused.message);
    // Without them, or where the expression fails, the whole answer.
    assert_eq!(why("<html>").answer, "<html>");
    assert_eq!(why(r#"{"error": {"a": 1}}"#).answer, r#"{"a":1}"#);
    assert!(why(&"x".repeat(10_000)).answer.len() <= 4096);
}

#[test]
fn an_answer_that_no_expression_expects_hides_no_outage() {
    let strict = answers("body.status == 'ok' || body.code < 3", "false", None, None);
    let odd = r#"{"status": "no", "code": "text"}"#;
    assert!(told(&strict, &seen("create", 502, &[], odd)).starts_with("Retry None Unavailable"));
    assert!(told(&strict, &seen("create", 401, &[], odd)).starts_with("Pause 60 InvalidCredentials"));
    let dead = told(&strict, &seen("create", 200, &[], odd));
    assert!(
        dead.starts_with("Reject AnswerNotUnderstood: the CRM answered (200), and rest.answers.delivered:"),
        "{dead}"
    );
}
