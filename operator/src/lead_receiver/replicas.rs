//! Handing the number of pods over to an autoscaler.
//!
//! What an applier no longer applies is removed, and a Deployment without `replicas` has one pod. So before the operator
//! lets go of the number, another field manager takes it as it is; the autoscaler changes it from there.

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::Status;
use serde_json::{Value, json};

use crate::api_error::{ApplyError, failed};
use crate::apply::{dynamic, is_settled};
use crate::context::Context;
use crate::kinds::Desired;
use crate::names::MANAGER;

/// Keeps a Deployment's number of pods where the operator is about to let go of it.
pub async fn hand_over(context: &Context, namespace: &str, desired: &Desired) -> Result<(), ApplyError> {
    let Desired { kind, name, manifest } = desired;
    if manifest.pointer("/spec/replicas").is_some() || is_settled(context, namespace, desired) {
        return Ok(());
    }
    let api = dynamic(&context.client, namespace, *kind);
    let live = api
        .get_opt(name)
        .await
        .map_err(|error| failed(*kind, name, error))?;
    let Some(replicas) = live.as_ref().and_then(held) else {
        return Ok(());
    };
    let claim = json!({
        "apiVersion": manifest.get("apiVersion"),
        "kind": manifest.get("kind"),
        "metadata": {"name": name},
        "spec": {"replicas": replicas},
    });
    // Not by force: if the autoscaler has another number by now, that one stays.
    let params = PatchParams::apply(&format!("{MANAGER}-replicas"));
    match api.patch(name, &params, &Patch::Apply(&claim)).await {
        Ok(_) => context.metrics.wrote(kind.name(), "apply"),
        Err(kube::Error::Api(status)) if is_conflict(&status) => {}
        Err(error) => return Err(failed(*kind, name, error)),
    }
    Ok(())
}

/// Gives a Deployment that otherwise stays as it is the number of pods that is wanted; `now`: how many it is to have.
pub async fn scale(
    context: &Context,
    namespace: &str,
    desired: &Desired,
    now: Option<i32>,
) -> Result<(), ApplyError> {
    let Desired { kind, name, manifest } = desired;
    let wanted = manifest.pointer("/spec/replicas").and_then(Value::as_i64);
    let (Some(wanted), Some(now)) = (wanted, now) else {
        return Ok(());
    };
    if wanted == i64::from(now) {
        return Ok(());
    }
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"spec": {"replicas": wanted}}));
    let api = dynamic(&context.client, namespace, *kind);
    api.patch(name, &params, &patch)
        .await
        .map_err(|error| failed(*kind, name, error))?;
    context.metrics.wrote(kind.name(), "patch");
    Ok(())
}

fn is_conflict(status: &Status) -> bool {
    status.code == 409
}

/// Pure: the number of pods, if it is the operator's.
fn held(deployment: &DynamicObject) -> Option<i64> {
    let replicas = deployment
        .data
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)?;
    let managers = deployment.metadata.managed_fields.as_ref()?;
    managers
        .iter()
        .filter(|entry| entry.manager.as_deref() == Some(MANAGER) && entry.subresource.is_none())
        .filter_map(|entry| entry.fields_v1.as_ref())
        .any(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
        .then_some(replicas)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_held_by_who_applied_it() {
        let of = |manager: &str, fields: Value| {
            let object = json!({
                "metadata": {"name": "web", "managedFields": [
                    {"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields},
                ]},
                "spec": {"replicas": 3},
            });
            held(&serde_json::from_value(object).unwrap())
        };
        assert_eq!(of(MANAGER, json!({"f:spec": {"f:replicas": {}}})), Some(3));
        assert_eq!(of(MANAGER, json!({"f:spec": {"f:template": {}}})), None);
        assert_eq!(
            of("kube-controller-manager", json!({"f:spec": {"f:replicas": {}}})),
            None
        );
    }
}
