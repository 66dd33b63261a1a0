//! What other people and other programs do to what the operator made: it is put back, or left to them, and told.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use leadgate_operator::kinds::Kind;
use serde_json::{Value, json};

use crate::rig::{Rig, eventually, report};

const SERVICE: &str = "leadgate-receiver-default";

async fn edit(rig: &Rig, kind: Kind, name: &str, patch: Value) {
    let params = PatchParams {
        field_manager: Some("a-person".to_owned()),
        ..PatchParams::default()
    };
    rig.api(kind)
        .patch(name, &params, &Patch::Merge(&patch))
        .await
        .unwrap();
}

/// Waits until a place of an object holds a value.
async fn holds(rig: &Rig, kind: Kind, name: &str, place: &str, value: Value) {
    let api = rig.api(kind);
    eventually(
        &format!("{} {name} has {value} at {place}", kind.name()),
        async || {
            let object = api.get_opt(name).await.unwrap().ok_or("it is gone")?;
            let object = serde_json::to_value(object).unwrap();
            let found = object.pointer(place).cloned().unwrap_or_default();
            (found == value).then_some(()).ok_or(found.to_string())
        },
    )
    .await;
}

/// The part of the Gateway API that is used here: a resource without rules.
async fn gateway_api(rig: &Rig) {
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "httproutes.gateway.networking.k8s.io", "annotations": {
            "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/3328"}},
        "spec": {"group": "gateway.networking.k8s.io", "scope": "Namespaced",
            "names": {"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute", "listKind": "HTTPRouteList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}});
    let api: Api<CustomResourceDefinition> = Api::all(rig.client.clone());
    let params = PatchParams::apply("a-person").force();
    let name = "httproutes.gateway.networking.k8s.io";
    api.patch(name, &params, &Patch::Apply(&definition))
        .await
        .unwrap();
    let routes = rig.api(Kind::HttpRoute);
    eventually("HTTPRoutes are served", async || {
        let listed = routes.list(&ListParams::default()).await;
        listed.map(|_| ()).map_err(|error| error.to_string())
    })
    .await;
}

async fn events(rig: &Rig, reason: &str) -> Vec<String> {
    let api: Api<Event> = Api::namespaced(rig.client.clone(), &rig.namespace);
    let all = api.list(&ListParams::default()).await.unwrap();
    all.into_iter()
        .filter(|event| event.reason.as_deref() == Some(reason))
        .filter_map(|event| event.note)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changes_is_put_back_and_what_somebody_adds_stays() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "").await;
    rig.working("web").await;
    rig.webhook("web", ", ingress: {host: leads.example.com}").await;
    rig.present(Kind::Ingress, "leadgate-webhook-web").await;

    let part_of = "/metadata/labels/app.kubernetes.io~1part-of";
    edit(
        &rig,
        Kind::Service,
        SERVICE,
        json!({"metadata": {"labels": {"app.kubernetes.io/part-of": "mine"},
        "annotations": {"team": "sales"}}, "spec": {"selector": {"app": "another"}}}),
    )
    .await;
    holds(&rig, Kind::Service, SERVICE, part_of, json!("leadgate")).await;
    holds(
        &rig,
        Kind::Service,
        SERVICE,
        "/metadata/annotations/team",
        json!("sales"),
    )
    .await;

    let installation = "/metadata/annotations/leadgate.dev~1installation";
    edit(
        &rig,
        Kind::Deployment,
        SERVICE,
        json!({"metadata": {"annotations": {"leadgate.dev/installation": null}}}),
    )
    .await;
    holds(&rig, Kind::Deployment, SERVICE, installation, json!("leadgate")).await;

    let host = "/spec/rules/0/host";
    let other = json!({"spec": {"rules": [{"host": "bank.example.com"}]}});
    edit(&rig, Kind::Ingress, "leadgate-webhook-web", other).await;
    holds(
        &rig,
        Kind::Ingress,
        "leadgate-webhook-web",
        host,
        json!("leads.example.com"),
    )
    .await;

    let policy = rig.api(Kind::NetworkPolicy);
    policy.delete(SERVICE, &DeleteParams::default()).await.unwrap();
    rig.present(Kind::NetworkPolicy, SERVICE).await;

    edit(
        &rig,
        Kind::Secret,
        "leadgate-secrets-default",
        json!({"data": null}),
    )
    .await;
    rig.configured("the keys are back", |files| files.contains_key("secret.web.json"))
        .await;

    eventually("people are told", async || {
        let told = events(&rig, "Restored").await;
        let of = |kind: &str| told.iter().any(|note| note.starts_with(kind));
        let kinds = ["Service", "Ingress", "NetworkPolicy", "Secret"];
        kinds.into_iter().all(of).then_some(()).ok_or(format!("{told:?}"))
    })
    .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_put_back_and_ready_only_when_its_gateway_takes_it() {
    let rig = Rig::new().await;
    gateway_api(&rig).await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.webhook(
        "web",
        ", gateway: {parentRefs: [{name: public}], hostnames: [leads.example.com]}",
    )
    .await;
    let name = "leadgate-webhook-web";
    rig.present(Kind::HttpRoute, name).await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 0, false));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 2).await;
    rig.condition("web", "Ready", "False NoAddress").await;

    let route = rig.api(Kind::HttpRoute);
    let answer = async |status: &str| {
        let generation = route.get(name).await.unwrap().metadata.generation;
        let status = json!({"status": {"parents": [{"parentRef": {"name": "public"}, "controllerName": "example.com/c",
            "conditions": [{"type": "Accepted", "status": status, "reason": "R", "message": "not this host",
                "observedGeneration": generation}]}]}});
        route
            .patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .unwrap();
    };
    answer("False").await;
    let message = rig.condition("web", "Exposed", "False RouteRefused").await;
    assert!(message.contains("not this host"), "{message}");
    answer("True").await;
    rig.condition("web", "Ready", "True Ready").await;

    edit(
        &rig,
        Kind::HttpRoute,
        name,
        json!({"spec": {"hostnames": ["bank.example.com"]}}),
    )
    .await;
    holds(
        &rig,
        Kind::HttpRoute,
        name,
        "/spec/hostnames/0",
        json!("leads.example.com"),
    )
    .await;
    route.delete(name, &DeleteParams::default()).await.unwrap();
    rig.present(Kind::HttpRoute, name).await;

    rig.webhook("web", "").await;
    rig.absent(Kind::HttpRoute, name).await;
    rig.condition("web", "Ready", "True Ready").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

