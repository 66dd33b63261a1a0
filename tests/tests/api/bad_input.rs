//! What cannot be done is told, and nothing is half done.

use leadgate_tests::rig::Rig;
use serde_json::{Value, json};

use super::{post, send, text};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told_by_field_and_remedy() {
    let rig = Rig::start().await;
    for n in 0..3 {
        rig.lead(&format!("person{n}")).await;
    }
    let first = post(
        &rig,
        "/leads/search",
        json!({"filter": {"webhook": "web"}, "limit": 1}),
    )
    .await;
    let cursor = first["next"].clone();
    let cases: Vec<(&str, Value, u16, &str)> = vec![
        ("/leads/search", json!({"filter": {"emial": "x"}}), 400, "emial"),
        (
            "/leads/search",
            json!({"filter": {"email": "nobody"}}),
            400,
            "filter.email",
        ),
        (
            "/leads/search",
            json!({"filter": {"phone": "x"}}),
            400,
            "filter.phone",
        ),
        (
            "/leads/search",
            json!({"filter": {"webhook": "none"}}),
            400,
            "known: default/web",
        ),
        (
            "/leads/search",
            json!({"filter": {"sink": "none"}}),
            400,
            "known: default/hubspot",
        ),
        (
            "/leads/search",
            json!({"filter": {"since": "yesterday"}}),
            400,
            "since",
        ),
        ("/leads/search", json!({"limit": 0}), 400, "limit"),
        ("/leads/search", json!({"after": "x"}), 400, "after"),
        ("/leads/search", json!({"after": cursor}), 400, "another filter"),
        ("/jobs", json!({"action": "Replay", "set": "pending"}), 400, "set"),
        ("/jobs", json!({"action": "Move", "set": "dead"}), 400, "to:"),
        (
            "/jobs",
            json!({"action": "Replay", "set": "dead", "to": "hubspot"}),
            400,
            "to:",
        ),
        (
            "/jobs",
            json!({"action": "Replay", "set": "dead", "share": 0}),
            400,
            "share",
        ),
        (
            "/jobs",
            json!({"action": "Replay", "set": "dead", "filter": {"webhook": "none"}}),
            400,
            "known:",
        ),
        (
            "/jobs",
            json!({"action": "Replay", "set": "dead", "filter": {"state": "Dead"}}),
            400,
            "filter.state",
        ),
        ("/jobs", json!({"action": "Burn", "set": "dead"}), 400, "Burn"),
        (
            "/webhooks/default/none/try",
            json!({"body": "{}"}),
            404,
            "/status",
        ),
        (
            "/webhooks/default/web/try",
            json!({"headers": ["x"]}),
            400,
            "headers",
        ),
        (
            "/webhooks/default/web/backfill",
            json!({"lines": [{"line": 1}]}),
            400,
            "payload",
        ),
        (
            "/webhooks/default/web/diff",
            json!({"manifest": {"kind": "Pod"}}),
            400,
            "LeadWebhook",
        ),
        (
            "/webhooks/default/web/diff",
            json!({"manifest": {"apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook",
            "metadata": {"name": "web"}, "spec": {"sinks": []}}}),
            400,
            "manifest:",
        ),
        ("/sinks/default/none/pause", json!({}), 404, "no sink"),
        (
            "/sinks/default/hubspot/pause",
            json!({"seconds": 0}),
            400,
            "seconds",
        ),
    ];
    for (path, body, status, told) in cases {
        let answer = send(&rig, "POST", path, &body).await;
        let said = answer.text();
        assert_eq!(answer.status, status, "{path} {body}: {said}");
        assert!(
            said.contains("detail") && said.contains(told),
            "{path} {body}: {said}"
        );
    }
    for path in ["/leads/none", "/jobs/none"] {
        assert_eq!(send(&rig, "GET", path, &json!({})).await.status, 404, "{path}");
    }
    // A filter that nothing fits is no error.
    let none = post(
        &rig,
        "/leads/search",
        json!({"filter": {"email": "nobody@example.com"}}),
    )
    .await;
    assert_eq!(
        (none["items"].as_array().unwrap().len(), &none["next"]),
        (0, &Value::Null)
    );
    let none = post(
        &rig,
        "/jobs",
        json!({"action": "Discard", "set": "dead", "dryRun": true}),
    )
    .await;
    assert_eq!(
        (&none["done"], text(&none["state"])),
        (&json!(0), "Completed".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_what_it_does_not_take() {
    let rig = Rig::start().await;
    for n in 0..3 {
        let answer = rig
            .post(&json!({"email": "none", "submissionId": n.to_string()}))
            .await;
        assert_eq!(answer.status, 400);
    }
    let page = rig.get("/api/v1/leads?set=rejected&limit=1").await;
    let next = text(&page["next"]);
    let detail = async |path: &str| {
        let answer = rig.call("GET", &format!("/api/v1{path}")).await;
        (answer.status, text(&answer.json()["detail"]))
    };
    // A cursor belongs to its query;
    for (path, status, says) in [
        (format!("/leads?set=rejected&limit=1&after={next}"), 200, ""),
        (format!("/leads?set=dead&after={next}"), 400, "another query"),
        (
            format!("/leads?set=rejected&reason=X&after={next}"),
            400,
            "another query",
        ),
        ("/leads?set=rejected&after=Zm9v".to_owned(), 400, "next"),
        ("/leads?limit=0".to_owned(), 400, "limit must be"),
        ("/leads?limit=99999".to_owned(), 400, "limit must be"),
        ("/leads?set=sleeping".to_owned(), 400, "delivered"),
        ("/audit?limit=0".to_owned(), 400, "limit must be"),
        ("/lead".to_owned(), 404, "nothing at this path"),
    ] {
        let (found, why) = detail(&path).await;
        assert_eq!(found, status, "{path}: {why}");
        assert!(why.contains(says), "{path}: {why}");
    }
    // a name in full need not exist any more, and a stream of acts is no webhook.
    rig.call("GET", "/api/v1/leads/01ARZ3NDEKTSV4RRFFQ69G5FAV/payload")
        .await;
    let gone = post(&rig, "/leads/search", json!({"filter": {"sink": "default/gone"}})).await;
    assert_eq!(gone["items"], json!([]));
    for name in [".audit", "default/.audit"] {
        let answer = send(
            &rig,
            "POST",
            "/leads/search",
            &json!({"filter": {"webhook": name}}),
        )
        .await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        assert!(
            !answer.text().contains("known: default/.audit"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_is_not_held_is_not_decided_about_and_no_address_is_in_the_audit() {
    let rig = Rig::with(|sink| sink.properties = String::new()).await;
    post(&rig, "/sinks/default/hubspot/pause", json!({})).await;
    let waits = rig.lead("ada").await;
    let path = format!("/leads/{waits}/replay?record=71&set=pending");
    assert_eq!(send(&rig, "POST", &path, &json!({})).await.status, 400);
    // An address in the place of an id is answered, and not kept.
    let answer = rig.call("GET", "/api/v1/leads/ada%40example.com/payload").await;
    assert_eq!(answer.status, 404, "{}", answer.text());
    let audit = rig.get("/api/v1/audit").await;
    assert_eq!(audit["items"][0]["act"], "PayloadShown", "{audit}");
    assert!(!audit.to_string().contains("example.com"), "{audit}");
}
