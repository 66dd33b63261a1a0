//! The calls in their order, against a CRM that plays a script.
#![allow(clippy::type_complexity)]

mod script;

use std::time::Duration;

use leadgate_crds::crm_sink::Overwrite;
use serde_json::json;

use super::*;
use crate::crm::Crm as _;
use crate::throttle::Unlimited;
use script::{PAGE, Script, Step, ada, known, lead};

const SURE: Option<Duration> = None;
/// Just now.
const DOUBTED: Option<Duration> = Some(Duration::ZERO);

#[tokio::test]
async fn each_way_through_the_calls_ends_as_it_must() {
    let table: Vec<(&str, Option<Known>, Option<Duration>, Vec<Step>, &str)> = vec![
        (
            "nobody is found",
            None,
            SURE,
            vec![
                ("GET /find", 200, json!([])),
                ("POST /new", 201, json!({"id": 7})),
            ],
            "delivered 7",
        ),
        (
            "somebody is found",
            None,
            SURE,
            vec![("GET /find", 200, json!([ada(5)])), ("PATCH /5", 200, json!({}))],
            "delivered 5",
        ),
        (
            "two are found",
            None,
            SURE,
            vec![("GET /find", 200, json!([ada(5), ada(6)]))],
            "hold SeveralRecords 5,6",
        ),
        (
            "the record is known",
            Some(known("3")),
            SURE,
            vec![("PATCH /3", 200, json!({}))],
            "delivered 3",
        ),
        (
            "the known record is gone",
            Some(known("3")),
            SURE,
            vec![
                ("PATCH /3", 404, json!({})),
                ("GET /find", 200, json!([])),
                ("POST /new", 200, json!({"id": 8})),
            ],
            "delivered 8",
        ),
        (
            "a person wants a new one",
            Some(Known::New),
            SURE,
            vec![("POST /new", 200, json!({"id": 9}))],
            "delivered 9",
        ),
        (
            "a person wants a new one, the CRM does not",
            Some(Known::New),
            SURE,
            vec![("POST /new", 409, json!({"existing": 5}))],
            "hold RecordConflict 5",
        ),
        (
            "a person wants a new one, which may be there",
            Some(Known::New),
            DOUBTED,
            vec![],
            "hold AnswerLost ",
        ),
        (
            "a conflict names the record",
            None,
            SURE,
            vec![
                ("GET /find", 200, json!([])),
                ("POST /new", 409, json!({"existing": 5})),
                ("PATCH /5", 200, json!({})),
            ],
            "delivered 5",
        ),
        (
            "a conflict names none, the lookup does",
            None,
            SURE,
            vec![
                ("GET /find", 200, json!([])),
                ("POST /new", 409, json!({})),
                ("GET /find", 200, json!([ada(5)])),
                ("PATCH /5", 200, json!({})),
            ],
            "delivered 5",
        ),
        (
            "a conflict that the lookup does not show yet",
            None,
            SURE,
            vec![
                ("GET /find", 200, json!([])),
                ("POST /new", 409, json!({})),
                ("GET /find", 200, json!([])),
            ],
            "retry AwaitingVisibility in_doubt=true",
        ),
        (
            "an update meets another record's value",
            Some(known("3")),
            SURE,
            vec![("PATCH /3", 409, json!({"existing": 4}))],
            "hold RecordConflict 3,4",
        ),
        (
            "a failed create may have created",
            None,
            SURE,
            vec![("GET /find", 200, json!([])), ("POST /new", 502, json!({}))],
            "retry Unavailable in_doubt=true",
        ),
        (
            "a failed lookup created nothing",
            None,
            SURE,
            vec![("GET /find", 502, json!({}))],
            "retry Unavailable in_doubt=false",
        ),
        (
            "a failed update created nothing",
            Some(known("3")),
            SURE,
            vec![("PATCH /3", 500, json!({}))],
            "retry Unavailable in_doubt=false",
        ),
        (
            "after a lost answer the lookup is not believed at once",
            None,
            DOUBTED,
            vec![],
            "await AwaitingVisibility",
        ),
        (
            "a lookup that is not there is no empty one",
            None,
            SURE,
            vec![("GET /find", 404, json!({}))],
            "suspect UnknownPath own=true",
        ),
        (
            "nor is a create that is not there",
            None,
            SURE,
            vec![("GET /find", 200, json!([])), ("POST /new", 404, json!({}))],
            "suspect UnknownPath own=true",
        ),
        (
            "found, then gone",
            None,
            SURE,
            vec![("GET /find", 200, json!([ada(5)])), ("PATCH /5", 410, json!({}))],
            "retry RecordGone in_doubt=false",
        ),
        (
            "a page instead of the list",
            None,
            SURE,
            vec![("GET /find", 200, json!(PAGE))],
            "retry ForeignAnswer in_doubt=false",
        ),
        (
            "JSON instead of the list",
            None,
            SURE,
            vec![("GET /find", 200, json!({"message": "maintenance"}))],
            "retry AnswerNotUnderstood in_doubt=false",
        ),
        (
            "a page instead of the new record",
            None,
            SURE,
            vec![("GET /find", 200, json!([])), ("POST /new", 200, json!(PAGE))],
            "retry ForeignAnswer in_doubt=true",
        ),
        (
            "a page instead of the update's answer",
            Some(known("3")),
            SURE,
            vec![("PATCH /3", 200, json!(PAGE))],
            "retry ForeignAnswer in_doubt=false",
        ),
        (
            "a new record without an id",
            None,
            SURE,
            vec![
                ("GET /find", 200, json!([])),
                ("POST /new", 201, json!({"ok": true})),
            ],
            "retry RecordIdMissing in_doubt=true",
        ),
        (
            "a firewall dislikes the lead",
            None,
            SURE,
            vec![("GET /find", 200, json!([])), ("POST /new", 403, json!(PAGE))],
            "suspect ForeignAnswer own=false",
        ),
        (
            "a page in place of the record that was to be changed makes no second one",
            Some(known("3")),
            SURE,
            vec![("PATCH /3", 404, json!(PAGE))],
            "suspect ForeignAnswer own=false",
        ),
        (
            "the CRM forbids it",
            Some(known("3")),
            SURE,
            vec![("PATCH /3", 403, json!({"error": "no"}))],
            "suspect Forbidden own=true",
        ),
        (
            "one property is refused",
            None,
            SURE,
            vec![
                ("GET /find", 200, json!([])),
                ("POST /new", 422, json!({"errors": ["city"]})),
            ],
            "refused Refused [RefusedProperty { property: \"city\", reason: InvalidProperty, instead: None }]",
        ),
        (
            "the one that says who it is is refused",
            None,
            SURE,
            vec![
                ("GET /find", 200, json!([])),
                ("POST /new", 422, json!({"errors": ["city", "email"]})),
            ],
            "reject Refused {\"errors\":[\"city\",\"email\"]}",
        ),
        (
            "refused",
            None,
            SURE,
            vec![("GET /find", 200, json!([])), ("POST /new", 400, json!("no"))],
            "reject Refused \"no\"",
        ),
    ];
    for (case, record, in_doubt, steps, expected) in table {
        let script = Script::new(steps, Duration::from_mins(1), Overwrite::Always, false).await;
        assert_eq!(
            script.deliver(lead(record, in_doubt)).await,
            expected,
            "{case}: {:?}",
            script.bodies()
        );
        assert!(
            script.left.lock().unwrap().is_empty(),
            "{case}: {:?}",
            script.bodies()
        );
    }
}

