//! Watches: they fill what is known of the cluster and wake the resources that a change concerns.
//!
//! Of most objects only the metadata is asked for, and a few words of it are kept.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DynamicObject, ObjectMeta};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Resource};
use leadgate_crds::{CrmSink, LeadWebhook, SecretReference};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api_error::watch_words;
use crate::context::{Context, name_of};
use crate::edges::{Class, Edge};
use crate::index::Live;
use crate::kinds::Kind;
use crate::lead_webhook::waiting;
use crate::named;
use crate::names;
use crate::workloads::Name;

/// How many watches [`start`] starts.
pub(crate) const COUNT: usize = 12;

/// Starts all watches but those of the two resources themselves.
pub(crate) fn start(context: &Arc<Context>, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
    children::<ConfigMap>(Kind::ConfigMap, context, stop, tasks);
    children::<Secret>(Kind::Secret, context, stop, tasks);
    children::<Service>(Kind::Service, context, stop, tasks);
    children::<ServiceAccount>(Kind::ServiceAccount, context, stop, tasks);
    children::<NetworkPolicy>(Kind::NetworkPolicy, context, stop, tasks);
    children::<PodDisruptionBudget>(Kind::PodDisruptionBudget, context, stop, tasks);
    follow::<HorizontalPodAutoscaler, _>(Autoscalers, ours(), context, stop, tasks);
    follow::<Ingress, _>(Ingresses, ours(), context, stop, tasks);
    follow::<Deployment, _>(Deployments, ours(), context, stop, tasks);
    follow::<StatefulSet, _>(StatefulSets, ours(), context, stop, tasks);
    follow::<Pod, _>(Pods, ours(), context, stop, tasks);
    follow::<PartialObjectMeta<Secret>, _>(AllSecrets, watcher::Config::default(), context, stop, tasks);
    super::routes::start(context, stop, tasks);
}

pub(super) fn ours() -> watcher::Config {
    watcher::Config::default().labels(names::SELECTOR)
}

/// What a watch does with what it shows.
trait Follower<K>: Send + 'static {
    /// An object is there, or has changed.
    fn seen(&self, context: &Context, object: &K);
    /// An object is gone.
    fn gone(&self, context: &Context, object: &K);
    /// The watch started over, and these are all there are.
    fn only(&self, context: &Context, seen: &HashSet<Name>);
}

fn follow<K, F: Follower<K>>(
    follower: F,
    config: watcher::Config,
    context: &Arc<Context>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static,
{
    let api: Api<K> = context.api();
    let (context, stop) = (Arc::clone(context), stop.clone());
    tasks.spawn(async move {
        let events = watch(api, config)
            .default_backoff()
            .take_until(stop.cancelled_owned());
        pin_mut!(events);
        let mut listed = HashSet::new();
        let mut synced = false;
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => {
                    listed.insert(name_of(&object));
                    follower.seen(&context, &object);
                }
                Ok(Event::InitDone) => {
                    follower.only(&context, &listed);
                    listed = HashSet::new();
                    if synced {
                        // What came and went meanwhile, nobody was told.
                        context.wake_all();
                    } else {
                        synced = true;
                        context
                            .unsynced
                            .send_modify(|count| *count = count.saturating_sub(1));
                    }
                }
                Ok(Event::Apply(object)) => follower.seen(&context, &object),
                Ok(Event::Delete(object)) => follower.gone(&context, &object),
                Err(error) => {
                    tracing::warn!(kind = %K::kind(&()), error = watch_words(&error), "watch failed, restarting");
                }
            }
        }
    });
}

/// Objects of which only metadata is of interest.
fn children<K>(kind: Kind, context: &Arc<Context>, stop: &CancellationToken, tasks: &mut JoinSet<()>)
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static,
{
    follow::<PartialObjectMeta<K>, _>(Children(kind), ours(), context, stop, tasks);
}

struct Children(Kind);

impl<K> Follower<PartialObjectMeta<K>> for Children
where
    PartialObjectMeta<K>: Resource<DynamicType = ()>,
{
    fn seen(&self, context: &Context, object: &PartialObjectMeta<K>) {
        child_seen(context, self.0, &object.metadata);
    }

    fn gone(&self, context: &Context, object: &PartialObjectMeta<K>) {
        child_gone(context, self.0, &object.metadata);
    }

    fn only(&self, context: &Context, seen: &HashSet<Name>) {
        context.index.keep_only(self.0, seen);
    }
}

