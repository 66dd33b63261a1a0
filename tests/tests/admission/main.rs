//! What a real API server makes of the resources: which objects it takes, which it refuses and
//! what it says, which defaults it sets, and what `kubectl get` shows.

mod table;

use std::fmt::Write as _;

use axum::http::Method;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};
use leadgate_tests::cluster::{call, client, install_crds};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use table::Base::{self, HubSpot, Receiver, Rest, Salesforce, Webhook};
use table::Verdict::{Refused, Taken};
use table::{TABLE, object, yaml};

const JSON: &str = "application/json";
const GROUP: &str = "/apis/leadgate.dev/v1alpha1";

/// The definitions are applied once for all tests.
async fn ready() -> Client {
    static INSTALLED: OnceCell<Vec<String>> = OnceCell::const_new();
    let client = client().await.unwrap();
    INSTALLED
        .get_or_init(|| async { install_crds(&client).await.unwrap() })
        .await;
    client
}

async fn namespace(client: &Client) -> String {
    let namespace =
        serde_json::from_value(json!({"metadata": {"generateName": "leadgate-admission-"}})).unwrap();
    Api::<Namespace>::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap()
        .name_any()
}

async fn remove(client: &Client, namespace: &str) {
    Api::<Namespace>::all(client.clone())
        .delete(namespace, &DeleteParams::default())
        .await
        .unwrap();
}

async fn dry_run(client: &Client, kind: (&str, &str), namespace: &str, object: &Value) -> (u16, String) {
    let path = format!(
        "{GROUP}/namespaces/{namespace}/{}?dryRun=All&fieldValidation=Strict",
        kind.1
    );
    let answer = call(client, Method::POST, &path, JSON, Some((JSON, object)))
        .await
        .unwrap();
    let message = answer.body["message"].as_str().unwrap_or_default().to_owned();
    (answer.status, message)
}

/// Whatever a person calls a resource: no name collides with one that the operator uses.
#[tokio::test]
async fn any_name_is_taken() {
    let client = ready().await;
    let namespace = namespace(&client).await;
    for name in [
        "redis",
        "website-admin",
        "admin",
        "default",
        "receiver",
        "config-0",
    ] {
        for base in [Webhook, Receiver, HubSpot] {
            let object = object(base, "{}", name);
            let (status, message) = dry_run(&client, base.kind(), &namespace, &object).await;
            assert_eq!(status, 201, "{base:?} {name}: {message}");
        }
    }
    remove(&client, &namespace).await;
}

#[tokio::test]
async fn the_api_server_takes_and_refuses_what_it_should() {
    let client = ready().await;
    let namespace = namespace(&client).await;
    let mut wrong = String::new();
    for (base, patch, verdict) in TABLE {
        let object = object(*base, patch, "row");
        let (status, message) = dry_run(&client, base.kind(), &namespace, &object).await;
        let as_expected = match verdict {
            Taken => status == 201,
            Refused(part) => (400..500).contains(&status) && message.contains(part),
        };
        if !as_expected {
            let _ = writeln!(
                wrong,
                "{base:?} {patch:.300}\n  expected {verdict:?}\n  got {status} {message}"
            );
        }
        // Whatever the API server takes, the types must read.
        if matches!(verdict, Taken) {
            let read = match base {
                Webhook => serde_json::from_value::<LeadWebhook>(object).err(),
                Receiver => serde_json::from_value::<LeadReceiver>(object).err(),
                HubSpot | Salesforce | Rest => serde_json::from_value::<CrmSink>(object).err(),
            };
            if let Some(error) = read {
                let _ = writeln!(wrong, "{base:?} {patch:.300}\n  is taken, but: {error}");
            }
        }
    }
    remove(&client, &namespace).await;
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[tokio::test]
async fn complete_objects_are_taken() {
    let client = ready().await;
    let namespace = namespace(&client).await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds/tests/objects");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let mut object = yaml(&std::fs::read_to_string(&file).unwrap());
        object["metadata"]["namespace"] = json!(namespace);
        let kind = match object["kind"].as_str() {
            Some("LeadWebhook") => ("LeadWebhook", "leadwebhooks"),
            Some("LeadReceiver") => ("LeadReceiver", "leadreceivers"),
            Some("CrmSink") => ("CrmSink", "crmsinks"),
            other => panic!("{file:?}: {other:?}"),
        };
        let (status, message) = dry_run(&client, kind, &namespace, &object).await;
        assert_eq!(status, 201, "{file:?}: {message}");
        seen += 1;
    }
    assert!(seen >= 8, "only {seen} objects");
    remove(&client, &namespace).await;
}

