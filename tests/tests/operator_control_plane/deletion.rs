//! Deleting a webhook.

use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use leadgate_operator::kinds::Kind;
use serde_json::json;

use crate::rig::{Rig, eventually, report};

pub(crate) async fn gone(rig: &Rig, name: &str) {
    eventually("the webhook is gone", || async {
        match rig.webhooks().get_opt(name).await.unwrap() {
            None => Ok(()),
            Some(object) => Err(format!("{:?} {:?}", object.finalizers(), object.status)),
        }
    })
    .await;
}

pub(crate) async fn receiver_gone(rig: &Rig, name: &str) {
    eventually("the receiver is gone", || async {
        let found = rig.lead_receivers().get_opt(name).await.unwrap();
        found.is_none().then_some(()).ok_or(format!("{found:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_never_took_a_lead_goes_at_once() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    assert_eq!(
        rig.webhooks().get("web").await.unwrap().finalizers(),
        ["leadgate.dev/drain"]
    );
    rig.webhook("broken", ", source: nobody").await;
    rig.condition("broken", "Stalled", "True PresetUnknown").await;
    for name in ["web", "broken"] {
        rig.webhooks()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
        gone(&rig, name).await;
    }
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_drain_first() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 2, false));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 1).await;
    rig.condition("web", "Ready", "True Ready").await;
    rig.webhooks()
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    let message = rig.condition("web", "Ready", "False Draining").await;
    assert!(message.contains("2 deliveries are pending"), "{message}");
    rig.configured("the receivers are told to refuse leads", |files| {
        files
            .get("leadwebhook.web.json")
            .is_some_and(|webhook| webhook["spec"]["suspend"] == true)
    })
    .await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 0, false));
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    assert!(
        rig.webhooks().get_opt("web").await.unwrap().is_some(),
        "it still accepts leads"
    );
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 0, true));
    gone(&rig, "web").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_give_leads_up() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.receiver("default", "drainTimeout: 0s").await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 2, true));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 1).await;
    rig.condition("web", "Delivering", "True Delivering").await;
    rig.webhooks()
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    let message = rig.condition("web", "Stalled", "True DrainTimeout").await;
    assert!(message.contains("leadgate.dev/allow-loss"), "{message}");
    let patch = json!({"metadata": {"annotations": {"leadgate.dev/allow-loss": "true"}}});
    rig.webhooks()
        .patch("web", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    gone(&rig, "web").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_waits_for_its_webhooks() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("edge", "replicas: 1").await;
    rig.sink("crm").await;
    rig.secret("web", "hmac: 0123456789abcdef").await;
    rig.webhook("web", ", receiverRef: {name: edge}").await;
    rig.applied("web").await;
    rig.lead_receivers()
        .delete("edge", &DeleteParams::default())
        .await
        .unwrap();
    let message = rig.receiver_condition("edge", "Ready", "False Draining").await;
    assert!(
        message.contains("LeadWebhooks that name this LeadReceiver: web")
            && message.contains("spec.receiverRef"),
        "{message}"
    );
    // What is told to go works on until then.
    rig.webhook("web", ", receiverRef: {name: edge}, suspend: true")
        .await;
    eventually("a change is still programmed", async || {
        let files = rig.files("edge").await;
        let webhook = files.get("leadwebhook.web.json").ok_or("absent")?;
        (webhook["spec"]["suspend"] == true)
            .then_some(())
            .ok_or(webhook.to_string())
    })
    .await;
    rig.webhooks()
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    gone(&rig, "web").await;
    receiver_gone(&rig, "edge").await;
    for kind in [Kind::Deployment, Kind::Service, Kind::ServiceAccount] {
        rig.absent(kind, "leadgate-receiver-edge").await;
    }
    rig.absent(Kind::StatefulSet, "leadgate-redis").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

/// Nobody owns what an implied receiver consists of: the operator removes it with the last webhook.
#[tokio::test(flavor = "multi_thread")]
async fn an_implied_receiver_goes_with_its_last_webhook() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.secret("shop", "hmac: 0123456789abcdef").await;
    rig.webhook("shop", "").await;
    rig.applied("shop").await;
    let delete = async |name: &str| {
        rig.webhooks()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
        gone(&rig, name).await;
    };
    delete("web").await;
    rig.configured("the pods forget the webhook", |files| {
        !files.contains_key("leadwebhook.web.json") && files.contains_key("leadwebhook.shop.json")
    })
    .await;
    rig.present(Kind::Deployment, "leadgate-receiver-default").await;
    delete("shop").await;
    for (kind, name) in [
        (Kind::Deployment, "leadgate-receiver-default"),
        (Kind::Service, "leadgate-receiver-default"),
        (Kind::Service, "leadgate-admin-default"),
        (Kind::Secret, "leadgate-admin-default"),
        (Kind::Secret, "leadgate-secrets-default"),
        (Kind::ServiceAccount, "leadgate-receiver-default"),
        (Kind::NetworkPolicy, "leadgate-receiver-default"),
        (Kind::PodDisruptionBudget, "leadgate-receiver-default"),
        (Kind::StatefulSet, "leadgate-redis"),
        (Kind::Secret, "leadgate-redis"),
    ] {
        rig.absent(kind, name).await;
    }
    assert!(rig.files("default").await.is_empty());
    operator.stop().await.unwrap();
    rig.remove().await;
}
