//! Reads what a webhook refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt as _;
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};

use super::endpoints::{self, Endpoint};
use super::programmed;
use super::route::Backend;
use super::waiting::{self, Waiting};
use crate::apply::dynamic;
use crate::context::{Context, name_of};
use crate::kinds::Kind;
use crate::named::{self, Presences};
use crate::secrets::Found;

/// What the cluster says about everything that a webhook refers to.
#[derive(Clone, Debug, Default)]
pub struct Dereferenced {
    /// The receiver that it names; `None`: there is none of that name.
    pub receiver: Option<Arc<LeadReceiver>>,
    /// The receiver that senders are to reach now, if there is one.
    pub backend: Option<Backend>,
    /// The sinks that it names, and those for which its leads wait; `None`: there is no such sink.
    pub sinks: BTreeMap<String, Option<Arc<CrmSink>>>,
    /// The sinks that it no longer names and for which its leads wait.
    pub waiting: Waiting,
    /// Those of them that were deleted, and to which receivers go on delivering as they were.
    pub kept: BTreeSet<String>,
    /// The Secrets that it and its sinks name.
    pub secrets: Found,
    /// The sites of other webhooks with the same path.
    pub neighbours: Vec<Endpoint>,
    /// The classes and Gateways that it names.
    pub named: Presences,
    /// Whether its receiver had no room for it.
    pub too_large: bool,
    /// Whether the cluster has HTTPRoutes; looked up only when the webhook wants one.
    pub gateway_api: bool,
}

/// Reads.
pub async fn dereference(webhook: &LeadWebhook, context: &Context) -> kube::Result<Dereferenced> {
    let (namespace, name) = name_of(webhook);
    let waiting = waiting::waiting(webhook, context);
    let sinks: BTreeMap<String, Option<Arc<CrmSink>>> = webhook
        .spec
        .sinks
        .iter()
        .map(|route| &route.name)
        .chain(waiting.keys())
        .map(|name| (name.clone(), context.sink(&namespace, name)))
        .collect();
    let kept = sinks.iter().filter(|(name, sink)| {
        let name = (namespace.clone(), (*name).clone());
        sink.is_none() && context.of_sinks.with(&name, |state| state.accepted.is_some())
    });
    let kept = kept.map(|(name, _)| name.clone()).collect();
    let names: BTreeSet<String> = webhook
        .spec
        .secret_refs()
        .into_iter()
        .chain(sinks.values().flatten().flat_map(|sink| sink.spec.secret_refs()))
        .map(|reference| reference.name)
        .collect();
    let path = crate::names::path(webhook);
    let neighbours = context
        .peers
        .webhooks(|other: &LeadWebhook| crate::names::path(other) == path)
        .iter()
        .map(|other| endpoints::site(other))
        .collect();
    let wanted = webhook.spec.receiver_ref.name.clone();
    let this = format!("LeadWebhook {name}");
    let too_large = context
        .of_receivers
        .with(&(namespace.clone(), wanted.clone()), |state| {
            let projected = state.projected.as_ref();
            projected.is_some_and(|projected| projected.too_large.contains(&this))
        });
    Ok(Dereferenced {
        receiver: context.receivers.get(&namespace, &wanted),
        backend: backend(webhook, context),
        secrets: context.secrets.find(&context.client, &namespace, names).await?,
        named: context
            .named
            .find(&context.client, &named::of_webhook(webhook))
            .await,
        sinks,
        kept,
        waiting,
        neighbours,
        too_large,
        gateway_api: match &webhook.spec.gateway {
            Some(_) => {
                // Watched from now on, also where the cluster does not know them yet.
                context.routes_wanted.send_replace(true);
                has_http_routes(context, &namespace).await?
            }
            None => false,
        },
    })
}

/// The receiver that senders are to reach now.
pub fn backend(webhook: &LeadWebhook, context: &Context) -> Option<Backend> {
    let id = name_of(webhook);
    let wanted = &webhook.spec.receiver_ref.name;
    let current = webhook.status.as_ref().and_then(|status| status.receiver.clone());
    let exists = |name: &str| context.receivers.get(&id.0, name);
    let current_exists = current.as_deref().is_some_and(|name| exists(name).is_some());
    let serving = context.of_webhooks.with(&id, |state| {
        programmed::serving(webhook, state.figures.get(wanted), current_exists)
    });
    let receiver = exists(&serving)?;
    Some(Backend {
        tls: context
            .workloads
            .speaks_tls(&id.0, &serving, receiver.spec.tls.is_some()),
        receiver: receiver.name_any(),
    })
}

/// Whether the API server knows HTTPRoutes: a list of an unknown kind is not found.
async fn has_http_routes(context: &Context, namespace: &str) -> kube::Result<bool> {
    let api = dynamic(&context.client, namespace, Kind::HttpRoute);
    match api
        .list_metadata(&kube::api::ListParams::default().limit(1))
        .await
    {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}