#[tokio::test]
async fn the_lookup_is_believed_when_it_has_had_its_time() {
    let lag = Duration::from_secs(30);
    let table: [(Duration, Option<Duration>, &str); 6] = [
        (lag, DOUBTED, "await AwaitingVisibility"),
        (lag, Some(lag / 2), "await AwaitingVisibility"),
        (lag, Some(lag), "delivered 7"),
        (lag, Some(lag * 2), "delivered 7"),
        (lag, SURE, "delivered 7"),
        // It never lags.
        (Duration::ZERO, DOUBTED, "delivered 7"),
    ];
    for (lag, in_doubt, expected) in table {
        let steps = vec![("GET /find", 200, json!([ada(7)])), ("PATCH /7", 200, json!({}))];
        let script = Script::new(steps, lag, Overwrite::Always, false).await;
        assert_eq!(
            script.deliver(lead(None, in_doubt)).await,
            expected,
            "{lag:?} {in_doubt:?}"
        );
    }
    // What waits, waits for what is left.
    let script = Script::new(vec![], lag, Overwrite::Always, false).await;
    let waiting = lead(None, Some(lag / 3));
    let outcome = script.rest.upsert(&[waiting], &Unlimited).await.remove(0);
    assert!(
        matches!(outcome, Outcome::AwaitVisibility { after, .. } if after == lag * 2 / 3),
        "{outcome:?}"
    );
    // A conflict without a record that the lookup shows: waited for once, then a person decides.
    let steps = || {
        vec![
            ("GET /find", 200, json!([])),
            ("POST /new", 409, json!({})),
            ("GET /find", 200, json!([])),
        ]
    };
    for (in_doubt, expected) in [
        (SURE, "retry AwaitingVisibility in_doubt=true"),
        (Some(lag), "hold RecordConflict "),
    ] {
        let script = Script::new(steps(), lag, Overwrite::Always, false).await;
        assert_eq!(script.deliver(lead(None, in_doubt)).await, expected);
    }
}

