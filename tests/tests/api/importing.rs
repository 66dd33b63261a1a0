//! Leads of the past, and requests that are only tried.

use leadgate_tests::rig::Rig;
use serde_json::json;

use super::{found, get, post, text};

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
