//! The watches of the resources themselves: what a change of one wakes.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{Predicate as _, WatchStreamExt as _, predicates, watcher as watch};
use kube::{Resource, ResourceExt as _};
use leadgate_crds::lenient::{Definition, Lenient};
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};

use crate::api_error::watch_words;
use crate::context::{Context, name_of};
use crate::kinds::Kind;
use crate::lead_webhook::waiting::feeds;
use crate::names;
use crate::reasons::Reason;

/// How many objects are read at once at the start: a page of large ones, with all that is not kept of them, takes megabytes.
const PAGE: u32 = 50;

/// A resource's objects: into the store without what nobody reads, and on to the controller when a person changed
/// something. The operator's own writes to the status wake nobody.
pub(crate) fn resources<K>(
    context: &Arc<Context>,
    writer: Writer<K>,
    mut changed: impl FnMut(&Event<K>) + Send + 'static,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Definition<Scope = kube::core::NamespaceResourceScope> + Clone + Debug + Send + Sync + 'static,
{
    let synced = Arc::clone(context);
    let mut done = false;
    let what = predicates::generation
        .combine(predicates::annotations)
        .combine(predicates::finalizers);
    watch(
        context.api::<Lenient<K>>(),
        watcher::Config::default().page_size(PAGE),
    )
    .default_backoff()
    .map_ok(|event| match event {
        Event::Apply(found) => Event::Apply(marked(found)),
        Event::Delete(found) => Event::Delete(marked(found)),
        Event::InitApply(found) => Event::InitApply(marked(found)),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    })
    .modify(|object| {
        object.meta_mut().managed_fields = None;
        if let Some(annotations) = &mut object.meta_mut().annotations {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    })
    .reflect(writer)
    .inspect(move |event| match event {
        Ok(event) => {
            changed(event);
            if matches!(event, Event::InitDone) {
                if std::mem::replace(&mut done, true) {
                    // What came and went meanwhile, nobody was told.
                    synced.forget_gone();
                    synced.wake_all();
                } else {
                    synced
                        .unsynced
                        .send_modify(|count| *count = count.saturating_sub(1));
                }
            }
        }
        Err(error) => {
            tracing::warn!(kind = %K::kind(&()), error = watch_words(error), "watch failed, restarting");
        }
    })
    .applied_objects()
    .predicate_filter(what, kube::runtime::PredicateConfig::default())
}

/// The object, with what could not be read of it in an annotation that only this process knows: [`names::UNREAD`].
fn marked<K: Resource>(found: Lenient<K>) -> K {
    let Lenient { mut object, unread } = found;
    let annotations = object.annotations_mut();
    annotations.remove(names::UNREAD);
    if !unread.is_empty() {
        annotations.insert(names::UNREAD.to_owned(), unread.join("\n"));
    }
    object
}

/// A webhook concerns the receivers, the sinks that it names, and webhooks with the same path.
pub(crate) fn webhook_changed(context: &Context, event: &Event<LeadWebhook>) {
    let (webhook, gone) = match event {
        Event::Apply(webhook) | Event::InitApply(webhook) => (webhook, false),
        Event::Delete(webhook) => (webhook, true),
        Event::Init => return,
        Event::InitDone => {
            refresh_all(context);
            wake_clashing(context);
            return;
        }
    };
    let (namespace, name) = name_of(webhook);
    // A status that was written says what the generation was: nothing else has changed.
    let observed = webhook.status.as_ref().map(|status| status.observed_generation);
    if !gone && observed == webhook.metadata.generation && webhook.metadata.deletion_timestamp.is_none() {
        return;
    }
    if matches!(event, Event::InitApply(_)) {
        return;
    }
    if gone {
        context.of_webhooks.forget(&(namespace.clone(), name.clone()));
        context.forget_sinks(|other| other == namespace);
        context.configuration_changed(&namespace);
    }
    context.refresh_receivers(&namespace);
    let sinks = webhook.spec.sinks.iter().map(|route| &route.name);
    let status = webhook.status.iter().flat_map(|status| &status.sinks);
    for sink in sinks.chain(status.map(|route| &route.name)) {
        context.wake_sink(&namespace, sink);
    }
    let path = names::path(webhook);
    context.peers.wake(|other| {
        // It may wait for the path that this one has just left.
        let mut said = other.status.iter().flat_map(|status| &status.conditions);
        let waits = said.any(|said| said.reason == Reason::PathTaken.as_str());
        (waits || names::path(other) == path) && name_of(other) != (namespace.clone(), name.clone())
    });
}

/// Webhooks of other scopes with the path of one that was not known to them yet.
fn wake_clashing(context: &Context) {
    if context.peers.are_none() {
        return;
    }
    let paths: HashSet<String> = context
        .webhooks
        .state()
        .iter()
        .map(|webhook| names::path(webhook))
        .collect();
    context.peers.wake(|other| paths.contains(&names::path(other)));
}

/// A sink concerns the webhooks that name it or whose leads wait for it, and with them their receivers.
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
    if gone {
        context.forget_sinks(|other| other == namespace);
        context.configuration_changed(&namespace);
    }
    let users = context.webhooks_of(&namespace, |webhook| feeds(webhook, &name, context));
    for user in users {
        context.wake_webhook(&namespace, &name_of(user.as_ref()).1);
    }
}

/// A receiver concerns the others of its namespace, with which it shares a queue, and its webhooks.
pub(crate) fn receiver_changed(context: &Context, event: &Event<LeadReceiver>) {
    match event {
        Event::Apply(receiver) | Event::Delete(receiver) => {
            context.refresh_receivers(&name_of(receiver).0);
        }
        Event::InitDone => refresh_all(context),
        Event::Init | Event::InitApply(_) => {}
    }
}

/// The receivers of every namespace that has a webhook or a receiver.
fn refresh_all(context: &Context) {
    let webhooks = context.webhooks.state();
    let receivers = context.receivers.existing();
    let namespaces: HashSet<String> = webhooks
        .iter()
        .map(|webhook| name_of(webhook.as_ref()).0)
        .chain(receivers.iter().map(|receiver| name_of(receiver.as_ref()).0))
        .chain(context.index.namespaces(Kind::Deployment))
        .collect();
    for namespace in namespaces {
        context.refresh_receivers(&namespace);
    }
}
