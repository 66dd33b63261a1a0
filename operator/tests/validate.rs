//! Which mistakes are found, and what is said about them.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{facts, webhook};
use leadgate_crds::LeadWebhook;
use leadgate_crds::lead_webhook::Durability;
use leadgate_operator::lead_webhook::dereference::Facts;
use leadgate_operator::lead_webhook::edges::site;
use leadgate_operator::lead_webhook::validate::{About, redis, validate};
use leadgate_operator::workloads::RedisState;
use serde_json::{Value, json};

fn mistakes(webhook: LeadWebhook, change: impl Fn(&mut Facts)) -> Vec<(About, &'static str, String)> {
    let mut facts = facts(std::slice::from_ref(&webhook));
    change(&mut facts);
    match validate(&Arc::new(webhook), &facts) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes
            .into_iter()
            .map(|m| (m.about, m.reason, m.message))
            .collect(),
    }
}

#[test]
fn each_mistake_names_field_and_remedy() {
    type Change = fn(&mut Facts);
    let nothing: Change = |_| {};
    #[rustfmt::skip]
    let table: Vec<(&str, Change, About, &str, &[&str])> = vec![
        (", source: typefrom", nothing, About::Spec, "PresetUnknown", &["spec.source", "`typefrom`", "known are", "typeform"]),
        ("", |f| { f.sinks.insert("crm".into(), None); }, About::References, "SinkMissing",
            &["spec.sinks[0].name", "no CrmSink crm in namespace marketing", "create it"]),
        ("", |f| { f.secrets.insert("web".into(), None); }, About::References, "SecretMissing",
            &["spec.auth.hmac.secretRefs[0]", "no Secret web in namespace marketing", "with the key hmac"]),
        ("", |f| { f.secrets.insert("web".into(), Some(BTreeSet::new())); }, About::References, "SecretKeyMissing",
            &["spec.auth.hmac.secretRefs[0]", "has no key hmac", "add it"]),
        ("", |f| { f.secrets.insert("crm-token".into(), None); }, About::References, "SecretMissing",
            &["CrmSink crm: spec.hubspot.tokenSecretRef", "no Secret crm-token"]),
        (", payload: {hydrate: {baseUrl: 'http://127.0.0.1:9090', path: 'payload.path', tokenSecretRef: {name: web, key: hmac}}}",
            nothing, About::Spec, "LocalAddress", &["spec.payload.hydrate.baseUrl", "local", "write the address"]),
        (", payload: {hydrate: {tokenSecretRef: {name: gone, key: api}}}", nothing, About::References, "SecretMissing",
            &["spec.payload.hydrate.tokenSecretRef", "no Secret gone", "with the key api"]),
        (", queue: {redis: {urlSecretRef: {name: gone, key: url}}}", nothing, About::References, "SecretMissing",
            &["spec.queue.redis.urlSecretRef", "no Secret gone"]),
        (", receiver: {tls: {secretRef: {name: gone}}}", nothing, About::References, "SecretMissing",
            &["spec.receiver.tls.secretRef", "no Secret gone", "tls.crt"]),
        (", receiver: {tls: {secretRef: {name: leads-tls}, clientCaSecretRef: {name: gone}}}", nothing, About::References, "SecretMissing",
            &["spec.receiver.tls.clientCaSecretRef", "no Secret gone", "with the key ca.crt"]),
        (", receiver: {tls: {secretRef: {name: leads-tls}, clientCaSecretRef: {name: senders-ca, key: bundle.pem}}}", nothing, About::References, "SecretKeyMissing",
            &["spec.receiver.tls.clientCaSecretRef", "Secret senders-ca", "has no key bundle.pem"]),
        (", receiver: {gateway: {parentRefs: [{name: edge}]}}", |f| f.gateway_api = false, About::References, "GatewayApiMissing",
            &["spec.receiver.gateway", "install the Gateway API"]),
    ];
    for (more, change, about, reason, words) in table {
        let found = mistakes(webhook("website", more), change);
        assert_eq!(found.len(), 1, "{more}: {found:?}");
        let (is_about, is_reason, message) = &found[0];
        assert_eq!((*is_about, *is_reason), (about, reason), "{message}");
        for word in words {
            assert!(message.contains(word), "{word} is not in: {message}");
        }
    }
    assert!(mistakes(webhook("website", ""), |_| {}).is_empty());
}

