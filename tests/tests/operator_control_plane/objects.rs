//! Which objects there are.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, WatchEvent, WatchParams};
use kube::core::{ApiResource, PartialObjectMeta};
use kube::{Api, ResourceExt as _};
use leadgate_operator::kinds::Kind;
use serde_json::json;

use crate::hands::SERVICE;
use crate::rig::{Rig, eventually, report};

const OBJECTS: [(Kind, &str); 9] = [
    (Kind::Deployment, "leadgate-receiver-default"),
    (Kind::Service, "leadgate-receiver-default"),
    (Kind::Service, "leadgate-admin-default"),
    (Kind::Secret, "leadgate-admin-default"),
    (Kind::Secret, "leadgate-secrets-default"),
    (Kind::ServiceAccount, "leadgate-receiver-default"),
    (Kind::NetworkPolicy, "leadgate-receiver-default"),
    (Kind::PodDisruptionBudget, "leadgate-receiver-default"),
    (Kind::StatefulSet, "leadgate-redis"),
];

/// Two kinds suffice, and whoever makes the third one takes over what is there: no pod is replaced.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_made_takes_over_what_was_implied() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    let mut uids = BTreeMap::new();
    for (kind, name) in OBJECTS {
        let object = rig.present(kind, name).await;
        assert!(object.owner_references().is_empty(), "{name}");
        uids.insert((kind, name), object.uid().unwrap());
    }
    assert_eq!(
        rig.lead_receivers()
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        0
    );
    let template = async || {
        let deployment = rig.present(Kind::Deployment, "leadgate-receiver-default").await;
        deployment.data["spec"]["template"].clone()
    };
    let before = template().await;
    rig.receiver("default", "replicas: 3").await;
    let uid = rig.lead_receivers().get("default").await.unwrap().uid().unwrap();
    for (kind, name) in OBJECTS {
        // The token and Redis are not applied again; the operator removes them itself.
        if name == "leadgate-admin-default" && kind == Kind::Secret || name == "leadgate-redis" {
            continue;
        }
        eventually(&format!("{name} is owned"), async || {
            let object = rig.present(kind, name).await;
            let owned = object
                .owner_references()
                .iter()
                .any(|owner| owner.uid == uid && owner.controller == Some(true));
            owned.then_some(()).ok_or(format!("{:?}", object.metadata))
        })
        .await;
    }
    for (kind, name) in OBJECTS {
        let object = rig.present(kind, name).await;
        assert_eq!(
            object.uid().unwrap(),
            uids[&(kind, name)],
            "{name} is the same object"
        );
    }
    assert_eq!(template().await, before);
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
    rig.configured("everything is there", |files| {
        files.contains_key("leadwebhook.web.json") && files.contains_key("crmsink.crm.json")
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    for (name, manifest) in rig.files("default").await {
        std::fs::write(folder.path().join(name), manifest.to_string()).unwrap();
    }
    let folders = leadgate_receiver::config::Folders {
        manifests: folder.path().into(),
        secrets: None,
        local_addresses: false,
        receiver: Some("default".to_owned()),
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

/// What pods run changes under them: the kubelet is told to look, and nothing is replaced.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_pods_run_replaces_none() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 0, false));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 1).await;
    rig.condition("web", "Programmed", "True Programmed").await;
    let deployment = async || rig.present(Kind::Deployment, "leadgate-receiver-default").await;
    let before = deployment().await.data["spec"].clone();
    let told = async || {
        let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(rig.client.clone(), &rig.namespace, &resource);
        let pod = api.get("web-1").await.unwrap();
        pod.annotations().get("leadgate.dev/config").cloned()
    };
    let mut known = told().await;
    // A field, a Secret's value, a second webhook.
    rig.secret("shop", "hmac: 0123456789abcdef").await;
    for change in 0..3 {
        match change {
            0 => rig.webhook("web", ", payload: {maxBytes: 2048}").await,
            1 => rig.secret("web", "hmac: fedcba9876543210").await,
            _ => rig.webhook("shop", "").await,
        }
        eventually(&format!("change {change}: the pod is told"), async || {
            let now = told().await;
            (now != known).then_some(()).ok_or(format!("{now:?}"))
        })
        .await;
        known = told().await;
    }
    rig.configured("everything is there", |files| {
        use base64::Engine as _;
        if !files.contains_key("secret.web.json") {
            return false;
        }
        let key = files["secret.web.json"]["data"]["hmac"].as_str().unwrap();
        files.contains_key("leadwebhook.web.json")
            && files["leadwebhook.web.json"]["spec"]["payload"]["maxBytes"] == 2048
            && files.contains_key("leadwebhook.shop.json")
            && base64::engine::general_purpose::STANDARD.decode(key).unwrap() == b"fedcba9876543210"
    })
    .await;
    rig.condition("web", "Programmed", "True Programmed").await;
    assert_eq!(deployment().await.data["spec"], before);
    operator.stop().await.unwrap();
    rig.remove().await;
}

/// A mistake keeps the last valid form, also when the operator that wrote it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_takes_nothing_away() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.webhook("web", ", payload: {maxBytes: 2048}").await;
    let has = |files: &BTreeMap<String, serde_json::Value>, bytes: u64| {
        files
            .get("leadwebhook.web.json")
            .is_some_and(|webhook| webhook["spec"]["payload"]["maxBytes"] == bytes)
    };
    let runs = |files: &BTreeMap<String, serde_json::Value>| has(files, 2048);
    rig.configured("the pods have it", runs).await;
    rig.webhook("web", ", payload: {maxBytes: 4096}, source: nobody")
        .await;
    rig.condition("web", "Programmed", "False Invalid").await;
    operator.stop().await.unwrap();
    let operator = rig.operator(&[]);
    // Something else changes meanwhile.
    rig.secret("shop", "hmac: 0123456789abcdef").await;
    rig.webhook("shop", "").await;
    rig.configured("the other one is there", |files| {
        files.contains_key("leadwebhook.shop.json")
    })
    .await;
    assert!(runs(&rig.files("default").await));
    rig.webhook("web", ", payload: {maxBytes: 4096}").await;
    rig.configured("what is right again is given to the pods", |files| {
        has(files, 4096)
    })
    .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

/// What somebody changes by hand in what pods read is put back.
#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_repaired() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    let has = |files: &BTreeMap<String, serde_json::Value>| {
        files.contains_key("leadwebhook.web.json") && files.contains_key("secret.web.json")
    };
    rig.configured("the pods have it", has).await;
    let api = rig.api(Kind::ConfigMap);
    for map in api.list(&kube::api::ListParams::default()).await.unwrap() {
        if map.name_any().starts_with("leadgate-config-") {
            api.delete(&map.name_any(), &DeleteParams::default())
                .await
                .unwrap();
        }
    }
    rig.configured("they have it again", has).await;
    rig.api(Kind::Secret)
        .delete("leadgate-secrets-default", &DeleteParams::default())
        .await
        .unwrap();
    rig.configured("and its keys", has).await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_asked_for_goes() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    let all = [
        (Kind::PodDisruptionBudget, "leadgate-receiver-default"),
        (Kind::HorizontalPodAutoscaler, "leadgate-receiver-default"),
        (Kind::Ingress, "leadgate-webhook-web"),
    ];
    rig.receiver("default", "autoscaling: {maxReplicas: 5}").await;
    rig.webhook("web", ", ingress: {host: leads.example.com, className: nginx}")
        .await;
    for (kind, name) in all {
        rig.present(kind, name).await;
    }
    let ingress = rig.present(Kind::Ingress, "leadgate-webhook-web").await;
    assert_eq!(ingress.data["spec"]["rules"][0]["host"], "leads.example.com");
    rig.receiver("default", "replicas: 1, networkPolicy: {enabled: false}")
        .await;
    rig.webhook("web", "").await;
    for (kind, name) in all {
        rig.absent(kind, name).await;
    }
    rig.absent(Kind::NetworkPolicy, "leadgate-receiver-default").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_autoscaler_takes_over_the_number_of_pods_as_it_is() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    let replicas = async || {
        let deployment = rig.present(Kind::Deployment, "leadgate-receiver-default").await;
        deployment.data["spec"]["replicas"].clone()
    };
    rig.receiver("default", "replicas: 4").await;
    eventually("four pods are asked for", async || {
        let now = replicas().await;
        (now == 4).then_some(()).ok_or(now.to_string())
    })
    .await;
    rig.receiver("default", "autoscaling: {minReplicas: 2, maxReplicas: 5}")
        .await;
    rig.present(Kind::HorizontalPodAutoscaler, "leadgate-receiver-default")
        .await;
    assert_eq!(replicas().await, 4, "no pod goes before the autoscaler says so");

    rig.receiver("default", "replicas: 1").await;
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
    rig.apply(
        "{apiVersion: v1, kind: Service, metadata: {name: leadgate-receiver-default}, spec: {ports: [{port: 9}]}}",
    )
    .await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "").await;
    rig.sink("crm").await;
    rig.secret("web", "hmac: 0123456789abcdef").await;
    rig.webhook("web", "").await;
    let message = rig
        .receiver_condition("default", "Stalled", "True NameTaken")
        .await;
    assert!(message.contains("Service leadgate-receiver-default"), "{message}");
    let service = rig.present(Kind::Service, "leadgate-receiver-default").await;
    assert_eq!(service.data["spec"]["ports"][0]["port"], 9);
    // What is taken keeps nothing else from being made.
    rig.present(Kind::Deployment, SERVICE).await;
    rig.api(Kind::Service)
        .delete("leadgate-receiver-default", &DeleteParams::default())
        .await
        .unwrap();
    // Nothing tells the operator of objects that are not its own: a change of the receiver does.
    rig.receiver("default", "drainTimeout: 1m").await;
    rig.applied("web").await;
    rig.present(Kind::Service, SERVICE).await;
    let patch = json!({"spec": {"selector": {"app.kubernetes.io/instance": "shop"}}});
    rig.api(Kind::Service)
        .patch(
            "leadgate-receiver-default",
            &PatchParams::default(),
            &Patch::Merge(&patch),
        )
        .await
        .unwrap();
    eventually("the selector is repaired", || async {
        let service = rig.present(Kind::Service, "leadgate-receiver-default").await;
        let instance = service.data["spec"]["selector"]["app.kubernetes.io/instance"].clone();
        (instance == "default").then_some(()).ok_or(instance.to_string())
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
    // Another webhook has its key in the same Secret, and one that was lost comes back; others stay.
    rig.apply(
        &webhook
            .replace("metadata: {name: gen}", "metadata: {name: two}")
            .replace("key: hmac", "key: two"),
    )
    .await;
    rig.applied("two").await;
    let both = api.get("gen").await.unwrap().data.unwrap();
    assert_eq!(
        (both["two"].0.len(), &both["hmac"]),
        (64, &made.data.as_ref().unwrap()["hmac"])
    );
    let emptied = serde_json::json!({"data": {"two": null}});
    api.patch(
        "gen",
        &kube::api::PatchParams::default(),
        &kube::api::Patch::Merge(&emptied),
    )
    .await
    .unwrap();
    eventually("the key is there again", async || {
        let found = api.get("gen").await.unwrap().data.unwrap();
        found.contains_key("two").then_some(()).ok_or("no key".to_owned())
    })
    .await;
    rig.secret("gen", "hmac: mine-and-mine-alone").await;
    rig.apply(&webhook.replace("sinks:", "suspend: true, sinks:"))
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
    let resources = Kind::WATCHED.iter().map(|kind| kind.api_resource()).chain([
        ours("LeadWebhook", "leadwebhooks"),
        ours("LeadReceiver", "leadreceivers"),
        ours("CrmSink", "crmsinks"),
    ]);
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
    rig.receiver("edge", "").await;
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
