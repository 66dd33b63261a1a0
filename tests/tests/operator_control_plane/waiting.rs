//! Leads that wait for a sink which their webhook no longer names.

use kube::api::DeleteParams;
use leadgate_operator::kinds::Kind;
use serde_json::{Value, json};

use crate::rig::{Rig, eventually, report};

/// What receivers say when `former` deliveries wait for the sink `crm`, and the webhook names `next`.
fn says(rig: &Rig, former: i64) -> Value {
    let mut report = report(&rig.namespace, "web", 5, former, false);
    let webhook = &mut report["webhooks"][0]["sinks"];
    webhook
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "next", "pending": 0, "delivered": 1}));
    report
}

async fn configured(rig: &Rig, expected: &[&str]) {
    rig.configured(&format!("the receivers have {expected:?}"), |files| {
        let sinks: Vec<&str> = files
            .keys()
            .filter_map(|f| f.strip_prefix("crmsink.")?.strip_suffix(".json"))
            .collect();
        sinks == expected
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_keep_the_sink_until_nothing_waits_for_it() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.sink("next").await;
    rig.receivers.says("10.0.0.1", says(&rig, 2));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 2).await;
    rig.condition("web", "Ready", "True Ready").await;
    let moved = "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: web}, spec: {auth: {hmac: \
        {secretRefs: [{name: web, key: hmac}]}}, sinks: [{name: next}]}}";
    rig.apply(moved).await;
    rig.rolled_out("default", 2).await;
    let message = rig.condition("web", "Delivering", "True Delivering").await;
    assert!(
        message.contains("2 to CrmSink crm, which spec.sinks no longer names"),
        "{message}"
    );
    configured(&rig, &["crm", "next"]).await;
    assert!(
        rig.files("default").await.contains_key("secret.crm-token.json"),
        "its Secret is seen by the pods"
    );
    // No webhook names it, and yet it is delivered to.
    eventually("the sink shows what waits", async || {
        let status = rig.sinks().get("crm").await.unwrap().status.unwrap_or_default();
        (status.webhooks == 0 && status.leads.deliveries.pending == 2)
            .then_some(())
            .ok_or(format!("{status:?}"))
    })
    .await;

    // An operator that starts anew has not heard of it from receivers yet.
    operator.stop().await.unwrap();
    let operator = rig.operator(&[]);
    configured(&rig, &["crm", "next"]).await;

    // Deleted with all that it needs, it goes on with what was acknowledged, whatever becomes of the operator.
    rig.sinks().delete("crm", &DeleteParams::default()).await.unwrap();
    let secrets = rig.api(Kind::Secret);
    secrets
        .delete("crm-token", &DeleteParams::default())
        .await
        .unwrap();
    operator.stop().await.unwrap();
    let operator = rig.operator(&[]);
    rig.receiver("default", "replicas: 2").await;
    rig.rolled_out("default", 2).await;
    rig.condition("web", "Delivering", "True Delivering").await;
    configured(&rig, &["crm", "next"]).await;
    assert!(rig.files("default").await.contains_key("secret.crm-token.json"));

    rig.receivers.says("10.0.0.1", says(&rig, 0));
    configured(&rig, &["next"]).await;
    operator.stop().await.unwrap();
    rig.remove().await;
}
