//! Looks at a receiver's pods and asks them, at most every 15 s, and at once when others are ready or they are to run
//! something new.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::Api;
use kube::api::ListParams;
use leadgate_crds::LeadReceiver;
use leadgate_crds::counts::ProcessCounts;
use leadgate_crds::report::Report;

use super::apply::tell_pods;
use crate::api_error::words;
use crate::context::{Context, form, name_of};
use crate::lead_webhook::programmed;
use crate::names;
use crate::stats::{Counters, ReceiverStats, WebhookStats, of_receiver, of_webhooks};
use crate::workloads::{Name, PodState, RedisState, Rollout};

/// Between two times that a receiver's pods are asked.
const POLL_INTERVAL: Duration = Duration::from_secs(15);
/// After the first time that they do not work, or do not run the newest configuration yet; then twice as long each time.
/// Somebody waits for a new webhook.
const FIRST_POLL_DELAY: Duration = Duration::from_millis(500);
/// Between two times while a webhook drains.
const DRAIN_POLL_INTERVAL: Duration = Duration::from_secs(3);
/// What pods said longer ago is not believed, if they do not answer now.
const STALE_AFTER: Duration = Duration::from_mins(1);
/// How many pods are asked at once.
const AT_ONCE: usize = 8;

/// What is seen of a receiver's parts.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Its Deployment.
    pub rollout: Option<Rollout>,
    pub pods: Vec<PodState>,
    /// The managed Redis.
    pub redis: Option<RedisState>,
    /// The pods of the managed Redis.
    pub redis_pods: Vec<PodState>,
    /// What its pods say, now or the last time.
    pub figures: Option<ReceiverStats>,
    /// Why they could not be asked this time.
    pub unreachable: Option<String>,
    /// Whether what they said is too old to be believed.
    pub stale: bool,
    /// Why the autoscaler does not scale.
    pub not_scaling: Option<String>,
    /// Who changes its objects again and again.
    pub contested: Option<String>,
    /// Why the pod of the managed Redis cannot be made.
    pub redis_refused: Option<String>,
}

/// What is seen of a receiver's parts.
pub(super) async fn observe(receiver: &Arc<LeadReceiver>, context: &Context) -> Observed {
    let name = name_of(receiver.as_ref());
    let pods = context.workloads.pods(&name.0, &name.1);
    let ready: Vec<&PodState> = pods.iter().filter(|pod| pod.ready).collect();
    let uids: BTreeSet<String> = ready.iter().map(|pod| pod.uid.clone()).collect();
    let period = period(&name, context);
    let due = context.of_receivers.with(&name, |state| {
        // A little early counts: timers are not exact, and a whole period would be lost.
        let due = state
            .asked
            .as_ref()
            .is_none_or(|(at, of)| *of != uids || at.elapsed() + Duration::from_millis(100) >= period);
        if due && !uids.is_empty() {
            state.asked = Some((Instant::now(), uids.clone()));
        }
        due
    });
    if due && !ready.is_empty() {
        ask(receiver, context, &ready).await;
    }
    let (figures, unreachable, heard) = context.of_receivers.with(&name, |state| {
        (state.figures.clone(), state.unreachable.clone(), state.heard)
    });
    let redis = context.workloads.redis(&name.0);
    let redis_pods = context.workloads.pods(&name.0, names::REDIS);
    let object = names::receiver(&name.1);
    let without_pod = redis.as_ref().is_some_and(|redis| redis.ready == 0) && redis_pods.is_empty();
    Observed {
        rollout: context.workloads.rollout(&name.0, &object),
        contested: context.drifts.told("LeadReceiver", &name, Instant::now()).what,
        not_scaling: context.workloads.autoscaler_trouble(&name.0, &object),
        stale: unreachable.is_some() && heard.is_none_or(|heard| heard.elapsed() > STALE_AFTER),
        redis_refused: if without_pod {
            refusal(&name.0, context).await
        } else {
            None
        },
        redis,
        redis_pods,
        figures,
        unreachable: unreachable.filter(|_| !ready.is_empty()),
        pods,
    }
}

