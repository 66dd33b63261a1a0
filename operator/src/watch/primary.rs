//! The watches of the two resources themselves: what a change of one wakes.

use std::fmt::Debug;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use kube::Resource;
use kube::runtime::reflector::{ObjectRef, store::Writer};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{Predicate as _, WatchStreamExt as _, predicates, watcher as watch};
use leadgate_crds::{CrmSink, LeadWebhook};
use serde::de::DeserializeOwned;

use crate::context::{Context, name_of};
use crate::lead_webhook::waiting::feeds;
use crate::names;

/// A resource's objects: into the store without what nobody reads, and on to the controller when a person changed
/// something. The operator's own writes to the status wake nobody.
pub(crate) fn resources<K>(
    context: &Arc<Context>,
    writer: Writer<K>,
    mut changed: impl FnMut(&Event<K>) + Send + 'static,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static,
{
    let synced = Arc::clone(context);
    let mut done = false;
    let what = predicates::generation
        .combine(predicates::annotations)
        .combine(predicates::finalizers);
    watch(context.api::<K>(), watcher::Config::default())
        .default_backoff()
        .modify(|object| {
            object.meta_mut().managed_fields = None;
            if let Some(annotations) = &mut object.meta_mut().annotations {
                annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            }
        })
        .reflect(writer)
        .inspect(move |event| match event {
            Ok(event) => {
                if matches!(event, Event::InitDone) && !done {
                    done = true;
                    synced
                        .unsynced
                        .send_modify(|count| *count = count.saturating_sub(1));
                }
                changed(event);
            }
            Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "watch failed, restarting"),
        })
        .applied_objects()
        .predicate_filter(what, kube::runtime::PredicateConfig::default())
}

/// A webhook concerns the sinks that it names, and webhooks with the same path.
pub(crate) fn webhook_changed(context: &Context, event: &Event<LeadWebhook>) {
    let (webhook, gone) = match event {
        Event::Apply(webhook) | Event::InitApply(webhook) => (webhook, false),
        Event::Delete(webhook) => (webhook, true),
        Event::Init | Event::InitDone => return,
    };
    let (namespace, name) = name_of(webhook);
    // A status that was written says what the generation was: nothing else has changed.
    let observed = webhook.status.as_ref().map(|status| status.observed_generation);
    if !gone && observed == webhook.metadata.generation {
        return;
    }
    for sink in context
        .sinks
        .state_filter(|sink: &CrmSink| sink.metadata.namespace.as_deref() == Some(namespace.as_str()))
    {
        let (_, sink) = name_of(sink.as_ref());
        // The receivers of both channels live as long as the controllers.
        let _ = context
            .wake_sinks
            .unbounded_send(ObjectRef::new(&sink).within(&namespace));
    }
    let path = names::path(webhook);
    let same_path = context.webhooks.state_filter(|other: &LeadWebhook| {
        names::path(other) == path && name_of(other) != (namespace.clone(), name.clone())
    });
    for other in same_path {
        let _ = context
            .wake_webhooks
            .unbounded_send(ObjectRef::from_obj(other.as_ref()));
    }
    if gone {
        context.forget(&(namespace, name));
    }
}

/// A sink concerns the webhooks that name it or whose leads wait for it.
pub(crate) fn sink_changed(context: &Context, event: &Event<CrmSink>) {
    let (Event::Apply(sink) | Event::Delete(sink)) = event else {
        return;
    };
    let gone = matches!(event, Event::Delete(_));
    let observed = sink.status.as_ref().map(|status| status.observed_generation);
    if !gone && observed == sink.metadata.generation {
        return;
    }
    let (namespace, name) = name_of(sink);
    let users = context.webhooks_of(&namespace, |webhook| feeds(webhook, &name, context));
    for user in users {
        let _ = context
            .wake_webhooks
            .unbounded_send(ObjectRef::from_obj(user.as_ref()));
    }
}