#[tokio::test]
async fn a_null_is_as_good_as_an_absent_field() {
    let client = ready().await;
    let namespace = namespace(&client).await;
    let object = yaml(
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: nulls}, spec: {source: null,
        auth: {hmac: null, token: {secretRefs: [{name: s, key: k}]}}, sinks: [{name: a, when: null}],
        ingress: null, receiverRef: null}}",
    );
    let (status, message) = dry_run(&client, Webhook.kind(), &namespace, &object).await;
    assert_eq!(status, 201, "{message}");
    let object = yaml(
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadReceiver, metadata: {name: nulls}, spec: {replicas: null,
        queue: {storage: {storageClassName: null}}, limits: null}}",
    );
    let (status, message) = dry_run(&client, Receiver.kind(), &namespace, &object).await;
    assert_eq!(status, 201, "{message}");
    remove(&client, &namespace).await;
}

#[tokio::test]
async fn the_definitions_cause_no_warnings() {
    let client = ready().await;
    assert_eq!(install_crds(&client).await.unwrap(), Vec::<String>::new());
}

async fn create<T>(client: &Client, namespace: &str, name: &str, base: Base) -> Value
where
    T: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + serde::Serialize,
{
    let object: Value = json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": base.kind().0,
        "metadata": {"name": name}, "spec": base.spec()
    });
    let path = format!("{GROUP}/namespaces/{namespace}/{}", base.kind().1);
    let answer = call(client, Method::POST, &path, JSON, Some((JSON, &object)))
        .await
        .unwrap();
    assert_eq!(answer.status, 201, "{}", answer.body);
    // What the API server made of it is what serde makes of it.
    let mut local = serde_json::to_value(serde_json::from_value::<T>(object).unwrap()).unwrap();
    assert_eq!(
        local["spec"].take(),
        serde_json::to_value(serde_json::from_value::<T>(answer.body.clone()).unwrap()).unwrap()["spec"]
    );
    answer.body
}

#[tokio::test]
async fn defaults_are_set() {
    let client = ready().await;
    let namespace = namespace(&client).await;

    let webhook = create::<LeadWebhook>(&client, &namespace, "w", Webhook).await;
    assert_eq!(webhook["status"]["observedGeneration"], -1);
    assert_eq!(
        webhook["spec"],
        json!({
            "source": "generic",
            "auth": {"hmac": {"secretRefs": [{"name": "s", "key": "k"}]}, "trustedProxies": 0},
            "payload": {"maxBytes": 1_048_576},
            "sinks": [{"name": "hubspot"}],
            "receiverRef": {"name": "default"},
            "retention": {"dead": "720h", "held": "720h", "rejected": "168h", "payloads": "0h", "ledger": "336h"},
            "suspend": false
        })
    );

    let receiver = create::<LeadReceiver>(&client, &namespace, "r", Receiver).await;
    assert_eq!(receiver["status"]["observedGeneration"], -1);
    assert_eq!(receiver["spec"], json!({"replicas": 2, "drainTimeout": "10m"}));

    let common = json!({
        "matching": {"contacts": "Create", "keys": ["Email", "Phone"], "onPartialMatch": "Hold", "overwrite": "Always"},
        "delivery": {
            "timeout": "10s",
            "retry": {"maxAge": "72h", "initialBackoff": "1s", "maxBackoff": "15m"},
            "rateLimit": {"requests": 100, "per": "10s"},
            "batch": {"maxSize": 100, "linger": "50ms"},
            "circuitBreaker": {"failures": 5, "cooldown": "30s"},
            "concurrency": 8, "onRefusedProperty": "Drop"
        },
        "suspend": false
    });
    let own = [
        (
            HubSpot,
            "hubspot",
            json!({
                "tokenSecretRef": {"name": "s", "key": "k"}, "baseUrl": "https://api.hubapi.com", "apiVersion": "v3",
                "object": "contacts", "upsert": "Auto", "uniqueProperty": "email", "ensureProperties": false
            }),
        ),
        (
            Salesforce,
            "salesforce",
            json!({
                "instanceUrl": "https://x.my.salesforce.com", "apiVersion": "62.0", "object": "Lead",
                "auth": {"clientCredentials": {"clientId": {"name": "s", "key": "i"}, "clientSecret": {"name": "s", "key": "s"}}},
                "duplicateRule": "Respect", "assignmentRule": false
            }),
        ),
        (
            Rest,
            "rest",
            json!({
                "baseUrl": "https://crm.example.com", "auth": {"bearer": {"token": {"name": "s", "key": "k"}}},
                "upsert": {"method": "PUT", "path": "'/contacts'"},
                "answers": {"delivered": "status == 204 || (status < 300 && body != null && body.?success.orValue(true) != false && body.?ok.orValue(true) != false)", "gone": "status in [404, 410]", "conflict": "status == 409", "retry": "status == 429 || status >= 500"}
            }),
        ),
    ];
    for (base, name, own) in own {
        let sink = create::<CrmSink>(&client, &namespace, name, base).await;
        let mut expected = common.clone();
        expected[name] = own;
        assert_eq!(sink["spec"], expected);
        assert_eq!(sink["status"]["observedGeneration"], -1);
    }
    remove(&client, &namespace).await;
}

