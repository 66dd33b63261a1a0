//! LeadWebhook: dereference -> validate -> (its receiver's pods get it) -> expose -> status, a file a step. The pods are
//! its receiver's (`lead_receiver`).
//!
//! * `dereference` reads the cluster. `validate` is pure and finds all mistakes; `endpoints` says where a webhook is reached.
//! * `programmed` says which receiver senders reach, and `route` leads them there.
//! * `conditions` and `status` are pure: what happened -> what is written. `drain` decides about deletion.
//! * [`reconcile`] is the one outer function: whatever happens, the status says it.

pub mod conditions;
pub mod dereference;
pub mod drain;
pub mod endpoints;
pub mod expose;
pub mod observe;
pub mod outcome;
pub mod programmed;
pub mod route;
pub mod status;
pub mod validate;
pub mod waiting;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use leadgate_crds::{LeadWebhook, LeadWebhookStatus};

use crate::api_error::{ApplyError, reason_of, words};
use crate::apply::{patch_status, set_finalizer};
use crate::backoff::jitter;
use crate::claims::{Claim, LOOK_AGAIN, claim, contested};
use crate::context::{Context, form, name_of};
use crate::events;
use crate::index::version;
use crate::lead_receiver::dereference::HAND_OVER;
use crate::names::{FINALIZER, is_paused};
use crate::reasons::Reason;
use crate::validation::ValidationError;
use crate::workloads::Name;
use outcome::{Observed, Outcome};

const KIND: &str = "LeadWebhook";
/// A webhook is looked at again so rarely: changes wake it, and what its receiver says.
const RESYNC_INTERVAL: Duration = Duration::from_mins(10);
/// A webhook that drains is looked at again so often.
const DRAIN_REQUEUE_INTERVAL: Duration = Duration::from_secs(5);

/// Makes a webhook as it is to be, and writes what became of it. It cannot fail: failures are written, too.
pub async fn reconcile(webhook: Arc<LeadWebhook>, context: Arc<Context>) -> Result<Action, Infallible> {
    context.synced().await;
    let begun = context.metrics.begun(KIND);
    let action = match claim(webhook.as_ref(), &context).await {
        Ok(Claim::Theirs) => Action::requeue(LOOK_AGAIN),
        Err(error) => report(&webhook, &refused(&error), &context).await,
        Ok(Claim::Ours) if is_paused(webhook.as_ref()) => {
            pause(&webhook, &context);
            report(&webhook, &Outcome::Paused, &context).await
        }
        Ok(Claim::Ours) if webhook.metadata.deletion_timestamp.is_some() => delete(&webhook, &context).await,
        Ok(Claim::Ours) => {
            let outcome = make(&webhook, &context).await;
            report(&webhook, &outcome, &context).await
        }
    };
    context.metrics.ended(KIND, begun);
    Ok(action)
}

/// All steps up to the objects.
async fn make(webhook: &Arc<LeadWebhook>, context: &Context) -> Outcome {
    let (plan, facts) = match check(webhook, context).await {
        Ok(found) => found,
        Err(outcome) => {
            // What is right already goes on.
            validated(webhook, false, context);
            return outcome;
        }
    };
    validated(webhook, true, context);
    match expose::expose(&plan, facts.backend.as_ref(), context).await {
        Ok(()) => {
            let mut notes = plan.notes;
            let contested = contested(&name_of(webhook.as_ref()).0, context);
            notes.extend(contested.map(|why| ValidationError::of_spec(Reason::OperatorConflict, why)));
            Outcome::Applied(notes)
        }
        Err(error) => refused(&error),
    }
}

/// Everything before receivers are given the webhook.
async fn check(
    webhook: &Arc<LeadWebhook>,
    context: &Context,
) -> Result<(validate::Plan, dereference::Dereferenced), Outcome> {
    if !webhook.finalizers().iter().any(|name| name == FINALIZER) {
        set_finalizer(webhook.as_ref(), KIND, true, context)
            .await
            .map_err(|error| failed(&error))?;
    }
    let read = async || {
        let facts = dereference::dereference(webhook, context).await;
        facts.map_err(|error| failed(&error))
    };
    let mut facts = read().await?;
    let made = expose::generate_secret(webhook, &facts, context).await;
    if made.map_err(|error| refused(&error))? {
        facts = read().await?;
    }
    match validate::validate(webhook, &facts, &context.settings.rules) {
        Ok(plan) => Ok((plan, facts)),
        Err(mistakes) => Err(Outcome::Mistakes(mistakes)),
    }
}

/// Lets receivers run this form of the webhook if it is valid; else the last valid one stays.
fn validated(webhook: &LeadWebhook, valid: bool, context: &Context) {
    let name = name_of(webhook);
    let now = Some((form(webhook), valid));
    let changed = context.of_webhooks.with(&name, |state| {
        if valid {
            state.earlier = None;
        }
        std::mem::replace(&mut state.validated, now.clone()) != now
    });
    if changed {
        context.configuration_changed(&name.0);
    }
}

/// Receivers run on with the last valid form of a webhook that a person has paused.
fn pause(webhook: &LeadWebhook, context: &Context) {
    let known = context
        .of_webhooks
        .with(&name_of(webhook), |state| state.validated.clone());
    if known != Some((form(webhook), true)) {
        validated(webhook, false, context);
    }
}

fn failed(error: &kube::Error) -> Outcome {
    Outcome::Failed(reason_of(error), words(error))
}

fn refused(error: &ApplyError) -> Outcome {
    if error.is_terminal() {
        Outcome::Mistakes(vec![ValidationError::of_spec(error.reason(), error.to_string())])
    } else {
        Outcome::Failed(error.reason(), error.to_string())
    }
}

