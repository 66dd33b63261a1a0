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
