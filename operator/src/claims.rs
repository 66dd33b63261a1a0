//! Which installation of the operator works in a namespace: two that both did would undo each other's writes for ever.
//!
//! The first one to come makes a ConfigMap that names it; whoever finds another one's name there writes nothing but its own
//! name beside it, so that the one that works can tell people. A namespace is taken over when the Lease of the other
//! installation is gone or old, or when a person deletes the ConfigMap. Nothing is written while nothing changes.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Resource};
use serde_json::json;

use crate::api_error::{ApplyError, failed, words};
use crate::apply::look;
use crate::context::{Context, name_of};
use crate::index::Live;
use crate::kinds::Kind;
use crate::leader::LEASE;
use crate::names::{self, CLAIM, CONTESTED, INSTALLATION, MANAGER};

/// The annotation that names the namespace of the Lease by which others see whether the installation still works.
const LEASE_NAMESPACE: &str = "leadgate.dev/lease-namespace";
/// A Lease that was not renewed for so long is that of an installation that is gone. Renewed every few seconds, it is never
/// that old; clocks of two nodes may differ by minutes.
const GONE: Duration = Duration::from_mins(5);
/// How often a namespace that another installation works in is looked at again.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// Who works in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Ours,
    /// Another installation.
    Theirs,
}

/// Claims the namespace of an object, unless somebody has. What is being deleted claims nothing: its namespace may be about to go,
/// too, and then nothing can be made there; where nobody has claimed anything, it is ours to let go.
pub(crate) async fn claim<K>(object: &K, context: &Context) -> Result<Claim, ApplyError>
where
    K: Resource<DynamicType = ()>,
{
    let namespace = name_of(object).0;
    let namespace = namespace.as_str();
    let key = (Kind::ConfigMap, namespace.to_owned(), CLAIM.to_owned());
    let found = match context.index.get(&key) {
        Some(live) => Some(live),
        None => look(context, &key).await?,
    };
    let live = match found {
        Some(live) => live,
        None if object.meta().deletion_timestamp.is_some() => return Ok(Claim::Ours),
        None => match create(namespace, context).await? {
            Some(live) => live,
            // Somebody else was faster.
            None => look(context, &key).await?.unwrap_or_default(),
        },
    };
    context.index.seen(key, live.clone());
    let ours = &context.settings.installation;
    if live.installation.as_ref() == Some(ours) {
        if context.contested.note(namespace, None) {
            tracing::info!(namespace, "this installation works in the namespace");
        }
        return Ok(Claim::Ours);
    }
    let theirs = live.installation.clone().unwrap_or_default();
    if is_gone(namespace, context).await {
        write(namespace, context, &live, true).await?;
        tracing::info!(
            namespace,
            former = theirs,
            "took the namespace over: the other installation is gone"
        );
        return Ok(Claim::Ours);
    }
    if context.contested.note(namespace, Some(&theirs)) {
        tracing::warn!(
            namespace,
            other = theirs,
            "another installation of the operator works in this namespace, so this one does nothing there; change \
             watchNamespaces of one of them, or delete the ConfigMap {CLAIM} to hand the namespace over"
        );
    }
    if live.contested.as_ref() != Some(ours) {
        write(namespace, context, &live, false).await?;
    }
    Ok(Claim::Theirs)
}

/// What people are told where this installation works and another one would like to.
pub(crate) fn contested(namespace: &str, context: &Context) -> Option<String> {
    let key = (Kind::ConfigMap, namespace.to_owned(), CLAIM.to_owned());
    let other = context.index.get(&key)?.contested?;
    (other != context.settings.installation).then(|| {
        format!(
            "the operator of installation {other} watches this namespace, too, and does nothing in it; change watchNamespaces of \
             one of them, then remove the annotation {CONTESTED} of ConfigMap {CLAIM}"
        )
    })
}

fn annotations(context: &Context) -> serde_json::Value {
    json!({
        INSTALLATION: context.settings.installation,
        LEASE_NAMESPACE: context.settings.lease_namespace,
        CONTESTED: null,
    })
}

