//! The volumes of the managed Redis grow when `spec.queue.storage.size` does. The StatefulSet cannot say so: its template is
//! fixed once it exists.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::validate::{RedisPlan, bytes};
use crate::api_error::words;
use crate::context::Context;
use crate::names::{self, MANAGER};
use crate::workloads::Name;

/// Enlarges the volumes that are smaller than wanted. Gives what a person should know meanwhile.
pub(super) async fn grow(receiver: &Name, plan: &RedisPlan, context: &Context) -> Option<String> {
    if bytes(&plan.wanted_size) <= bytes(&plan.size) {
        return None;
    }
    let wanted = (plan.wanted_size.clone(), plan.replicas);
    let grown = context.of_receivers.with(receiver, |state| state.volumes.clone());
    if grown.as_ref() == Some(&wanted) {
        return None;
    }
    let mut notes = Vec::new();
    for n in 0..plan.replicas {
        let claim = format!("data-{}-{n}", names::REDIS);
        notes.extend(grow_one(receiver, &claim, &plan.wanted_size, context).await);
    }
    if notes.is_empty() {
        context
            .of_receivers
            .with(receiver, |state| state.volumes = Some(wanted));
        return None;
    }
    Some(notes.join("; "))
}

/// Gives why a volume is not yet as large as wanted.
async fn grow_one(receiver: &Name, claim: &str, wanted: &str, context: &Context) -> Option<String> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &receiver.0);
    let found = match api.get_opt(claim).await {
        Ok(Some(found)) => found,
        Ok(None) => return Some(format!("PersistentVolumeClaim {claim} is not created yet")),
        Err(error) => {
            return Some(format!(
                "PersistentVolumeClaim {claim} cannot be read: {}",
                words(&error)
            ));
        }
    };
    if requested(&found).is_none_or(|has| bytes(&has) < bytes(wanted)) {
        let patch = json!({"spec": {"resources": {"requests": {"storage": wanted}}}});
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        if let Err(error) = api.patch(claim, &params, &Patch::Merge(&patch)).await {
            return Some(format!(
                "PersistentVolumeClaim {claim} cannot be enlarged to {wanted}: {}; its storage class must have \
                 allowVolumeExpansion: true",
                words(&error)
            ));
        }
        context.metrics.wrote("PersistentVolumeClaim", "patch");
    }
    match capacity(&found) {
        Some(has) if bytes(&has) >= bytes(wanted) => None,
        Some(has) => Some(format!("volume {claim} is being enlarged from {has} to {wanted}")),
        None => Some(format!("volume {claim} is being enlarged to {wanted}")),
    }
}

fn requested(claim: &PersistentVolumeClaim) -> Option<String> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    Some(requests.get("storage")?.0.clone())
}

fn capacity(claim: &PersistentVolumeClaim) -> Option<String> {
    Some(
        claim
            .status
            .as_ref()?
            .capacity
            .as_ref()?
            .get("storage")?
            .0
            .clone(),
    )
}
