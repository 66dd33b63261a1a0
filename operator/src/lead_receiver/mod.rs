//! LeadReceiver: dereference -> validate -> build -> apply -> status, a file a step.
//!
//! * `dereference` reads the cluster: what the receiver depends on, and what its pods are to run. `projection` puts that into
//!   ConfigMaps and a Secret, without replacing a pod.
//! * `validate` is pure and finds all mistakes. `build` is pure and cannot fail. `apply` makes the objects, and only those
//!   that are ours.
//! * `observe` asks the pods, for all webhooks and sinks at once. `conditions` and `status` are pure.
//! * [`reconcile`] is the one outer function: whatever happens, the status says it.

pub mod apply;
pub mod build;
pub mod certificates;
pub mod conditions;
mod deletion;
pub mod dereference;
mod encryption;
mod ledger_key;
pub mod observe;
pub mod projection;
pub mod queue_url;
pub mod replicas;
pub mod resize;
pub mod status;
mod upgrade;
pub mod validate;
mod volume;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use leadgate_crds::{LeadReceiver, LeadReceiverStatus};

use crate::api_error::{ApplyError, reason_of, words};
use crate::apply::{patch_status, set_finalizer};
use crate::backoff::jitter;
use crate::claims::{Claim, LOOK_AGAIN, claim};
use crate::context::{Context, name_of};
use crate::events;
use crate::implied::is_implied;
use crate::index::version;
use crate::names::{FINALIZER, is_paused};
use crate::reasons::Reason;
use crate::stats::WebhookStats;
use crate::stores::StoreKey;
use crate::validation::ValidationError;
use dereference::{Dereferenced, Wanted, serves};
use observe::Observed;
use status::Served;
pub use upgrade::{Upgrades, Waits};

const KIND: &str = "LeadReceiver";
/// A receiver without pods to ask is looked at again so rarely: changes wake it.
const RESYNC_INTERVAL: Duration = Duration::from_mins(10);
/// A receiver that waits for its turn to be upgraded is looked at again so often.
const UPGRADE_INTERVAL: Duration = Duration::from_secs(5);

/// How a reconciliation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Everything is as it can be; what a person has to change, and should know nevertheless.
    Applied {
        errors: Vec<ValidationError>,
        hints: Vec<ValidationError>,
        note: Option<String>,
        waits: Option<Waits>,
    },
    /// Nothing could be made before a person changes something.
    Mistakes(Vec<ValidationError>),
    /// It goes on by itself: reason and message.
    Failed(Reason, String),
    /// It is being deleted, and why it is still there.
    InUse(String),
    /// A person has paused its reconciliation with an annotation: nothing was looked at or changed.
    Paused,
}

/// Makes a receiver as it is to be, and writes what became of it. It cannot fail: failures are written, too.
pub async fn reconcile(receiver: Arc<LeadReceiver>, context: Arc<Context>) -> Result<Action, Infallible> {
    context.synced().await;
    let begun = context.metrics.begun(KIND);
    let action = match claim(receiver.as_ref(), &context).await {
        Ok(Claim::Theirs) => Action::requeue(LOOK_AGAIN),
        Ok(Claim::Ours) => reconcile_ours(&receiver, &context).await,
        Err(error) => {
            let facts = Dereferenced::default();
            report(&receiver, &refused(&error), &facts, None, &context).await
        }
    };
    context.metrics.ended(KIND, begun);
    Ok(action)
}

async fn reconcile_ours(receiver: &Arc<LeadReceiver>, context: &Context) -> Action {
    let read = async || {
        let facts = dereference::dereference(receiver, context).await?;
        // The pods are to be given the password and the authorities as soon as there are any.
        if is_paused(receiver.as_ref()) || !apply::keep_redis_secret(receiver, &facts, context).await? {
            return Ok(facts);
        }
        dereference::dereference(receiver, context)
            .await
            .map_err(Error::from)
    };
    match read().await {
        Err(Error::Refused(error)) => {
            let facts = Dereferenced::default();
            report(receiver, &refused(&error), &facts, None, context).await
        }
        Err(Error::Api(error)) => {
            let outcome = unreachable(&error);
            report(receiver, &outcome, &Dereferenced::default(), None, context).await
        }
        Ok(facts) if is_paused(receiver.as_ref()) => {
            report(receiver, &Outcome::Paused, &facts, None, context).await
        }
        Ok(facts) if receiver.metadata.deletion_timestamp.is_some() => {
            deletion::delete(receiver, &facts, context).await
        }
        Ok(facts) => {
            let (outcome, store) = make(receiver, &facts, context).await;
            report(receiver, &outcome, &facts, store, context).await
        }
    }
}

enum Error {
    Api(kube::Error),
    Refused(ApplyError),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Api(error)
    }
}

