//! An object: its metadata, and what it belongs to.

use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::kinds::{Desired, Kind};
use crate::lead_webhook::validate::{Owner, Plan};
use crate::names;

pub(super) fn base(plan: &Plan) -> String {
    names::base(&plan.webhook.name_any())
}

/// An object of the webhook: `body` with metadata.
pub(super) fn object(plan: &Plan, kind: Kind, name: String, body: Value) -> Desired {
    let webhook = &plan.webhook;
    let owner = Owner {
        name: webhook.name_any(),
        uid: webhook.uid().unwrap_or_default(),
    };
    let mut reference = reference(&owner);
    if let Value::Object(fields) = &mut reference {
        fields.insert("controller".to_owned(), Value::Bool(true));
    }
    let metadata = json!({
        "name": name,
        "namespace": webhook.namespace().unwrap_or_default(),
        "labels": names::labels(&webhook.name_any()),
        "ownerReferences": [reference],
    });
    desired(kind, name, &metadata, body)
}

/// `blockOwnerDeletion` is left out: with it, the operator would need a right on the owners' finalizers.
pub(super) fn reference(owner: &Owner) -> Value {
    json!({
        "apiVersion": format!("{}/{}", leadgate_crds::GROUP, leadgate_crds::VERSION),
        "kind": "LeadWebhook",
        "name": owner.name,
        "uid": owner.uid,
    })
}

pub(super) fn desired(kind: Kind, name: String, metadata: &Value, body: Value) -> Desired {
    let mut manifest = json!({"apiVersion": kind.api_version(), "kind": kind.name(), "metadata": metadata});
    if let (Value::Object(manifest), Value::Object(body)) = (&mut manifest, body) {
        manifest.extend(body);
    }
    Desired { kind, name, manifest }
}
