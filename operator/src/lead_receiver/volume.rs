//! The volume of the managed Redis grows when `spec.queue.storage.size` does. The StatefulSet cannot say so: its template is
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

/// Enlarges the volume if it is smaller than wanted. Gives what a person should know meanwhile.
pub(super) async fn grow(receiver: &Name, plan: &RedisPlan, context: &Context) -> Option<String> {
    let wanted = &plan.wanted_size;
    if bytes(wanted) <= bytes(&plan.size) {
        return None;
    }
    let grown = context.of_receivers.with(receiver, |state| state.volume.clone());
    if grown.as_ref() == Some(wanted) {
        return None;
    }
    let claim = format!("data-{}-0", names::REDIS);
    let api: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &receiver.0);
    let found = match api.get_opt(&claim).await {
        Ok(found) => found?,
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
        if let Err(error) = api.patch(&claim, &params, &Patch::Merge(&patch)).await {
            return Some(format!(
                "PersistentVolumeClaim {claim} cannot be enlarged to {wanted}: {}; its storage class must have \
                 allowVolumeExpansion: true",
                words(&error)
            ));
        }
        context.metrics.wrote("PersistentVolumeClaim", "patch");
    }
    match capacity(&found) {
        Some(has) if bytes(&has) >= bytes(wanted) => {
            context
                .of_receivers
                .with(receiver, |state| state.volume = Some(wanted.clone()));
            None
        }
        Some(has) => Some(format!("its volume is being enlarged from {has} to {wanted}")),
        None => Some(format!("its volume is being enlarged to {wanted}")),
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
