//! The ConfigMap: the manifests that receivers read, as a person would apply them.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use leadgate_crds::{CrmSink, GROUP, LeadWebhook, VERSION};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

use super::object::{base, object};
use crate::kinds::{Desired, Kind};
use crate::lead_webhook::validate::Plan;

/// Fields of a LeadWebhook that its receivers do not look at: the operator acts on them. A changed number of pods must
/// not restart all of them.
const OPERATORS: [&str; 4] = ["receiver", "queue", "objectives", "drainTimeout"];

/// File name -> YAML. While the webhook is being deleted, its receivers are told to refuse new leads.
pub fn manifests(webhook: &LeadWebhook, sinks: &[Arc<CrmSink>], draining: bool) -> BTreeMap<String, String> {
    let mut spec = json!(webhook.spec);
    if draining && let Value::Object(spec) = &mut spec {
        spec.insert("suspend".to_owned(), Value::Bool(true));
    }
    let mut files = BTreeMap::from([(
        "leadwebhook.yaml".to_owned(),
        manifest("LeadWebhook", &webhook.name_any(), webhook.namespace(), &spec),
    )]);
    for sink in sinks {
        files.insert(
            format!("crmsink-{}.yaml", sink.name_any()),
            manifest("CrmSink", &sink.name_any(), sink.namespace(), &json!(sink.spec)),
        );
    }
    files
}

/// Only what says which object it is: other metadata changes without meaning anything.
fn manifest(kind: &str, name: &str, namespace: Option<String>, spec: &Value) -> String {
    let manifest = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace.unwrap_or_default()},
        "spec": spec,
    });
    // JSON is YAML too, should the serialiser ever refuse something.
    serde_saphyr::to_string(&manifest).unwrap_or_else(|_| manifest.to_string())
}

/// Of what receivers act on. Values of Secrets are not in it: receivers read them again by themselves.
pub fn checksum(files: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    for (name, text) in files {
        let text = match serde_saphyr::from_str::<Value>(text) {
            Ok(mut manifest) if name == "leadwebhook.yaml" => {
                if let Some(Value::Object(spec)) = manifest.get_mut("spec") {
                    for field in OPERATORS {
                        spec.remove(field);
                    }
                }
                manifest.to_string()
            }
            _ => text.clone(),
        };
        for part in [name, &text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    let digest = hex::encode(hash.finalize());
    digest.get(..16).unwrap_or(&digest).to_owned()
}

pub(super) fn config_map(plan: &Plan, files: &BTreeMap<String, String>) -> Desired {
    object(plan, Kind::ConfigMap, base(plan), json!({"data": files}))
}
