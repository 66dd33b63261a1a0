//! Objects for tests.

#![allow(dead_code, reason = "each test program uses some of them")]

use std::collections::BTreeMap;
use std::sync::Arc;

use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};
use leadgate_operator::lead_receiver::dereference::Dereferenced as ReceiverFacts;
use leadgate_operator::lead_webhook::dereference::Dereferenced;
use leadgate_operator::secrets::{Found, Seen, Value as Content};
use leadgate_operator::stores::Stores;
use serde_json::{Value, json};

/// From YAML.
pub fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// A webhook of namespace `marketing` with the sink `crm`, Secret `web` and `more` fields of its spec.
pub fn webhook(name: &str, more: &str) -> LeadWebhook {
    let spec = format!(
        "{{auth: {{hmac: {{secretRefs: [{{name: web, key: hmac}}]}}}}, sinks: [{{name: crm}}]{more}}}"
    );
    serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1",
        "kind": "LeadWebhook",
        "metadata": {"name": name, "namespace": "marketing", "uid": format!("uid-{name}"), "generation": 1,
            "creationTimestamp": "2026-11-23T09:00:00Z"},
        "spec": yaml(&spec),
    }))
    .unwrap()
}

/// The sink `crm`.
pub fn sink() -> CrmSink {
    serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1",
        "kind": "CrmSink",
        "metadata": {"name": "crm", "namespace": "marketing", "generation": 1},
        "spec": {"hubspot": {"tokenSecretRef": {"name": "crm-token", "key": "token"}}},
    }))
    .unwrap()
}

/// A Secret that has these keys.
pub fn secret(type_: &str, keys: &[&str]) -> Arc<Seen> {
    Arc::new(Seen {
        type_: type_.to_owned(),
        keys: keys
            .iter()
            .map(|k| ((*k).to_owned(), Content::new(GOOD)))
            .collect(),
        ..Seen::default()
    })
}

/// A value that nobody guesses.
pub const GOOD: &str = "0123456789abcdef0123456789abcdef";

/// A receiver of namespace `marketing`.
pub fn receiver(name: &str, spec: &str) -> LeadReceiver {
    serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1",
        "kind": "LeadReceiver",
        "metadata": {"name": name, "namespace": "marketing", "uid": format!("uid-{name}"), "generation": 1,
            "creationTimestamp": "2026-11-23T09:00:00Z"},
        "spec": yaml(&format!("{{{spec}}}")),
    }))
    .unwrap()
}

/// The Secrets that exist.
pub fn secrets() -> Found {
    let keys = |keys: &[&str]| Some(secret("Opaque", keys));
    BTreeMap::from([
        ("web".to_owned(), keys(&["hmac", "previous", "api", "verify"])),
        ("crm-token".to_owned(), keys(&["token"])),
        (
            "redis".to_owned(),
            Some(queue_url("redis://:p@redis.example.com:6379/0")),
        ),
        ("leads-tls".to_owned(), keys(&["tls.crt", "tls.key"])),
        ("senders-ca".to_owned(), keys(&["ca.crt", "tls.crt", "tls.key"])),
    ])
}

/// A Secret with the URL of a queue of the user's own.
pub fn queue_url(url: &str) -> Arc<Seen> {
    Arc::new(Seen {
        keys: BTreeMap::from([("url".to_owned(), Content::new(url))]),
        ..Seen::default()
    })
}

/// Everything that a webhook can want exists.
pub fn facts() -> Dereferenced {
    Dereferenced {
        receiver: Some(Arc::new(receiver("default", ""))),
        sinks: BTreeMap::from([("crm".to_owned(), Some(Arc::new(sink())))]),
        secrets: secrets(),
        gateway_api: true,
        ..Dereferenced::default()
    }
}

/// Everything that a receiver can want exists.
pub fn receiver_facts(receivers: &[LeadReceiver]) -> ReceiverFacts {
    let receivers: Vec<_> = receivers.iter().cloned().map(Arc::new).collect();
    ReceiverFacts {
        stores: Stores::of(&receivers),
        receivers,
        secrets: secrets(),
        ..ReceiverFacts::default()
    }
}
