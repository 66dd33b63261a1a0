//! CrmSink: dereference -> validate -> status, a file a step. A sink owns no objects: the receivers of the webhooks that
//! name it deliver to it.

pub mod dereference;
pub mod status;
pub mod validate;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use leadgate_crds::CrmSink;

use crate::api_error::{reason_of, words};
use crate::apply::patch_status;
use crate::backoff::jitter;
use crate::claims::{Claim, LOOK_AGAIN, claim};
use crate::context::{Context, form, name_of};
use crate::events;
use crate::names::is_paused;
use status::Outcome;

const KIND: &str = "CrmSink";
const RESYNC_INTERVAL: Duration = Duration::from_mins(10);

/// Checks a sink, and writes what became of it. It cannot fail: failures are written, too.
pub async fn reconcile(sink: Arc<CrmSink>, context: Arc<Context>) -> Result<Action, Infallible> {
    context.synced().await;
    let begun = context.metrics.begun(KIND);
    let action = if sink.metadata.deletion_timestamp.is_some() {
        Action::await_change()
    } else {
        match claim(sink.as_ref(), &context).await {
            Ok(Claim::Theirs) => Action::requeue(LOOK_AGAIN),
            // Without the claim, nothing that it is for is made either; its receivers say why.
            Ok(Claim::Ours) | Err(_) => check(&sink, &context).await,
        }
    };
    context.metrics.ended(KIND, begun);
    Ok(action)
}

async fn check(sink: &Arc<CrmSink>, context: &Context) -> Action {
    let (namespace, name) = name_of(sink.as_ref());
    let key = format!("{KIND} {namespace}/{name}");
    let facts = dereference::dereference(sink, context).await;
    let outcome = match &facts {
        Ok(_) if is_paused(sink.as_ref()) => Outcome::Paused,
        Ok(facts) => match validate::validate(sink, facts, &context.settings.rules) {
            Ok(()) => Outcome::Valid,
            Err(mistakes) => Outcome::Mistakes(mistakes),
        },
        Err(error) => Outcome::Failed(reason_of(error), words(error)),
    };
    accept(sink, &outcome, context);
    let facts = facts.unwrap_or_default();
    if let Err(error) = write_status(sink, &outcome, &facts, context).await {
        context.metrics.failed(KIND, reason_of(&error).as_str());
        tracing::warn!(object = key, error = words(&error), "failed to write the status");
        return Action::requeue(context.backoff.failed(&key));
    }
    match outcome {
        Outcome::Failed(reason, _) => {
            context.metrics.failed(KIND, reason.as_str());
            Action::requeue(context.backoff.failed(&key))
        }
        Outcome::Valid | Outcome::Mistakes(_) | Outcome::Paused => {
            context.backoff.succeeded(&key);
            Action::requeue(jitter(RESYNC_INTERVAL))
        }
    }
}

/// Lets receivers run this form of the sink, if it is valid; else the last valid one stays.
fn accept(sink: &Arc<CrmSink>, outcome: &Outcome, context: &Context) {
    if matches!(outcome, Outcome::Failed(..)) {
        return;
    }
    let name = name_of(sink.as_ref());
    let changed = context.of_sinks.with(&name, |state| {
        let first = !std::mem::replace(&mut state.validated, true);
        let known = state.accepted.as_ref();
        let is_new = *outcome == Outcome::Valid
            && known.is_none_or(|known| form(known.as_ref()) != form(sink.as_ref()));
        if is_new {
            state.accepted = Some(Arc::clone(sink));
        }
        first || is_new
    });
    if changed {
        context.configuration_changed(&name.0);
    }
}

async fn write_status(
    sink: &Arc<CrmSink>,
    outcome: &Outcome,
    facts: &dereference::Dereferenced,
    context: &Context,
) -> kube::Result<()> {
    let previous = sink.status.clone().unwrap_or_default();
    let status = status::status(sink, &previous, outcome, facts, Timestamp::now());
    if status == previous {
        return Ok(());
    }
    if patch_status(sink.as_ref(), KIND, &status, context)
        .await?
        .is_none()
    {
        return Ok(());
    }
    let transitions = events::transitions(&previous.conditions, &status.conditions);
    events::publish(&context.recorder, sink.as_ref(), transitions).await;
    Ok(())
}
