//! In which queue leads are, and moving a webhook from one receiver to another.

use leadgate_operator::kinds::Kind;
use serde_json::{Value, json};

use crate::rig::{Rig, eventually, report};

const OWN: &str = "queue: {redis: {urlSecretRef: {name: redis, key: url}}}";

#[tokio::test(flavor = "multi_thread")]
async fn one_receiver_configures_the_queue_of_a_namespace() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver(
        "edge",
        "queue: {durability: EverySecond, memory: 1Gi, storage: {size: 5Gi}}",
    )
    .await;
    rig.working("web").await;
    let set = rig.present(Kind::StatefulSet, "leadgate-redis").await;
    let text = set.data["spec"].to_string();
    for words in [
        r#""--appendfsync","everysec""#,
        r#""storage":"5Gi""#,
        r#""memory":"1Gi""#,
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // A younger one that sets it, too, is told; the older one's settings stay.
    rig.receiver("other", "queue: {memory: 2Gi}").await;
    let message = rig
        .receiver_condition("other", "Accepted", "False StoreConflict")
        .await;
    assert!(
        message.contains("LeadReceiver edge already configures"),
        "{message}"
    );
    // The schema refuses to shrink it; a field that was away in between is new to the schema, and the volume still there.
    rig.receiver("edge", "").await;
    rig.receiver(
        "edge",
        "queue: {durability: EverySecond, memory: 1Gi, storage: {size: 1Gi}}",
    )
    .await;
    let message = rig
        .receiver_condition("edge", "Accepted", "False StorageFixed")
        .await;
    assert!(message.contains("write 5Gi"), "{message}");
    rig.condition("web", "Accepted", "True Valid").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_not_delivered_from_two_queues_at_once() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.secret("redis", "url: 'rediss://u:p@redis.example.com'").await;
    rig.receiver("default", "queue: {}").await;
    rig.working("web").await;
    // Younger by a second, which is what the API server tells.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    rig.receiver("edge", OWN).await;
    rig.secret("shop", "hmac: 0123456789abcdef").await;
    rig.webhook("shop", ", receiverRef: {name: edge}").await;
    let message = rig
        .receiver_condition("edge", "Accepted", "False StoreConflict")
        .await;
    for words in [
        "CrmSink crm",
        "LeadWebhook shop",
        "LeadWebhook web",
        "receiverRef",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    let waits = async |receiver: &str| {
        let files = rig.files(receiver).await;
        files
            .get("crmsink.crm.json")
            .map(|sink| sink["spec"]["suspend"] == true)
    };
    eventually("its leads wait", async || {
        (waits("edge").await == Some(true))
            .then_some(())
            .ok_or(String::new())
    })
    .await;
    assert_eq!(waits("default").await, Some(false));
    rig.receiver_condition("default", "Accepted", "True Valid").await;
    // What is right again is delivered.
    rig.secret("web", "hmac: 0123456789abcdef").await;
    rig.webhook("web", ", receiverRef: {name: edge}").await;
    rig.receiver_condition("edge", "Accepted", "True Valid").await;
    eventually("they wait no longer", async || {
        (waits("edge").await == Some(false))
            .then_some(())
            .ok_or(String::new())
    })
    .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_holds_leads_is_not_left_behind() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.secret("redis", "url: 'rediss://u:p@redis.example.com'").await;
    rig.receiver("default", "").await;
    rig.working("web").await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 2, false));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 1).await;
    rig.condition("web", "Ready", "True Ready").await;
    rig.receiver("default", OWN).await;
    let message = rig
        .receiver_condition("default", "Accepted", "False StoreInUse")
        .await;
    assert!(message.contains("holds 2 deliveries"), "{message}");
    let store = async || {
        let deployment = rig.present(Kind::Deployment, "leadgate-receiver-default").await;
        deployment.data["spec"]["template"]["metadata"]["annotations"]["leadgate.dev/store"].clone()
    };
    assert_eq!(store().await, "managed");
    rig.present(Kind::StatefulSet, "leadgate-redis").await;
    let refuses = async || {
        let files = rig.files("default").await;
        files["leadwebhook.web.json"]["spec"]["suspend"] == true
    };
    assert!(!refuses().await, "leads are taken meanwhile");
    // It is empty: the pods refuse leads for a moment, so that it stays so.
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 0, false));
    eventually("the pods are told to refuse leads", async || {
        refuses().await.then_some(()).ok_or(String::new())
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(store().await, "managed", "they may still take some");
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 0, true));
    eventually("then the pods use the new one", async || {
        let now = store().await;
        (now == "redis/url").then_some(()).ok_or(now.to_string())
    })
    .await;
    rig.absent(Kind::StatefulSet, "leadgate-redis").await;
    eventually("leads are taken again", async || {
        (!refuses().await).then_some(()).ok_or(String::new())
    })
    .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

/// What a receiver that serves the webhook `web`, or does not know it, says.
fn says(rig: &Rig, knows: bool) -> Value {
    if knows {
        report(&rig.namespace, "web", 5, 1, false)
    } else {
        json!({"loaded": true, "queue": {"ready": true}, "webhooks": [], "sinks": []})
    }
}

/// Senders are led to the new receiver when its pods run the webhook, and the former one goes on for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_moves_without_a_gap() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("edge", "").await;
    rig.working("web").await;
    rig.webhook("web", ", ingress: {host: leads.example.com}").await;
    rig.ingress_has_address("web").await;
    rig.receivers.says("10.0.0.1", says(&rig, true));
    rig.receivers.says("10.0.0.2", says(&rig, false));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 1).await;
    rig.present(Kind::Deployment, "leadgate-receiver-edge").await;
    rig.pod("edge", "edge-1", "10.0.0.2").await;
    rig.rolled_out("edge", 1).await;
    rig.condition("web", "Ready", "True Ready").await;
    let leads_to = async || {
        let ingress = rig.present(Kind::Ingress, "leadgate-webhook-web").await;
        let path = &ingress.data["spec"]["rules"][0]["http"]["paths"][0];
        path["backend"]["service"]["name"].clone()
    };
    assert_eq!(leads_to().await, "leadgate-receiver-default");
    rig.webhook(
        "web",
        ", ingress: {host: leads.example.com}, receiverRef: {name: edge}",
    )
    .await;
    rig.condition("web", "Programmed", "False Moving").await;
    let serves = async |receiver: &str| {
        let files = rig.files(receiver).await;
        files
            .get("leadwebhook.web.json")
            .is_some_and(|webhook| webhook["spec"]["receiverRef"]["name"] == *receiver)
    };
    eventually("both serve it", async || {
        (serves("edge").await && serves("default").await)
            .then_some(())
            .ok_or(String::new())
    })
    .await;
    assert_eq!(leads_to().await, "leadgate-receiver-default");
    let status = rig.webhooks().get("web").await.unwrap().status.unwrap();
    assert_eq!(status.receiver.as_deref(), Some("default"));

    rig.receivers.says("10.0.0.2", says(&rig, true));
    rig.condition("web", "Programmed", "True Programmed").await;
    eventually("senders are led there", async || {
        let now = leads_to().await;
        (now == "leadgate-receiver-edge")
            .then_some(())
            .ok_or(now.to_string())
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(serves("default").await, "edges need a moment");
    let status = rig.webhooks().get("web").await.unwrap().status.unwrap();
    assert_eq!(status.receiver.as_deref(), Some("edge"));
    operator.stop().await.unwrap();
    rig.remove().await;
}
