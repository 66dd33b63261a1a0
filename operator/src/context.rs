//! What reconciliations share.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::channel::mpsc::UnboundedSender;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Namespace;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client, Resource, ResourceExt as _};
use leadgate_crds::common::Condition;
use leadgate_crds::lead_receiver::DEFAULT_RECEIVER;
use leadgate_crds::{CrmSink, LeadReceiver, LeadReceiverStatus, LeadWebhook, LeadWebhookStatus};

use crate::backoff::Backoff;
use crate::cli::Scope;
use crate::drift::Drifts;
use crate::implied::AllReceivers;
use crate::index::Index;
use crate::lead_receiver::Upgrades;
use crate::lead_receiver::dereference::serves;
use crate::lead_receiver::projection::Projected;
use crate::lead_webhook::waiting::feeds;
use crate::metrics::Metrics;
use crate::named::NamedObjects;
use crate::receivers::Receivers;
use crate::rules::Rules;
use crate::secrets::Secrets;
use crate::stats::{Counters, ReceiverStats, WebhookStats};
use crate::stores::Stores;
use crate::workloads::{Name, Workloads};

/// What the command line decides of the objects that are made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image of the receivers.
    pub receiver_image: String,
    /// The image of the managed Redis.
    pub redis_image: String,
    /// Whether the cluster chooses the users of pods.
    pub openshift: bool,
    /// Secrets with which all pods pull their images.
    pub image_pull_secrets: Vec<String>,
    /// This installation's name, which all its objects carry.
    pub installation: String,
    /// The namespace of its Lease; empty: it has none.
    pub lease_namespace: String,
    /// What is allowed to those who write resources.
    pub rules: Rules,
    /// Where receivers export traces to; `None`: they make none.
    pub tracing: Option<Tracing>,
}

/// How receivers export traces.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracing {
    /// The base URL of an OTLP/HTTP collector.
    pub endpoint: String,
    /// The share of requests that are traced.
    pub sampling_ratio: f64,
    /// A Secret in the receivers' namespace with headers for the collector; empty: none.
    pub headers_secret: String,
}

/// What is remembered of a webhook between reconciliations. All of it can be lost.
#[derive(Debug, Default)]
pub struct WebhookState {
    /// Which form of it was validated last, and whether that one is valid: until then, what receivers have of it stays.
    pub validated: Option<(Form, bool)>,
    /// The last valid form of one that is not valid, once it was looked for where an operator wrote it; most have none.
    pub earlier: Option<Option<Arc<LeadWebhook>>>,
    /// What its receivers say of it, by their names.
    pub figures: BTreeMap<String, WebhookStats>,
    /// Sums of what processes count.
    pub counters: Option<Counters>,
    /// Which receiver senders reached before, and since when they reach another one.
    pub moved: Option<(String, Instant)>,
    /// The status that was written last, with its resource version: the watch may lag behind.
    pub status: Option<(u64, LeadWebhookStatus)>,
}

/// Which form of an object: its uid, its generation, and whether it is being deleted.
pub type Form = (Option<String>, Option<i64>, bool);

/// The form of an object.
pub fn form<K: Resource>(object: &K) -> Form {
    let meta = object.meta();
    (
        meta.uid.clone(),
        meta.generation,
        meta.deletion_timestamp.is_some(),
    )
}

/// What is remembered of a sink.
#[derive(Debug, Default)]
pub struct SinkState {
    /// Whether it was validated.
    pub validated: bool,
    /// The newest form that receivers may run.
    pub accepted: Option<Arc<CrmSink>>,
}

/// What is remembered of a receiver.
#[derive(Debug, Default)]
pub struct ReceiverState {
    /// Whether the configuration of its pods may be out of step with the resources.
    pub dirty: bool,
    /// Whether its pods were made to refuse new leads, because their queue is being left.
    pub refuses: bool,
    /// Whether edges speak TLS to its pods.
    pub tls: bool,
    /// The URLs of the queues that its pods were given.
    pub queue: BTreeMap<String, ByteString>,
    /// The size that the volumes of the managed Redis are known to have, and how many they are, if they have grown.
    pub volumes: Option<(String, i32)>,
    /// What was written of its configuration; `None`: nothing yet.
    pub projected: Option<Projected>,
    /// When its pods were asked last, and which were ready then.
    pub asked: Option<(Instant, BTreeSet<String>)>,
    /// What they said.
    pub figures: Option<ReceiverStats>,
    /// When they said it.
    pub heard: Option<Instant>,
    /// Why the last attempt to ask them failed.
    pub unreachable: Option<String>,
    /// How many times in a row they said that they do not work or do not run the newest configuration yet, or nothing.
    pub failed_polls: u32,
    /// What its status says, also where no LeadReceiver exists that could show it.
    pub conditions: Vec<Condition>,
    /// The status that was written last, with its resource version.
    pub status: Option<(u64, LeadReceiverStatus)>,
}

