//! What the receivers said of a webhook, put together. Nobody is asked here: `lead_receiver` asks for all webhooks at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use leadgate_crds::LeadWebhook;

use super::dereference::backend;
use super::drain;
use super::outcome::{Observed, Serving};
use crate::context::{Context, name_of};
use crate::edges::Edge;
use crate::kinds::Kind;
use crate::lead_receiver::dereference::HAND_OVER;
use crate::lead_receiver::observe::process_counts;
use crate::names;
use crate::stats::{WebhookStats, over_stores};
use crate::stores::{StoreKey, Stores};

/// What is seen of a webhook.
pub fn observe(webhook: &LeadWebhook, context: &Context) -> Observed {
    let id = name_of(webhook);
    let serving = backend(webhook, context).map(|backend| backend.receiver);
    let wanted = serving
        .clone()
        .unwrap_or_else(|| webhook.spec.receiver_ref.name.clone());
    let (conditions, unreachable, sinks, unreadable) =
        context
            .of_receivers
            .with(&(id.0.clone(), wanted.clone()), |state| {
                let figures = state.figures.as_ref();
                let problems = figures.iter().flat_map(|figures| &figures.problems);
                (
                    state.conditions.clone(),
                    state.unreachable.clone(),
                    figures.map(|figures| figures.sinks.clone()).unwrap_or_default(),
                    problems
                        .filter(|(object, _)| object.is_empty())
                        .map(|(_, message)| message.clone())
                        .collect(),
                )
            });
    let (figures, elsewhere) = figures(webhook, &wanted, context);
    Observed {
        receiver: serving.map(|name| Serving { name, conditions }),
        figures,
        process: process_counts(&id, context),
        sinks,
        elsewhere,
        unreachable,
        edges: edges(webhook, context),
        contested: context.drifts.told("LeadWebhook", &id, Instant::now()).what,
        unreadable,
    }
}

/// What became of the Ingress and the HTTPRoute that it asks for.
fn edges(webhook: &LeadWebhook, context: &Context) -> Vec<Option<Edge>> {
    let (namespace, name) = name_of(webhook);
    let key = (namespace, names::route(&name));
    let wanted = [
        webhook.spec.ingress.as_ref().map(|_| Kind::Ingress),
        webhook.spec.gateway.as_ref().map(|_| Kind::HttpRoute),
    ];
    let kinds = wanted.into_iter().flatten();
    kinds.map(|kind| context.workloads.edge(kind, &key)).collect()
}

/// The figures of the queue that it fills, with those of other queues that still hold leads of it; and how many pending leads
/// those have, with the receiver that delivers them.
fn figures(
    webhook: &LeadWebhook,
    serving: &str,
    context: &Context,
) -> (Option<WebhookStats>, Option<(i64, String)>) {
    let id = name_of(webhook);
    let stores = Stores::of(&context.receivers.of(&id.0));
    let all = context.of_webhooks.with(&id, |state| state.figures.clone());
    let mut seen: BTreeSet<StoreKey> = BTreeSet::from([stores.key(serving)]);
    let others: Vec<(&String, &WebhookStats)> = all
        .iter()
        .filter(|(receiver, stats)| {
            **receiver != serving && stats.kept() > 0 && seen.insert(stores.key(receiver))
        })
        .collect();
    let elsewhere = others
        .iter()
        .find(|(_, stats)| stats.pending() > 0)
        .map(|(receiver, stats)| (stats.pending(), (*receiver).clone()));
    let first = all.get(serving);
    let sum = over_stores(
        first
            .into_iter()
            .chain(others.into_iter().map(|(_, stats)| stats)),
    );
    (sum.filter(|_| first.is_some()), elsewhere)
}

/// What decides whether a webhook that is being deleted may go.
pub fn drain_state(
    webhook: &LeadWebhook,
    observed: &Observed,
    valid: bool,
    context: &Context,
) -> drain::DrainState {
    let (namespace, _) = name_of(webhook);
    let deleted = webhook.metadata.deletion_timestamp.as_ref().map(|t| t.0);
    let since = deleted.map_or(0, |at| Timestamp::now().as_second() - at.as_second());
    let last = webhook
        .status
        .as_ref()
        .map(|s| s.leads.clone())
        .unwrap_or_default();
    let receiver = observed
        .receiver
        .as_ref()
        .map_or_else(|| webhook.spec.receiver_ref.name.clone(), |r| r.name.clone());
    let rollout = context.workloads.rollout(&namespace, &names::receiver(&receiver));
    let pods = context.workloads.pods(&namespace, &receiver);
    let ready = pods.iter().any(|pod| pod.ready);
    // Pods that were asked and do not know it have taken no lead of it.
    let unknown = context
        .of_receivers
        .with(&(namespace.clone(), receiver.clone()), |state| {
            state.projected.is_some() && state.figures.is_some() && !state.dirty
        });
    // One that senders reached a moment ago refuses leads, too.
    let former_refuses = context.of_webhooks.with(&name_of(webhook), |state| {
        let left = state
            .moved
            .as_ref()
            .filter(|(_, since)| since.elapsed() < HAND_OVER);
        left.is_none_or(|(left, _)| state.figures.get(left).is_none_or(|figures| figures.suspended))
    });
    let nothing = drain::Answer {
        pending: 0,
        suspended: true,
    };
    let timeout = context
        .receivers
        .get(&namespace, &receiver)
        .map_or(Duration::ZERO, |receiver| receiver.spec.drain_timeout.get());
    drain::DrainState {
        loss_allowed: names::loss_allowed(webhook),
        // Nobody accepts leads, and nobody will.
        deployed: rollout.is_some_and(|rollout| rollout.wanted > 0) || !pods.is_empty(),
        receiving: ready,
        terminating: false,
        now: observed
            .figures
            .as_ref()
            .map(|figures| drain::Answer {
                pending: figures.pending(),
                suspended: figures.suspended && former_refuses,
            })
            .or_else(|| unknown.then_some(nothing))
            .filter(|_| observed.unreachable.is_none() && ready),
        told: valid
            || context.of_webhooks.with(&name_of(webhook), |state| {
                state.earlier.iter().flatten().next().is_some()
            }),
        sinks: observed
            .figures
            .iter()
            .flat_map(|figures| &figures.routes)
            .filter(|route| route.deliveries.pending > 0)
            .map(|route| route.name.clone())
            .collect(),
        last_pending: last.deliveries.pending,
        last_accepted: last.stored.accepted,
        since: Duration::from_secs(u64::try_from(since).unwrap_or_default()),
        timeout,
    }
}
