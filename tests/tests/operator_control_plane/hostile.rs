//! What people do to the operator's objects besides changing a value, and to what it cannot be without.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};
use leadgate_operator::kinds::Kind;
use serde_json::{Value, json};

use crate::deletion::{gone, receiver_gone};
use crate::hands::{SERVICE, edit, events, holds};
use crate::rig::{Rig, eventually};

fn secrets(rig: &Rig) -> Api<Secret> {
    Api::namespaced(rig.client.clone(), &rig.namespace)
}

async fn holds_key(rig: &Rig, name: &str, key: &str, value: &[u8]) {
    eventually(&format!("Secret {name} has its {key}"), async || {
        let secret = secrets(rig).get_opt(name).await.unwrap().ok_or("absent")?;
        let found = secret.data.unwrap_or_default().remove(key).ok_or("no key")?;
        (found.0 == value).then_some(()).ok_or("another value".to_owned())
    })
    .await;
}

/// The controller that empties namespaces does not run here: what it does to the objects, the test does.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_goes_also_where_nothing_can_be_made_any_more() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "replicas: 1").await;
    rig.working("web").await;
    Api::<Namespace>::all(rig.client.clone())
        .delete(&rig.namespace, &DeleteParams::default())
        .await
        .unwrap();
    rig.webhooks()
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    rig.lead_receivers()
        .delete("default", &DeleteParams::default())
        .await
        .unwrap();
    let _ = rig
        .api(Kind::ConfigMap)
        .delete("leadgate-installation", &DeleteParams::default())
        .await;
    gone(&rig, "web").await;
    receiver_gone(&rig, "default").await;
    operator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_that_somebody_else_owns_too_is_removed() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    let webhook = json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook",
        "metadata": {"name": "copy", "finalizers": ["leadgate.dev/drain", "example.com/mine"]},
        "spec": {"auth": {"hmac": {"secretRefs": [{"name": "web", "key": "hmac"}]}}, "sinks": [{"name": "crm"}]}});
    let webhook = serde_json::from_value(webhook).unwrap();
    rig.webhooks()
        .create(&PostParams::default(), &webhook)
        .await
        .unwrap();
    rig.condition("copy", "Accepted", "True Valid").await;
    rig.webhooks()
        .delete("copy", &DeleteParams::default())
        .await
        .unwrap();
    eventually(
        "the finalizer is gone, and that of somebody else is not",
        async || {
            let object = rig.webhooks().get("copy").await.unwrap();
            let left = object.finalizers();
            (left == ["example.com/mine"])
                .then_some(())
                .ok_or(format!("{left:?}"))
        },
    )
    .await;
    let patch = json!({"metadata": {"finalizers": null}});
    rig.webhooks()
        .patch("copy", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    gone(&rig, "copy").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_adds_and_the_api_server_refuses_is_removed() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "replicas: 2").await;
    rig.working("web").await;
    rig.present(Kind::PodDisruptionBudget, SERVICE).await;

    let budget = json!({"spec": {"maxUnavailable": null, "minAvailable": 1}});
    edit(&rig, Kind::PodDisruptionBudget, SERVICE, budget).await;
    holds(
        &rig,
        Kind::PodDisruptionBudget,
        SERVICE,
        "/spec/maxUnavailable",
        json!(1),
    )
    .await;
    holds(
        &rig,
        Kind::PodDisruptionBudget,
        SERVICE,
        "/spec/minAvailable",
        Value::Null,
    )
    .await;

    let mut containers =
        rig.present(Kind::Deployment, SERVICE).await.data["spec"]["template"]["spec"]["containers"].clone();
    let probe = &mut containers[0]["livenessProbe"];
    probe["httpGet"] = Value::Null;
    probe["exec"] = json!({"command": ["true"]});
    let template = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    edit(&rig, Kind::Deployment, SERVICE, template).await;
    let place = "/spec/template/spec/containers/0/livenessProbe";
    holds(
        &rig,
        Kind::Deployment,
        SERVICE,
        &format!("{place}/exec"),
        Value::Null,
    )
    .await;
    holds(
        &rig,
        Kind::Deployment,
        SERVICE,
        &format!("{place}/httpGet/path"),
        json!("/livez"),
    )
    .await;
    holds(&rig, Kind::Deployment, SERVICE, "/spec/replicas", json!(2)).await;

    let ports = json!({"spec": {"ports": [{"name": "http", "port": 8080, "targetPort": "http"}]}});
    edit(&rig, Kind::Service, SERVICE, ports).await;
    holds(&rig, Kind::Service, SERVICE, "/spec/ports/0/port", json!(80)).await;
    holds(&rig, Kind::Service, SERVICE, "/spec/ports/2", Value::Null).await;

    edit(
        &rig,
        Kind::Secret,
        "leadgate-secrets-default",
        json!({"immutable": true}),
    )
    .await;
    rig.secret("web", "hmac: fedcba9876543210").await;
    rig.configured("a new key reaches the pods", |files| {
        files
            .get("secret.web.json")
            .is_some_and(|secret| secret["data"]["hmac"] == "ZmVkY2JhOTg3NjU0MzIxMA==")
    })
    .await;
    rig.receiver_condition("default", "Accepted", "True Valid").await;
    // Nothing is left with whoever repaired it: what is no longer applied goes.
    let service = rig.present(Kind::Service, SERVICE).await;
    let managers = service.metadata.managed_fields.unwrap_or_default();
    let repaired = managers
        .iter()
        .any(|entry| entry.manager.as_deref() == Some("leadgate-operator-repair"));
    assert!(!repaired, "{managers:?}");
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_knows_its_objects_without_their_labels() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "autoscaling: {minReplicas: 2, maxReplicas: 5}")
        .await;
    rig.working("web").await;
    let managed_by = "/metadata/labels/app.kubernetes.io~1managed-by";
    let unlabelled = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}});
    edit(&rig, Kind::StatefulSet, "leadgate-redis", unlabelled).await;
    holds(
        &rig,
        Kind::StatefulSet,
        "leadgate-redis",
        managed_by,
        json!("leadgate-operator"),
    )
    .await;
    let installation = json!({"metadata": {"annotations": {"leadgate.dev/installation": null}}});
    edit(&rig, Kind::Service, "leadgate-redis", installation).await;
    let place = "/metadata/annotations/leadgate.dev~1installation";
    holds(&rig, Kind::Service, "leadgate-redis", place, json!("leadgate")).await;

    rig.present(Kind::HorizontalPodAutoscaler, SERVICE).await;
    edit(
        &rig,
        Kind::HorizontalPodAutoscaler,
        SERVICE,
        json!({"spec": {"maxReplicas": 50}}),
    )
    .await;
    holds(
        &rig,
        Kind::HorizontalPodAutoscaler,
        SERVICE,
        "/spec/maxReplicas",
        json!(5),
    )
    .await;
    edit(&rig, Kind::Deployment, SERVICE, json!({"spec": {"paused": true}})).await;
    // Defaults are not written out.
    holds(&rig, Kind::Deployment, SERVICE, "/spec/paused", Value::Null).await;
    rig.receiver_condition("default", "Accepted", "True Valid").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_the_ledger_outlive_their_secret_and_people_add_to_them() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "replicas: 1").await;
    rig.working("web").await;
    let name = "leadgate-ledger";
    rig.configured("the pods have a copy", |files| files.contains_key("ledger-keys"))
        .await;
    let made = secrets(&rig).get(name).await.unwrap();
    let key = String::from_utf8(made.data.unwrap()["key"].0.clone()).unwrap();
    let both = format!("{key}\nanother key, 16 and more");
    edit(&rig, Kind::Secret, name, json!({"stringData": {"key": both}})).await;
    rig.configured("the pods have both", |files| files["ledger-keys"] == json!(both))
        .await;
    edit(&rig, Kind::Secret, name, json!({"data": {"key": null}})).await;
    holds_key(&rig, name, "key", both.as_bytes()).await;
    secrets(&rig)
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    holds_key(&rig, name, "key", both.as_bytes()).await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_sealed_leads_outlive_their_secret_and_are_never_replaced() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "replicas: 1").await;
    rig.working("web").await;
    let name = "leadgate-encryption";
    rig.present(Kind::Secret, name).await;
    rig.configured("the pods have a copy", |files| {
        files.contains_key("encryption-keys")
    })
    .await;
    let keys = secrets(&rig).get(name).await.unwrap().data.unwrap()["keys"]
        .0
        .clone();
    let delete = async |name: &str| {
        secrets(&rig)
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    };
    delete(name).await;
    holds_key(&rig, name, "keys", &keys).await;
    edit(&rig, Kind::Secret, name, json!({"data": {"keys": null}})).await;
    holds_key(&rig, name, "keys", &keys).await;
    eventually("people are told", async || {
        let told = events(&rig, "SecretRemade").await;
        told.iter()
            .any(|note| note.contains(name))
            .then_some(())
            .ok_or(format!("{told:?}"))
    })
    .await;

    // With its copy, nobody has the keys any more. A restored one is taken over.
    operator.stop().await.unwrap();
    delete(name).await;
    delete("leadgate-secrets-default").await;
    let operator = rig.operator(&[]);
    let message = rig
        .receiver_condition("default", "Stalled", "True KeysLost")
        .await;
    assert!(message.contains("allow-loss"), "{message}");
    assert!(
        secrets(&rig).get_opt(name).await.unwrap().is_none(),
        "no other key is made"
    );
    let keys = String::from_utf8(keys).unwrap();
    rig.secret(name, &format!("keys: {keys}")).await;
    rig.receiver_condition("default", "Accepted", "True Valid").await;
    holds_key(&rig, name, "keys", keys.as_bytes()).await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

