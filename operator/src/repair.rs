//! An object that the API server refuses to take back as it is to be, because of what somebody added beside it: a second probe,
//! a port, an owner, `immutable`. Applying only ever adds and changes, so what is not the operator's is removed first.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerSpec;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use serde_json::{Map, Value, json};

use crate::api_error::{ApplyError, failed};
use crate::index::Live;
use crate::kinds::Kind;

/// Who removes: not the manager that applies, so that nothing is left to it by this.
pub(crate) const REPAIR: &str = "leadgate-operator-repair";

/// What is kept of an object that was applied.
pub(crate) fn live(kind: Kind, object: &DynamicObject) -> Live {
    let live = Live::of(kind, &object.metadata);
    if kind != Kind::HorizontalPodAutoscaler {
        return live;
    }
    // As the watch writes it.
    let spec = object.data.get("spec").cloned().unwrap_or_default();
    let spec: Option<HorizontalPodAutoscalerSpec> = serde_json::from_value(spec).ok();
    live.with_spec(&json!(spec))
}

/// Removes what keeps an object from being applied. Says whether there was anything.
pub(crate) async fn repair(
    api: &Api<DynamicObject>,
    kind: Kind,
    name: &str,
    wanted: &Value,
    refused: &ApplyError,
) -> Result<bool, ApplyError> {
    let Some(live) = api
        .get_opt(name)
        .await
        .map_err(|error| failed(kind, name, error))?
    else {
        return Ok(true);
    };
    if is_immutable(&live) && refused.to_string().contains("immutable") {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: live.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let deleted = api.delete(name, &params).await;
        deleted.map_err(|error| failed(kind, name, error))?;
        return Ok(true);
    }
    let owners = wanted.pointer("/metadata/ownerReferences").cloned();
    let live = json!({"spec": live.data.get("spec"), "owners": live.metadata.owner_references});
    let wanted = json!({"spec": wanted.get("spec"), "owners": owners.filter(|owners| *owners != json!([]))});
    let mut patch = difference(&live, &wanted);
    let Some(spec) = patch.get("spec").cloned() else {
        return Ok(false);
    };
    let body = match patch.remove("owners") {
        Some(owners) => json!({"spec": spec, "metadata": {"ownerReferences": owners}}),
        None => json!({"spec": spec}),
    };
    let params = PatchParams {
        field_manager: Some(REPAIR.to_owned()),
        ..PatchParams::default()
    };
    match api.patch(name, &params, &Patch::Merge(&body)).await {
        Ok(_) => Ok(true),
        // It is wrong in itself; what the API server said of it first says more.
        Err(kube::Error::Api(status)) if status.code == 422 => Ok(false),
        Err(error) => Err(failed(kind, name, error)),
    }
}

/// Lets go of what the repair wrote: what is no longer applied later has to go.
pub(crate) async fn disown(
    api: &Api<DynamicObject>,
    kind: Kind,
    name: &str,
    applied: &DynamicObject,
) -> Result<(), ApplyError> {
    let fields = applied.metadata.managed_fields.iter().flatten();
    let others: Vec<_> = fields
        .filter(|entry| entry.manager.as_deref() != Some(REPAIR))
        .collect();
    let patch = json!({"metadata": {
        "resourceVersion": applied.metadata.resource_version,
        "managedFields": others,
    }});
    match api
        .patch_metadata(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
    {
        Ok(_) => Ok(()),
        // Somebody writes it at the same time: a field that stays too long does no harm.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(failed(kind, name, error)),
    }
}

fn is_immutable(object: &DynamicObject) -> bool {
    object.data.get("immutable") == Some(&Value::Bool(true))
}

/// Pure: the merge patch that makes of `live` what is wanted. What the API server fills in by itself, it fills in again. The
/// number of pods stays with whom it belongs to, if it is not wanted.
fn difference(live: &Value, wanted: &Value) -> Map<String, Value> {
    let (Value::Object(live), Value::Object(wanted)) = (live, wanted) else {
        return Map::new();
    };
    let mut patch = Map::new();
    for (field, now) in live {
        match wanted.get(field) {
            Some(Value::Object(_)) if now.is_object() => {
                let inner = wanted.get(field).map(|wanted| difference(now, wanted));
                patch.extend(
                    inner
                        .filter(|inner| !inner.is_empty())
                        .map(|inner| (field.clone(), Value::Object(inner))),
                );
            }
            Some(wanted) if wanted != now => {
                patch.insert(field.clone(), wanted.clone());
            }
            None if field != "replicas" => {
                patch.insert(field.clone(), Value::Null);
            }
            _ => {}
        }
    }
    for (field, wanted) in wanted {
        if !live.contains_key(field) {
            patch.insert(field.clone(), wanted.clone());
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_added_is_removed_and_the_number_of_pods_stays() {
        let live = json!({"spec": {"replicas": 4, "minAvailable": 1, "selector": {"a": "b", "x": "y"}, "ports": [1, 2]}});
        let wanted = json!({"spec": {"maxUnavailable": 1, "selector": {"a": "b"}, "ports": [1]}});
        assert_eq!(
            Value::Object(difference(&live, &wanted)),
            json!({"spec": {"minAvailable": null, "maxUnavailable": 1, "selector": {"x": null}, "ports": [1]}})
        );
        assert!(difference(&wanted, &wanted).is_empty());
    }
}