async fn create(namespace: &str, context: &Context) -> Result<Option<Live>, ApplyError> {
    let claim = ConfigMap {
        metadata: ObjectMeta {
            name: Some(CLAIM.to_owned()),
            labels: Some(names::claim_labels()),
            annotations: Some(
                [
                    (INSTALLATION.to_owned(), context.settings.installation.clone()),
                    (
                        LEASE_NAMESPACE.to_owned(),
                        context.settings.lease_namespace.clone(),
                    ),
                ]
                .into(),
            ),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    };
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    match api.create(&params, &claim).await {
        Ok(made) => {
            context.metrics.wrote(Kind::ConfigMap.name(), "create");
            Ok(Some(Live::of(Kind::ConfigMap, &made.metadata)))
        }
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(failed(Kind::ConfigMap, CLAIM, error)),
    }
}

/// Takes a namespace over, or says that this installation would like to.
async fn write(namespace: &str, context: &Context, seen: &Live, take: bool) -> Result<(), ApplyError> {
    let annotations = if take {
        annotations(context)
    } else {
        json!({CONTESTED: context.settings.installation})
    };
    // Of two that take it over at once, one comes too late.
    let patch = json!({"metadata": {
        "uid": seen.uid,
        "resourceVersion": seen.version.to_string(),
        "labels": names::claim_labels(),
        "annotations": annotations,
    }});
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let written = api
        .patch_metadata(CLAIM, &params, &Patch::Merge(&patch))
        .await
        .map_err(|error| failed(Kind::ConfigMap, CLAIM, error))?;
    context.metrics.wrote(Kind::ConfigMap.name(), "patch");
    let key = (Kind::ConfigMap, namespace.to_owned(), CLAIM.to_owned());
    context
        .index
        .seen(key, Live::of(Kind::ConfigMap, &written.metadata));
    Ok(())
}

/// Whether the installation that claimed a namespace works no longer. What cannot be found out counts as working.
async fn is_gone(namespace: &str, context: &Context) -> bool {
    let maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    let Ok(Some(claim)) = maps.get_metadata_opt(CLAIM).await else {
        return false;
    };
    let claim = claim.metadata.annotations.unwrap_or_default();
    let Some(lease_namespace) = claim.get(LEASE_NAMESPACE).filter(|name| !name.is_empty()) else {
        return false;
    };
    let leases: Api<Lease> = Api::namespaced(context.client.clone(), lease_namespace);
    match leases.get_opt(LEASE).await {
        Ok(None) => true,
        Ok(Some(lease)) => is_anothers(&lease, claim.get(INSTALLATION)) || is_old(&lease, Timestamp::now()),
        Err(error) => {
            tracing::debug!(
                namespace,
                error = words(&error),
                "failed to read the Lease of the other installation"
            );
            false
        }
    }
}

/// Whether another installation holds the Lease by now: one at a time works with it.
fn is_anothers(lease: &Lease, claimed: Option<&String>) -> bool {
    let holder = lease
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(INSTALLATION));
    holder.is_some() && holder != claimed
}

fn is_old(lease: &Lease, now: Timestamp) -> bool {
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    renewed.is_none_or(|at| Duration::try_from(now.duration_since(at.0)).is_ok_and(|age| age > GONE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_gone_when_another_one_holds_its_lease() {
        for (case, holder, expected) in [
            ("it holds it", json!({INSTALLATION: "n/one"}), false),
            ("its successor does", json!({INSTALLATION: "n/two"}), true),
            ("a version that did not say who it is", json!({}), false),
        ] {
            let lease: Lease =
                serde_json::from_value(json!({"metadata": {"annotations": holder}, "spec": {}})).unwrap();
            assert_eq!(is_anothers(&lease, Some(&"n/one".to_owned())), expected, "{case}");
        }
    }

    #[test]
    fn an_installation_is_gone_when_its_lease_is_old() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        for (case, renewed, expected) in [
            ("never renewed", None, true),
            ("renewed a moment ago", Some("2026-11-26T11:59:58Z"), false),
            ("by a clock that is ahead", Some("2026-11-26T12:03:00Z"), false),
            ("long ago", Some("2026-11-26T11:54:00Z"), true),
        ] {
            let lease =
                json!({"metadata": {}, "spec": {"renewTime": renewed.map(|at| at.replace('Z', ".000000Z"))}});
            let lease: Lease = serde_json::from_value(lease).unwrap();
            assert_eq!(is_old(&lease, now), expected, "{case}");
        }
    }
}