#[tokio::test]
async fn what_the_crm_does_not_name_is_looked_for_and_made_no_third_time() {
    let nameless = || ("POST /new", 201, json!({"ok": true}));
    // The lookup shows it: that is the proof.
    let steps = vec![
        ("GET /find", 200, json!([])),
        nameless(),
        ("GET /find", 200, json!([ada(7)])),
        ("PATCH /7", 200, json!({})),
    ];
    let script = Script::new(steps, Duration::ZERO, Overwrite::Always, false).await;
    assert_eq!(
        script.deliver(lead(None, SURE)).await,
        "retry RecordIdMissing in_doubt=true"
    );
    assert_eq!(script.deliver(lead(None, DOUBTED)).await, "delivered 7");
    // It does not, and the CRM is silent again.
    let steps = vec![("GET /find", 200, json!([])), nameless()];
    let script = Script::new(steps, Duration::ZERO, Overwrite::Always, false).await;
    assert_eq!(script.deliver(lead(None, DOUBTED)).await, "hold RecordIdMissing ");
    // A page is nobody's word: it may be tried as often as need be.
    let steps = vec![("GET /find", 200, json!([])), ("POST /new", 200, json!(PAGE))];
    let script = Script::new(steps, Duration::ZERO, Overwrite::Always, false).await;
    assert_eq!(
        script.deliver(lead(None, DOUBTED)).await,
        "retry ForeignAnswer in_doubt=true"
    );
}

#[tokio::test]
async fn what_is_for_new_records_only_never_reaches_one_that_is_there() {
    let named = |record| Upsert {
        create_only: vec![("name".to_owned(), json!("ada@example.com"))],
        ..lead(record, SURE)
    };
    let (found, none) = (json!([ada(5)]), json!([]));
    let table: Vec<(Upsert, Vec<Step>)> = vec![
        (named(Some(known("5"))), vec![("PATCH /5", 200, json!({}))]),
        (
            named(None),
            vec![("GET /find", 200, found.clone()), ("PATCH /5", 200, json!({}))],
        ),
        (
            named(None),
            vec![
                ("GET /find", 200, none.clone()),
                ("POST /new", 409, json!({"existing": 5})),
                ("PATCH /5", 200, json!({})),
            ],
        ),
        (
            named(None),
            vec![
                ("GET /find", 200, none.clone()),
                ("POST /new", 201, json!({"id": 5})),
            ],
        ),
    ];
    for (lead, steps) in table {
        let script = Script::new(steps, Duration::ZERO, Overwrite::Always, false).await;
        assert_eq!(script.deliver(lead).await, "delivered 5");
        for body in script.bodies() {
            assert_eq!(body.contains("name"), body.starts_with("POST /new"), "{body}");
        }
    }
    // A lead that changes nothing is delivered when its record has been seen, and not before.
    let silent = |record| Upsert {
        properties: Vec::new(),
        ..named(record)
    };
    let script = Script::new(
        vec![("GET /find", 200, found)],
        Duration::ZERO,
        Overwrite::Always,
        false,
    )
    .await;
    assert_eq!(script.deliver(silent(Some(known("5")))).await, "delivered 5");
    // One that the lookup does not show any more may have another address now: a person decides.
    let gone = vec![("GET /find", 200, none)];
    let script = Script::new(gone, Duration::ZERO, Overwrite::Always, false).await;
    assert_eq!(
        script.deliver(silent(Some(known("5")))).await,
        "hold RecordGone 5"
    );
    // What she chose is written to, and nothing here may replace what stands in it.
    let decided = Upsert {
        chosen: true,
        ..silent(Some(known("5")))
    };
    let gone = vec![("GET /find", 200, json!([]))];
    let script = Script::new(gone, Duration::ZERO, Overwrite::Always, false).await;
    assert_eq!(script.deliver(decided).await, "delivered 5");
}

#[tokio::test]
async fn what_stands_in_the_record_is_not_replaced() {
    // The record is read first, even when its id is known.
    let half = json!([{"id": 5, "email": "ada@example.com", "city": ""}]);
    let steps = vec![("GET /find", 200, half), ("PATCH /5", 200, json!({}))];
    let script = Script::new(steps, Duration::from_mins(1), Overwrite::IfEmpty, false).await;
    assert_eq!(script.deliver(lead(Some(known("5")), SURE)).await, "delivered 5");
    assert_eq!(script.bodies().last().unwrap(), "PATCH /5 {\"city\":\"Ulm\"}");
    // Nothing to write is nothing to send.
    let script = Script::new(
        vec![("GET /find", 200, json!([ada(5)]))],
        Duration::ZERO,
        Overwrite::IfEmpty,
        false,
    )
    .await;
    assert_eq!(script.deliver(lead(None, SURE)).await, "delivered 5");
    // A known record that the lookup does not show yet is waited for, not written blindly, and not made again.
    let script = Script::new(
        vec![("GET /find", 200, json!([]))],
        Duration::from_mins(1),
        Overwrite::IfEmpty,
        false,
    )
    .await;
    assert_eq!(
        script.deliver(lead(Some(known("5")), SURE)).await,
        "retry AwaitingVisibility in_doubt=true"
    );
}