/// What is remembered, by namespace and name.
pub struct Memory<T>(Mutex<HashMap<Name, T>>);

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default> Memory<T> {
    /// Works on what is remembered of an object.
    pub fn with<R>(&self, name: &Name, work: impl FnOnce(&mut T) -> R) -> R {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(all.entry(name.clone()).or_default())
    }

    /// Forgets the others.
    pub fn keep(&self, stays: impl Fn(&Name, &mut T) -> bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, state| stays(name, state));
    }

    /// Forgets an object.
    pub fn forget(&self, name: &Name) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(name);
    }
}

/// The namespaces that another installation works in, so that each is told of once.
#[derive(Debug, Default)]
pub struct Contested(Mutex<HashMap<String, String>>);

impl Contested {
    /// Remembers who else works in a namespace. Says whether that is news.
    pub fn note(&self, namespace: &str, by: Option<&str>) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match by {
            Some(by) => all.insert(namespace.to_owned(), by.to_owned()).as_deref() != Some(by),
            None => all.remove(namespace).is_some(),
        }
    }
}

/// The webhooks of one scope, and how to wake them.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The webhooks.
    pub webhooks: Store<LeadWebhook>,
    /// Wakes one.
    pub wake: UnboundedSender<ObjectRef<LeadWebhook>>,
}

/// The scopes of this operator: with `--watch-namespaces`, one for each namespace.
#[derive(Clone, Debug, Default)]
pub struct Peers(pub Arc<Vec<Peer>>);

impl Peers {
    /// The webhooks of all scopes that `wanted` picks.
    pub fn webhooks(&self, wanted: impl Fn(&LeadWebhook) -> bool) -> Vec<Arc<LeadWebhook>> {
        let all = self.0.iter();
        all.flat_map(|peer| peer.webhooks.state_filter(&wanted)).collect()
    }

    /// Looks at them again.
    pub fn wake(&self, wanted: impl Fn(&LeadWebhook) -> bool) {
        for peer in self.0.iter() {
            for webhook in peer.webhooks.state_filter(&wanted) {
                let (namespace, name) = name_of(webhook.as_ref());
                // The receivers of the channels live as long as the controllers.
                let _ = peer.wake.unbounded_send(ObjectRef::new(&name).within(&namespace));
            }
        }
    }

    /// Whether there is one scope only.
    pub fn are_none(&self) -> bool {
        self.0.len() < 2
    }
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
    /// The webhooks of all scopes: hosts are shared.
    pub peers: Peers,
    /// All sinks.
    pub sinks: Store<CrmSink>,
    /// All receivers, the implied ones included.
    pub receivers: AllReceivers,
    /// All objects of the operator.
    pub index: Index,
    /// All Deployments, Redis and pods of the operator.
    pub workloads: Workloads,
    /// All Secrets' names and versions.
    pub secrets: Secrets,
    /// Objects that resources name and nobody watches.
    pub(crate) named: NamedObjects,
    /// Objects that somebody else changes.
    pub(crate) drifts: Drifts,
    /// Failures in a row.
    pub backoff: Backoff,
    /// Where figures come from.
    pub ask: Arc<dyn Receivers>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Writes Events.
    pub recorder: Recorder,
    /// Whether a webhook has asked for an HTTPRoute: only then is there something to watch.
    pub routes_wanted: tokio::sync::watch::Sender<bool>,
    /// How many watches have not shown everything yet.
    pub unsynced: tokio::sync::watch::Sender<usize>,
    /// Webhooks to look at again.
    pub wake_webhooks: UnboundedSender<ObjectRef<LeadWebhook>>,
    /// Sinks to look at again.
    pub wake_sinks: UnboundedSender<ObjectRef<CrmSink>>,
    /// Receivers to look at again.
    pub wake_receivers: UnboundedSender<ObjectRef<LeadReceiver>>,
    /// What is remembered of webhooks.
    pub of_webhooks: Memory<WebhookState>,
    /// What is remembered of sinks.
    pub of_sinks: Memory<SinkState>,
    /// What is remembered of receivers.
    pub of_receivers: Memory<ReceiverState>,
    /// The namespaces that are being upgraded, of all scopes.
    pub upgrades: Arc<Upgrades>,
    /// The namespaces that another installation works in.
    pub contested: Contested,
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