/// Writes the status, and says when to look again.
async fn report(webhook: &Arc<LeadWebhook>, outcome: &Outcome, context: &Context) -> Action {
    let observed = observe::observe(webhook, context);
    let written = write_status(webhook, outcome, &observed, context).await;
    let name = name_of(webhook.as_ref());
    let key = object(&name);
    if let Err(error) = written {
        context.metrics.failed(KIND, reason_of(&error).as_str());
        tracing::warn!(object = key, error = words(&error), "failed to write the status");
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
    let wait = if moved(webhook, &observed, context) {
        HAND_OVER
    } else {
        jitter(RESYNC_INTERVAL)
    };
    let again = context.drifts.told(KIND, &name, Instant::now()).again;
    Action::requeue(again.map_or(wait, |again| again.min(wait)))
}

/// Remembers that senders were led to another receiver, and when to let the former one forget the webhook. Says whether
/// that is still to come.
fn moved(webhook: &LeadWebhook, observed: &Observed, context: &Context) -> bool {
    let name = name_of(webhook);
    let before = webhook.status.as_ref().and_then(|status| status.receiver.clone());
    let now = observed.receiver.as_ref().map(|receiver| receiver.name.clone());
    let (waits, changed) = context.of_webhooks.with(&name, |state| {
        if let (Some(before), Some(now)) = (before, now)
            && before != now
        {
            let since = state.moved.replace((before, Instant::now()));
            return (true, since.is_none());
        }
        match &state.moved {
            Some((_, since)) if since.elapsed() < HAND_OVER => (true, false),
            Some(_) => {
                state.moved = None;
                (false, true)
            }
            None => (false, false),
        }
    });
    if changed {
        context.configuration_changed(&name.0);
        context.refresh_receivers(&name.0);
    }
    waits
}

/// A webhook that is being deleted: its receivers refuse new leads, and when no lead is left, it goes.
async fn delete(webhook: &Arc<LeadWebhook>, context: &Context) -> Action {
    let name = name_of(webhook.as_ref());
    if !webhook.finalizers().iter().any(|name| name == FINALIZER) {
        context.of_webhooks.forget(&name);
        context.backoff.succeeded(&object(&name));
        return Action::await_change();
    }
    let (valid, mistakes) = match dereference::dereference(webhook, context).await {
        Ok(facts) => match validate::validate(webhook, &facts, &context.settings.rules) {
            Ok(_) => (true, Vec::new()),
            Err(mistakes) => (false, mistakes),
        },
        Err(_) => (false, Vec::new()),
    };
    // It refuses leads in its last valid form, if this one is not.
    validated(webhook, valid, context);
    let observed = observe::observe(webhook, context);
    let mut state = observe::drain_state(webhook, &observed, valid, context);
    state.terminating = !state.receiving && context.is_terminating(&name.0).await;
    if state.terminating && state.last_pending > 0 && !state.loss_allowed {
        tracing::error!(
            object = object(&name),
            pending = state.last_pending,
            "the namespace is being deleted with pending leads; a Redis of your own still holds them"
        );
    }
    let decision = drain::decide(&state);
    let outcome = match decision {
        drain::Decision::Release => {
            let released = async {
                expose::hide(webhook, context)
                    .await
                    .map_err(|error| refused(&error))?;
                let removed = set_finalizer(webhook.as_ref(), KIND, false, context).await;
                removed.map_err(|error| failed(&error))
            };
            return match released.await {
                Ok(()) => {
                    context.backoff.succeeded(&object(&name));
                    Action::await_change()
                }
                // Nothing else says why it is still there.
                Err(outcome) => report(webhook, &outcome, context).await,
            };
        }
        drain::Decision::Wait(why) => Outcome::Draining {
            late: false,
            why,
            mistakes,
        },
        drain::Decision::Blocked(why) => Outcome::Draining {
            late: true,
            why,
            mistakes,
        },
    };
    if let Err(error) = write_status(webhook, &outcome, &observed, context).await {
        tracing::warn!(
            object = object(&name),
            error = words(&error),
            "failed to write the status"
        );
    }
    Action::requeue(DRAIN_REQUEUE_INTERVAL)
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
    let serving = observed.receiver.as_ref();
    let receiver = serving.and_then(|serving| context.receivers.get(&name.0, &serving.name));
    let url = endpoints::url(webhook, receiver.as_deref());
    let status = status::status(webhook, &previous, outcome, observed, url, Timestamp::now());
    if status == previous {
        return Ok(());
    }
    // It is gone: nobody is left to read it.
    let Some(written) = patch_status(webhook.as_ref(), KIND, &status, context).await? else {
        return Ok(());
    };
    let transitions = events::transitions(&previous.conditions, &status.conditions);
    context
        .of_webhooks
        .with(&name, |state| state.status = Some((written, status)));
    events::publish(&context.recorder, webhook.as_ref(), transitions).await;
    Ok(())
}

/// The newest of what the watch shows and what was written: the watch may lag behind.
fn known_status(webhook: &LeadWebhook, name: &Name, context: &Context) -> LeadWebhookStatus {
    let shown = version(webhook.metadata.resource_version.as_deref());
    let written = context.of_webhooks.with(name, |state| state.status.clone());
    match written {
        Some((at, status)) if at > shown => status,
        _ => webhook.status.clone().unwrap_or_default(),
    }
}

fn object(name: &Name) -> String {
    format!("{KIND} {}/{}", name.0, name.1)
}
