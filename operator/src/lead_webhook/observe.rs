//! Looks at a webhook's parts and asks its receivers, at most every 15 s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::runtime::reflector::ObjectRef;
use leadgate_crds::LeadWebhook;
use leadgate_crds::counts::ProcessCounts;
use leadgate_crds::report::Report;

use super::outcome::Observed;
use super::waiting;
use crate::context::{Context, name_of};
use crate::names;
use crate::stats::{Counters, ReceiverStats, merge};
use crate::workloads::{Name, PodState};

/// Between two times that a webhook's receivers are asked.
const POLL_INTERVAL: Duration = Duration::from_secs(15);
/// After the first time that they do not work yet; then twice as long each time. Somebody waits for a new webhook.
const FIRST_POLL_DELAY: Duration = Duration::from_secs(1);
/// Between two times while it drains.
const DRAIN_POLL_INTERVAL: Duration = Duration::from_secs(3);
/// How many pods are asked at once.
const AT_ONCE: usize = 8;

/// What is seen of a webhook's parts.
pub(super) async fn observe(webhook: &Arc<LeadWebhook>, context: &Context, draining: bool) -> Observed {
    let name = name_of(webhook.as_ref());
    let (namespace, webhook_name) = &name;
    let pods = context.workloads.pods(namespace, webhook_name);
    let managed = webhook.spec.queue.is_managed();
    let period = if draining {
        DRAIN_POLL_INTERVAL
    } else {
        period(&name, context)
    };
    let ready: Vec<&PodState> = pods.iter().filter(|pod| pod.ready).collect();
    let due = context.with_state(&name, |memory| {
        // A little early counts: timers are not exact, and a whole period would be lost.
        let due = memory
            .asked
            .is_none_or(|at| at.elapsed() + Duration::from_millis(500) >= period);
        if due && !ready.is_empty() {
            memory.asked = Some(Instant::now());
        }
        due
    });
    if due && !ready.is_empty() {
        ask(webhook, context, &ready).await;
    }
    let (figures, unreachable) = context.with_state(&name, |memory| {
        (memory.figures.clone(), memory.unreachable.clone())
    });
    Observed {
        rollout: context.workloads.rollout(namespace, &names::base(webhook_name)),
        redis: context.workloads.redis(namespace).filter(|_| managed),
        redis_pods: if managed {
            context.workloads.pods(namespace, names::REDIS)
        } else {
            Vec::new()
        },
        figures,
        unreachable: unreachable.filter(|_| !ready.is_empty()),
        pods,
    }
}

/// How long after the last time a webhook's receivers are asked again.
pub(super) fn period(name: &Name, context: &Context) -> Duration {
    let failed_polls = context.with_state(name, |memory| memory.failed_polls);
    match failed_polls.checked_sub(1) {
        None => POLL_INTERVAL,
        Some(times) => FIRST_POLL_DELAY
            .saturating_mul(1 << times.min(4))
            .min(POLL_INTERVAL),
    }
}

/// Asks all pods that are ready, and remembers what they say.
async fn ask(webhook: &Arc<LeadWebhook>, context: &Context, pods: &[&PodState]) {
    let name = name_of(webhook.as_ref());
    let token = match token(context, &name.0, &name.1).await {
        Ok(token) => token,
        Err(why) => {
            context.with_state(&name, |memory| {
                memory.unreachable = Some(why);
                memory.failed_polls = memory.failed_polls.saturating_add(1);
            });
            return;
        }
    };
    let pods: Vec<(String, String)> = pods
        .iter()
        .filter_map(|pod| Some((pod.uid.clone(), pod.address.clone()?)))
        .collect();
    let mut reports: Vec<(String, Report)> = Vec::new();
    let mut trouble = None;
    // In their order: the newest pod first.
    let mut answers = futures::stream::iter(pods)
        .map(|(uid, address)| {
            let (receivers, token) = (Arc::clone(&context.receivers), token.clone());
            async move { (uid, receivers.report(&address, &token).await) }
        })
        .buffered(AT_ONCE);
    while let Some((uid, answer)) = answers.next().await {
        match answer {
            Ok(report) => reports.push((uid, report)),
            Err(error) => trouble = Some(error.to_string()),
        }
    }
    drop(answers);
    let id = format!("{}/{}", name.0, name.1);
    let changed = context.with_state(&name, |memory| {
        let counters = memory
            .counters
            .get_or_insert_with(|| Counters::resume(written_counts(webhook)));
        let merged = merge(&id, &reports, counters);
        let well = merged.as_ref().is_some_and(|figures| figures.queue_ready);
        memory.failed_polls = if well {
            0
        } else {
            memory.failed_polls.saturating_add(1)
        };
        if let Some(figures) = merged {
            memory.unreachable = None;
            let changed = memory.figures.as_ref() != Some(&figures);
            memory.figures = Some(figures);
            changed
        } else {
            memory.unreachable = trouble.or_else(|| Some("no pod has an address".to_owned()));
            false
        }
    });
    if changed {
        wake_sinks(webhook, context);
    }
}

/// Sinks show sums of what their webhooks' receivers say.
fn wake_sinks(webhook: &LeadWebhook, context: &Context) {
    let (namespace, _) = name_of(webhook);
    let waiting = waiting::waiting(webhook, context);
    let named = webhook.spec.sinks.iter().map(|route| &route.name);
    for name in named.chain(waiting.keys()) {
        // The receiver lives as long as the controller.
        let _ = context
            .wake_sinks
            .unbounded_send(ObjectRef::new(name).within(&namespace));
    }
}

fn written_counts(webhook: &LeadWebhook) -> ProcessCounts {
    let status = webhook.status.as_ref();
    status.map(|status| status.leads.process).unwrap_or_default()
}

/// Read each time: a value that is not kept cannot leak, and 15 s apart it costs nothing.
async fn token(context: &Context, namespace: &str, webhook: &str) -> Result<String, String> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let name = names::admin(webhook);
    let secret = api.get_opt(&name).await.map_err(|error| error.to_string())?;
    let value = secret.and_then(|secret| secret.data?.remove("token"));
    value
        .and_then(|value| String::from_utf8(value.0).ok())
        .map(|token| token.trim().to_owned())
        .ok_or_else(|| format!("Secret {name} has no key token"))
}

/// What the receivers of a webhook said last.
pub fn last_figures(context: &Context, namespace: &str, webhook: &str) -> Option<ReceiverStats> {
    let name = (namespace.to_owned(), webhook.to_owned());
    context.with_state(&name, |memory| memory.figures.clone())
}
