//! Objects that resources name and that do not exist: each is told by field and remedy, and found when it comes.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use leadgate_operator::kinds::Kind;
use serde_json::{Value, json};

use crate::drift::gateway_api;
use crate::rig::Rig;

pub(crate) fn gateways(rig: &Rig) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway");
    Api::namespaced_with(rig.client.clone(), &rig.namespace, &ApiResource::from_gvk(&kind))
}

pub(crate) async fn gateway(rig: &Rig, name: &str) {
    rig.apply(&format!(
        "{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{name: {name}}}, spec: {{}}}}"
    ))
    .await;
}

fn classes(rig: &Rig, group: &str, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(group, "v1", kind);
    Api::all_with(
        rig.client.clone(),
        &ApiResource::from_gvk_with_plural(&kind, &format!("{}es", kind.kind.to_ascii_lowercase())),
    )
}

/// A class of the cluster, with these fields.
async fn class(rig: &Rig, group: &str, kind: &str, name: &str, fields: Value) {
    let mut object = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": name}});
    object
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let params = PatchParams::apply("a-person").force();
    classes(rig, group, kind)
        .patch(name, &params, &Patch::Apply(&object))
        .await
        .unwrap();
}

async fn ingress_class(rig: &Rig, name: &str) {
    let spec = json!({"spec": {"controller": "example.com/ingress"}});
    class(rig, "networking.k8s.io", "IngressClass", name, spec).await;
}