async fn claim(rig: &Rig) -> Option<ConfigMap> {
    let api: Api<ConfigMap> = Api::namespaced(rig.client.clone(), &rig.namespace);
    api.get_opt("leadgate-installation").await.unwrap()
}

async fn claimed_by(rig: &Rig, installation: &str, contested: Option<&str>) {
    eventually(&format!("{installation} works here"), async || {
        let claim = claim(rig).await.ok_or("nobody")?;
        let says = |name: &str| claim.annotations().get(name).map(String::as_str);
        let found = (
            says("leadgate.dev/installation"),
            says("leadgate.dev/contested-by"),
        );
        (found == (Some(installation), contested))
            .then_some(())
            .ok_or(format!("{found:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_installations_the_first_one_works_and_says_so() {
    let rig = Rig::new().await;
    let first = rig.operator(&["--installation", "one", "--image-pull-secrets", "first"]);
    rig.working("web").await;
    claimed_by(&rig, "one", None).await;
    let second = rig.operator(&["--installation", "two", "--image-pull-secrets", "second"]);
    claimed_by(&rig, "one", Some("two")).await;
    let message = rig.condition("web", "Accepted", "True OperatorConflict").await;
    assert!(message.contains("installation two"), "{message}");
    let generation = async || {
        let object = rig.present(Kind::Deployment, SERVICE).await;
        let pulls = object.data["spec"]["template"]["spec"]["imagePullSecrets"][0]["name"].clone();
        (object.metadata.generation, pulls)
    };
    let before = generation().await;
    assert_eq!(before.1, "first");
    rig.webhook("web", ", retention: {dead: 2h}").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(generation().await, before, "the second one writes nothing");

    // The namespace is handed over.
    first.stop().await.unwrap();
    let api: Api<ConfigMap> = Api::namespaced(rig.client.clone(), &rig.namespace);
    api.delete("leadgate-installation", &DeleteParams::default())
        .await
        .unwrap();
    claimed_by(&rig, "two", None).await;
    holds(
        &rig,
        Kind::Deployment,
        SERVICE,
        "/spec/template/spec/imagePullSecrets/0/name",
        json!("second"),
    )
    .await;
    second.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_without_a_lease_any_more_is_succeeded() {
    let rig = Rig::new().await;
    let namespace = rig.namespace.clone();
    let first = rig.operator(&["--installation", "one", "--leader-election-namespace", &namespace]);
    rig.working("web").await;
    claimed_by(&rig, "one", None).await;
    first.stop().await.unwrap();
    let leases: Api<k8s_openapi::api::coordination::v1::Lease> =
        Api::namespaced(rig.client.clone(), &rig.namespace);
    leases
        .delete("leadgate-operator", &DeleteParams::default())
        .await
        .unwrap();
    let second = rig.operator(&["--installation", "two"]);
    claimed_by(&rig, "two", None).await;
    holds(
        &rig,
        Kind::Service,
        SERVICE,
        "/metadata/annotations/leadgate.dev~1installation",
        json!("two"),
    )
    .await;
    second.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_alone_makes_nothing_the_operators() {
    let rig = Rig::new().await;
    rig.apply(
        "{apiVersion: v1, kind: Service, metadata: {name: leadgate-redis, labels: {app.kubernetes.io/managed-by: \
         leadgate-operator, app.kubernetes.io/component: redis}}, spec: {ports: [{port: 1}]}}",
    )
    .await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "").await;
    rig.sink("crm").await;
    rig.secret("web", "hmac: 0123456789abcdef").await;
    rig.webhook("web", "").await;
    rig.receiver_condition("default", "Accepted", "False NameTaken")
        .await;
    holds(
        &rig,
        Kind::Service,
        "leadgate-redis",
        "/spec/ports/0/port",
        json!(1),
    )
    .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_resource_stays_as_it_is_until_it_is_resumed() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "replicas: 2").await;
    rig.working("web").await;
    let receivers = rig.lead_receivers();
    let pause = async |value: Value| {
        let patch = json!({"metadata": {"annotations": {"leadgate.dev/paused": value}}});
        let params = PatchParams::default();
        receivers
            .patch("default", &params, &Patch::Merge(&patch))
            .await
            .unwrap();
    };
    pause(json!("true")).await;
    rig.receiver_condition("default", "Reconciling", "False Paused")
        .await;
    edit(
        &rig,
        Kind::StatefulSet,
        "leadgate-redis",
        json!({"spec": {"replicas": 0}}),
    )
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    holds(
        &rig,
        Kind::StatefulSet,
        "leadgate-redis",
        "/spec/replicas",
        json!(0),
    )
    .await;
    pause(Value::Null).await;
    holds(
        &rig,
        Kind::StatefulSet,
        "leadgate-redis",
        "/spec/replicas",
        json!(1),
    )
    .await;

    let webhooks = rig.webhooks();
    let path = async |path: &str, paused: Value| {
        let patch =
            json!({"metadata": {"annotations": {"leadgate.dev/paused": paused}}, "spec": {"path": path}});
        let params = PatchParams::default();
        webhooks
            .patch("web", &params, &Patch::Merge(&patch))
            .await
            .unwrap();
    };
    path("/new", json!("true")).await;
    eventually("the webhook is paused", async || {
        let status = webhooks.get("web").await.unwrap().status.unwrap();
        let reconciling = status
            .conditions
            .iter()
            .find(|c| c.type_ == "Reconciling")
            .unwrap();
        (reconciling.reason == "Paused")
            .then_some(())
            .ok_or(format!("{reconciling:?}"))
    })
    .await;
    let file = rig.files("default").await["leadwebhook.web.json"].clone();
    assert_eq!(
        file["spec"]["path"],
        Value::Null,
        "the form before it was paused runs on"
    );
    path("/new", Value::Null).await;
    rig.configured("the new form runs", |files| {
        files["leadwebhook.web.json"]["spec"]["path"] == "/new"
    })
    .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

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
    eventually("the receiver is gone", async || {
        let found = rig.lead_receivers().get_opt("default").await.unwrap();
        found.map_or(Ok(()), |_| Err(String::new()))
    })
    .await;
    operator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn watched_namespaces_see_each_other_and_none_waits_for_one_that_cannot_be_read() {
    let (one, two) = (Rig::new().await, Rig::new().await);
    let watched = format!("{},{},leadgate-does-not-exist", one.namespace, two.namespace);
    let operator = one.operator(&["--watch-namespaces", &watched]);
    let edge = ", path: /leads, ingress: {host: leads.example.com}";
    one.working("web").await;
    one.webhook("web", edge).await;
    one.condition("web", "Accepted", "True Valid").await;
    // Another second: the older one keeps the path.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    two.working("shop").await;
    two.webhook("shop", edge).await;
    let message = two.condition("shop", "Accepted", "False PathTaken").await;
    assert!(message.contains(&one.namespace), "{message}");
    one.webhook("web", ", path: /other, ingress: {host: leads.example.com}")
        .await;
    two.condition("shop", "Accepted", "True Valid").await;
    operator.stop().await.unwrap();
    one.remove().await;
    two.remove().await;
}

/// The volume of the managed Redis, as the StatefulSet's controller would make it.
pub(crate) async fn volume(rig: &Rig, size: &str) {
    rig.apply(&format!(
        "{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: data-leadgate-redis-0}}, spec: {{accessModes: \
         [ReadWriteOnce], storageClassName: grows, resources: {{requests: {{storage: {size}}}}}}}}}"
    ))
    .await;
    let claims: Api<k8s_openapi::api::core::v1::PersistentVolumeClaim> =
        Api::namespaced(rig.client.clone(), &rig.namespace);
    let status = json!({"status": {"phase": "Bound", "capacity": {"storage": size}}});
    claims
        .patch_status(
            "data-leadgate-redis-0",
            &PatchParams::default(),
            &Patch::Merge(&status),
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_volume_grows_when_its_class_allows_it() {
    let rig = Rig::new().await;
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "grows"},
        "provisioner": "example.com/none", "allowVolumeExpansion": true});
    let classes: Api<k8s_openapi::api::storage::v1::StorageClass> = Api::all(rig.client.clone());
    let params = PatchParams::apply("a-person").force();
    classes
        .patch("grows", &params, &Patch::Apply(&class))
        .await
        .unwrap();
    let operator = rig.operator(&[]);
    rig.receiver("default", "queue: {storage: {size: 1Gi}}").await;
    rig.working("web").await;
    volume(&rig, "1Gi").await;
    let redis = json!({"status": {"replicas": 1, "readyReplicas": 1, "observedGeneration": 1}});
    let sets = rig.api(Kind::StatefulSet);
    sets.patch_status("leadgate-redis", &PatchParams::default(), &Patch::Merge(&redis))
        .await
        .unwrap();
    rig.receiver("default", "queue: {storage: {size: 3Gi}}").await;
    let claims: Api<k8s_openapi::api::core::v1::PersistentVolumeClaim> =
        Api::namespaced(rig.client.clone(), &rig.namespace);
    eventually("the volume is to grow", async || {
        let claim = claims.get("data-leadgate-redis-0").await.unwrap();
        let requests = claim.spec.unwrap().resources.unwrap().requests.unwrap();
        (requests["storage"].0 == "3Gi")
            .then_some(())
            .ok_or(format!("{requests:?}"))
    })
    .await;
    let message = async || {
        rig.receiver_condition("default", "QueueReady", "True Ready")
            .await
    };
    eventually("people see it", async || {
        let says = message().await;
        says.contains("from 1Gi to 3Gi").then_some(()).ok_or(says)
    })
    .await;
    volume(&rig, "3Gi").await;
    rig.receiver("default", "queue: {storage: {size: 3Gi}, memory: 600Mi}")
        .await;
    eventually("and no longer when it is done", async || {
        let says = message().await;
        (!says.contains("enlarged")).then_some(()).ok_or(says)
    })
    .await;
    rig.receiver(
        "default",
        "queue: {storage: {size: 3Gi, storageClassName: other}}",
    )
    .await;
    rig.receiver_condition("default", "Accepted", "False StorageFixed")
        .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_redis_survives_its_secret_and_both_sides_agree() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "").await;
    rig.working("web").await;
    let secrets: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(rig.client.clone(), &rig.namespace);
    let value = async |key: &str| {
        let secret = secrets.get_opt("leadgate-redis").await.unwrap()?;
        String::from_utf8(secret.data?.get(key)?.0.clone()).ok()
    };
    let url = async || {
        let files = rig.files("default").await;
        let found = files.iter().find(|(name, _)| name.starts_with("queue-"));
        found.map(|(_, url)| url.as_str().unwrap_or_default().to_owned())
    };
    let mark = async || {
        let set = rig.present(Kind::StatefulSet, "leadgate-redis").await;
        set.data["spec"]["template"]["metadata"]["annotations"]["leadgate.dev/password"].clone()
    };
    let first = value("password").await.unwrap();
    let agreed = async |password: &str| {
        eventually("both sides know the password", async || {
            let found = (value("password").await, value("redis.conf").await, url().await);
            let wanted = (
                Some(password.to_owned()),
                Some(format!("requirepass {password}\n")),
                Some(format!("redis://:{password}@leadgate-redis:6379/0")),
            );
            (found == wanted).then_some(()).ok_or(format!("{found:?}"))
        })
        .await;
    };
    agreed(&first).await;
    let before = mark().await;

    secrets
        .delete("leadgate-redis", &DeleteParams::default())
        .await
        .unwrap();
    agreed(&first).await;
    let emptied = json!({"data": {"password": null}});
    secrets
        .patch("leadgate-redis", &PatchParams::default(), &Patch::Merge(&emptied))
        .await
        .unwrap();
    agreed(&first).await;
    assert_eq!(mark().await, before, "nothing restarts");
    let told = events(&rig, "SecretRemade").await;
    assert!(
        told.iter().any(|note| note.contains("with the same password")),
        "{told:?}"
    );

    let rotated = json!({"stringData": {"password": "another-password-of-a-person"}});
    secrets
        .patch("leadgate-redis", &PatchParams::default(), &Patch::Merge(&rotated))
        .await
        .unwrap();
    agreed("another-password-of-a-person").await;
    eventually("Redis restarts with it", async || {
        (mark().await != before).then_some(()).ok_or(String::new())
    })
    .await;

    secrets
        .delete("leadgate-admin-default", &DeleteParams::default())
        .await
        .unwrap();
    rig.present(Kind::Secret, "leadgate-admin-default").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

/// What the StatefulSet's controller would report of a Redis that is ready, in its newest form.
async fn redis_is_ready(rig: &Rig) {
    let generation = rig
        .present(Kind::StatefulSet, "leadgate-redis")
        .await
        .metadata
        .generation;
    let status = json!({"status": {"replicas": 1, "readyReplicas": 1, "observedGeneration": generation,
        "currentRevision": "r", "updateRevision": "r"}});
    let sets = rig.api(Kind::StatefulSet);
    sets.patch_status("leadgate-redis", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_goes_through_the_namespaces_two_at_a_time() {
    let rigs = [Rig::new().await, Rig::new().await, Rig::new().await];
    let watched: Vec<&str> = rigs.iter().map(|rig| rig.namespace.as_str()).collect();
    let watched = watched.join(",");
    let operator = rigs[0].operator(&["--watch-namespaces", &watched]);
    for rig in &rigs {
        rig.receiver("default", "replicas: 1").await;
        rig.working("web").await;
        redis_is_ready(rig).await;
        rig.rolled_out("default", 1).await;
    }
    operator.stop().await.unwrap();
    let operator = rigs[0].operator(&[
        "--watch-namespaces",
        &watched,
        "--receiver-image",
        "leadgate:next",
    ]);
    let upgraded = async || {
        let mut upgraded = Vec::new();
        for (n, rig) in rigs.iter().enumerate() {
            let object = rig.present(Kind::Deployment, SERVICE).await;
            if object.data["spec"]["template"]["spec"]["containers"][0]["image"] == "leadgate:next" {
                upgraded.push(n);
            }
        }
        upgraded
    };
    let reach = async |count: usize| {
        eventually(&format!("{count} namespaces have the new version"), async || {
            let found = upgraded().await;
            (found.len() == count).then_some(()).ok_or(format!("{found:?}"))
        })
        .await;
    };
    reach(2).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let first = upgraded().await;
    assert_eq!(first.len(), 2, "the third one waits");
    let third = (0..3).find(|n| !first.contains(n)).unwrap();
    rigs[third]
        .receiver_condition("default", "Reconciling", "True UpgradeWaits")
        .await;
    rigs[first[0]].rolled_out("default", 1).await;
    reach(3).await;
    operator.stop().await.unwrap();
    for rig in rigs {
        rig.remove().await;
    }
}