/// Whether no pod of a receiver is ready.
pub(super) fn without_pods(name: &Name, context: &Context) -> bool {
    let pods = context.workloads.pods(&name.0, &name.1);
    !pods.iter().any(|pod| pod.ready)
}

/// Why the pod of the managed Redis cannot be made. A StatefulSet says so in Events only.
async fn refusal(namespace: &str, context: &Context) -> Option<String> {
    let api: Api<Event> = Api::namespaced(context.client.clone(), namespace);
    let fields = format!(
        "involvedObject.kind=StatefulSet,involvedObject.name={},reason=FailedCreate",
        names::REDIS
    );
    match api.list(&ListParams::default().fields(&fields)).await {
        Ok(events) => {
            let newest = events
                .items
                .into_iter()
                .max_by_key(|event| event.last_timestamp.clone());
            newest?.message
        }
        Err(error) => {
            tracing::debug!(
                namespace,
                error = words(&error),
                "failed to read the Events of the managed Redis"
            );
            None
        }
    }
}

/// How long after the last time a receiver's pods are asked again.
pub(super) fn period(name: &Name, context: &Context) -> Duration {
    let failed_polls = context.of_receivers.with(name, |state| state.failed_polls);
    let usual = match failed_polls.checked_sub(1) {
        None => POLL_INTERVAL,
        Some(times) => FIRST_POLL_DELAY
            .saturating_mul(1 << times.min(5))
            .min(POLL_INTERVAL),
    };
    let nothing_drains = context
        .webhooks_of(&name.0, |webhook| webhook.metadata.deletion_timestamp.is_some())
        .is_empty();
    if nothing_drains {
        usual
    } else {
        usual.min(DRAIN_POLL_INTERVAL)
    }
}

/// Asks all pods that are ready, and remembers what they say.
async fn ask(receiver: &Arc<LeadReceiver>, context: &Context, pods: &[&PodState]) {
    let name = name_of(receiver.as_ref());
    let token = match token(context, &name.0, &name.1).await {
        Ok(token) => token,
        Err(why) => {
            context.of_receivers.with(&name, |state| {
                state.unreachable = Some(why);
                state.failed_polls = state.failed_polls.saturating_add(1);
            });
            return;
        }
    };
    let ready = pods.len();
    let pods: Vec<(String, String)> = pods
        .iter()
        .filter_map(|pod| Some((pod.uid.clone(), pod.address.clone()?)))
        .collect();
    let mut reports: Vec<(String, Report)> = Vec::new();
    let mut trouble = None;
    // In their order: the newest pod first.
    let mut answers = futures::stream::iter(pods)
        .map(|(uid, address)| {
            let (ask, token) = (Arc::clone(&context.ask), token.clone());
            async move { (uid, ask.report(&address, &token).await) }
        })
        .buffered(AT_ONCE);
    while let Some((uid, answer)) = answers.next().await {
        match answer {
            Ok(report) => reports.push((uid, report)),
            Err(error) => trouble = Some(error.to_string()),
        }
    }
    drop(answers);
    let figures = of_receiver(&reports);
    let behind = if figures.is_some() {
        tell_webhooks(&name, of_webhooks(&reports, ready), context)
    } else {
        false
    };
    let changed_sinks = context.of_receivers.with(&name, |state| {
        let well = figures.as_ref().is_some_and(|figures| figures.queue_ready) && !behind;
        state.failed_polls = if well {
            0
        } else {
            state.failed_polls.saturating_add(1)
        };
        let Some(figures) = figures else {
            state.unreachable = trouble.or_else(|| Some("no pod has an address".to_owned()));
            return BTreeSet::new();
        };
        state.unreachable = None;
        state.heard = Some(Instant::now());
        let changed = changed_sinks(state.figures.as_ref(), &figures);
        // Which sinks are to be projected, and which queue of several is delivered first, follows from what waits.
        state.dirty |= waiting(state.figures.as_ref()) != waiting(Some(&figures));
        state.figures = Some(figures);
        changed
    });
    for sink in changed_sinks {
        context.wake_sink(&name.0, &sink);
    }
    if behind {
        tell_pods(receiver, context).await;
    }
}

