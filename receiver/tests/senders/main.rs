//! The senders' own SDKs made these vectors and payloads: whatever they sign is accepted, whatever was tampered
//! with is refused, and each example payload gives the lead that a person would read in it.

mod events;
mod handshakes;
mod messages;
mod payloads;
mod people;
mod reports;
mod vectors;

use std::path::PathBuf;

use leadgate_crds::LeadWebhook;
use leadgate_receiver::source::Webhook;
use serde_json::{Value, json};

pub(crate) fn data(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data/senders")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub(crate) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/data/senders")
            .join(name),
    )
    .unwrap()
}

pub(crate) fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_default()
}

/// A webhook of this preset that lets anybody post, for what does not concern proof.
pub(crate) fn unauthenticated(preset: &str) -> Webhook {
    let object: LeadWebhook = serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "w"},
        "spec": {"source": preset, "auth": {"none": {"allowUnauthenticated": true}}, "sinks": [{"name": "crm"}]}
    }))
    .unwrap();
    Webhook::compile(&object, &|_, _| Err("no secret".to_owned()))
        .unwrap_or_else(|e| panic!("{preset}: {e:?}"))
}

#[test]
fn every_preset_compiles_with_nothing_but_its_secrets() {
    let names: Vec<&str> = leadgate_receiver::source::preset::names().collect();
    assert_eq!(names.len(), 37, "{names:?}");
    for name in names {
        unauthenticated(name);
    }
}
