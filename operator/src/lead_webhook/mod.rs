//! LeadWebhook: dereference -> validate -> build -> apply -> status, a file a step.
//!
//! * `dereference` reads the cluster. `validate` is pure and finds all mistakes; `edges` says where a webhook is reached.
//! * `build` is pure and cannot fail. `apply` makes the objects, and only those that are ours.
//! * `status` and `judge` are pure: what happened -> what is written. `drain` decides about deletion.
//! * `observe` asks the receivers. [`reconcile`] is the one outer function: whatever happens, the status says it.

pub mod apply;
pub mod build;
pub mod conditions;
pub mod dereference;
pub mod drain;
pub mod endpoints;
pub mod observe;
pub mod outcome;
pub mod replicas;
pub mod status;
pub mod validate;
pub mod waiting;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use leadgate_crds::{LeadWebhook, LeadWebhookStatus};
use serde_json::json;

use crate::apply::{ApplyError, reason_of};
use crate::backoff::jitter;
use crate::context::{Context, name_of};
use crate::events;
use crate::index::version;
use crate::names::{self, ALLOW_LOSS, FINALIZER, MANAGER};
use crate::validation::{ErrorScope, ValidationError};
use crate::workloads::Name;
use outcome::{Observed, Outcome};

const KIND: &str = "LeadWebhook";
/// A webhook without receivers to ask is looked at again so rarely: changes wake it.
const RESYNC_INTERVAL: Duration = Duration::from_mins(10);
/// A webhook that drains is looked at again so often.
const DRAIN_REQUEUE_INTERVAL: Duration = Duration::from_secs(5);

/// Makes a webhook as it is to be, and writes what became of it. It cannot fail: failures are written, too.
pub async fn reconcile(webhook: Arc<LeadWebhook>, context: Arc<Context>) -> Result<Action, Infallible> {
    context.synced().await;
    let begun = context.metrics.begun(KIND);
    let action = if webhook.metadata.deletion_timestamp.is_some() {
        delete(&webhook, &context).await
    } else {
        let outcome = make(&webhook, &context).await;
        report(&webhook, &outcome, &context).await
    };
    context.metrics.ended(KIND, begun);
    Ok(action)
}

/// All steps up to the objects.
async fn make(webhook: &Arc<LeadWebhook>, context: &Context) -> Outcome {
    if !webhook.finalizers().iter().any(|name| name == FINALIZER)
        && let Err(error) = apply::set_finalizer(webhook, true, context).await
    {
        return failed(&error);
    }
    let mut facts = match dereference::dereference(webhook, context).await {
        Ok(facts) => facts,
        Err(error) => return failed(&error),
    };
    match apply::generate_secret(webhook, &facts, context).await {
        Ok(false) => {}
        Ok(true) => match dereference::dereference(webhook, context).await {
            Ok(again) => facts = again,
            Err(error) => return failed(&error),
        },
        Err(error) => return refused(&error),
    }
    let plan = match validate::validate(webhook, &facts, &context.settings.rules) {
        Ok(plan) => plan,
        Err(mistakes) => {
            // It may run already with what was right before; it must not lose its Redis with the others' webhooks.
            return match apply::keep_redis(webhook, &facts, context).await {
                Ok(()) => Outcome::Mistakes(mistakes),
                Err(error) => refused(&error),
            };
        }
    };
    if webhook.spec.receiver.gateway.is_some() {
        context.with_state(&name_of(webhook.as_ref()), |memory| memory.route_checked = false);
    }
    match apply::apply(&plan, context).await {
        Ok(()) => Outcome::Applied(plan.notes),
        Err(error) => refused(&error),
    }
}

fn failed(error: &kube::Error) -> Outcome {
    Outcome::Failed(
        reason_of(error),
        format!("the API server is not reachable: {error}"),
    )
}

fn refused(error: &ApplyError) -> Outcome {
    if error.is_terminal() {
        Outcome::Mistakes(vec![ValidationError {
            about: ErrorScope::Spec,
            reason: error.reason(),
            message: error.to_string(),
        }])
    } else {
        Outcome::Failed(error.reason(), error.to_string())
    }
}

/// Observes, writes the status, and says when to look again.
async fn report(webhook: &Arc<LeadWebhook>, outcome: &Outcome, context: &Context) -> Action {
    let observed = observe::observe(webhook, context, false).await;
    let written = write_status(webhook, outcome, &observed, context).await;
    let key = object(&name_of(webhook.as_ref()));
    if let Err(error) = written {
        context.metrics.failed(KIND, reason_of(&error).as_str());
        tracing::warn!(object = key, %error, "failed to write the status");
        return Action::requeue(context.backoff.failed(&key));
    }
    if let Outcome::Failed(reason, message) = outcome {
        context.metrics.failed(KIND, reason.as_str());
        let wait = context.backoff.failed(&key);
        tracing::warn!(
            object = key,
            reason = reason.as_str(),
            message,
            ?wait,
            "reconciliation failed, will retry"
        );
        return Action::requeue(wait);
    }
    context.backoff.succeeded(&key);
    if let Outcome::Mistakes(mistakes) = outcome {
        for mistake in mistakes {
            context.metrics.failed(KIND, mistake.reason.as_str());
        }
    }
    let asked = observed.pods.iter().any(|pod| pod.ready);
    // Nothing to ask: a change wakes it, and this catches what no watch tells.
    Action::requeue(if asked {
        observe::period(&name_of(webhook.as_ref()), context)
    } else {
        jitter(RESYNC_INTERVAL)
    })
}

