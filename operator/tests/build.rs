//! What is built, as files: `UPDATE_SNAPSHOTS=1 cargo test -p leadgate-operator --test build` writes them anew.

#![allow(unreachable_pub)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use common::{receiver, receiver_facts, secrets, sink, webhook};
use leadgate_crds::{LeadReceiver, LeadWebhook};
use leadgate_operator::context::{Settings, Tracing};
use leadgate_operator::kinds::{Desired, Kind};
use leadgate_operator::lead_receiver::build;
use leadgate_operator::lead_receiver::projection::{
    Forms, Projection, SHARDS, SinkForm, WebhookForm, project,
};
use leadgate_operator::lead_receiver::validate::{Plan, validate};
use leadgate_operator::lead_webhook::route::{Backend, http_route, ingress};
use leadgate_operator::rules::Rules;
use serde_json::{Value, json};

fn rules() -> Rules {
    Rules {
        annotations: vec!["a.example.com/".to_owned()],
        ..Rules::default()
    }
}

fn settings() -> Settings {
    Settings {
        receiver_image: "ghcr.io/leadgate/leadgate:1".to_owned(),
        redis_image: "redis:8".to_owned(),
        rules: rules(),
        openshift: false,
        image_pull_secrets: Vec::new(),
        installation: "leadgate-system/leadgate".to_owned(),
        lease_namespace: "leadgate-system".to_owned(),
        tracing: None,
    }
}

fn plan(receiver: LeadReceiver) -> Plan {
    let facts = receiver_facts(std::slice::from_ref(&receiver));
    validate(&Arc::new(receiver), &facts, &rules()).plan.unwrap()
}

fn rendered(plan: &Plan) -> String {
    let mut objects = Vec::new();
    if let Some(redis) = &plan.redis {
        objects.extend(build::redis::redis("marketing", redis, &settings()));
    }
    let built = build::build(plan, &settings());
    objects.extend(built.objects);
    let absent: Vec<String> = built
        .absent
        .iter()
        .map(|(kind, name)| format!("# absent: {} {name}\n", kind.name()))
        .collect();
    format!("{}---\n{}", documents(&objects), absent.concat())
}

fn documents(objects: &[Desired]) -> String {
    let text: Vec<String> = objects
        .iter()
        .map(|object| serde_saphyr::to_string(&object.manifest).unwrap())
        .collect();
    text.join("---\n")
}

fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(format!("{name}.yaml"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == text,
        "{name}.yaml has changed; look at it with UPDATE_SNAPSHOTS=1 and git diff"
    );
}

#[test]
fn snapshots() {
    compare("minimal", &rendered(&plan(receiver("default", ""))));
    let three = "queue: {redis: {replicas: 3, acknowledge: {replicas: 2}, acceptTimeout: 8s}}";
    compare("three-servers", &rendered(&plan(receiver("default", three))));
    let everything = "queue: {redis: {urlSecretRef: {name: redis, key: url}, acknowledge: {replicas: 2}, durability: Provider}}, \
        autoscaling: {minReplicas: 3, maxReplicas: 9, targetCPU: 60}, resources: {requests: {cpu: 1}}, \
        tls: {secretRef: {name: leads-tls}, clientCaSecretRef: {name: senders-ca}}, \
        networkPolicy: {senders: [{ipBlock: {cidr: 203.0.113.0/24}}], admins: [{podSelector: {}}]}, \
        podTemplate: {labels: {team: web, app.kubernetes.io/name: mine}, \
        annotations: {a: b}, nodeSelector: {disk: ssd}, tolerations: [{key: k, operator: Exists}], \
        affinity: {nodeAffinity: {}}, priorityClassName: high, imagePullSecrets: [{name: pull}]}";
    compare("everything", &rendered(&plan(receiver("edge", everything))));
}

#[test]
fn routes() {
    let website = webhook(
        "website",
        ", path: /leads, ingress: {host: leads.example.com, className: nginx, tlsSecretName: leads-tls}",
    );
    let shop = webhook(
        "shop",
        ", gateway: {parentRefs: [{name: edge, namespace: infra}], hostnames: [leads.example.com]}",
    );
    let backend = |tls| Backend {
        receiver: "default".to_owned(),
        tls,
    };
    let annotations = BTreeMap::from([("a.example.com/b".to_owned(), "c".to_owned())]);
    let made = [
        ingress(&website, &backend(true), &annotations).unwrap(),
        http_route(&shop, &backend(false)).unwrap(),
    ];
    compare("routes", &documents(&made));
    assert_eq!(ingress(&shop, &backend(true), &annotations), None);
    assert_eq!(http_route(&website, &backend(true)), None);
}

fn deployment(receiver: LeadReceiver) -> Value {
    deployment_with(receiver, &settings())
}

