//! Leads of the past, and requests that are only tried.

use leadgate_tests::manifests::mapped_webhook;
use leadgate_tests::rig::{Rig, SECRET};
use serde_json::json;

use super::{found, get, post, send, text};

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_imported_each_with_its_own_result_and_once() {
    // Given a person whose lead was delivered just now,
    let rig = Rig::start().await;
    let now = rig.post(&json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "Now", "submissionId": "now"})).await;
    assert_eq!(now.status, 200);
    let delivered = || async { found(&rig, json!({"state": "Delivered"})).await.len() == 1 };
    rig.until("ada is delivered", delivered).await;

    // when a file of the past is imported, of which one line is broken,
    let line = |line: u64, email: &str| {
        json!({"line": line, "at": "2024-02-03T04:05:06Z", "payload":
            {"email": email, "firstName": "Old", "lastName": "Old", "submissionId": format!("old-{line}")}})
    };
    let lines =
        json!({"lines": [line(2, "ada@example.com"), line(3, "no address"), line(4, "bob@example.com")]});
    let mut dry = lines.clone();
    dry["dryRun"] = json!(true);
    let dry = post(&rig, "/webhooks/default/web/backfill", dry).await;
    let results = post(&rig, "/webhooks/default/web/backfill", lines.clone()).await;

    // then each line tells what became of it,
    for results in [&dry, &results] {
        let told: Vec<(u64, String)> = results["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| (result["line"].as_u64().unwrap(), text(&result["outcome"])))
            .collect();
        assert_eq!(
            told,
            [
                (2, "Accepted".into()),
                (3, "Rejected".into()),
                (4, "Accepted".into())
            ],
            "{results}"
        );
        assert!(
            text(&results["items"][1]["message"]).contains("email"),
            "{results}"
        );
    }
    assert!(dry["items"][0]["id"].is_null(), "{dry}");
    for results in [&dry, &results] {
        assert_eq!(results["items"][0]["reason"], "OvertakenByNewer", "{results}");
        assert!(results["items"][2]["reason"].is_null(), "{results}");
        let message = text(&results["items"][1]["message"]);
        assert!(!message.contains("items["), "a line is no list: {message}");
    }
    // bob is there, and ada keeps what is newer,
    rig.arrived("bob").await;
    rig.dead_letter_count("dead", 1).await;
    let ada = rig.hubspot.contact("ada@example.com").unwrap();
    assert_eq!(ada.get("lastname"), "Now");
    let story = get(&rig, &format!("/leads/{}", text(&results["items"][0]["id"]))).await;
    assert_eq!(story["sinks"][0]["state"], "Dead", "{story}");
    // and the same file again imports nothing.
    let again = post(&rig, "/webhooks/default/web/backfill", lines).await;
    assert_eq!(again["items"][2]["outcome"], "Duplicate", "{again}");
    assert_eq!(again["items"][2]["id"], results["items"][2]["id"]);
}

/// A trial that says Accepted is believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_trial_tells_what_is_known_and_who_is_suppressed() {
    // Given a lead that is known, and a person who is suppressed,
    let rig = Rig::start().await;
    let ada = rig.lead("ada").await;
    let person = json!({"email": "eve@example.com"});
    post(
        &rig,
        "/privacy/erasures",
        json!({"person": person, "suppress": true}),
    )
    .await;
    let line = |line: u64, email: &str, id: &str| {
        let payload = json!({"email": email, "firstName": id, "submissionId": id});
        json!({"line": line, "payload": payload})
    };
    let mut lines = json!({"dryRun": true, "lines": [
        line(1, "ada@example.com", "ada"),
        line(2, "eve@example.com", "eve"),
        line(3, "bob@example.com", "bob"),
        line(4, "bob@example.com", "bob"),
    ]});
    // when a file with both is tried, then each line tells what becomes of it, one that is there twice too,
    let trial = post(&rig, "/webhooks/default/web/backfill", lines.clone()).await;
    let told = |results: &serde_json::Value| -> Vec<String> {
        let items = results["items"].as_array().unwrap().iter();
        items.map(|item| text(&item["outcome"])).collect()
    };
    let expected = ["Duplicate", "Ignored", "Accepted", "Duplicate"];
    assert_eq!(told(&trial), expected, "{trial}");
    assert_eq!(
        (&trial["items"][0]["id"], &trial["items"][1]["reason"]),
        (&json!(ada), &json!("Suppressed"))
    );
    // and so it does.
    lines["dryRun"] = json!(false);
    let done = post(&rig, "/webhooks/default/web/backfill", lines).await;
    assert_eq!(told(&done), expected, "{done}");
}

