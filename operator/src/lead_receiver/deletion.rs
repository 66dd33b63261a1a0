//! A receiver that is being deleted.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use leadgate_crds::LeadReceiver;

use super::dereference::Dereferenced;
use super::{KIND, Outcome, apply, make, observe, refused, report, unreachable};
use crate::apply::set_finalizer;
use crate::context::{Context, name_of};
use crate::implied::is_implied;
use crate::names::{self, ALLOW_LOSS, FINALIZER};

/// One that is still in use is looked at again so often.
const RELEASE_INTERVAL: Duration = Duration::from_secs(5);

/// A receiver that is being deleted stays while webhooks name it, or leads are in its queue that no other receiver delivers.
pub(super) async fn delete(receiver: &Arc<LeadReceiver>, facts: &Dereferenced, context: &Context) -> Action {
    let name = name_of(receiver.as_ref());
    let key = format!("{KIND} {}/{}", name.0, name.1);
    if !is_implied(receiver) {
        if !receiver.finalizers().iter().any(|name| name == FINALIZER) {
            context.of_receivers.forget(&name);
            return Action::await_change();
        }
        if let Some(why) = in_use(receiver, facts)
            && !(observe::without_pods(&name, context) && context.is_terminating(&name.0).await)
        {
            // It works on until then.
            let (outcome, store) = make(receiver, facts, context).await;
            let outcome = match outcome {
                Outcome::Applied { .. } => Outcome::InUse(why),
                other => other,
            };
            report(receiver, &outcome, facts, store, context).await;
            return Action::requeue(RELEASE_INTERVAL);
        }
    }
    let released = async {
        apply::release(receiver, context).await?;
        apply::release_redis(facts, context, &name).await
    };
    let finished = match released.await {
        Ok(()) if is_implied(receiver) => Ok(()),
        Ok(()) => set_finalizer(receiver.as_ref(), KIND, false, context)
            .await
            .map_err(|error| unreachable(&error)),
        Err(error) => Err(refused(&error)),
    };
    match finished {
        Ok(()) => {
            context.of_receivers.forget(&name);
            // Nobody waits for what is gone; the others of its namespace ask for their turn again.
            context.upgrades.done(&name.0);
            context.backoff.succeeded(&key);
            context.refresh_receivers(&name.0);
            Action::await_change()
        }
        Err(outcome) => report(receiver, &outcome, facts, None, context).await,
    }
}

/// Pure: why a receiver cannot go yet.
fn in_use(receiver: &LeadReceiver, facts: &Dereferenced) -> Option<String> {
    let name = receiver.name_any();
    if !facts.webhooks.is_empty() {
        let names: Vec<String> = facts
            .webhooks
            .iter()
            .take(5)
            .map(|webhook| webhook.name_any())
            .collect();
        let more = facts.webhooks.len().saturating_sub(names.len());
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        return Some(format!(
            "deletion waits for LeadWebhooks that name this LeadReceiver: {}{more}; delete them, or change their spec.receiverRef",
            names.join(", ")
        ));
    }
    let store = facts.stores.key(&name);
    let shared = facts.receivers.iter().any(|other| {
        other.name_any() != name
            && other.metadata.deletion_timestamp.is_none()
            && facts.stores.key(&other.name_any()) == store
    });
    if shared || names::loss_allowed(receiver) {
        return None;
    }
    let Some(figures) = &facts.figures else {
        // Without a pod that could be asked nothing is lost either: a volume stays, and so does a Redis of the user's own.
        let asks = facts.rollout.as_ref().is_some_and(|rollout| rollout.ready > 0);
        return asks.then(|| "deletion waits until the receivers have reported".to_owned());
    };
    let kept = figures.kept();
    (kept > 0).then(|| {
        format!(
            "deletion waits for {kept} deliveries (pending, held or dead) in the queue of this LeadReceiver, which no other one \
             uses; deliver, decide about or discard them, or give them up with the annotation {ALLOW_LOSS}: \"true\""
        )
    })
}
