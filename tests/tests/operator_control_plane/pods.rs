//! Pods that cannot be made, are not wanted, or go with their namespace.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use leadgate_operator::kinds::Kind;
use serde_json::{Value, json};

use crate::hands::SERVICE;
use crate::rig::{Rig, report};

#[tokio::test(flavor = "multi_thread")]
async fn why_pods_cannot_be_made_is_said() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "autoscaling: {maxReplicas: 3}").await;
    rig.working("web").await;
    let status = |status: Value| json!({"status": status});
    let patch = async |kind: Kind, value: Value| {
        let params = PatchParams::default();
        let value = status(value);
        rig.api(kind)
            .patch_status(SERVICE, &params, &Patch::Merge(&value))
            .await
            .unwrap();
    };
    patch(
        Kind::Deployment,
        json!({"observedGeneration": 1, "conditions": [{"type": "ReplicaFailure", "status": "True",
        "reason": "FailedCreate", "message": "exceeded quota: q"}]}),
    )
    .await;
    let message = rig
        .receiver_condition("default", "Available", "False PodsRefused")
        .await;
    assert!(message.contains("exceeded quota: q"), "{message}");

    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "reason": "FailedCreate",
        "message": "create Pod leadgate-redis-0 failed: must not set securityContext",
        "involvedObject": {"kind": "StatefulSet", "name": "leadgate-redis", "namespace": rig.namespace, "apiVersion": "apps/v1"},
        "lastTimestamp": "2026-11-26T12:00:00Z", "type": "Warning"});
    rig.apply(&event.to_string()).await;
    rig.receiver("default", "autoscaling: {maxReplicas: 4}").await;
    let message = rig
        .receiver_condition("default", "QueueReady", "False PodsRefused")
        .await;
    assert!(message.contains("must not set securityContext"), "{message}");

    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 0, false));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 1).await;
    patch(Kind::HorizontalPodAutoscaler, json!({"currentReplicas": 1, "desiredReplicas": 1, "conditions": [
        {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": "no metrics"}]}))
    .await;
    let message = rig
        .receiver_condition("default", "Available", "True NotScaling")
        .await;
    assert!(message.contains("no metrics"), "{message}");
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scaled_to_zero_is_not_ready_and_can_be_deleted() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "replicas: 1").await;
    rig.working("web").await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 0, false));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 1).await;
    rig.condition("web", "Ready", "True Ready").await;
    rig.receiver("default", "replicas: 0").await;
    let resource = kube::core::ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
    let pods: Api<kube::api::DynamicObject> =
        Api::namespaced_with(rig.client.clone(), &rig.namespace, &resource);
    pods.delete("web-1", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    rig.condition("web", "Ready", "False ScaledToZero").await;
    rig.webhooks()
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    crate::deletion::gone(&rig, "web").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_deleted_goes() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "").await;
    rig.working("web").await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 2, false));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 1).await;
    rig.condition("web", "Ready", "True Ready").await;
    // What the namespace controller does.
    let namespaces: Api<Namespace> = Api::all(rig.client.clone());
    namespaces
        .delete(&rig.namespace, &DeleteParams::default())
        .await
        .unwrap();
    let resource = kube::core::ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
    let pods: Api<kube::api::DynamicObject> =
        Api::namespaced_with(rig.client.clone(), &rig.namespace, &resource);
    pods.delete("web-1", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    rig.lead_receivers()
        .delete("default", &DeleteParams::default())
        .await
        .unwrap();
    rig.webhooks()
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    crate::deletion::gone(&rig, "web").await;
    crate::deletion::receiver_gone(&rig, "default").await;
    operator.stop().await.unwrap();
}
