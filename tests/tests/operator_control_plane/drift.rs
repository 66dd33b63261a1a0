//! What people do to what the operator made: it is put back, or left to them, and told.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use leadgate_operator::kinds::Kind;
use serde_json::{Value, json};

use crate::hands::{SERVICE, edit, events, holds};
use crate::rig::{Rig, eventually, report};

/// The part of the Gateway API that is used here: resources without rules.
pub(crate) async fn gateway_api(rig: &Rig) {
    for (kind, plural) in [("HTTPRoute", "httproutes"), ("Gateway", "gateways")] {
        define(rig, kind, plural).await;
    }
    let routes = rig.api(Kind::HttpRoute);
    eventually("HTTPRoutes are served", async || {
        let listed = routes.list(&ListParams::default()).await;
        listed.map(|_| ()).map_err(|error| error.to_string())
    })
    .await;
    let gateways = crate::references::gateways(rig);
    eventually("Gateways are served", async || {
        let listed = gateways.list(&ListParams::default()).await;
        listed.map(|_| ()).map_err(|error| error.to_string())
    })
    .await;
}

async fn define(rig: &Rig, kind: &str, plural: &str) {
    let name = format!("{plural}.gateway.networking.k8s.io");
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "annotations": {
            "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/3328"}},
        "spec": {"group": "gateway.networking.k8s.io", "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_ascii_lowercase(), "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}});
    let api: Api<CustomResourceDefinition> = Api::all(rig.client.clone());
    let params = PatchParams::apply("a-person").force();
    api.patch(&name, &params, &Patch::Apply(&definition))
        .await
        .unwrap();
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
    crate::references::gateway(&rig, "public").await;
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