fn deployment_with(receiver: LeadReceiver, settings: &Settings) -> Value {
    let built = build::build(&plan(receiver), settings);
    let found = built.objects.into_iter().find(|o| o.kind == Kind::Deployment);
    found.unwrap().manifest
}

#[test]
fn the_autoscaler_owns_the_number_of_pods() {
    let auto = deployment(receiver("default", "autoscaling: {maxReplicas: 5}"));
    assert!(auto["spec"].get("replicas").is_none());
    assert_eq!(deployment(receiver("default", ""))["spec"]["replicas"], 2);
}

#[test]
fn receivers_are_told_where_traces_go_in_opentelemetry_s_own_variables() {
    let environment = |headers_secret: &str| {
        let settings = Settings {
            tracing: Some(Tracing {
                endpoint: "http://collector.observability.svc:4318".to_owned(),
                sampling_ratio: 0.01,
                headers_secret: headers_secret.to_owned(),
            }),
            ..settings()
        };
        let made = deployment_with(receiver("default", ""), &settings);
        made["spec"]["template"]["spec"]["containers"][0]["env"].clone()
    };
    let plain = json!([
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
        {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector.observability.svc:4318"},
        {"name": "OTEL_TRACES_SAMPLER", "value": "parentbased_traceidratio"},
        {"name": "OTEL_TRACES_SAMPLER_ARG", "value": "0.01"},
        {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "k8s.namespace.name=marketing,k8s.pod.name=$(POD_NAME)"},
    ]);
    assert_eq!(environment(""), plain);
    let headers = json!({"name": "OTEL_EXPORTER_OTLP_HEADERS", "valueFrom": {
        "secretKeyRef": {"name": "collector", "key": "headers", "optional": true},
    }});
    assert_eq!(environment("collector")[5], headers);
    let off = deployment(receiver("default", ""));
    assert_eq!(off["spec"]["template"]["spec"]["containers"][0]["env"], json!([]));
}

#[test]
fn what_belongs_to_an_implied_receiver_has_no_owner() {
    let mut implied = receiver("default", "");
    let owners = |receiver: LeadReceiver| deployment(receiver)["metadata"]["ownerReferences"].clone();
    assert_eq!(owners(implied.clone())[0]["uid"], "uid-default");
    implied.metadata.uid = None;
    assert_eq!(owners(implied), json!([]));
}

#[test]
fn pods_change_with_what_they_are_and_not_with_what_they_run() {
    let template = |spec: &str| deployment(receiver("default", spec))["spec"]["template"].clone();
    let base = template("");
    for same in [
        "replicas: 7",
        "queue: {memory: 1Gi}",
        "limits: {bodyMemory: 1Mi}",
        "drainTimeout: 1m",
    ] {
        assert_eq!(template(same), base, "{same}");
    }
    for other in [
        "resources: {requests: {cpu: 2}}",
        "tls: {secretRef: {name: leads-tls}}",
        "podTemplate: {labels: {a: b}}",
    ] {
        assert_ne!(template(other), base, "{other}");
    }
}

fn forms(webhooks: Vec<LeadWebhook>) -> Forms {
    Forms {
        namespace: "marketing".to_owned(),
        queue: BTreeMap::new(),
        receiver: "default".to_owned(),
        webhooks: webhooks
            .into_iter()
            .map(|webhook| WebhookForm {
                object: Arc::new(webhook),
                served: true,
                draining: false,
            })
            .collect(),
        sinks: vec![SinkForm {
            object: Arc::new(sink()),
            waits: false,
        }],
        receivers: vec![Arc::new(receiver("default", "limits: {bodyMemory: 1Mi}"))],
        secrets: secrets(),
        projected: None,
    }
}

/// Every file, whatever holds it.
fn files(projection: &Projection) -> BTreeMap<String, Value> {
    let maps = projection
        .shards
        .iter()
        .flatten()
        .map(|(name, text)| (name.clone(), text.clone().into_bytes()));
    let secrets = projection
        .secrets
        .iter()
        .map(|(name, value)| (name.clone(), value.0.clone()));
    maps.chain(secrets)
        .map(|(name, text)| (name, serde_json::from_slice(&text).unwrap()))
        .collect()
}

#[test]
fn the_values_of_a_deleted_secret_stay_while_what_names_it_runs() {
    // Given pods that have what they need
    let mut forms = forms(vec![webhook("website", "")]);
    let before = project(&forms);
    let keys = before.secrets.iter().map(|(file, value)| {
        (
            file.clone(),
            leadgate_operator::secrets::Value::new(value.0.clone()),
        )
    });
    forms.projected = Some(Arc::new(leadgate_operator::secrets::Seen {
        keys: keys.collect(),
        ..leadgate_operator::secrets::Seen::default()
    }));

    // When a Secret is deleted, and a key of another one is gone, then they still have both
    forms.secrets.insert("crm-token".to_owned(), None);
    forms.secrets.insert(
        "web".to_owned(),
        Some(Arc::new(leadgate_operator::secrets::Seen::default())),
    );
    assert_eq!(project(&forms).digest(), before.digest());

    // And nothing of what nobody names
    forms.sinks.clear();
    assert!(!project(&forms).secrets.contains_key("secret.crm-token.json"));
}

#[test]
fn pods_read_the_objects_their_limits_and_only_the_named_keys() {
    let all = files(&project(&forms(vec![webhook("website", "")])));
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "crmsink.crm.json",
            "leadreceiver.default.json",
            "leadwebhook.website.json",
            "secret.crm-token.json",
            "secret.web.json"
        ]
    );
    let website = &all["leadwebhook.website.json"];
    assert_eq!(website["metadata"]["generation"], 1);
    assert_eq!(website["metadata"]["uid"], "uid-website");
    let keys: Vec<&String> = all["secret.web.json"]["data"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(keys, ["hmac"]);
    assert_eq!(all["secret.web.json"]["metadata"]["namespace"], "marketing");
    assert_eq!(
        all["leadreceiver.default.json"]["spec"]["limits"]["bodyMemory"],
        "1Mi"
    );
}

