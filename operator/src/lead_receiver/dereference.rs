//! Reads what a receiver depends on: the other receivers, webhooks and sinks of its namespace, and Secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};

use super::projection::{Forms, SinkForm, WebhookForm, secrets_of};
use crate::context::{Context, name_of};
use crate::secrets::Found;
use crate::stats::{ReceiverStats, WebhookStats};
use crate::stores::{Feed, StoreKey, Stores};
use crate::workloads::{RedisState, Rollout};

/// How long a receiver goes on answering for a webhook that senders reach elsewhere by now: edges need a moment.
pub const HAND_OVER: Duration = Duration::from_mins(1);

/// What the cluster says about everything that a receiver depends on.
#[derive(Clone, Debug, Default)]
pub struct Dereferenced {
    /// All receivers of the namespace.
    pub receivers: Vec<Arc<LeadReceiver>>,
    /// Their queues.
    pub stores: Stores,
    /// The webhooks that it serves: those that name it, and those that senders still reach through it.
    pub webhooks: Vec<Arc<LeadWebhook>>,
    /// The Secrets that it names itself.
    pub secrets: Found,
    /// The managed Redis, if there is one.
    pub redis: Option<RedisState>,
    /// Its Deployment, if there is one.
    pub rollout: Option<Rollout>,
    /// What its pods said last.
    pub figures: Option<ReceiverStats>,
    /// The sinks that several queues feed, each with the queue that is delivered now, and those that feed it.
    pub contested: BTreeMap<String, (StoreKey, BTreeMap<StoreKey, Feed>)>,
}

/// Reads.
pub async fn dereference(receiver: &LeadReceiver, context: &Context) -> kube::Result<Dereferenced> {
    let (namespace, name) = name_of(receiver);
    let receivers = context.receivers.of(&namespace);
    let stores = Stores::of(&receivers);
    let names: BTreeSet<String> = receiver
        .spec
        .secret_refs()
        .into_iter()
        .map(|reference| reference.name)
        .collect();
    let all = context.webhooks_of(&namespace, |_| true);
    let contested = contested(&all, &receivers, &stores, context);
    Ok(Dereferenced {
        secrets: context.secrets.find(&context.client, &namespace, names).await?,
        webhooks: all
            .into_iter()
            .filter(|webhook| serves(&name, webhook, context))
            .collect(),
        redis: context.workloads.redis(&namespace),
        rollout: context
            .workloads
            .rollout(&namespace, &crate::names::receiver(&name)),
        figures: context
            .of_receivers
            .with(&(namespace, name), |state| state.figures.clone()),
        receivers,
        stores,
        contested,
    })
}

/// Whether a receiver answers at a webhook's path: the webhook names it, or senders reach the webhook through it, or did a
/// moment ago.
pub fn serves(receiver: &str, webhook: &LeadWebhook, context: &Context) -> bool {
    let status = webhook.status.as_ref();
    webhook.spec.receiver_ref.name == receiver
        || status.and_then(|status| status.receiver.as_deref()) == Some(receiver)
        || context.of_webhooks.with(&name_of(webhook), |state| {
            let moved = state.moved.as_ref();
            moved.is_some_and(|(left, since)| left == receiver && since.elapsed() < HAND_OVER)
        })
}

/// Which sinks more than one queue feeds.
fn contested(
    webhooks: &[Arc<LeadWebhook>],
    receivers: &[Arc<LeadReceiver>],
    stores: &Stores,
    context: &Context,
) -> BTreeMap<String, (StoreKey, BTreeMap<StoreKey, Feed>)> {
    let mut feeds: BTreeMap<String, BTreeMap<StoreKey, Feed>> = BTreeMap::new();
    for webhook in webhooks {
        let store = stores.key(&webhook.spec.receiver_ref.name);
        for route in &webhook.spec.sinks {
            let feed = feeds.entry(route.name.clone()).or_default();
            let feed = feed.entry(store.clone()).or_default();
            feed.webhooks.insert(webhook.name_any());
        }
    }
    for receiver in receivers {
        let name = name_of(receiver.as_ref());
        let store = stores.key(&name.1);
        let pending = context.of_receivers.with(&name, |state| {
            let sinks = state.figures.iter().flat_map(|figures| &figures.sinks);
            sinks
                .map(|(sink, figures)| (sink.clone(), figures.leads.deliveries.pending))
                .filter(|(_, pending)| *pending > 0)
                .collect::<Vec<_>>()
        });
        for (sink, pending) in pending {
            let feed = feeds.entry(sink).or_default().entry(store.clone()).or_default();
            feed.pending = feed.pending.max(pending);
        }
    }
    feeds
        .into_iter()
        .filter(|(_, feeds)| feeds.len() > 1)
        .filter_map(|(sink, feeds)| {
            let active = stores.active(&feeds)?.clone();
            Some((sink, (active, feeds)))
        })
        .collect()
}

/// What the pods of a receiver are to run; `None` while some of it was not validated since the operator started: what is
/// there stays until then.
pub async fn forms(
    receiver: &LeadReceiver,
    facts: &Dereferenced,
    context: &Context,
) -> kube::Result<Option<Forms>> {
    let (namespace, name) = name_of(receiver);
    let store = facts.stores.key(&name);
    let mut webhooks = Vec::new();
    for webhook in context.webhooks_of(&namespace, |_| true) {
        let id = name_of(webhook.as_ref());
        let (validated, accepted, kept) = context.of_webhooks.with(&id, |state| {
            let kept = state.figures.get(&name).map_or(0, WebhookStats::kept);
            (state.validated, state.accepted.clone(), kept)
        });
        if !validated {
            return Ok(None);
        }
        let Some(object) = accepted else { continue };
        let target = &webhook.spec.receiver_ref.name;
        let served = serves(&name, &webhook, context);
        if served || facts.stores.key(target) == store || kept > 0 {
            webhooks.push(WebhookForm {
                object,
                served,
                draining: webhook.metadata.deletion_timestamp.is_some(),
            });
        }
    }
    let mut wanted: BTreeSet<String> = webhooks
        .iter()
        .flat_map(|form| form.object.spec.sinks.iter().map(|route| route.name.clone()))
        .collect();
    let waiting = facts.figures.iter().flat_map(|figures| &figures.sinks);
    wanted.extend(waiting.filter_map(|(sink, figures)| {
        let of = &figures.leads.deliveries;
        (of.pending + of.held + of.dead > 0).then(|| sink.clone())
    }));
    let mut sinks = Vec::new();
    for sink in wanted {
        let exists = context.sink(&namespace, &sink);
        if exists.is_none() {
            continue;
        }
        let (validated, accepted): (bool, Option<Arc<CrmSink>>) = context
            .of_sinks
            .with(&(namespace.clone(), sink.clone()), |state| {
                (state.validated, state.accepted.clone())
            });
        if !validated {
            return Ok(None);
        }
        if let Some(object) = accepted {
            let waits = facts
                .contested
                .get(&sink)
                .is_some_and(|(active, _)| *active != store);
            sinks.push(SinkForm { object, waits });
        }
    }
    let names = webhooks
        .iter()
        .flat_map(|form| secrets_of(&form.object))
        .chain(sinks.iter().flat_map(|form| form.object.spec.secret_refs()))
        .map(|reference| reference.name)
        .collect();
    Ok(Some(Forms {
        receiver: name,
        namespace: namespace.clone(),
        secrets: context.secrets.find(&context.client, &namespace, names).await?,
        receivers: facts.receivers.clone(),
        webhooks,
        sinks,
    }))
}
