//! The definitions are removed and installed again, or are older than the operator, while it runs: on an API server of its own,
//! for every other test would notice.

// Each test uses a part of it.
#[allow(dead_code, unreachable_pub)]
#[path = "../operator_control_plane/rig.rs"]
mod rig;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use leadgate_tests::cluster::install_crds;
use rig::{Rig, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_goes_on_after_its_definitions_were_installed_again() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.secret("web", "hmac: 0123456789abcdef").await;
    rig.webhook("web", "").await;
    rig.condition("web", "ResolvedRefs", "False SinkMissing").await;
    let definitions: Api<CustomResourceDefinition> = Api::all(rig.client.clone());
    let name = "crmsinks.leadgate.dev";
    definitions.delete(name, &DeleteParams::default()).await.unwrap();
    eventually("it is gone", async || {
        let found = definitions.get_opt(name).await.unwrap();
        found.map_or(Ok(()), |_| Err(String::new()))
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    install_crds(&rig.client).await.unwrap();
    rig.sink("crm").await;
    rig.condition("web", "ResolvedRefs", "True Resolved").await;

    // HTTPRoutes are nobody's here.
    rig.webhook("web", ", gateway: {parentRefs: [{name: edge}]}")
        .await;
    let message = rig
        .condition("web", "ResolvedRefs", "False GatewayApiMissing")
        .await;
    assert!(message.contains("spec.gateway"), "{message}");

    // One that does not know a field of the status yet.
    let name = "leadreceivers.leadgate.dev";
    let mut older = serde_json::to_value(definitions.get(name).await.unwrap()).unwrap();
    older
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/status/properties")
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove("addresses");
    let older = serde_json::from_value(older).unwrap();
    definitions
        .replace(name, &PostParams::default(), &older)
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    rig.receiver("edge", "").await;
    let message = rig
        .receiver_condition("edge", "Stalled", "True DefinitionOutdated")
        .await;
    assert!(message.contains("older than the operator"), "{message}");
    install_crds(&rig.client).await.unwrap();
    rig.receiver_condition("edge", "Accepted", "True Valid").await;
    rig.receiver_condition("edge", "Stalled", "False Progressing")
        .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}
