//! An object: its metadata, and what it belongs to.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use leadgate_crds::{GROUP, VERSION};
use serde_json::{Value, json};

use super::Plan;
use crate::kinds::{Desired, Kind};
use crate::names;

/// An object of the receiver: `body` with metadata.
pub(super) fn object(plan: &Plan, kind: Kind, name: String, body: Value) -> Desired {
    let receiver = plan.receiver.as_ref();
    let labels = names::labels(&receiver.name_any());
    owned(receiver, "LeadReceiver", &labels, kind, name, body)
}

/// An object of a resource. `blockOwnerDeletion` is left out: with it, the operator would need a right on the owners'
/// finalizers. What belongs to a receiver that is only implied has no owner.
pub fn owned<K: kube::Resource>(
    owner: &K,
    owner_kind: &str,
    labels: &BTreeMap<String, String>,
    kind: Kind,
    name: String,
    body: Value,
) -> Desired {
    let reference = owner.meta().uid.as_ref().map(|uid| {
        json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": owner_kind,
            "name": owner.name_any(),
            "uid": uid,
            "controller": true,
        })
    });
    let metadata = json!({
        "name": name,
        "namespace": owner.namespace().unwrap_or_default(),
        "labels": labels,
        "ownerReferences": reference.into_iter().collect::<Vec<_>>(),
    });
    desired(kind, name, &metadata, body)
}

pub(super) fn desired(kind: Kind, name: String, metadata: &Value, body: Value) -> Desired {
    let mut manifest = json!({"apiVersion": kind.api_version(), "kind": kind.name(), "metadata": metadata});
    if let (Value::Object(manifest), Value::Object(body)) = (&mut manifest, body) {
        manifest.extend(body);
    }
    Desired { kind, name, manifest }
}
