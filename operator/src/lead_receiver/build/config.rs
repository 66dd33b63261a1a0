//! The ConfigMaps and the Secret that the pods read.

use kube::ResourceExt as _;
use leadgate_crds::LeadReceiver;
use serde_json::json;

use super::object::owned;
use crate::kinds::{Desired, Kind};
use crate::lead_receiver::projection::Projection;
use crate::names;

/// The Secret first: a webhook without its keys would be a mistake for a moment. A ConfigMap that holds nothing need not
/// exist.
pub fn config(receiver: &LeadReceiver, projection: &Projection) -> Vec<(Desired, bool)> {
    let name = receiver.name_any();
    let object = |kind, object_name, body| {
        owned(
            receiver,
            "LeadReceiver",
            &names::labels(&name),
            kind,
            object_name,
            body,
        )
    };
    let secret = object(
        Kind::Secret,
        names::secrets(&name),
        json!({"type": "Opaque", "data": projection.secrets}),
    );
    let maps = projection.shards.iter().enumerate().map(|(n, files)| {
        let map = object(Kind::ConfigMap, names::config(&name, n), json!({"data": files}));
        (map, !files.is_empty())
    });
    std::iter::once((secret, true)).chain(maps).collect()
}
