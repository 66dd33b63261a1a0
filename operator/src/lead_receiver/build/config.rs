//! The ConfigMaps and the Secret that the pods read.

use kube::ResourceExt as _;
use leadgate_crds::LeadReceiver;
use serde_json::{Map, Value, json};

use super::object::owned;
use crate::kinds::{Desired, Kind};
use crate::lead_receiver::projection::Projection;
use crate::names;

/// The Secret first: a webhook without its keys would be a mistake for a moment. A ConfigMap that holds nothing need not
/// exist.
pub fn config(receiver: &LeadReceiver, projection: Projection) -> impl Iterator<Item = (Desired, bool)> {
    let name = receiver.name_any();
    let Projection { shards, secrets, .. } = projection;
    let parts = std::iter::once(None).chain(shards.into_iter().enumerate().map(Some));
    let mut secrets = Some(secrets);
    parts.map(move |part| {
        let (kind, object_name, body, holds_something) = match part {
            None => {
                let body = json!({"type": "Opaque", "data": secrets.take()});
                (Kind::Secret, names::secrets(&name), body, true)
            }
            Some((n, files)) => {
                let holds_something = !files.is_empty();
                let files: Map<String, Value> = files
                    .into_iter()
                    .map(|(file, text)| (file, Value::String(text)))
                    .collect();
                let body = json!({"data": Value::Object(files)});
                (Kind::ConfigMap, names::config(&name, n), body, holds_something)
            }
        };
        let labels = names::labels(&name);
        let object = owned(receiver, "LeadReceiver", &labels, kind, object_name, body);
        (object, holds_something)
    })
}
