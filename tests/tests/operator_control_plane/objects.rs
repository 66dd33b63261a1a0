//! Which objects there are.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, WatchEvent, WatchParams};
use kube::core::{ApiResource, PartialObjectMeta};
use kube::{Api, ResourceExt as _};
use leadgate_operator::kinds::Kind;
use serde_json::json;

use crate::rig::{Rig, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_made_and_owned() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    let uid = rig.webhooks().get("web").await.unwrap().uid().unwrap();
    for (kind, name) in [
        (Kind::ConfigMap, "leadgate-web"),
        (Kind::Deployment, "leadgate-web"),
        (Kind::Service, "leadgate-web"),
        (Kind::Service, "leadgate-web-admin"),
        (Kind::Secret, "leadgate-web-admin"),
        (Kind::ServiceAccount, "leadgate-web"),
        (Kind::NetworkPolicy, "leadgate-web"),
        (Kind::PodDisruptionBudget, "leadgate-web"),
        (Kind::StatefulSet, "leadgate-redis"),
        (Kind::Service, "leadgate-redis"),
        (Kind::Secret, "leadgate-redis"),
        (Kind::NetworkPolicy, "leadgate-redis"),
    ] {
        let object = rig.present(kind, name).await;
        let owners = object.owner_references();
        assert!(owners.iter().any(|o| o.uid == uid), "{name}: {owners:?}");
        assert_eq!(owners[0].controller, (name != "leadgate-redis").then_some(true));
    }
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_understands_its_configuration() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.sink("crm").await;
    rig.secret("web", "hmac: 0123456789abcdef").await;
    rig.webhook(
        "web",
        ", payload: {rules: [{expression: \"lead.custom.budget >= 0\", message: \"a: 'b' #c\"}], \
        lead: {email: payload.email, custom: {budget: \"int('007')\", yes: \"'no'\"}}}",
    )
    .await;
    rig.applied("web").await;
    let map: ConfigMap = Api::namespaced(rig.client.clone(), &rig.namespace)
        .get("leadgate-web")
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in map.data.unwrap() {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let secrets = tempfile::tempdir().unwrap();
    for (secret, key) in [("web", "hmac"), ("crm-token", "token")] {
        std::fs::create_dir(secrets.path().join(secret)).unwrap();
        std::fs::write(secrets.path().join(secret).join(key), "0123456789abcdef").unwrap();
    }
    let folders = leadgate_receiver::config::Folders {
        manifests: folder.path().into(),
        secrets: Some(secrets.path().into()),
        local_addresses: false,
    };
    let config = leadgate_receiver::config::load(&folders, None);
    assert!(config.problems.is_empty(), "{:?}", config.problems);
    assert_eq!(config.webhooks().count(), 1);
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_preset_is_called_is_known() {
    let known: Vec<&str> = leadgate_receiver::source::preset::names().collect();
    assert_eq!(leadgate_operator::lead_webhook::validate::PRESETS, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_changes_the_checksum_a_secrets_value_does_not() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    let first = rig.checksum("web").await;
    rig.secret("web", "hmac: fedcba9876543210").await;
    rig.webhook("web", ", receiver: {replicas: 5}").await;
    eventually("five pods are wanted", || async {
        let deployment = rig.present(Kind::Deployment, "leadgate-web").await;
        let replicas = deployment.data["spec"]["replicas"].clone();
        (replicas == 5).then_some(()).ok_or(replicas.to_string())
    })
    .await;
    assert_eq!(
        rig.checksum("web").await,
        first,
        "neither keys nor numbers restart pods"
    );
    rig.webhook("web", ", payload: {maxBytes: 2048}").await;
    eventually("another checksum", || async {
        let now = rig.checksum("web").await;
        (now != first).then_some(()).ok_or(now)
    })
    .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_asked_for_goes() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    let all = [
        Kind::PodDisruptionBudget,
        Kind::HorizontalPodAutoscaler,
        Kind::Ingress,
    ];
    rig.webhook(
        "web",
        ", receiver: {autoscaling: {maxReplicas: 5}, ingress: {host: leads.example.com, className: nginx}}",
    )
    .await;
    for kind in all {
        rig.present(kind, "leadgate-web").await;
    }
    let ingress = rig.present(Kind::Ingress, "leadgate-web").await;
    assert_eq!(ingress.data["spec"]["rules"][0]["host"], "leads.example.com");
    rig.webhook("web", ", receiver: {replicas: 1}").await;
    for kind in all {
        rig.absent(kind, "leadgate-web").await;
    }
    rig.webhook("web", ", receiver: {gateway: {parentRefs: [{name: edge}]}}")
        .await;
    let message = rig
        .condition("web", "ResolvedRefs", "False GatewayApiMissing")
        .await;
    assert!(message.contains("spec.receiver.gateway"), "{message}");
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_autoscaler_takes_over_the_number_of_pods_as_it_is() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    let replicas = async || {
        let deployment = rig.present(Kind::Deployment, "leadgate-web").await;
        deployment.data["spec"]["replicas"].clone()
    };
    rig.webhook("web", ", receiver: {replicas: 4}").await;
    eventually("four pods are asked for", async || {
        let now = replicas().await;
        (now == 4).then_some(()).ok_or(now.to_string())
    })
    .await;
    rig.webhook(
        "web",
        ", receiver: {autoscaling: {minReplicas: 2, maxReplicas: 5}}",
    )
    .await;
    rig.present(Kind::HorizontalPodAutoscaler, "leadgate-web").await;
    assert_eq!(replicas().await, 4, "no pod goes before the autoscaler says so");

    rig.webhook("web", ", receiver: {replicas: 1}").await;
    eventually("the operator has the number again", async || {
        let now = replicas().await;
        (now == 1).then_some(()).ok_or(now.to_string())
    })
    .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_made_is_left_alone_and_what_they_change_is_repaired() {
    let rig = Rig::new().await;
    rig.apply("{apiVersion: v1, kind: Service, metadata: {name: leadgate-web}, spec: {ports: [{port: 9}]}}")
        .await;
    let operator = rig.operator(&[]);
    rig.sink("crm").await;
    rig.secret("web", "hmac: 0123456789abcdef").await;
    rig.webhook("web", "").await;
    let message = rig.condition("web", "Stalled", "True NameTaken").await;
    assert!(message.contains("Service leadgate-web"), "{message}");
    let service = rig.present(Kind::Service, "leadgate-web").await;
    assert_eq!(service.data["spec"]["ports"][0]["port"], 9);
    rig.api(Kind::Service)
        .delete("leadgate-web", &DeleteParams::default())
        .await
        .unwrap();
    // Nothing tells the operator of objects that are not its own: a change of the webhook does.
    rig.webhook("web", ", drainTimeout: 1m").await;
    rig.applied("web").await;
    let patch = json!({"spec": {"selector": {"app.kubernetes.io/instance": "shop"}}});
    rig.api(Kind::Service)
        .patch("leadgate-web", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    eventually("the selector is repaired", || async {
        let service = rig.present(Kind::Service, "leadgate-web").await;
        let instance = service.data["spec"]["selector"]["app.kubernetes.io/instance"].clone();
        (instance == "web").then_some(()).ok_or(instance.to_string())
    })
    .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_secret_is_made_once_and_kept() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.sink("crm").await;
    let webhook = "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: gen}, spec: {auth: {hmac: \
        {generateSecret: true, secretRefs: [{name: gen, key: hmac}]}}, sinks: [{name: crm}]}}";
    rig.apply(webhook).await;
    rig.applied("gen").await;
    let api: Api<Secret> = Api::namespaced(rig.client.clone(), &rig.namespace);
    let made = api.get("gen").await.unwrap();
    assert_eq!(made.data.as_ref().unwrap()["hmac"].0.len(), 64);
    assert!(made.owner_references().is_empty(), "it outlives the webhook");
    rig.secret("gen", "hmac: mine-and-mine-alone").await;
    rig.apply(&webhook.replace("sinks:", "drainTimeout: 1m, sinks:"))
        .await;
    rig.condition("gen", "Accepted", "True Valid").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        api.get("gen").await.unwrap().data.unwrap()["hmac"].0,
        b"mine-and-mine-alone"
    );
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_redis_for_all_webhooks_of_a_namespace() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.secret("shop", "hmac: 0123456789abcdef").await;
    rig.webhook("shop", ", queue: {durability: EverySecond, storage: {size: 5Gi}}")
        .await;
    rig.applied("shop").await;
    let set = eventually("two owners", || async {
        let set = rig.present(Kind::StatefulSet, "leadgate-redis").await;
        (set.owner_references().len() == 2)
            .then_some(set)
            .ok_or("one".to_owned())
    })
    .await;
    let text = set.data["spec"].to_string();
    assert!(
        text.contains(r#""--appendfsync","always""#),
        "the stricter one wins: {text}"
    );
    assert!(
        text.contains(r#""storage":"1Gi""#),
        "a volume cannot be changed: {text}"
    );
    operator.stop().await.unwrap();
    rig.remove().await;
}

/// Every object of the namespace with its resource version.
async fn versions(rig: &Rig) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let ours = |kind: &str, plural: &str| ApiResource {
        group: "leadgate.dev".into(),
        version: "v1alpha1".into(),
        api_version: "leadgate.dev/v1alpha1".into(),
        kind: kind.into(),
        plural: plural.into(),
    };
    let resources = Kind::WATCHED
        .iter()
        .map(|kind| kind.api_resource())
        .chain([ours("LeadWebhook", "leadwebhooks"), ours("CrmSink", "crmsinks")]);
    for resource in resources {
        let api: Api<PartialObjectMeta<DynamicObject>> =
            Api::namespaced_with(rig.client.clone(), &rig.namespace, &resource);
        for object in api
            .list_metadata(&kube::api::ListParams::default())
            .await
            .unwrap()
        {
            all.insert(
                format!("{} {}", resource.kind, object.name_any()),
                object.resource_version().unwrap(),
            );
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_at_rest_nor_after_a_restart() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.webhook("broken", "").await;
    rig.condition("broken", "Stalled", "True SecretMissing").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = versions(&rig).await;
    let events: Api<k8s_openapi::api::events::v1::Event> =
        Api::namespaced(rig.client.clone(), &rig.namespace);
    let mut watch = events
        .watch(&WatchParams::default().timeout(12), &latest(&events).await)
        .await
        .unwrap()
        .boxed();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(versions(&rig).await, before, "at rest");
    operator.stop().await.unwrap();
    let again = rig.operator(&[]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(versions(&rig).await, before, "after a restart");
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(500), watch.next()).await {
        assert!(
            !matches!(event, Ok(WatchEvent::Added(_) | WatchEvent::Modified(_))),
            "{event:?}"
        );
    }
    again.stop().await.unwrap();
    rig.remove().await;
}

async fn latest(api: &Api<k8s_openapi::api::events::v1::Event>) -> String {
    let list = api.list(&kube::api::ListParams::default()).await.unwrap();
    list.metadata.resource_version.unwrap()
}