fn key(kind: Kind, meta: &ObjectMeta) -> crate::index::Key {
    (
        kind,
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

/// Its owners are woken if it is not as it was left.
fn child_seen(context: &Context, kind: Kind, meta: &ObjectMeta) {
    live_seen(context, kind, meta, Live::of(kind, meta));
}

fn live_seen(context: &Context, kind: Kind, meta: &ObjectMeta, live: Live) {
    let key = key(kind, meta);
    let known = context.index.get(&key);
    let changed = known.is_none_or(|known| known.stamp != live.stamp && known.version < live.version);
    context.index.seen(key, live);
    if changed {
        wake_owners(context, kind, meta);
    }
}

pub(super) fn child_gone(context: &Context, kind: Kind, meta: &ObjectMeta) {
    context.index.gone(&key(kind, meta));
    wake_owners(context, kind, meta);
}

/// Its owners; the receiver that its labels name, if nobody owns it; every receiver, if it is the managed Redis's.
fn wake_owners(context: &Context, kind: Kind, meta: &ObjectMeta) {
    let namespace = meta.namespace.clone().unwrap_or_default();
    for owner in meta.owner_references.iter().flatten() {
        match owner.kind.as_str() {
            "LeadWebhook" => context.wake_webhook(&namespace, &owner.name),
            "LeadReceiver" => wake_receiver(context, kind, &namespace, &owner.name),
            _ => {}
        }
    }
    if meta.owner_references.iter().flatten().next().is_some() {
        return;
    }
    let label = |name: &str| meta.labels.as_ref()?.get(name).map(String::as_str);
    match (label(names::COMPONENT), label(names::INSTANCE)) {
        (Some("receiver"), Some(name)) => {
            if kind == Kind::Deployment {
                context.refresh_receivers(&namespace);
            }
            wake_receiver(context, kind, &namespace, name);
        }
        (Some("redis" | "encryption" | "ledger"), _) => wake_receivers(context, &namespace),
        // Another installation may work here now, or none.
        (Some("installation"), _) => context.wake_namespace(&namespace),
        _ => {}
    }
}

/// What its pods read may have been changed by somebody else.
fn wake_receiver(context: &Context, kind: Kind, namespace: &str, name: &str) {
    if matches!(kind, Kind::ConfigMap | Kind::Secret) {
        let name = (namespace.to_owned(), name.to_owned());
        context.of_receivers.with(&name, |state| state.dirty = true);
    }
    context.wake_receiver(namespace, name);
}

fn wake_receivers(context: &Context, namespace: &str) {
    for receiver in context.receivers.of(namespace) {
        context.wake_receiver(namespace, &name_of(receiver.as_ref()).1);
    }
}

struct Deployments;

impl Follower<Deployment> for Deployments {
    fn seen(&self, context: &Context, object: &Deployment) {
        let (namespace, name) = name_of(object);
        let before = context.workloads.rollout(&namespace, &name);
        context.workloads.deployment_seen(object);
        let changed = before != context.workloads.rollout(&namespace, &name);
        child_seen(context, Kind::Deployment, &object.metadata);
        if changed {
            wake_owners(context, Kind::Deployment, &object.metadata);
        }
    }

    fn gone(&self, context: &Context, object: &Deployment) {
        context.workloads.deployment_gone(object);
        child_gone(context, Kind::Deployment, &object.metadata);
    }

    fn only(&self, context: &Context, seen: &HashSet<Name>) {
        context.workloads.keep_deployments(seen);
        context.index.keep_only(Kind::Deployment, seen);
    }
}

/// Whether an Ingress leads anywhere.
struct Ingresses;

impl Follower<Ingress> for Ingresses {
    fn seen(&self, context: &Context, object: &Ingress) {
        let edge = Edge::of_ingress(object);
        context.workloads.class_seen(name_of(object), Class::of(object));
        let changed = context.workloads.edge_seen(Kind::Ingress, name_of(object), edge);
        child_seen(context, Kind::Ingress, &object.metadata);
        if changed {
            wake_owners(context, Kind::Ingress, &object.metadata);
        }
    }

    fn gone(&self, context: &Context, object: &Ingress) {
        context.workloads.edge_gone(Kind::Ingress, &name_of(object));
        child_gone(context, Kind::Ingress, &object.metadata);
    }

    fn only(&self, context: &Context, seen: &HashSet<Name>) {
        context.workloads.keep_edges(Kind::Ingress, seen);
        context.index.keep_only(Kind::Ingress, seen);
    }
}

/// The same of an HTTPRoute.
pub(super) fn route_seen(context: &Context, route: &DynamicObject) {
    let edge = Edge::of_route(route);
    let changed = context.workloads.edge_seen(Kind::HttpRoute, name_of(route), edge);
    child_seen(context, Kind::HttpRoute, &route.metadata);
    if changed {
        wake_owners(context, Kind::HttpRoute, &route.metadata);
    }
}

/// Why an autoscaler does not scale.
struct Autoscalers;

impl Follower<HorizontalPodAutoscaler> for Autoscalers {
    fn seen(&self, context: &Context, object: &HorizontalPodAutoscaler) {
        let changed = context.workloads.autoscaler_seen(object);
        let kind = Kind::HorizontalPodAutoscaler;
        let live = Live::of(kind, &object.metadata).with_spec(&serde_json::json!(object.spec));
        live_seen(context, kind, &object.metadata, live);
        if changed {
            wake_owners(context, Kind::HorizontalPodAutoscaler, &object.metadata);
        }
    }

    fn gone(&self, context: &Context, object: &HorizontalPodAutoscaler) {
        context.workloads.autoscaler_gone(&name_of(object));
        child_gone(context, Kind::HorizontalPodAutoscaler, &object.metadata);
    }

    fn only(&self, context: &Context, seen: &HashSet<Name>) {
        context.workloads.keep_autoscalers(seen);
        context.index.keep_only(Kind::HorizontalPodAutoscaler, seen);
    }
}

struct StatefulSets;

impl Follower<StatefulSet> for StatefulSets {
    fn seen(&self, context: &Context, object: &StatefulSet) {
        let (namespace, _) = name_of(object);
        let before = context.workloads.redis(&namespace);
        context.workloads.redis_seen(object);
        let changed = before != context.workloads.redis(&namespace);
        child_seen(context, Kind::StatefulSet, &object.metadata);
        if changed {
            wake_receivers(context, &namespace);
        }
    }

    fn gone(&self, context: &Context, object: &StatefulSet) {
        context.workloads.redis_gone(object);
        child_gone(context, Kind::StatefulSet, &object.metadata);
    }

    fn only(&self, context: &Context, seen: &HashSet<Name>) {
        context.workloads.keep_redis(seen);
        context.index.keep_only(Kind::StatefulSet, seen);
    }
}

struct Pods;

impl Pods {
    fn changed(context: &Context, object: &Pod, gone: bool) {
        let Some((namespace, owner)) = context.workloads.pod(object, gone) else {
            return;
        };
        if owner == names::REDIS {
            wake_receivers(context, &namespace);
        } else {
            context.wake_receiver(&namespace, &owner);
        }
    }
}

impl Follower<Pod> for Pods {
    fn seen(&self, context: &Context, object: &Pod) {
        Self::changed(context, object, false);
    }

    fn gone(&self, context: &Context, object: &Pod) {
        Self::changed(context, object, true);
    }

    fn only(&self, context: &Context, seen: &HashSet<Name>) {
        context.workloads.keep_pods(seen);
    }
}

/// Which Secrets exist, of whomever.
struct AllSecrets;

impl Follower<PartialObjectMeta<Secret>> for AllSecrets {
    fn seen(&self, context: &Context, object: &PartialObjectMeta<Secret>) {
        let (namespace, name) = name_of(object);
        let version = object.metadata.resource_version.clone().unwrap_or_default();
        if context.secrets.seen(&namespace, &name, &version) {
            wake_users(context, &namespace, &name);
        }
    }

    fn gone(&self, context: &Context, object: &PartialObjectMeta<Secret>) {
        let (namespace, name) = name_of(object);
        context.secrets.gone(&namespace, &name);
        wake_users(context, &namespace, &name);
    }

    fn only(&self, context: &Context, seen: &HashSet<Name>) {
        for (namespace, name) in context.secrets.keep_only(seen) {
            wake_users(context, &namespace, &name);
        }
    }
}

/// The sinks, receivers and webhooks that name a Secret, and the webhooks that deliver to such a sink.
fn wake_users(context: &Context, namespace: &str, secret: &str) {
    // Before everything was seen once, nothing was looked at that would have to be looked at again.
    if *context.unsynced.borrow() > 0 {
        return;
    }
    if names::is_own_secret(secret) {
        // One that a person restored may have no labels.
        if names::SHARED_SECRETS.contains(&secret) {
            wake_receivers(context, namespace);
        }
        return;
    }
    let names = |references: Vec<SecretReference>| references.iter().any(|r| r.name == secret);
    let sinks = context.sinks.state_filter(|sink: &CrmSink| {
        sink.metadata.namespace.as_deref() == Some(namespace) && names(sink.spec.secret_refs())
    });
    let mut concerned = HashSet::new();
    for sink in &sinks {
        let (_, name) = name_of(sink.as_ref());
        context.wake_sink(namespace, &name);
        concerned.insert(name);
    }
    let webhooks = context.webhooks_of(namespace, |webhook: &LeadWebhook| {
        names(webhook.spec.secret_refs()) || concerned.iter().any(|sink| waiting::names(webhook, sink))
    });
    for webhook in &webhooks {
        context.wake_webhook(namespace, &name_of(webhook.as_ref()).1);
    }
    if !webhooks.is_empty() || !concerned.is_empty() {
        context.configuration_changed(namespace);
    }
    for receiver in context.receivers.of(namespace) {
        let pulls = named::pull_secrets(receiver.as_ref());
        if names(receiver.spec.secret_refs()) || pulls.iter().any(|(_, name)| name == secret) {
            context.wake_receiver(namespace, &name_of(receiver.as_ref()).1);
        }
    }
}