#[test]
fn a_receiver_serves_refuses_or_only_delivers() {
    let mut forms = forms(vec![
        webhook("here", ""),
        webhook("there", ", receiverRef: {name: edge}"),
        webhook("gone", ""),
    ]);
    forms.webhooks[1].served = false;
    forms.webhooks[2].draining = true;
    forms.sinks[0].waits = true;
    let all = files(&project(&forms));
    assert_eq!(
        all["leadwebhook.here.json"]["spec"]["receiverRef"]["name"],
        "default"
    );
    assert_eq!(
        all["leadwebhook.there.json"]["spec"]["receiverRef"]["name"],
        "edge"
    );
    assert_eq!(all["leadwebhook.gone.json"]["spec"]["suspend"], true);
    assert_eq!(all["crmsink.crm.json"]["spec"]["suspend"], true);
}

/// A ConfigMap that holds too much would be refused as a whole.
#[test]
fn a_thousand_webhooks_fit_and_what_does_not_is_told() {
    let many = |count: usize, bytes: usize| {
        let schema = "x".repeat(bytes);
        let webhooks = (0..count).map(|n| {
            let more = format!(", payload: {{schema: {{description: {schema}}}}}");
            let mut webhook = webhook(&format!("w{n:04}"), &more);
            let created = json!(format!("2026-11-23T09:{:02}:{:02}Z", n / 60 % 60, n % 60));
            webhook.metadata.creation_timestamp = serde_json::from_value(created).unwrap();
            webhook
        });
        project(&forms(webhooks.collect()))
    };
    let fits = many(1000, 4000);
    assert!(fits.too_large.is_empty());
    assert_eq!(fits.shards.len(), SHARDS);
    for shard in &fits.shards {
        let bytes: usize = shard.iter().map(|(name, text)| name.len() + text.len()).sum();
        assert!(bytes < 900_000, "{bytes}");
    }
    let full = many(200, 60_000);
    assert!(!full.too_large.is_empty());
    assert!(
        full.too_large
            .iter()
            .all(|what| what.as_str() > "LeadWebhook w0080"),
        "the newest are left out: {:?}",
        full.too_large
    );
}

/// A change of one object writes one ConfigMap.
#[test]
fn objects_stay_where_they_are() {
    let one = project(&forms(vec![webhook("a", ""), webhook("b", "")]));
    let other = project(&forms(vec![
        webhook("a", ""),
        webhook("b", ", suspend: true"),
        webhook("c", ""),
    ]));
    let place = |projection: &Projection, file: &str| {
        let shards = &projection.shards;
        shards.iter().position(|files| files.contains_key(file)).unwrap()
    };
    for file in ["leadwebhook.a.json", "leadwebhook.b.json", "crmsink.crm.json"] {
        assert_eq!(place(&one, file), place(&other, file), "{file}");
    }
    assert_ne!(one.digest(), other.digest());
}

#[test]
fn secrets_stand_in_no_manifest_and_pods_have_no_token() {
    let text = deployment(receiver("default", OWN)).to_string();
    assert!(!text.contains("secretKeyRef") && text.contains("--queue-file="));
    assert!(text.contains(r#""automountServiceAccountToken":false"#));
}

const OWN: &str = "queue: {redis: {urlSecretRef: {name: redis, key: url}}}";
