//! Collections, races, faults and books.

use leadgate_tests::salesforce::{Config, Fault, FaultPlan};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Sim, code, lead};

const UPSERT: &str = "/composite/sobjects/Lead/Webhook_Submission_ID__c";

fn record(key: &str, more: &Value) -> Value {
    let mut record = lead(&format!("{key}@example.com"));
    record["attributes"] = json!({"type": "Lead"});
    record["Webhook_Submission_ID__c"] = json!(key);
    record
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    record
}

#[tokio::test]
async fn each_record_of_a_collection_has_its_own_result_in_order() {
    let sim = Sim::new(Config::default()).await;
    let body = json!({"allOrNone": false, "records": [
        record("a", &json!({})), record("b", &json!({"Email": "nonsense"})), record("A", &json!({})), record("c", &json!({})),
    ]});
    let (status, results) = sim.send(Method::PATCH, UPSERT, body.clone()).await;
    assert_eq!(status, 200, "{results}");
    let flags: Vec<_> = results
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["success"] == true, r["created"] == true))
        .collect();
    assert_eq!(
        flags,
        [(true, true), (false, false), (false, false), (true, true)],
        "{results}"
    );
    assert_eq!(results[1]["errors"][0]["statusCode"], "INVALID_EMAIL_ADDRESS");
    assert_eq!(results[1]["errors"][0]["fields"], json!(["Email"]));
    assert_eq!(
        results[2]["errors"][0]["statusCode"], "DUPLICATE_VALUE",
        "no record twice: {results}"
    );
    let (_, again) = sim.send(Method::PATCH, UPSERT, body).await;
    assert_eq!(
        (&again[0]["created"], &again[0]["id"]),
        (&json!(false), &results[0]["id"])
    );

    let ids: Vec<&Value> = [0, 3].map(|n| &results[n]["id"]).into();
    let update = json!({"records": [
        {"attributes": {"type": "Lead"}, "id": ids[0], "Title": "CEO"},
        {"attributes": {"type": "Lead"}, "id": "00Q000000000001AAA", "Title": "CEO"},
    ]});
    let (_, updated) = sim.send(Method::PATCH, "/composite/sobjects", update).await;
    assert_eq!(
        (&updated[0]["id"], &updated[0]["success"]),
        (ids[0], &json!(true))
    );
    assert_eq!(
        updated[1]["errors"][0]["statusCode"],
        "INVALID_CROSS_REFERENCE_KEY"
    );
    let insert = json!({"records": [record("d", &json!({}))]});
    assert_eq!(
        sim.send(Method::POST, "/composite/sobjects", insert).await.1[0]["success"],
        true
    );
    assert_eq!(sim.salesforce.stats().collections, [4, 4, 2, 1]);
}

#[tokio::test]
async fn a_collection_that_is_not_well_formed_is_refused_as_a_whole() {
    let sim = Sim::new(Config::default()).await;
    let many: Vec<Value> = (0..201).map(|n| record(&n.to_string(), &json!({}))).collect();
    for (path, records, expected) in [
        (UPSERT, json!(many), (400, "EXCEEDED_ID_LIMIT")),
        (UPSERT, json!([]), (400, "EXCEEDED_ID_LIMIT")),
        (
            UPSERT,
            json!([record("a", &json!({})), record("b", &json!({"Shoe__c": "43"}))]),
            (400, "INVALID_FIELD"),
        ),
        (UPSERT, json!([{"LastName": "x"}]), (400, "INVALID_INPUT")),
        (
            "/composite/sobjects/Lead/Title",
            json!([record("a", &json!({}))]),
            (404, "NOT_FOUND"),
        ),
        (
            "/composite/sobjects/Unicorn/Title",
            json!([record("a", &json!({}))]),
            (404, "NOT_FOUND"),
        ),
    ] {
        let (status, body) = sim.send(Method::PATCH, path, json!({"records": records})).await;
        assert_eq!((status, code(&body)), expected, "{path}: {body}");
    }
    assert!(sim.salesforce.leads().is_empty());
}

#[tokio::test]
async fn two_racing_upserts_of_a_new_key_make_one_record_and_one_error() {
    let sim = Sim::new(Config {
        faults: FaultPlan {
            latency: (200, 200),
            ..FaultPlan::default()
        },
        ..Config::default()
    })
    .await;
    let path = "/sobjects/Lead/Webhook_Submission_ID__c/race";
    let calls = (0..5).map(|_| sim.send(Method::PATCH, path, lead("race@example.com")));
    let mut answers: Vec<_> = futures::future::join_all(calls)
        .await
        .iter()
        .map(|(s, b)| (*s, code(b).to_owned()))
        .collect();
    answers.sort();
    assert_eq!(answers[0], (201, String::new()), "{answers:?}");
    assert!(
        answers[1..]
            .iter()
            .all(|(status, code)| *status == 400 && code == "DUPLICATE_VALUE"),
        "{answers:?}"
    );
    assert_eq!(
        sim.send(Method::PATCH, path, lead("race@example.com")).await.0,
        200,
        "it is over"
    );
    assert_eq!(sim.salesforce.leads().len(), 1);
}

#[tokio::test]
async fn faults_come_as_scripted_and_a_lost_answer_is_a_write_nonetheless() {
    let sim = Sim::new(Config::default()).await;
    sim.salesforce.script([
        Fault::error(400, "UNABLE_TO_LOCK_ROW"),
        Fault::error(500, "UNKNOWN_EXCEPTION"),
        Fault::error(502, ""),
        Fault::LoseAnswer,
        Fault::Close,
        Fault::Item {
            code: "UNABLE_TO_LOCK_ROW".into(),
        },
    ]);
    let post = || sim.send(Method::POST, "/sobjects/Lead", lead("a@example.com"));
    let (status, body) = post().await;
    assert_eq!((status, code(&body)), (400, "UNABLE_TO_LOCK_ROW"));
    assert_eq!(post().await.0, 500);
    assert_eq!(post().await, (502, Value::Null));
    let lost = |email: &'static str| {
        sim.request(Method::POST, "/sobjects/Lead")
            .json(&lead(email))
            .send()
    };
    assert!(lost("lost@example.com").await.is_err());
    assert!(lost("closed@example.com").await.is_err());
    assert_eq!(
        sim.salesforce.records_per_email().into_keys().collect::<Vec<_>>(),
        ["lost@example.com"]
    );
    let body = json!({"records": [record("x", &json!({})), record("y", &json!({}))]});
    let (_, results) = sim.send(Method::PATCH, UPSERT, body).await;
    assert_eq!(results[0]["errors"][0]["statusCode"], "UNABLE_TO_LOCK_ROW");
    assert_eq!(results[1]["success"], true);
    let books = sim.salesforce.stats();
    assert_eq!(
        (books.lost_answers, books.requests["POST sobjects cut"]),
        (1, 2),
        "{books:?}"
    );
}

#[tokio::test]
async fn the_limit_is_told_and_kept() {
    let sim = Sim::new(Config {
        daily_limit: 2,
        ..Config::default()
    })
    .await;
    for used in 1..=2 {
        let response = sim.request(Method::GET, "/limits").send().await.unwrap();
        assert_eq!(
            response.headers()["sforce-limit-info"],
            format!("api-usage={used}/2")
        );
    }
    let (status, body) = sim.send(Method::GET, "/limits", Value::Null).await;
    assert_eq!((status, code(&body)), (403, "REQUEST_LIMIT_EXCEEDED"));
}
