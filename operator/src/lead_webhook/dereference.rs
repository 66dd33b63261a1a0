//! Reads what a webhook refers to. The only step that reads, besides asking receivers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::runtime::reflector::ObjectRef;
use leadgate_crds::{CrmSink, LeadWebhook};

use super::endpoints::{self, Endpoint};
use super::waiting::{self, Waiting};
use crate::apply::dynamic;
use crate::context::{Context, name_of};
use crate::kinds::Kind;
use crate::secrets::{self, Found};
use crate::workloads::RedisState;

/// What the cluster says about everything that a webhook refers to.
#[derive(Clone, Debug, Default)]
pub struct Dereferenced {
    /// The sinks that it names, and those for which its leads wait; `None`: there is no such sink.
    pub sinks: BTreeMap<String, Option<Arc<CrmSink>>>,
    /// The sinks that it no longer names and for which its leads wait.
    pub waiting: Waiting,
    /// The Secrets that it and its sinks name.
    pub secrets: Found,
    /// The sites of other webhooks with the same path.
    pub neighbours: Vec<Endpoint>,
    /// All webhooks of the namespace that use the managed Redis.
    pub redis_users: Vec<Arc<LeadWebhook>>,
    /// The managed Redis, if there is one.
    pub redis: Option<RedisState>,
    /// Whether the cluster has HTTPRoutes; looked up only when the webhook wants one.
    pub gateway_api: bool,
}

/// Reads.
pub async fn dereference(webhook: &LeadWebhook, context: &Context) -> kube::Result<Dereferenced> {
    let (namespace, _) = name_of(webhook);
    let waiting = waiting::waiting(webhook, context);
    let sinks: BTreeMap<String, Option<Arc<CrmSink>>> = webhook
        .spec
        .sinks
        .iter()
        .map(|route| &route.name)
        .chain(waiting.keys())
        .map(|name| {
            let found = context.sinks.get(&ObjectRef::new(name).within(&namespace));
            (name.clone(), found)
        })
        .collect();
    let names: BTreeSet<String> = secrets::of_webhook(&webhook.spec)
        .into_iter()
        .chain(secrets::infrastructure_secrets(&webhook.spec))
        .chain(
            sinks
                .values()
                .flatten()
                .flat_map(|sink| secrets::of_sink(&sink.spec)),
        )
        .map(|reference| reference.name)
        .collect();
    let secrets = context.secrets.find(&context.client, &namespace, names).await?;
    let path = crate::names::path(webhook);
    let neighbours = context
        .webhooks
        .state_filter(|other: &LeadWebhook| crate::names::path(other) == path)
        .iter()
        .map(|other| endpoints::site(other))
        .collect();
    Ok(Dereferenced {
        sinks,
        waiting,
        secrets,
        neighbours,
        redis_users: context.webhooks_of(&namespace, |other| other.spec.queue.is_managed()),
        redis: context.workloads.redis(&namespace),
        gateway_api: match &webhook.spec.receiver.gateway {
            Some(_) => has_http_routes(context, &namespace).await?,
            None => false,
        },
    })
}

/// Whether the API server knows HTTPRoutes: a list of an unknown kind is not found.
pub async fn has_http_routes(context: &Context, namespace: &str) -> kube::Result<bool> {
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
