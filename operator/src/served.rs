//! What the API server serves: the definitions, the namespaces that may be read, and whether it is OpenShift.

use std::time::Duration;

use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Client};
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};
use tokio_util::sync::CancellationToken;

use crate::api_error::words;
use crate::cli::Scope;
use crate::context::api;
use crate::health::Waiting;

/// Between two looks.
const RETRY_DELAY: Duration = Duration::from_secs(3);

/// Waits until the API server knows the resources, and one scope at least can be read. `false` when `stop` came first.
pub(crate) async fn crds_served(
    client: &Client,
    waiting: &Waiting,
    scopes: &[Scope],
    stop: &CancellationToken,
) -> bool {
    loop {
        let mut waits = None;
        for scope in scopes {
            match missing(client, scope).await {
                None => {
                    waiting.set(None);
                    return true;
                }
                Some(what) => waits = waits.or(Some(what)),
            }
        }
        if waiting.get() != waits {
            tracing::warn!("{}", waits.as_deref().unwrap_or_default());
        }
        waiting.set(waits);
        tokio::select! {
            () = tokio::time::sleep(RETRY_DELAY) => {}
            () = stop.cancelled() => return false,
        }
    }
}

/// Waits until a scope can be read. `false` when `stop` came first.
pub(crate) async fn served(client: &Client, scope: &Scope, stop: &CancellationToken) -> bool {
    let mut said = None;
    while let Some(what) = missing(client, scope).await {
        if said.as_ref() != Some(&what) {
            tracing::warn!("{what}");
        }
        said = Some(what);
        tokio::select! {
            () = tokio::time::sleep(RETRY_DELAY) => {}
            () = stop.cancelled() => return false,
        }
    }
    true
}

/// What the operator cannot work without in a scope, in words.
async fn missing(client: &Client, scope: &Scope) -> Option<String> {
    let one = ListParams::default().limit(1);
    let webhooks: Api<PartialObjectMeta<LeadWebhook>> = api(client, scope);
    let receivers: Api<PartialObjectMeta<LeadReceiver>> = api(client, scope);
    let sinks: Api<PartialObjectMeta<CrmSink>> = api(client, scope);
    let found = [
        ("leadwebhooks.leadgate.dev", webhooks.list(&one).await.map(|_| ())),
        (
            "leadreceivers.leadgate.dev",
            receivers.list(&one).await.map(|_| ()),
        ),
        ("crmsinks.leadgate.dev", sinks.list(&one).await.map(|_| ())),
    ];
    for (crd, found) in found {
        match found {
            Ok(()) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {
                return Some(format!(
                    "waiting for the CustomResourceDefinition {crd}: install Leadgate's CRDs"
                ));
            }
            Err(error) => {
                let place = match scope {
                    Scope::All => String::new(),
                    Scope::Namespace(namespace) => format!(" in namespace {namespace}"),
                };
                return Some(format!("{crd} cannot be listed{place}: {}", words(&error)));
            }
        }
    }
    None
}

/// OpenShift's security context constraints choose the users of pods. Whoever may log in may ask which API groups there are.
pub(crate) async fn is_openshift(client: &Client) -> bool {
    match client.list_api_groups().await {
        Ok(groups) => groups
            .groups
            .iter()
            .any(|group| group.name == "security.openshift.io"),
        Err(error) => {
            tracing::warn!(
                error = words(&error),
                "failed to list the API groups; assuming that this is not OpenShift"
            );
            false
        }
    }
}