/// What is kept of a list is one of its elements, and is tried as such.
#[tokio::test(flavor = "multi_thread")]
async fn an_element_of_a_list_is_tried_by_itself() {
    let rig = Rig::start().await;
    let batch = mapped_webhook("batch", SECRET)
        .replacen("  payload:\n", "  payload:\n    items: payload.people\n", 1)
        .replace(": payload.email", ": item.email");
    rig.receiver.write_manifest("batch.yaml", &batch).unwrap();
    let path = "/webhooks/default/batch/try";
    let body = json!({"email": "ada@example.com", "submissionId": "x"}).to_string();
    rig.until("the webhook runs", || async {
        send(&rig, "POST", path, &json!({"body": body})).await.status == 200
    })
    .await;
    let whole = post(&rig, path, json!({"body": body})).await;
    assert!(text(&whole["report"]).contains("NoList"), "{whole}");
    let element = post(&rig, path, json!({"body": body, "element": true})).await;
    assert!(
        text(&element["report"]).contains("email = ada@example.com"),
        "{element}"
    );
}

/// A lead that waits counts as well: it will be delivered. One that is dead does not: it has written nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_does_not_overtake_what_waits_or_what_came_with_the_same_file() {
    // Given a lead of ada that waits, of one name,
    let rig = Rig::start().await;
    post(&rig, "/sinks/default/hubspot/pause", json!({})).await;
    rig.lead("ada").await;
    // when a file has older leads of hers, known by her phone too, and two of bob in the wrong order,
    let line = |line: u64, at: &str, email: &str, name: &str| {
        json!({"line": line, "at": at, "payload":
            {"email": email, "lastName": name, "submissionId": format!("past-{line}")}})
    };
    let lines = json!({"lines": [
        line(1, "2024-02-03T04:05:06Z", "ada@example.com", "Old"),
        line(2, "2024-02-03T04:05:06Z", "bob@example.com", "Newer"),
        line(3, "2024-02-02T04:05:06Z", "bob@example.com", "Older"),
    ]});
    post(&rig, "/webhooks/default/web/backfill", lines).await;
    post(&rig, "/sinks/default/hubspot/resume", json!({})).await;

    // then what is newer stands, and the rest is told.
    rig.arrived("ada").await;
    rig.arrived("bob").await;
    rig.dead_letter_count("dead", 2).await;
    let ada = rig.hubspot.contact("ada@example.com").unwrap();
    assert_eq!((ada.get("firstname"), ada.get("lastname")), ("ada", ""));
    let bob = rig.hubspot.contact("bob@example.com").unwrap();
    assert_eq!(bob.get("lastname"), "Newer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_can_be_tried_against_what_runs() {
    let rig = Rig::start().await;
    let body = json!({"email": "ada@example.com", "submissionId": "x"}).to_string();
    let tried = post(&rig, "/webhooks/default/web/try", json!({"body": body})).await;
    assert_eq!(tried["accepted"], false, "it is not signed");
    let report = text(&tried["report"]);
    assert!(
        report.contains("refused (401)") && report.contains("ada@example.com"),
        "{report}"
    );
    assert!(found(&rig, json!({})).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_describes_every_route_and_every_body() {
    let rig = Rig::start().await;
    let document = get(&rig, "/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    // Each reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    // Each path that is described exists: whatever it answers, it is not the answer to a path that does not.
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let real = path
                .replace("{id}", "none")
                .replace("{namespace}", "default")
                .replace("{name}", "none");
            let answer = super::send(&rig, &method.to_uppercase(), &real, &json!({})).await;
            let problem = answer.text();
            assert_ne!(answer.status, 405, "{method} {path}");
            assert!(
                answer.status != 404 || problem.contains("detail"),
                "{method} {path}: {problem}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_says_so() {
    let rig = Rig::start().await;
    let note = "a".repeat(17 << 20);
    let lines = json!({"lines": [{"line": 1, "payload": {"note": note}}]});
    let answer = super::send(&rig, "POST", "/webhooks/default/web/backfill", &lines).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(answer.text().contains("send fewer lines"), "{}", answer.text());
}