/// A webhook that is being deleted: its receivers refuse new leads, and when no lead is left, it goes.
async fn delete(webhook: &Arc<LeadWebhook>, context: &Context) -> Action {
    let name = name_of(webhook.as_ref());
    if !webhook.finalizers().iter().any(|name| name == FINALIZER) {
        context.forget(&name);
        context.backoff.succeeded(&object(&name));
        return Action::await_change();
    }
    let deployed = context
        .workloads
        .rollout(&name.0, &names::base(&name.1))
        .is_some();
    let told = deployed && refuse_leads(webhook, context).await;
    let observed = observe::observe(webhook, context, true).await;
    let decision = drain::decide(&drain_state(webhook, &observed, deployed, told));
    let outcome = match decision {
        drain::Decision::Release => {
            return match apply::set_finalizer(webhook, false, context).await {
                Ok(()) => {
                    context.forget(&name);
                    context.backoff.succeeded(&object(&name));
                    Action::await_change()
                }
                Err(error) => {
                    context.metrics.failed(KIND, reason_of(&error).as_str());
                    Action::requeue(context.backoff.failed(&object(&name)))
                }
            };
        }
        drain::Decision::Wait(why) => Outcome::Draining(false, why),
        drain::Decision::Blocked(why) => Outcome::Draining(true, why),
    };
    if let Err(error) = write_status(webhook, &outcome, &observed, context).await {
        tracing::warn!(object = object(&name), %error, "failed to write the status");
    }
    Action::requeue(DRAIN_REQUEUE_INTERVAL)
}

/// Gives the receivers a configuration that refuses new leads. It may be impossible: a Secret is gone, or the namespace
/// is being deleted. Then they drain with what they have.
async fn refuse_leads(webhook: &Arc<LeadWebhook>, context: &Context) -> bool {
    let Ok(facts) = dereference::dereference(webhook, context).await else {
        return false;
    };
    let Ok(plan) = validate::validate(webhook, &facts, &context.settings.rules) else {
        return false;
    };
    match apply::apply(&plan, context).await {
        Ok(()) => true,
        Err(error) => {
            tracing::info!(%error, "failed to tell the receivers to refuse new leads");
            false
        }
    }
}

fn drain_state(webhook: &LeadWebhook, observed: &Observed, deployed: bool, told: bool) -> drain::DrainState {
    let deleted = webhook.metadata.deletion_timestamp.as_ref().map(|t| t.0);
    let since = deleted.map_or(0, |at| Timestamp::now().as_second() - at.as_second());
    let last = webhook
        .status
        .as_ref()
        .map(|s| s.leads.clone())
        .unwrap_or_default();
    drain::DrainState {
        loss_allowed: webhook.annotations().get(ALLOW_LOSS).is_some_and(|v| v == "true"),
        deployed,
        receiving: observed.pods.iter().any(|pod| pod.ready),
        now: observed
            .figures
            .as_ref()
            .filter(|_| observed.unreachable.is_none() && observed.pods.iter().any(|pod| pod.ready))
            .map(|figures| drain::Answer {
                pending: figures.pending(),
                suspended: figures.suspended,
            }),
        told,
        last_pending: last.deliveries.pending,
        last_accepted: last.stored.accepted,
        since: Duration::from_secs(u64::try_from(since).unwrap_or_default()),
        timeout: webhook.spec.drain_timeout.get(),
    }
}

/// Writes the status if it says something new, and Events if people should hear it.
async fn write_status(
    webhook: &Arc<LeadWebhook>,
    outcome: &Outcome,
    observed: &Observed,
    context: &Context,
) -> kube::Result<()> {
    let name = name_of(webhook.as_ref());
    let previous = known_status(webhook, &name, context);
    let status = status::status(webhook, &previous, outcome, observed, Timestamp::now());
    if status == previous {
        return Ok(());
    }
    let patch = json!({
        "apiVersion": format!("{}/{}", leadgate_crds::GROUP, leadgate_crds::VERSION),
        "kind": KIND,
        "metadata": {"name": name.1, "uid": webhook.uid()},
        "status": status,
    });
    let api: kube::Api<LeadWebhook> = kube::Api::namespaced(context.client.clone(), &name.0);
    let params = PatchParams::apply(MANAGER).force();
    let written = match api.patch_status(&name.1, &params, &Patch::Apply(&patch)).await {
        Ok(written) => written,
        // It is gone: nobody is left to read it.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(error),
    };
    context.metrics.wrote(KIND, "status");
    let version = version(written.metadata.resource_version.as_deref());
    let transitions = events::transitions(&previous.conditions, &status.conditions);
    context.with_state(&name, |memory| memory.status = Some((version, status)));
    events::publish(&context.recorder, webhook.as_ref(), transitions).await;
    Ok(())
}

/// The newest of what the watch shows and what was written: the watch may lag behind.
fn known_status(webhook: &LeadWebhook, name: &Name, context: &Context) -> LeadWebhookStatus {
    let shown = version(webhook.metadata.resource_version.as_deref());
    let written = context.with_state(name, |memory| memory.status.clone());
    match written {
        Some((at, status)) if at > shown => status,
        _ => webhook.status.clone().unwrap_or_default(),
    }
}

fn object(name: &Name) -> String {
    format!("{KIND} {}/{}", name.0, name.1)
}