impl From<ApplyError> for Error {
    fn from(error: ApplyError) -> Self {
        Self::Refused(error)
    }
}

fn unreachable(error: &kube::Error) -> Outcome {
    Outcome::Failed(reason_of(error), words(error))
}

fn refused(error: &ApplyError) -> Outcome {
    if error.is_terminal() {
        Outcome::Mistakes(vec![ValidationError::of_spec(error.reason(), error.to_string())])
    } else {
        Outcome::Failed(error.reason(), error.to_string())
    }
}

/// What passes by itself is tried again; the rest waits for a person.
fn all_refused(errors: &[ApplyError]) -> Outcome {
    if let Some(passing) = errors.iter().find(|error| !error.is_terminal()) {
        return refused(passing);
    }
    let told = errors
        .iter()
        .map(|error| ValidationError::of_spec(error.reason(), error.to_string()));
    Outcome::Mistakes(told.collect())
}

/// All steps up to the objects; gives the queue that the pods use.
async fn make(
    receiver: &Arc<LeadReceiver>,
    facts: &Dereferenced,
    context: &Context,
) -> (Outcome, Option<StoreKey>) {
    if !is_implied(receiver)
        && !receiver.finalizers().iter().any(|name| name == FINALIZER)
        && let Err(error) = set_finalizer(receiver.as_ref(), KIND, true, context).await
    {
        return (unreachable(&error), None);
    }
    follow_tls(receiver, context);
    // What the pods run does not wait for a mistake in what they are.
    if let Err(outcome) = configure(receiver, facts, context).await {
        return (outcome, None);
    }
    let validated = validate::validate(receiver, facts, &context.settings.rules);
    let Some(plan) = validated.plan else {
        return (Outcome::Mistakes(validated.errors), None);
    };
    let waits = upgrade::waits_for(&plan, facts, context);
    let outcome = match apply::apply(&plan, facts, waits.as_ref(), context).await {
        Ok(()) => {
            let note = match &plan.redis {
                Some(redis) => match redis.resizes.clone() {
                    None => volume::grow(&name_of(receiver.as_ref()), redis, context).await,
                    resizes => resizes,
                },
                None => None,
            };
            Outcome::Applied {
                errors: validated.errors,
                hints: validated.hints,
                note,
                waits,
            }
        }
        Err(errors) => all_refused(&errors),
    };
    if plan.redis.is_none()
        && let Err(error) = apply::release_redis(facts, context, &name_of(receiver.as_ref())).await
    {
        return (refused(&error), Some(plan.store));
    }
    (outcome, Some(plan.store))
}

/// Has the Ingresses and HTTPRoutes follow when pods begin, or cease, to terminate TLS.
fn follow_tls(receiver: &LeadReceiver, context: &Context) {
    let name = name_of(receiver);
    let wanted = receiver.spec.tls.is_some();
    let tls = context.workloads.speaks_tls(&name.0, &name.1, wanted);
    let changed = context
        .of_receivers
        .with(&name, |state| std::mem::replace(&mut state.tls, tls) != tls);
    if changed {
        for webhook in context.webhooks_of(&name.0, |webhook| serves(&name.1, webhook, context)) {
            context.wake_webhook(&name.0, &name_of(webhook.as_ref()).1);
        }
    }
}

/// Brings what the pods run in step with the resources.
async fn configure(
    receiver: &Arc<LeadReceiver>,
    facts: &Dereferenced,
    context: &Context,
) -> Result<(), Outcome> {
    let name = name_of(receiver.as_ref());
    let refuse = facts.refuse(&name.1);
    let queue = facts.queue(receiver);
    let due = context.drifts.told(KIND, &name, Instant::now()).configuration_due;
    let (dirty, known) = context.of_receivers.with(&name, |state| {
        let other = due || std::mem::replace(&mut state.refuses, refuse) != refuse || state.queue != queue;
        state.queue = queue;
        (
            std::mem::take(&mut state.dirty) || other,
            state.projected.is_some(),
        )
    });
    if !dirty && known {
        return Ok(());
    }
    let again = || context.of_receivers.with(&name, |state| state.dirty = true);
    // Sinks are few: their earlier forms are looked for at once.
    let mut wanted = if known {
        dereference::forms(receiver, facts, context).await
    } else {
        Ok(Wanted::Earlier)
    };
    if let Ok(Wanted::Earlier) = wanted {
        if let Err(error) = apply::recover(receiver, context).await {
            again();
            return Err(refused(&error));
        }
        wanted = dereference::forms(receiver, facts, context).await;
    }
    match wanted {
        Ok(Wanted::Forms(forms)) => match apply::configure(receiver, &forms, context).await {
            Ok(true) => apply::tell_pods(receiver, context).await,
            Ok(false) => {}
            Err(error) => {
                again();
                return Err(refused(&error));
            }
        },
        // Whatever is still to be validated wakes the receiver.
        Ok(Wanted::Later | Wanted::Earlier) => again(),
        Err(error) => {
            again();
            return Err(unreachable(&error));
        }
    }
    Ok(())
}

