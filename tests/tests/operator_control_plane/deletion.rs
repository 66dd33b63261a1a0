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
    rig.pod("web", "web-1", "10.0.0.1").await;
    rig.rolled_out("web", 1).await;
    rig.condition("web", "Ready", "True Ready").await;
    rig.webhooks()
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    let message = rig.condition("web", "Ready", "False Draining").await;
    assert!(message.contains("2 deliveries are pending"), "{message}");
    eventually("the receivers are told to refuse leads", || async {
        let map = rig.present(Kind::ConfigMap, "leadgate-web").await;
        let text = map.data["data"]["leadwebhook.yaml"].as_str().unwrap().to_owned();
        text.contains("suspend: true").then_some(()).ok_or(text)
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
    rig.webhook("web", ", drainTimeout: 0s").await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 2, true));
    rig.pod("web", "web-1", "10.0.0.1").await;
    rig.rolled_out("web", 1).await;
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
