//! What a person does by hand, and sees.

use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use leadgate_operator::kinds::Kind;
use serde_json::Value;

use crate::rig::{Rig, eventually};

/// Everything of the LeadReceiver `default` that has a name of its own.
pub(crate) const SERVICE: &str = "leadgate-receiver-default";

pub(crate) async fn edit(rig: &Rig, kind: Kind, name: &str, patch: Value) {
    let params = PatchParams {
        field_manager: Some("a-person".to_owned()),
        ..PatchParams::default()
    };
    rig.api(kind)
        .patch(name, &params, &Patch::Merge(&patch))
        .await
        .unwrap();
}

/// Waits until a place of an object holds a value.
pub(crate) async fn holds(rig: &Rig, kind: Kind, name: &str, place: &str, value: Value) {
    let api = rig.api(kind);
    eventually(
        &format!("{} {name} has {value} at {place}", kind.name()),
        async || {
            let object = api.get_opt(name).await.unwrap().ok_or("it is gone")?;
            let object = serde_json::to_value(object).unwrap();
            let found = object.pointer(place).cloned().unwrap_or_default();
            (found == value).then_some(()).ok_or(found.to_string())
        },
    )
    .await;
}

/// What Events with this reason say.
pub(crate) async fn events(rig: &Rig, reason: &str) -> Vec<String> {
    let api: Api<Event> = Api::namespaced(rig.client.clone(), &rig.namespace);
    let all = api.list(&ListParams::default()).await.unwrap();
    all.into_iter()
        .filter(|event| event.reason.as_deref() == Some(reason))
        .filter_map(|event| event.note)
        .collect()
}