async fn no_ingress_class(rig: &Rig, name: &str) {
    classes(rig, "networking.k8s.io", "IngressClass")
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_of_an_ingress_is_missed_by_name_and_found_when_it_comes() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.webhook(
        "web",
        ", ingress: {host: leads.example.com, tlsSecretName: web-tls}",
    )
    .await;
    let message = rig.condition("web", "ResolvedRefs", "False SecretMissing").await;
    let told = format!(
        "spec.ingress.tlsSecretName: there is no Secret web-tls in namespace {}",
        rig.namespace
    );
    assert!(message.contains(&told), "{message}");
    assert!(message.contains("kubectl create secret tls web-tls"), "{message}");
    // It is made nevertheless: cert-manager looks at it to make the certificate.
    rig.ingress_has_address("web").await;
    rig.condition("web", "Exposed", "False SecretMissing").await;
    rig.condition("web", "Ready", "False SecretMissing").await;
    rig.condition("web", "Stalled", "False Progressing").await;

    rig.secret("web-tls", "tls.key: k").await;
    let message = rig
        .condition("web", "ResolvedRefs", "False SecretKeyMissing")
        .await;
    assert!(
        message.contains("web-tls") && message.contains("has no key tls.crt"),
        "{message}"
    );
    assert!(!message.contains("tls.key"), "{message}");

    rig.secret("web-tls", "tls.crt: c, tls.key: k").await;
    let message = rig.condition("web", "ResolvedRefs", "True CertificateType").await;
    assert!(
        message.contains("of type Opaque, not kubernetes.io/tls"),
        "{message}"
    );
    rig.condition("web", "Exposed", "True AtAddress").await;

    let secrets: Api<Secret> = Api::namespaced(rig.client.clone(), &rig.namespace);
    secrets.delete("web-tls", &DeleteParams::default()).await.unwrap();
    rig.condition("web", "Exposed", "False SecretMissing").await;
    rig.apply(
        "{apiVersion: v1, kind: Secret, metadata: {name: web-tls}, type: kubernetes.io/tls, stringData: {tls.crt: c, tls.key: k}}",
    )
    .await;
    rig.condition("web", "ResolvedRefs", "True Resolved").await;
    rig.condition("web", "Exposed", "True AtAddress").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_of_another_class_has_the_address_that_its_controller_gives_it() {
    let rig = Rig::new().await;
    let (first, second) = (format!("{}-a", rig.namespace), format!("{}-b", rig.namespace));
    ingress_class(&rig, &first).await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    let with = |class: &str| format!(", ingress: {{host: leads.example.com, className: {class}}}");
    rig.webhook("web", &with(&first)).await;
    rig.ingress_has_address("web").await;
    rig.condition("web", "Exposed", "True AtAddress").await;
    let api = rig.api(Kind::Ingress);
    let before = api.get("leadgate-webhook-web").await.unwrap().metadata.uid;

    rig.webhook("web", &with(&second)).await;
    let message = rig.condition("web", "Exposed", "False ReferenceMissing").await;
    assert!(
        message.contains(&format!(
            "spec.ingress.className: there is no IngressClass {second}"
        )),
        "{message}"
    );
    rig.condition("web", "ResolvedRefs", "False ReferenceMissing")
        .await;

    ingress_class(&rig, &second).await;
    let message = rig.condition("web", "Exposed", "False NoAddress").await;
    assert!(!message.contains("192.0.2.7"), "{message}");
    assert_ne!(
        api.get("leadgate-webhook-web").await.unwrap().metadata.uid,
        before
    );
    rig.ingress_has_address("web").await;
    rig.condition("web", "Exposed", "True AtAddress").await;

    no_ingress_class(&rig, &second).await;
    rig.condition("web", "Exposed", "False ReferenceMissing").await;
    no_ingress_class(&rig, &first).await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_said_before_it_was_gone_counts_no_more() {
    let rig = Rig::new().await;
    gateway_api(&rig).await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.webhook("web", ", gateway: {parentRefs: [{name: public}]}")
        .await;
    let message = rig.condition("web", "Exposed", "False ReferenceMissing").await;
    assert!(
        message.contains("spec.gateway.parentRefs[0].name: there is no Gateway public in namespace"),
        "{message}"
    );
    gateway(&rig, "public").await;
    rig.condition("web", "Exposed", "False NoAddress").await;
    let route = rig.api(Kind::HttpRoute);
    let generation = route
        .get("leadgate-webhook-web")
        .await
        .unwrap()
        .metadata
        .generation;
    let accepted = json!({"status": {"parents": [{"parentRef": {"name": "public"}, "controllerName": "example.com/c",
        "conditions": [{"type": "Accepted", "status": "True", "reason": "R", "message": "", "observedGeneration": generation}]}]}});
    route
        .patch_status(
            "leadgate-webhook-web",
            &PatchParams::default(),
            &Patch::Merge(&accepted),
        )
        .await
        .unwrap();
    rig.condition("web", "Exposed", "True AtAddress").await;
    let broken = json!({"status": {"conditions": [{"type": "Programmed", "status": "False", "message": "no address left"}]}});
    gateways(&rig)
        .patch_status("public", &PatchParams::default(), &Patch::Merge(&broken))
        .await
        .unwrap();
    let message = rig.condition("web", "Exposed", "False ReferenceMissing").await;
    assert!(message.contains("no address left"), "{message}");
    gateways(&rig)
        .delete("public", &DeleteParams::default())
        .await
        .unwrap();
    crate::rig::eventually("the Gateway is missed", async || {
        let message = rig.condition("web", "Exposed", "False ReferenceMissing").await;
        message
            .contains("there is no Gateway public")
            .then_some(())
            .ok_or(message)
    })
    .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pods_need_and_does_not_exist_is_named() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    let name = rig.namespace.clone();
    rig.receiver(
        "default",
        &format!(
            "podTemplate: {{priorityClassName: {name}, imagePullSecrets: [{{name: registry}}]}}, queue: {{storage: \
             {{storageClassName: {name}}}}}"
        ),
    )
    .await;
    rig.working("web").await;
    let message = rig
        .receiver_condition("default", "Accepted", "False ReferenceMissing")
        .await;
    for told in [
        format!("spec.podTemplate.priorityClassName: there is no PriorityClass {name}; create it"),
        format!("spec.queue.storage.storageClassName: there is no StorageClass {name}; create it"),
    ] {
        assert!(message.contains(&told), "{message}");
    }
    class(
        &rig,
        "scheduling.k8s.io",
        "PriorityClass",
        &name,
        json!({"value": 1}),
    )
    .await;
    class(
        &rig,
        "storage.k8s.io",
        "StorageClass",
        &name,
        json!({"provisioner": "example.com/disk"}),
    )
    .await;
    let message = rig
        .receiver_condition("default", "Accepted", "True ReferenceMissing")
        .await;
    assert!(
        message.contains("spec.podTemplate.imagePullSecrets[0].name: there is no Secret registry"),
        "{message}"
    );
    rig.secret("registry", ".dockerconfigjson: e30=").await;
    rig.receiver_condition("default", "Accepted", "True Valid").await;
    for (group, kind) in [
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "StorageClass"),
    ] {
        classes(&rig, group, kind)
            .delete(&name, &DeleteParams::default())
            .await
            .unwrap();
    }
    operator.stop().await.unwrap();
    rig.remove().await;
}