/// One release after another in one namespace: they share the Lease.
#[tokio::test(flavor = "multi_thread")]
async fn a_reinstalled_operator_of_another_name_succeeds_the_former_one() {
    let rig = Rig::new().await;
    let namespace = rig.namespace.clone();
    let operator =
        |name: &str| rig.operator(&["--installation", name, "--leader-election-namespace", &namespace]);
    let first = operator("n/leadgate");
    rig.working("web").await;
    first.stop().await.unwrap();
    let second = operator("n/lg2");
    let place = "/metadata/annotations/leadgate.dev~1installation";
    holds(&rig, Kind::Service, SERVICE, place, json!("n/lg2")).await;
    second.stop().await.unwrap();
    rig.remove().await;
}

/// The definitions are newer than the operator: one object with what it does not know is told so, and concerns nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_a_newer_version_concerns_its_object_alone() {
    let rig = Rig::new().await;
    let definitions: Api<CustomResourceDefinition> = Api::all(rig.client.clone());
    for plural in ["leadwebhooks", "crmsinks", "leadreceivers"] {
        let name = format!("{plural}.leadgate.dev");
        let mut newer = json!(definitions.get(&name).await.unwrap());
        newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["future"] =
            json!({"type": "string"});
        let newer = serde_json::from_value(newer).unwrap();
        definitions
            .replace(&name, &PostParams::default(), &newer)
            .await
            .unwrap();
    }

    // Given an operator with a webhook and a sink that run
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.receiver("default", "replicas: 1").await;
    let has = |kind: &'static str, name: &'static str| {
        move |files: &std::collections::BTreeMap<String, Value>| {
            files.contains_key(&format!("{kind}.{name}.json"))
        }
    };
    rig.configured("the webhook", has("leadwebhook", "web")).await;

    // When somebody uses the new field in each of them
    let expected = "spec.future: this version of Leadgate does not know";
    let says = async |kind: ApiResource, name: &str| {
        let api: Api<DynamicObject> = Api::namespaced_with(rig.client.clone(), &rig.namespace, &kind);
        eventually(&format!("{name}: {expected}"), async || {
            let edited = json!({"spec": {"future": "x"}});
            let object = api
                .patch(name, &PatchParams::default(), &Patch::Merge(&edited))
                .await
                .unwrap();
            let mut conditions = object.data["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten();
            let accepted = conditions.find(|condition| condition["type"] == "Accepted");
            accepted
                .filter(|c| c["status"] == "False" && c["reason"] == "FieldUnknown")
                .filter(|c| c["message"].as_str().is_some_and(|text| text.contains(expected)))
                .map(|_| ())
                .ok_or(format!("{object:?}"))
        })
        .await;
    };
    says(ApiResource::erase::<CrmSink>(&()), "crm").await;
    says(ApiResource::erase::<LeadWebhook>(&()), "web").await;
    says(ApiResource::erase::<LeadReceiver>(&()), "default").await;

    // Then they run on as they were, also for an operator that starts now, and others are served
    operator.stop().await.unwrap();
    let operator = rig.operator(&[]);
    rig.receiver("default", "replicas: 1").await;
    rig.webhook("other", "").await;
    rig.secret("other", "hmac: 0123456789abcdef").await;
    rig.configured("the other webhook", has("leadwebhook", "other"))
        .await;
    rig.configured("the webhook as it was", has("leadwebhook", "web"))
        .await;
    rig.configured("the sink as it was", has("crmsink", "crm")).await;
    operator.stop().await.unwrap();
    rig.remove().await;
}
