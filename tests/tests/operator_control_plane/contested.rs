//! Objects that somebody else changes again and again.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use leadgate_operator::kinds::Kind;
use serde_json::{Value, json};

use crate::hands::{SERVICE, edit, events, holds};
use crate::rig::{Rig, eventually, report};

/// Changes an object until a condition says so.
async fn until_told(change: impl AsyncFn(i64), told: impl Future<Output = String>) -> String {
    let fight = async {
        let mut n = 0;
        loop {
            n += 1;
            change(n).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::select! {
        told = told => told,
        () = fight => unreachable!("it has no end"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_scales_the_deployment_again_and_again_is_told_what_to_scale() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "replicas: 2").await;
    rig.working("web").await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 0, false));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 2).await;
    rig.receiver_condition("default", "Ready", "True Ready").await;

    let deployments = rig.api(Kind::Deployment);
    // kubectl scale, or an autoscaler.
    let scale = async |n: i64| {
        let params = PatchParams {
            field_manager: Some("kubectl".to_owned()),
            ..PatchParams::default()
        };
        let patch = json!({"spec": {"replicas": 5 + n % 3}});
        deployments
            .patch_scale(SERVICE, &params, &Patch::Merge(&patch))
            .await
            .unwrap();
    };
    let told = rig.receiver_condition("default", "Stalled", "True ObjectContested");
    let message = until_told(scale, told).await;
    for part in [
        "Deployment leadgate-receiver-default: spec.replicas is changed again and again by kubectl,",
        "kubectl scale leadreceiver default --replicas=N",
        "scaleTargetRef",
    ] {
        assert!(message.contains(part), "{message}");
    }
    eventually("an Event tells it", async || {
        let told = events(&rig, "ObjectContested").await;
        (!told.is_empty()).then_some(()).ok_or(String::new())
    })
    .await;
    // A webhook of a receiver that is only implied would have nowhere else to say it.
    let programmed = rig.condition("web", "Programmed", "True ObjectContested").await;
    assert!(programmed.contains("spec.replicas"), "{programmed}");
    // In the end it is as the LeadReceiver says.
    holds(&rig, Kind::Deployment, SERVICE, "/spec/replicas", json!(2)).await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_field_and_its_manager_are_named_of_any_object() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "").await;
    rig.working("web").await;
    rig.webhook("web", ", ingress: {host: leads.example.com}").await;
    let ingress = "leadgate-webhook-web";
    rig.present(Kind::Ingress, ingress).await;

    let annotation = "leadgate.dev/installation";
    let other = async |n: i64| {
        let patch = json!({"metadata": {"annotations": {annotation: format!("other-{n}")}}});
        edit(&rig, Kind::Ingress, ingress, patch).await;
    };
    let told = rig.condition("web", "Stalled", "True ObjectContested");
    let message = until_told(other, told).await;
    for part in [
        "Ingress leadgate-webhook-web: metadata.annotations.leadgate.dev/installation is changed again and again by a-person,",
        "change LeadWebhook web instead",
    ] {
        assert!(message.contains(part), "{message}");
    }

    // What the pods read, and what a person removes from it.
    let empty = async |_| {
        let patch = json!({"data": Value::Null});
        edit(&rig, Kind::Secret, "leadgate-secrets-default", patch).await;
    };
    let told = rig.receiver_condition("default", "Stalled", "True ObjectContested");
    let message = until_told(empty, told).await;
    for part in [
        "Secret leadgate-secrets-default: data is changed again and again",
        "the audit log",
    ] {
        assert!(message.contains(part), "{message}");
    }
    rig.configured("the keys are back", |files| files.contains_key("secret.web.json"))
        .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}
