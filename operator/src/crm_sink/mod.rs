//! CrmSink: dereference -> validate -> status, a file a step. A sink owns no objects: the receivers of the webhooks that
//! name it deliver to it.

pub mod dereference;
pub mod status;
pub mod validate;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use leadgate_crds::CrmSink;
use serde_json::json;

use crate::apply::reason_of;
use crate::backoff::jitter;
use crate::context::{Context, name_of};
use crate::events;
use crate::names::MANAGER;
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
        check(&sink, &context).await
    };
    context.metrics.ended(KIND, begun);
    Ok(action)
}

async fn check(sink: &Arc<CrmSink>, context: &Context) -> Action {
    let (namespace, name) = name_of(sink.as_ref());
    let key = format!("{KIND} {namespace}/{name}");
    let facts = dereference::dereference(sink, context).await;
    let outcome = match &facts {
        Ok(facts) => match validate::validate(sink, facts, &context.settings.rules) {
            Ok(()) => Outcome::Valid,
            Err(mistakes) => Outcome::Mistakes(mistakes),
        },
        Err(error) => Outcome::Failed(
            reason_of(error),
            format!("the API server is not reachable: {error}"),
        ),
    };
    let facts = facts.unwrap_or_default();
    if let Err(error) = write_status(sink, &outcome, &facts, context).await {
        context.metrics.failed(KIND, reason_of(&error).as_str());
        tracing::warn!(object = key, %error, "failed to write the status");
        return Action::requeue(context.backoff.failed(&key));
    }
    match outcome {
        Outcome::Failed(reason, _) => {
            context.metrics.failed(KIND, reason.as_str());
            Action::requeue(context.backoff.failed(&key))
        }
        Outcome::Valid | Outcome::Mistakes(_) => {
            context.backoff.succeeded(&key);
            Action::requeue(jitter(RESYNC_INTERVAL))
        }
    }
}

async fn write_status(
    sink: &Arc<CrmSink>,
    outcome: &Outcome,
    facts: &dereference::Dereferenced,
    context: &Context,
) -> kube::Result<()> {
    let (namespace, name) = name_of(sink.as_ref());
    let previous = sink.status.clone().unwrap_or_default();
    let status = status::status(sink, &previous, outcome, facts, Timestamp::now());
    if status == previous {
        return Ok(());
    }
    let patch = json!({
        "apiVersion": format!("{}/{}", leadgate_crds::GROUP, leadgate_crds::VERSION),
        "kind": KIND,
        "metadata": {"name": name, "uid": sink.uid()},
        "status": status,
    });
    let api: kube::Api<CrmSink> = kube::Api::namespaced(context.client.clone(), &namespace);
    let params = PatchParams::apply(MANAGER).force();
    match api.patch_status(&name, &params, &Patch::Apply(&patch)).await {
        Ok(_) => context.metrics.wrote(KIND, "status"),
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(error),
    }
    let transitions = events::transitions(&previous.conditions, &status.conditions);
    events::publish(&context.recorder, sink.as_ref(), transitions).await;
    Ok(())
}