#[tokio::test]
async fn what_cannot_change_is_refused_at_once() {
    let client = ready().await;
    let namespace = namespace(&client).await;
    create::<LeadReceiver>(&client, &namespace, "w", Receiver).await;
    let api: Api<LeadReceiver> = Api::namespaced(client.clone(), &namespace);
    for (change, refusal) in [
        (json!({"size": "2Gi", "storageClassName": "fast"}), None),
        (json!({"size": "2048Mi"}), None),
        (json!({"size": "1Gi"}), Some("queue.storage.size cannot shrink")),
        (
            json!({"storageClassName": "slow"}),
            Some("queue.storage.storageClassName cannot change"),
        ),
        (json!({"size": "3Gi"}), None),
    ] {
        let patch = json!({"spec": {"queue": {"storage": change}}});
        let answer = api
            .patch("w", &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        match (answer, refusal) {
            (Ok(_), None) => {}
            (Err(error), Some(refusal)) => assert!(error.to_string().contains(refusal), "{error}"),
            (answer, _) => panic!("{patch}: {answer:?}"),
        }
    }
    remove(&client, &namespace).await;
}

#[tokio::test]
async fn the_scale_subresource_works() {
    let client = ready().await;
    let namespace = namespace(&client).await;
    create::<LeadReceiver>(&client, &namespace, "w", Receiver).await;
    let api: Api<LeadReceiver> = Api::namespaced(client.clone(), &namespace);
    let status = json!({"status": {"replicas": 3, "selector": "app.kubernetes.io/instance=w"}});
    api.patch_status("w", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    let five = json!({"spec": {"replicas": 5}});
    api.patch_scale("w", &PatchParams::default(), &Patch::Merge(five))
        .await
        .unwrap();

    let scale = api.get_scale("w").await.unwrap();
    assert_eq!(scale.spec.and_then(|s| s.replicas), Some(5));
    let status = scale.status.unwrap();
    assert_eq!(status.replicas, 3);
    assert_eq!(status.selector.as_deref(), Some("app.kubernetes.io/instance=w"));
    assert_eq!(api.get("w").await.unwrap().spec.replicas, 5);
    remove(&client, &namespace).await;
}

#[tokio::test]
async fn names_and_categories_are_served() {
    let client = ready().await;
    let answer = call(&client, Method::GET, GROUP, JSON, None).await.unwrap();
    let resources = answer.body["resources"].as_array().unwrap();
    for (name, kind, short) in [
        ("leadwebhooks", "LeadWebhook", "lw"),
        ("leadreceivers", "LeadReceiver", "lr"),
        ("crmsinks", "CrmSink", "crm"),
    ] {
        let resource = resources.iter().find(|r| r["name"] == name).unwrap();
        assert_eq!(resource["kind"], kind);
        assert_eq!(resource["namespaced"], true);
        assert_eq!(resource["shortNames"], json!([short]));
        assert_eq!(resource["categories"], json!(["leadgate"]));
        assert!(resources.iter().any(|r| r["name"] == format!("{name}/status")));
    }
    for (name, scales) in [
        ("leadreceivers", true),
        ("leadwebhooks", false),
        ("crmsinks", false),
    ] {
        let name = format!("{name}/scale");
        assert_eq!(resources.iter().any(|r| r["name"] == name), scales, "{name}");
    }
}

/// Name, whether only `-o wide` shows it, and what the row has.
type Cell = (String, bool, Value);

async fn table(client: &Client, namespace: &str, plural: &str) -> Vec<Cell> {
    let path = format!("{GROUP}/namespaces/{namespace}/{plural}");
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let answer = call(client, Method::GET, &path, accept, None).await.unwrap();
    assert_eq!(answer.body["kind"], "Table", "{}", answer.body);
    let columns = answer.body["columnDefinitions"].as_array().unwrap();
    let cells = answer.body["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(columns.len(), cells.len());
    columns
        .iter()
        .zip(cells)
        .map(|(c, cell)| {
            (
                c["name"].as_str().unwrap().to_owned(),
                c["priority"] == 1,
                cell.clone(),
            )
        })
        .filter(|(name, ..)| !matches!(name.as_str(), "Age" | "Last Lead"))
        .collect()
}

fn cells(expected: &[(&str, bool, Value)]) -> Vec<Cell> {
    expected
        .iter()
        .map(|(n, wide, v)| ((*n).to_owned(), *wide, v.clone()))
        .collect()
}

#[tokio::test]
async fn kubectl_get_shows_what_matters() {
    let client = ready().await;
    let namespace = namespace(&client).await;
    let now = "2026-11-23T09:00:00Z";
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "Delivering", "message": "leads are delivered",
        "lastTransitionTime": now
    });

    create::<LeadWebhook>(&client, &namespace, "w", Webhook).await;
    let status = json!({"status": {
        "observedGeneration": 1, "conditions": [condition], "receiver": "default", "url": "https://leads.example.com/webhooks/leads",
        "leads": {"accepted": 130, "delivered": 128, "pending": 1, "dead": 2, "lastAcceptedTime": now},
        "sinkNames": "hubspot,sf", "successRate": "99.2", "p99": "900ms"
    }});
    let webhooks: Api<LeadWebhook> = Api::namespaced(client.clone(), &namespace);
    webhooks
        .patch_status("w", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    assert_eq!(
        table(&client, &namespace, "leadwebhooks").await,
        cells(&[
            ("Name", false, json!("w")),
            ("Ready", false, json!("True")),
            ("Sinks", false, json!("hubspot,sf")),
            ("Accepted", false, json!(130)),
            ("Delivered", false, json!(128)),
            ("Pending", false, json!(1)),
            ("Dead", false, json!(2)),
            ("Success", false, json!("99.2")),
            ("Rejected", true, json!(0)),
            ("Ignored", true, json!(0)),
            ("Unrouted", true, json!(0)),
            ("Unauthorized", true, json!(0)),
            ("Receiver", true, json!("default")),
            ("URL", true, json!("https://leads.example.com/webhooks/leads")),
            ("Reason", true, json!("Delivering")),
            ("Message", true, json!("leads are delivered")),
            ("P99", true, json!("900ms")),
            ("Kept Dead", true, json!("720h")),
            ("Kept Held", true, json!("720h")),
            ("Kept Rejected", true, json!("168h")),
            ("Kept Payloads", true, json!("0h")),
            ("Kept Ledger", true, json!("336h")),
        ])
    );

    create::<CrmSink>(&client, &namespace, "s", HubSpot).await;
    let status = json!({"status": {
        "observedGeneration": 1, "conditions": [condition], "type": "HubSpot", "webhooks": 3, "paused": true,
        "leads": {"pending": 1, "delivered": 120, "dead": 2}
    }});
    let sinks: Api<CrmSink> = Api::namespaced(client.clone(), &namespace);
    sinks
        .patch_status("s", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    assert_eq!(
        table(&client, &namespace, "crmsinks").await,
        cells(&[
            ("Name", false, json!("s")),
            ("Ready", false, json!("True")),
            ("Type", false, json!("HubSpot")),
            ("Webhooks", false, json!(3)),
            ("Delivered", false, json!(120)),
            ("Pending", false, json!(1)),
            ("Dead", false, json!(2)),
            ("Paused", false, json!(true)),
            ("Duplicates", true, Value::Null),
            ("Reason", true, json!("Delivering")),
            ("Message", true, json!("leads are delivered")),
        ])
    );

    create::<LeadReceiver>(&client, &namespace, "default", Receiver).await;
    let status = json!({"status": {
        "observedGeneration": 1, "conditions": [condition], "replicas": 2, "webhooks": 12, "pending": 1,
        "store": "Managed", "queueUsed": "12%"
    }});
    let receivers: Api<LeadReceiver> = Api::namespaced(client.clone(), &namespace);
    receivers
        .patch_status("default", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    assert_eq!(
        table(&client, &namespace, "leadreceivers").await,
        cells(&[
            ("Name", false, json!("default")),
            ("Ready", false, json!("True")),
            ("Replicas", false, json!(2)),
            ("Webhooks", false, json!(12)),
            ("Pending", false, json!(1)),
            ("Store", false, json!("Managed")),
            ("Used", true, json!("12%")),
            ("Reason", true, json!("Delivering")),
            ("Message", true, json!("leads are delivered")),
        ])
    );
    remove(&client, &namespace).await;
}