#[test]
fn a_client_certificate_needs_somebody_who_checks_it() {
    let found = |receiver: &str, forwarded: Value| {
        let mut webhook = webhook("website", receiver);
        let certificate = json!({"dnsNames": ["client.example.com"], "forwarded": forwarded});
        webhook.spec.auth.client_certificate = Some(serde_json::from_value(certificate).unwrap());
        mistakes(webhook, |_| {})
    };
    let tls = ", receiver: {tls: {secretRef: {name: leads-tls}}}";
    for receiver in ["", tls] {
        let found = found(receiver, Value::Null);
        assert_eq!(found.len(), 1, "{receiver}: {found:?}");
        let (about, reason, message) = &found[0];
        assert_eq!((*about, *reason), (About::Spec, "ClientCaMissing"), "{message}");
        for word in [
            "spec.receiver.tls.clientCaSecretRef",
            "spec.auth.clientCertificate.forwarded",
        ] {
            assert!(message.contains(word), "{word} is not in: {message}");
        }
    }
    let own = ", receiver: {tls: {secretRef: {name: leads-tls}, clientCaSecretRef: {name: senders-ca}}}";
    assert!(found(own, Value::Null).is_empty());
    let edge = json!({"header": "X-Forwarded-Client-Cert", "format": "Envoy", "proxies": ["10.0.0.0/8"]});
    assert!(found("", edge).is_empty());
}

#[test]
fn all_mistakes_are_found_at_once() {
    let found = mistakes(webhook("website", ", source: nobody"), |facts| {
        facts.sinks.insert("crm".into(), None);
        facts.secrets.insert("web".into(), None);
    });
    let reasons: Vec<_> = found.iter().map(|m| m.1).collect();
    assert_eq!(reasons, ["PresetUnknown", "SinkMissing", "SecretMissing"]);
}

#[test]
fn paths() {
    let other = |name: &str, namespace: &str, more: &str, created: &str| {
        let mut other = webhook(name, more);
        other.metadata.namespace = Some(namespace.to_owned());
        other.metadata.creation_timestamp = serde_json::from_value(serde_json::json!(created)).unwrap();
        site(&other)
    };
    let early = "2026-11-23T08:00:00Z";
    let late = "2026-11-23T10:00:00Z";
    let host = |name: &str| format!(", path: /a, receiver: {{ingress: {{host: {name}}}}}");
    #[rustfmt::skip]
    let table = [
        ("older, same path", ", path: /a".to_owned(), other("x", "marketing", ", path: /a", early), true),
        ("newer, same path", ", path: /a".to_owned(), other("x", "marketing", ", path: /a", late), false),
        ("another namespace, no hosts", ", path: /a".to_owned(), other("x", "sales", ", path: /a", early), false),
        ("other hosts", host("a.example.com"), other("x", "marketing", &host("b.example.com"), early), false),
        ("same host, another namespace", host("a.example.com"), other("x", "sales", &host("a.example.com"), early), true),
        ("itself", ", path: /a".to_owned(), other("website", "marketing", ", path: /a", early), false),
    ];
    for (case, more, neighbour, clashes) in table {
        let found = mistakes(webhook("website", &more), |facts| {
            facts.neighbours = vec![neighbour.clone()];
        });
        assert_eq!(
            found.iter().any(|m| m.1 == "PathTaken"),
            clashes,
            "{case}: {found:?}"
        );
    }
}

#[test]
fn one_redis_serves_all() {
    let users = [
        Arc::new(webhook(
            "b",
            ", queue: {durability: EverySecond, storage: {size: 5Gi, storageClassName: fast}}",
        )),
        Arc::new(webhook("a", "")),
    ];
    let plan = redis(&users, None);
    assert_eq!((plan.durability, plan.size.as_str()), (Durability::Always, "5Gi"));
    assert_eq!(plan.storage_class.as_deref(), Some("fast"));
    assert_eq!(
        plan.owners.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(),
        ["a", "b"]
    );
    let live = RedisState {
        size: serde_json::from_value(serde_json::json!("1Gi")).ok(),
        ..RedisState::default()
    };
    let plan = redis(&users[..1], Some(&live));
    assert_eq!(
        (plan.durability, plan.size.as_str()),
        (Durability::EverySecond, "1Gi")
    );
    assert_eq!(plan.storage_class, None, "as the volume was made");
}
