//! What reconciliations share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::channel::mpsc::UnboundedSender;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client, Resource, ResourceExt as _};
use leadgate_crds::{CrmSink, LeadWebhook, LeadWebhookStatus};

use crate::backoff::Backoff;
use crate::cli::Scope;
use crate::index::Index;
use crate::metrics::Metrics;
use crate::receivers::Receivers;
use crate::rules::Rules;
use crate::secrets::Secrets;
use crate::stats::{Counters, ReceiverStats};
use crate::workloads::{Name, Workloads};

/// What the command line decides of the objects that are made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image of the receivers.
    pub receiver_image: String,
    /// The image of the managed Redis.
    pub redis_image: String,
    /// What is allowed to those who write resources.
    pub rules: Rules,
}

/// What is remembered of a webhook between reconciliations. All of it can be lost.
#[derive(Debug, Default)]
pub struct WebhookState {
    /// When its receivers were asked last.
    pub asked: Option<Instant>,
    /// What they said.
    pub figures: Option<ReceiverStats>,
    /// Why the last attempt to ask them failed.
    pub unreachable: Option<String>,
    /// How many times in a row they said that they do not work yet, or nothing.
    pub failed_polls: u32,
    /// Sums of what processes count.
    pub counters: Option<Counters>,
    /// The status that was written last, with its resource version: the watch may lag behind.
    pub status: Option<(u64, LeadWebhookStatus)>,
    /// Whether it was made sure that no HTTPRoute is left over.
    pub route_checked: bool,
}

/// What reconciliations of one scope share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Which namespaces.
    pub scope: Scope,
    /// What the command line decides.
    pub settings: Settings,
    /// All webhooks.
    pub webhooks: Store<LeadWebhook>,
    /// All sinks.
    pub sinks: Store<CrmSink>,
    /// All objects of the operator.
    pub index: Index,
    /// All Deployments, Redis and pods of the operator.
    pub workloads: Workloads,
    /// All Secrets' names and versions.
    pub secrets: Secrets,
    /// Failures in a row.
    pub backoff: Backoff,
    /// Where figures come from.
    pub receivers: Arc<dyn Receivers>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Writes Events.
    pub recorder: Recorder,
    /// How many watches have not shown everything yet.
    pub unsynced: tokio::sync::watch::Sender<usize>,
    /// Webhooks to look at again.
    pub wake_webhooks: UnboundedSender<ObjectRef<LeadWebhook>>,
    /// Sinks to look at again.
    pub wake_sinks: UnboundedSender<ObjectRef<CrmSink>>,
    /// What is remembered of webhooks.
    pub memory: Mutex<HashMap<Name, WebhookState>>,
    /// One at a time applies a namespace's Redis.
    pub redis_locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Context {
    /// Returns when all watches have shown everything once: before that, what exists looks as if it did not.
    pub async fn synced(&self) {
        let mut unsynced = self.unsynced.subscribe();
        // The sender is ours and lives as long.
        let _ = unsynced.wait_for(|count| *count == 0).await;
    }

    /// Works on what is remembered of a webhook.
    pub fn with_state<T>(&self, webhook: &Name, work: impl FnOnce(&mut WebhookState) -> T) -> T {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        work(memory.entry(webhook.clone()).or_default())
    }

    /// Forgets a webhook.
    pub fn forget(&self, webhook: &Name) {
        self.memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(webhook);
    }

    /// The lock of a namespace's Redis.
    pub fn redis_lock(&self, namespace: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.redis_locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(namespace.to_owned()).or_default())
    }

    /// The webhooks of a namespace that `wanted` picks.
    pub fn webhooks_of(
        &self,
        namespace: &str,
        wanted: impl Fn(&LeadWebhook) -> bool,
    ) -> Vec<Arc<LeadWebhook>> {
        let in_namespace = |webhook: &LeadWebhook| webhook.metadata.namespace.as_deref() == Some(namespace);
        self.webhooks
            .state_filter(|webhook: &LeadWebhook| in_namespace(webhook) && wanted(webhook))
    }

    /// The API of a kind in this scope.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        api(&self.client, &self.scope)
    }
}

/// The API of a kind in a scope.
pub fn api<K>(client: &Client, scope: &Scope) -> Api<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match scope {
        Scope::All => Api::all(client.clone()),
        Scope::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
    }
}

/// An object's namespace and name.
pub fn name_of<K: Resource>(object: &K) -> Name {
    (object.namespace().unwrap_or_default(), object.name_any())
}
