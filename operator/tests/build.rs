//! What is built, as files: `UPDATE_SNAPSHOTS=1 cargo test -p leadgate-operator --test build` writes them anew.

#![allow(unreachable_pub)]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{facts, webhook};
use leadgate_crds::LeadWebhook;
use leadgate_operator::context::Settings;
use leadgate_operator::kinds::Kind;
use leadgate_operator::lead_webhook::build;
use leadgate_operator::lead_webhook::validate::{Plan, validate};
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
    }
}

fn plan(webhook: LeadWebhook) -> Plan {
    let facts = facts(std::slice::from_ref(&webhook));
    validate(&Arc::new(webhook), &facts, &rules()).unwrap()
}

fn rendered(plan: &Plan) -> String {
    let mut objects = Vec::new();
    if let Some(redis) = &plan.redis {
        objects.extend(build::redis("marketing", redis, &settings()));
    }
    let built = build::build(plan, &settings());
    objects.extend(built.objects);
    let mut text: Vec<String> = objects
        .iter()
        .map(|object| serde_saphyr::to_string(&object.manifest).unwrap())
        .collect();
    let absent: Vec<String> = built
        .absent
        .iter()
        .map(|(kind, name)| format!("# absent: {} {name}\n", kind.name()))
        .collect();
    text.push(absent.concat());
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
    for (name, more) in [
        ("minimal", ""),
        (
            "everything",
            ", publicUrl: 'https://leads.example.com/leads', path: /leads, queue: {redis: {urlSecretRef: {name: redis, key: url}}}, \
             receiver: {autoscaling: {minReplicas: 3, maxReplicas: 9, targetCPU: 60}, resources: {requests: {cpu: 1}}, \
             tls: {secretRef: {name: leads-tls}, clientCaSecretRef: {name: senders-ca}}, ingress: {host: leads.example.com, className: nginx, tlsSecretName: leads-tls, \
             annotations: {a.example.com/b: c, b.example.com/snippet: x}}, podTemplate: {labels: {team: web, app.kubernetes.io/name: mine}, \
             annotations: {a: b}, nodeSelector: {disk: ssd}, tolerations: [{key: k, operator: Exists}], \
             affinity: {nodeAffinity: {}}, priorityClassName: high, imagePullSecrets: [{name: pull}]}}",
        ),
        (
            "gateway",
            ", receiver: {replicas: 1, gateway: {parentRefs: [{name: edge, namespace: infra}], hostnames: [leads.example.com]}}",
        ),
    ] {
        compare(name, &rendered(&plan(webhook("website", more))));
    }
}

fn deployment(plan: &Plan) -> serde_json::Value {
    let built = build::build(plan, &settings());
    let found = built.objects.into_iter().find(|o| o.kind == Kind::Deployment);
    found.unwrap().manifest
}

#[test]
fn the_autoscaler_owns_the_number_of_pods() {
    let auto = plan(webhook("website", ", receiver: {autoscaling: {maxReplicas: 5}}"));
    assert!(deployment(&auto)["spec"].get("replicas").is_none());
    assert_eq!(deployment(&plan(webhook("website", "")))["spec"]["replicas"], 2);
}

#[test]
fn only_what_receivers_act_on_restarts_them() {
    let checksum = |more: &str| {
        let plan = plan(webhook("website", more));
        build::checksum(&build::manifests(&plan.webhook, &plan.sinks, false))
    };
    let base = checksum("");
    for same in [
        ", receiver: {replicas: 7}",
        ", queue: {durability: EverySecond}",
        ", drainTimeout: 1m",
        ", objectives: {speedToLead: 1s}",
    ] {
        assert_eq!(checksum(same), base, "{same}");
    }
    for other in [
        ", suspend: true",
        ", payload: {maxBytes: 2048}",
        ", path: /x",
        ", source: stripe",
    ] {
        assert_ne!(checksum(other), base, "{other}");
    }
}

#[test]
fn while_it_drains_receivers_refuse_leads() {
    let mut gone = webhook("website", "");
    gone.metadata.deletion_timestamp = gone.metadata.creation_timestamp.clone();
    let plan = plan(gone);
    let files = build::manifests(&plan.webhook, &plan.sinks, plan.draining);
    assert!(files["leadwebhook.yaml"].contains("suspend: true"));
}

/// A Secret that a resource names and a pod does not see is a receiver that cannot read its configuration.
#[test]
fn every_secret_that_a_webhook_names_is_seen_by_its_pods() {
    fn named(value: &Value, found: &mut Vec<(String, String)>) {
        match value {
            Value::Object(fields) => {
                if let (Some(name), Some(key)) = (fields.get("name"), fields.get("key")) {
                    found.push((
                        name.as_str().unwrap().to_owned(),
                        key.as_str().unwrap().to_owned(),
                    ));
                }
                fields.values().for_each(|value| named(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| named(value, found)),
            _ => {}
        }
    }
    let mut webhook = webhook(
        "website",
        ", source: meta, payload: {hydrate: {tokenSecretRef: {name: web, key: api}}}, \
         queue: {redis: {urlSecretRef: {name: redis, key: url}}}, \
         receiver: {tls: {secretRef: {name: leads-tls}, clientCaSecretRef: {name: senders-ca}}}",
    );
    webhook.spec.auth.challenge_token_secret_ref =
        Some(serde_json::from_value(json!({"name": "web", "key": "verify"})).unwrap());
    let mut wanted = Vec::new();
    named(&json!(webhook.spec), &mut wanted);
    assert_eq!(wanted.len(), 5, "{wanted:?}");
    let pods = deployment(&plan(webhook)).to_string();
    for (name, key) in wanted {
        let seen = [
            format!(r#"{{"key":"{key}","path":"{name}/{key}"}}"#),
            format!(r#""items":[{{"key":"{key}","path":"ca.crt"}}],"secretName":"{name}""#),
            format!(r#"{{"key":"{key}","name":"{name}"}}"#),
        ];
        assert!(
            seen.iter().any(|text| pods.contains(text)),
            "{name}/{key}: {pods}"
        );
    }
}

#[test]
fn secrets_stand_in_no_manifest_and_only_named_keys_are_mounted() {
    let text = deployment(&plan(webhook("website", ""))).to_string();
    assert!(text.contains(r#"{"key":"hmac","path":"web/hmac"}"#) && !text.contains("previous"));
    assert!(text.contains(r#""automountServiceAccountToken":false"#));
}