/// Gives each webhook its figures, and wakes those whose figures are new. Says whether a pod does not run what it is to run.
fn tell_webhooks(
    name: &Name,
    mut all: std::collections::BTreeMap<String, WebhookStats>,
    context: &Context,
) -> bool {
    let (namespace, receiver) = name;
    let mut behind = false;
    for webhook in context.webhooks_of(namespace, |_| true) {
        let id = name_of(webhook.as_ref());
        let stats = all.remove(&format!("{}/{}", id.0, id.1));
        let (changed, valid) = context.of_webhooks.with(&id, |state| {
            if let Some(stats) = &stats {
                let written = || {
                    let shown = webhook.status.as_ref();
                    shown.map(|shown| shown.leads.process).unwrap_or_default()
                };
                let counters = state.counters.get_or_insert_with(|| Counters::resume(written()));
                counters.add(&stats.counted);
            }
            let changed = state.figures.get(receiver) != stats.as_ref();
            match &stats {
                Some(stats) => {
                    state.figures.insert(receiver.clone(), stats.clone());
                }
                None => {
                    state.figures.remove(receiver);
                }
            }
            let of_this = Some((form(webhook.as_ref()), true));
            (changed, state.validated == of_this)
        });
        if changed {
            context.wake_webhook(&id.0, &id.1);
        }
        if webhook.spec.receiver_ref.name == *receiver && valid {
            let problem = stats.as_ref().is_some_and(|stats| !stats.problems.is_empty());
            behind |= !problem && !programmed::runs(&webhook, stats.as_ref());
        }
    }
    behind
}

/// The sinks of which something else is said than before.
fn changed_sinks(before: Option<&ReceiverStats>, now: &ReceiverStats) -> BTreeSet<String> {
    let of = |stats: &ReceiverStats, sink: &str| {
        let problems: Vec<_> = stats
            .problems
            .iter()
            .filter(|(object, _)| object.ends_with(&format!("/{sink}")))
            .cloned()
            .collect();
        (stats.sinks.get(sink).cloned(), problems)
    };
    let all = now
        .sinks
        .keys()
        .chain(before.iter().flat_map(|before| before.sinks.keys()));
    all.filter(|sink| before.is_none_or(|before| of(before, sink) != of(now, sink)))
        .cloned()
        .collect()
}

/// The sinks for which leads wait.
fn waiting(stats: Option<&ReceiverStats>) -> BTreeSet<(&str, bool)> {
    let sinks = stats.iter().flat_map(|stats| &stats.sinks);
    sinks
        .filter_map(|(name, figures)| {
            let of = &figures.leads.deliveries;
            (of.pending + of.held + of.dead > 0).then_some((name.as_str(), of.pending > 0))
        })
        .collect()
}

/// Sums of what processes count of a webhook.
pub fn process_counts(webhook: &Name, context: &Context) -> Option<ProcessCounts> {
    context
        .of_webhooks
        .with(webhook, |state| Some(state.counters.as_ref()?.total))
}

/// Read each time: a value that is not kept cannot leak, and 15 s apart it costs nothing.
async fn token(context: &Context, namespace: &str, receiver: &str) -> Result<String, String> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let name = names::admin(receiver);
    let secret = api.get_opt(&name).await.map_err(|error| words(&error))?;
    let value = secret.and_then(|secret| secret.data?.remove("token"));
    value
        .and_then(|value| String::from_utf8(value.0).ok())
        .map(|token| token.trim().to_owned())
        .ok_or_else(|| format!("Secret {name} has no key token"))
}