    /// Forgets what is gone.
    pub fn forget_gone(&self) {
        self.of_webhooks.keep(|(namespace, name), _| {
            let key = ObjectRef::new(name).within(namespace);
            self.webhooks.get(&key).is_some()
        });
        self.forget_sinks(|_| true);
    }

    /// Forgets the sinks of some namespaces that are gone. The form of one that a webhook feeds stays, because receivers go on
    /// delivering to it; another one of its name has to be validated.
    pub fn forget_sinks(&self, concerns: impl Fn(&str) -> bool) {
        self.of_sinks.keep(|(namespace, name), state| {
            if !concerns(namespace) || self.sink(namespace, name).is_some() {
                return true;
            }
            state.validated = false;
            let users = self.webhooks_of(namespace, |webhook| feeds(webhook, name, self));
            state.accepted.is_some() && !users.is_empty()
        });
    }

    /// Looks at everything again: a watch was interrupted, and what happened meanwhile was told to nobody.
    pub fn wake_all(&self) {
        self.wake_in(|_| true);
    }

    /// Looks at everything of a namespace again.
    pub fn wake_namespace(&self, namespace: &str) {
        self.wake_in(|other| other == namespace);
    }

    fn wake_in(&self, concerns: impl Fn(&str) -> bool) {
        for webhook in self.webhooks.state() {
            let (namespace, name) = name_of(webhook.as_ref());
            if concerns(&namespace) {
                self.wake_webhook(&namespace, &name);
            }
        }
        for sink in self.sinks.state() {
            let (namespace, name) = name_of(sink.as_ref());
            if concerns(&namespace) {
                self.wake_sink(&namespace, &name);
            }
        }
        for receiver in self.receivers.every() {
            let name = name_of(receiver.as_ref());
            if concerns(&name.0) {
                self.of_receivers.with(&name, |state| state.dirty = true);
                self.wake_receiver(&name.0, &name.1);
            }
        }
    }

    /// Looks at a webhook again.
    pub fn wake_webhook(&self, namespace: &str, name: &str) {
        // The receivers of the channels live as long as the controllers.
        let _ = self
            .wake_webhooks
            .unbounded_send(ObjectRef::new(name).within(namespace));
    }

    /// Looks at a sink again.
    pub fn wake_sink(&self, namespace: &str, name: &str) {
        let _ = self
            .wake_sinks
            .unbounded_send(ObjectRef::new(name).within(namespace));
    }

    /// Looks at a receiver again.
    pub fn wake_receiver(&self, namespace: &str, name: &str) {
        let _ = self
            .wake_receivers
            .unbounded_send(ObjectRef::new(name).within(namespace));
    }

    /// Brings the receivers of a namespace in step with what exists and what webhooks need.
    pub fn refresh_receivers(&self, namespace: &str) {
        let webhooks = self.webhooks_of(namespace, |_| true);
        let stores = Stores::of(&self.receivers.of(namespace));
        // One that answers for it, or whose queue, which the webhook's receiver does not deliver, holds leads of it.
        let needed = webhooks.iter().any(|webhook| {
            serves(DEFAULT_RECEIVER, webhook, self)
                || stores.key(&webhook.spec.receiver_ref.name) != stores.key(DEFAULT_RECEIVER)
                    && self.of_webhooks.with(&name_of(webhook.as_ref()), |state| {
                        let figures = state.figures.get(DEFAULT_RECEIVER);
                        figures.is_some_and(|figures| figures.kept() > 0)
                    })
        });
        if self.receivers.refresh(namespace, needed, &self.index).is_empty() {
            return;
        }
        // They share queues, and each has the limits of all.
        self.configuration_changed(namespace);
        for webhook in webhooks {
            self.wake_webhook(namespace, &webhook.name_any());
        }
    }

    /// Whether a namespace is being deleted. What cannot be found out is not.
    pub async fn is_terminating(&self, namespace: &str) -> bool {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let found = api.get_metadata_opt(namespace).await;
        found.is_ok_and(|found| found.is_none_or(|found| found.metadata.deletion_timestamp.is_some()))
    }

    /// A sink.
    pub fn sink(&self, namespace: &str, name: &str) -> Option<Arc<CrmSink>> {
        self.sinks.get(&ObjectRef::new(name).within(namespace))
    }

    /// What receivers of a namespace are to run has changed.
    pub fn configuration_changed(&self, namespace: &str) {
        for receiver in self.receivers.of(namespace) {
            let name = name_of(receiver.as_ref());
            self.of_receivers.with(&name, |state| state.dirty = true);
            self.wake_receiver(&name.0, &name.1);
        }
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