#[tokio::test]
async fn one_call_does_it_all_where_the_crm_can() {
    let put = "PUT /c/ada%40example.com";
    for (status, body, expected) in [
        (200, json!({"id": "x1"}), "delivered x1"),
        (200, json!(PAGE), "retry ForeignAnswer in_doubt=false"),
        (409, json!({"existing": 4}), "hold RecordConflict 4"),
        (404, json!({}), "suspect UnknownPath own=true"),
        (404, json!(PAGE), "suspect ForeignAnswer own=false"),
        (503, json!({}), "retry Unavailable in_doubt=false"),
        (401, json!({}), "pause InvalidCredentials"),
    ] {
        let script = Script::new(vec![(put, status, body)], Duration::ZERO, Overwrite::Always, true).await;
        assert_eq!(script.deliver(lead(Some(known("ignored")), SURE)).await, expected);
    }
}

#[tokio::test]
async fn a_preflight_asks_for_nobody_and_writes_nothing() {
    let nobody = "GET /c/leadgate-check%40leadgate.invalid";
    let table = [
        (false, "GET /find", 200, json!([]), "reachable, credentials good"),
        (
            false,
            "GET /find",
            401,
            json!({}),
            "reachable, credentials InvalidCredentials",
        ),
        (
            false,
            "GET /find",
            500,
            json!({}),
            "reachable, credentials unknown",
        ),
        (true, nobody, 404, json!({}), "reachable, credentials good"),
        (true, nobody, 405, json!({}), "reachable, credentials good"),
        (true, nobody, 404, json!(PAGE), "reachable, credentials unknown"),
        (
            true,
            nobody,
            403,
            json!({}),
            "reachable, credentials InvalidCredentials",
        ),
        (true, nobody, 429, json!({}), "reachable, credentials unknown"),
    ];
    for (upsert, line, status, body, expected) in table {
        let script = Script::new(
            vec![(line, status, body)],
            Duration::ZERO,
            Overwrite::Always,
            upsert,
        )
        .await;
        let found = script.rest.preflight(&[], &[], &Unlimited).await;
        assert_eq!((found.reachable, found.problems.len()), (Some(Ok(())), 0));
        let credentials = match &found.credentials {
            None => "unknown",
            Some(Ok(())) => "good",
            Some(Err(why)) => why.reason.as_str(),
        };
        assert_eq!(
            format!("reachable, credentials {credentials}"),
            expected,
            "{line} {status}"
        );
        assert!(script.left.lock().unwrap().is_empty());
    }
}

/// Another record, or a new one, would be somebody else's decision.
#[tokio::test]
async fn a_record_that_a_person_chose_and_that_is_not_there_is_asked_about_again() {
    let chosen = || Upsert {
        chosen: true,
        ..lead(Some(known("5")), SURE)
    };
    let gone = vec![("PATCH /5", 404, json!({}))];
    let script = Script::new(gone, Duration::ZERO, Overwrite::Always, false).await;
    assert_eq!(script.deliver(chosen()).await, "hold RecordGone ");
    // Another one that the lookup shows is not written to.
    let other = vec![("GET /find", 200, json!([ada(6)]))];
    let script = Script::new(other, Duration::ZERO, Overwrite::IfEmpty, false).await;
    assert_eq!(script.deliver(chosen()).await, "delivered 5");
}

#[tokio::test]
async fn a_record_that_is_shown_and_never_found_waits_for_a_person_and_not_for_ever() {
    let steps = || vec![("GET /find", 200, json!([ada(5)])), ("PATCH /5", 404, json!({}))];
    for (attempt, expected) in [
        (1, "retry RecordGone in_doubt=false"),
        (MAX_VANISHED, "retry RecordGone in_doubt=false"),
        (MAX_VANISHED + 1, "hold RecordGone 5"),
    ] {
        let script = Script::new(steps(), Duration::ZERO, Overwrite::Always, false).await;
        let lead = Upsert {
            attempt,
            ..lead(None, SURE)
        };
        assert_eq!(script.deliver(lead).await, expected, "{attempt}");
    }
}
