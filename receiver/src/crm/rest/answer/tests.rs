//! Answers of CRMs, as their documents show them, and what they mean.
#![allow(clippy::type_complexity)]

use http::{HeaderName, HeaderValue};

use super::*;
use crate::expression::{Names, Program};

fn part(field: &'static str, source: &str) -> Part {
    Part {
        field,
        program: Program::compile(source, &Names::ALL).unwrap(),
    }
}

fn answers(delivered: &str, conflict: &str, message: Option<&str>, id: Option<&str>) -> Answers {
    Answers {
        gone: part("rest.answers.gone", "status in [404, 410]"),
        delivered: part("rest.answers.delivered", delivered),
        conflict: part("rest.answers.conflict", conflict),
        retry: part("rest.answers.retry", "status == 429 || status >= 500"),
        refused: None,
        message: message.map(|source| part("rest.answers.message", source)),
        id: id.map(|source| part("rest.answers.id", source)),
    }
}

fn standard() -> Answers {
    answers(
        "status == 204 || (status < 300 && body != null && body.?success.orValue(true) != false && body.?ok.orValue(true) != false)",
        "status == 409",
        None,
        None,
    )
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
        Answer::Done(None) if seen.call == "create" => {
            format!("Nameless {}", reason(&nameless(answers, seen, &id)))
        }
        Answer::Done(id) => format!("Done {}", id.unwrap_or_default()),
        Answer::Retry {
            why, in_doubt: true, ..
        } if why.reason == "ForeignAnswer" => {
            format!("Unproven {}", why.reason)
        }
        Answer::NotFound(why) => format!("NotFound {}", reason(&why)),
        Answer::Conflict(id, why) => format!("Conflict {} {}", id.unwrap_or_default(), reason(&why)),
        Answer::Retry { after, why, in_doubt } => {
            assert_eq!(
                in_doubt,
                seen.status() >= 500 || matches!(seen.status(), 408 | 460)
            );
            format!("Retry {:?} {}", after.map(|after| after.as_secs()), reason(&why))
        }
        Answer::Suspect { why, own, .. } => format!("Suspect {own} {}", why.reason),
        Answer::Refused(why, properties) => {
            let names: Vec<&str> = properties.iter().map(|p| p.property.as_str()).collect();
            format!("Refused {} {}", names.join(","), why.reason)
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
        ("update", 204, &[], "", "Done "),
        ("update", 200, &[], "{}", "Done "),
        ("upsert", 200, &[], "{}", "Done "),
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
        (
            "create",
            429,
            &[("x-ratelimit-reset", "7")],
            "",
            &format!("Pause 7 {limited}"),
        ),
        // A time that is over.
        (
            "create",
            429,
            &[("x-rate-limit-reset", "1700000000")],
            "",
            &format!("Pause 10 {limited}"),
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
        ("lookup", 302, &[], "", "Suspect false Redirected"),
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
            420,
            &[("x-ratelimit-reset", "7")],
            "",
            "Retry Some(7) TryLater: the CRM asked to try again later (420)",
        ),
        (
            "create",
            430,
            &[],
            "",
            "Retry None TryLater: the CRM asked to try again later (430)",
        ),
        (
            "create",
            408,
            &[],
            "",
            "Retry None TryLater: the CRM asked to try again later (408)",
        ),
        (
            "update",
            423,
            &[("retry-after", "7")],
            "{}",
            "Retry Some(7) TryLater: the CRM asked to try again later (423)",
        ),
        // The account, or the call.
        (
            "create",
            402,
            &[],
            r#"{"error": "account is not open"}"#,
            "Suspect true CallRefused",
        ),
        ("upsert", 405, &[], "", "Suspect true CallRefused"),
        ("lookup", 415, &[], "no", "Suspect true CallRefused"),
        ("update", 451, &[], "{}", "Suspect true CallRefused"),
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
fn success_without_proof_is_no_delivery() {
    let page = "<html><body>We are down for maintenance.</body></html>";
    let nameless = |status: u16| {
        format!(
            "Nameless RecordIdMissing: the CRM answered ({status}), but rest.create.id finds no id of a new record in its answer"
        )
    };
    let table: &[(&str, u16, &str, &str)] = &[
        ("create", 200, page, "Unproven ForeignAnswer"),
        ("update", 200, page, "Unproven ForeignAnswer"),
        ("upsert", 202, page, "Unproven ForeignAnswer"),
        ("lookup", 200, page, "Unproven ForeignAnswer"),
        ("update", 200, "", "Unproven ForeignAnswer"),
        ("update", 200, "OK", "Unproven ForeignAnswer"),
        ("update", 200, "null", "Unproven ForeignAnswer"),
        ("create", 204, "", &nameless(204)),
        ("create", 200, "{}", &nameless(200)),
        ("create", 201, r#"{"message": "come back later"}"#, &nameless(201)),
        ("create", 200, r#"{"id": "a\nb"}"#, &nameless(200)),
        ("create", 200, r#"{"id": null}"#, &nameless(200)),
    ];
    for (call, status, body, expected) in table {
        assert_eq!(
            told(&standard(), &seen(call, *status, &[], body)),
            *expected,
            "{call} {body}"
        );
    }
    // Nor where the sink looks into a body that is not there.
    let zoho = answers(
        "status < 300 && body.data[0].status == 'success'",
        "false",
        None,
        None,
    );
    assert_eq!(
        told(&zoho, &seen("upsert", 200, &[], page)),
        "Unproven ForeignAnswer"
    );
    // A sink can say that its CRM answers so.
    let plain = answers("status < 300", "false", None, None);
    assert_eq!(told(&plain, &seen("update", 200, &[], "OK")), "Done ");
}

#[test]
fn a_page_in_between_blames_neither_the_credentials_nor_the_lead() {
    let page = "<html><title>Blocked</title></html>";
    let json = r#"{"error": "forbidden"}"#;
    let table: &[(&str, u16, &str, &str)] = &[
        ("create", 403, page, "Suspect false ForeignAnswer"),
        ("upsert", 403, page, "Suspect false ForeignAnswer"),
        ("lookup", 406, page, "Suspect false ForeignAnswer"),
        ("create", 400, page, "Suspect false ForeignAnswer"),
        ("lookup", 404, page, "Suspect false ForeignAnswer"),
        // Nor does it prove that a record is missing.
        ("update", 404, page, "Suspect false ForeignAnswer"),
        (
            "update",
            404,
            "default backend - 404",
            "Suspect false ForeignAnswer",
        ),
        ("delete", 410, "gone", "Suspect false ForeignAnswer"),
        ("create", 403, json, "Suspect true Forbidden"),
        ("create", 403, "", "Suspect true Forbidden"),
    ];
    for (call, status, body, expected) in table {
        assert_eq!(
            told(&standard(), &seen(call, *status, &[], body)),
            *expected,
            "{call} {status} {body}"
        );
    }
    assert!(told(&standard(), &seen("create", 401, &[], page)).starts_with("Pause 60 InvalidCredentials"));
    assert!(told(&standard(), &seen("create", 503, &[], page)).starts_with("Retry None Unavailable"));
}

#[test]
fn an_api_that_names_the_properties_it_does_not_take_gets_the_rest() {
    let answers = Answers {
        refused: Some(part("rest.answers.refused", "body.errors.map(name, name)")),
        ..standard()
    };
    let told = |body: &str| told(&answers, &seen("create", 400, &[], body));
    assert_eq!(told(r#"{"errors": {"source": ["?"]}}"#), "Refused source Refused");
    assert_eq!(
        told(r#"{"errors": {"source": [], "email": []}}"#),
        "Refused email,source Refused"
    );
    // A property that the CRM wants is named, but no value that stands in its place.
    let by_name = Answers {
        refused: Some(part("rest.answers.refused", "body.field")),
        ..standard()
    };
    for (field, message) in [
        ("Company", "the CRM refused the lead (400; it names Company)"),
        ("ada@example.com", "the CRM refused the lead (400)"),
        ("Ada Lovelace", "the CRM refused the lead (400)"),
    ] {
        let body = format!(r#"{{"field": "{field}"}}"#);
        assert_eq!(
            self::told(&by_name, &seen("create", 400, &[], &body)),
            format!("Reject Refused: {message}")
        );
    }
    // What was not sent cannot be left out.
    assert!(told(r#"{"errors": {"source": [], "non_field_errors": []}}"#).starts_with("Reject Refused"));
    assert!(told(r#"{"error": "no"}"#).starts_with("Reject Refused"));
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
    // An API may say in its own way that a record is gone.
    let gone = Answers {
        gone: part("rest.answers.gone", "body.data[0].message.contains('id given')"),
        ..standard()
    };
    let no_such_id = r#"{"data":[{"message":"the id given seems to be invalid"}]}"#;
    assert!(told(&gone, &seen("update", 400, &[], no_such_id)).starts_with("NotFound RecordNotFound"));
    assert!(told(&gone, &seen("create", 400, &[], no_such_id)).starts_with("Reject Refused"));
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
    assert_eq!(why("sorry").answer, "sorry");
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

#[test]
fn statuses_that_are_in_no_standard_never_cost_a_lead() {
    let json = r#"{"error": "x"}"#;
    let told = |status: u16, body: &str| told(&standard(), &seen("create", status, &[], body));
    for status in [401, 440, 498] {
        assert_eq!(
            told(status, json),
            format!(
                "Pause 60 InvalidCredentials: the CRM refused the credentials ({status}); put valid ones, with the right to write leads, into the Secret of rest.auth"
            )
        );
        assert!(told(status, "<html>").starts_with("Pause 60 InvalidCredentials"));
    }
    for status in [420, 430, 449, 460] {
        assert!(told(status, json).starts_with("Retry None TryLater"), "{status}");
    }
    for status in [463, 464, 494, 495, 496, 497, 499] {
        assert_eq!(told(status, json), "Suspect true CallRefused", "{status}");
    }
    // nginx writes a page, or nothing: what is behind it may have the lead.
    assert_eq!(told(499, "<html>"), "Suspect false ForeignAnswer");
    assert_eq!(told(499, ""), "Suspect false CallRefused");
    for status in [
        509, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 561, 598, 599,
    ] {
        assert!(
            told(status, json).starts_with("Retry None Unavailable"),
            "{status}"
        );
    }
}

#[test]
fn a_200_whose_body_says_that_it_failed_is_no_delivery() {
    let told = |body: &str| told(&standard(), &seen("update", 200, &[], body));
    for refused in [
        r#"{"success": false, "error": "no such field"}"#,
        r#"{"ok": false}"#,
    ] {
        assert_eq!(told(refused), "Reject Refused: the CRM refused the lead (200)");
    }
    for taken in [
        r#"{"success": true}"#,
        r#"{"ok": 1, "success": "yes"}"#,
        "true",
        "[]",
        "7",
        "{}",
        r#"{"success": null}"#,
    ] {
        let seen = seen("update", 200, &[], taken);
        assert!(
            matches!(classify(&standard(), &seen, None, &[]), Answer::Done(None)),
            "{taken}"
        );
    }
}
