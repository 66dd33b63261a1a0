//! One of several receivers that share a store and a folder, and what its LeadReceiver allows its webhooks.

use std::time::Duration;

use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver};
use serde_json::{Value, json};

use super::{SECRET, lead, post, until};

/// What `/status` says of a webhook.
async fn of(receiver: &Receiver, webhook: &str) -> Value {
    let status = receiver.status().await.unwrap();
    let name = format!("default/{webhook}");
    let mut webhooks = status["webhooks"].as_array().unwrap().iter();
    webhooks.find(|own| own["name"] == name).unwrap().clone()
}

/// A webhook with a generation, of a LeadReceiver.
fn webhook(name: &str, generation: i64, receiver: &str) -> String {
    let metadata = format!("name: {name}, uid: uid-of-{name}, generation: {generation}, ");
    mapped_webhook(name, SECRET)
        .replacen(&format!("name: {name}, "), &metadata, 1)
        .replacen(
            "  sinks:",
            &format!("  receiverRef: {{name: {receiver}}}\n  sinks:"),
            1,
        )
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_which_version_runs_and_whether_it_is_served() {
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let mut options = Options::new(HubSpotSink::new(hubspot.base_url(), hubspot.token()).yaml());
    options.arguments = vec!["--receiver".into(), "fast".into()];
    for (name, receiver) in [("own", "fast"), ("other", "slow")] {
        let file = (format!("{name}.yaml"), webhook(name, 3, receiver));
        options.manifests.push(file);
    }
    let receiver = Receiver::start(options).await.unwrap();
    let own = of(&receiver, "own").await;
    assert_eq!(
        (&own["served"], &own["generation"], &own["uid"]),
        (&json!(true), &json!(3), &json!("uid-of-own"))
    );
    let other = of(&receiver, "other").await;
    assert_eq!(
        (&other["served"], &other["generation"]),
        (&json!(false), &json!(3))
    );
    assert_eq!(post(&receiver, "own", SECRET, &lead("a")).await.status, 200);
    assert_eq!(post(&receiver, "other", SECRET, &lead("b")).await.status, 404);
    // It moves: nothing restarts.
    receiver
        .write_manifest("other.yaml", &webhook("other", 4, "fast"))
        .unwrap();
    until("it is served", &receiver, || async {
        let other = of(&receiver, "other").await;
        other["served"] == true && other["generation"] == 4
    })
    .await;
    assert_eq!(post(&receiver, "other", SECRET, &lead("b")).await.status, 200);
    // A mistake leaves the version that runs.
    let broken = webhook("other", 5, "fast").replace("payload.email", "payload.(");
    receiver.write_manifest("other.yaml", &broken).unwrap();
    super::problem_with(&receiver, "spec.payload.lead.email").await;
    assert_eq!(of(&receiver, "other").await["generation"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_with_as_many_pending_deliveries_as_allowed_takes_leads_again_once_they_are_delivered() {
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let mut sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
    sink.suspend = true;
    let mut options = Options::new(sink.yaml());
    let limits = "{apiVersion: leadgate.dev/v1alpha1, kind: LeadReceiver, metadata: {name: default}, spec: {limits: \
                  {pendingDeliveries: 2}}}";
    options.manifests.extend([
        ("receiver.yaml".into(), limits.into()),
        ("web.yaml".into(), mapped_webhook("web", SECRET)),
    ]);
    let mut receiver = Receiver::start(options).await.unwrap();
    for id in ["a", "b"] {
        assert_eq!(post(&receiver, "web", SECRET, &lead(id)).await.status, 200);
    }
    let refused = post(&receiver, "web", SECRET, &lead("c")).await;
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("wait for delivery"), "{}", refused.text());
    let hints = of(&receiver, "web").await["hints"].to_string();
    assert!(hints.contains("spec.limits.pendingDeliveries"), "{hints}");
    // What waits is in the store: a restart changes nothing.
    receiver.restart().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(post(&receiver, "web", SECRET, &lead("c")).await.status, 503);
    sink.suspend = false;
    receiver.write_manifest("leadgate.yaml", &sink.yaml()).unwrap();
    until("leads are taken again", &receiver, || async {
        post(&receiver, "web", SECRET, &lead("c")).await.status == 200
    })
    .await;
    let full = ["outcome=\"full\""];
    assert!(receiver.metric("leadgate_requests_total", &full).await.unwrap() >= 2.0);
}