/// Observes, writes the status, tells the webhooks, and says when to look again.
async fn report(
    receiver: &Arc<LeadReceiver>,
    outcome: &Outcome,
    facts: &Dereferenced,
    store: Option<StoreKey>,
    context: &Context,
) -> Action {
    let name = name_of(receiver.as_ref());
    let observed = observe::observe(receiver, context).await;
    let key = format!("{KIND} {}/{}", name.0, name.1);
    let store = store.unwrap_or_else(|| facts.stores.key(&name.1));
    if let Err(error) = write_status(receiver, outcome, &observed, &store, context).await {
        context.metrics.failed(KIND, reason_of(&error).as_str());
        tracing::warn!(object = key, error = words(&error), "failed to write the status");
        return Action::requeue(context.backoff.failed(&key));
    }
    match outcome {
        Outcome::Failed(reason, message) => {
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
        Outcome::Mistakes(errors) | Outcome::Applied { errors, .. } => {
            for error in errors {
                context.metrics.failed(KIND, error.reason.as_str());
            }
        }
        Outcome::InUse(_) | Outcome::Paused => {}
    }
    context.backoff.succeeded(&key);
    if is_implied(receiver) {
        // What it was still needed for may be over.
        context.refresh_receivers(&name.0);
    }
    if *outcome != Outcome::Paused && context.of_receivers.with(&name, |state| state.dirty) {
        return Action::requeue(Duration::from_secs(1));
    }
    if let Outcome::Applied { waits: Some(_), .. } = outcome {
        return Action::requeue(UPGRADE_INTERVAL);
    }
    let asked = observed.pods.iter().any(|pod| pod.ready);
    // Nothing to ask: a change wakes it, and this catches what no watch tells.
    let wait = if asked {
        observe::period(&name, context)
    } else {
        jitter(RESYNC_INTERVAL)
    };
    let again = context.drifts.told(KIND, &name, Instant::now()).again;
    Action::requeue(again.map_or(wait, |again| again.min(wait)))
}

/// Writes the status if it says something new, and Events if people should hear it. An implied receiver has no object to
/// show it; its webhooks do.
async fn write_status(
    receiver: &Arc<LeadReceiver>,
    outcome: &Outcome,
    observed: &Observed,
    store: &StoreKey,
    context: &Context,
) -> kube::Result<()> {
    let name = name_of(receiver.as_ref());
    let previous = known_status(receiver, context);
    let served = served(&name, context);
    let status = status::status(
        receiver,
        &previous,
        outcome,
        observed,
        store,
        served,
        Timestamp::now(),
    );
    let changed = context.of_receivers.with(&name, |state| {
        let changed = state.conditions != status.conditions;
        state.conditions.clone_from(&status.conditions);
        changed
    });
    if changed {
        for webhook in context.webhooks_of(&name.0, |webhook| webhook.spec.receiver_ref.name == name.1) {
            context.wake_webhook(&name.0, &webhook.name_any());
        }
    }
    if status == previous {
        return Ok(());
    }
    if is_implied(receiver) {
        context
            .of_receivers
            .with(&name, |state| state.status = Some((u64::MAX, status)));
        return Ok(());
    }
    let Some(written) = patch_status(receiver.as_ref(), KIND, &status, context).await? else {
        return Ok(());
    };
    let transitions = events::transitions(&previous.conditions, &status.conditions);
    context
        .of_receivers
        .with(&name, |state| state.status = Some((written, status)));
    events::publish(&context.recorder, receiver.as_ref(), transitions).await;
    Ok(())
}

fn served(name: &(String, String), context: &Context) -> Served {
    let webhooks = context.webhooks_of(&name.0, |webhook| webhook.spec.receiver_ref.name == name.1);
    let pending = webhooks.iter().map(|webhook| {
        context.of_webhooks.with(&name_of(webhook.as_ref()), |state| {
            state.figures.get(&name.1).map_or(0, WebhookStats::pending)
        })
    });
    Served {
        pending: pending.sum(),
        webhooks: i64::try_from(webhooks.len()).unwrap_or(i64::MAX),
    }
}

/// The newest of what the watch shows and what was written: the watch may lag behind.
fn known_status(receiver: &LeadReceiver, context: &Context) -> LeadReceiverStatus {
    let shown = version(receiver.metadata.resource_version.as_deref());
    let written = context
        .of_receivers
        .with(&name_of(receiver), |state| state.status.clone());
    match written {
        // What an implied one said is not what one that exists by now has written.
        Some((at, status)) if at > shown && (at != u64::MAX || is_implied(receiver)) => status,
        _ => receiver.status.clone().unwrap_or_default(),
    }
}
