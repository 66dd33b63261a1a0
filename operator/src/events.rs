//! Events: one when a condition that people wait for changes, none otherwise.

use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder};
use leadgate_crds::common::Condition;

use crate::conditions::find;

/// Pure: the events that a change of conditions is worth.
pub(crate) fn transitions(before: &[Condition], after: &[Condition]) -> Vec<Event> {
    let changed = |name: &str| {
        let now = find(after, name)?;
        let was = find(before, name);
        let same = was.is_some_and(|was| was.status == now.status && was.reason == now.reason);
        (!same).then_some((was, now))
    };
    let mut events = Vec::new();
    if let Some((was, now)) = changed("Stalled") {
        if now.status == "True" {
            events.push(event(EventType::Warning, "Reconcile", now));
            return events;
        }
        // Nobody needs to hear that an object which never stalled does not.
        if was.is_some_and(|was| was.status == "True") {
            tracing::debug!("no longer stalled");
        }
    }
    if let Some((was, now)) = changed("Ready") {
        match now.status.as_str() {
            "True" => events.push(event(EventType::Normal, "Reconcile", now)),
            // On the way up for the first time nothing was lost.
            _ if was.is_some_and(|was| was.status == "True") => {
                events.push(event(EventType::Warning, "Reconcile", now));
            }
            _ => {}
        }
    }
    if let Some((_, now)) = changed("Delivering")
        && now.status == "False"
        && events.is_empty()
    {
        events.push(event(EventType::Warning, "Deliver", now));
    }
    events
}

fn event(type_: EventType, action: &str, condition: &Condition) -> Event {
    Event {
        type_,
        reason: condition.reason.clone(),
        note: Some(condition.message.clone()),
        action: action.to_owned(),
        secondary: None,
    }
}

/// Publishes them. An Event that cannot be written is not worth a failure.
pub(crate) async fn publish<K: Resource<DynamicType = ()>>(
    recorder: &Recorder,
    object: &K,
    events: Vec<Event>,
) {
    let reference = object.object_ref(&());
    for event in events {
        if let Err(error) = recorder.publish(&event, &reference).await {
            tracing::warn!(%error, reason = event.reason, "failed to write an Event");
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::conditions::{ConditionState, conditions};
    use crate::reasons::Reason;

    fn state(ready: ConditionState, stalled: ConditionState) -> Vec<Condition> {
        conditions(
            vec![("Ready", ready), ("Stalled", stalled)],
            &[],
            1,
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn on_transitions_only() {
        let starting = state(
            ConditionState::no(Reason::Starting, ""),
            ConditionState::no(Reason::Progressing, ""),
        );
        let ready = state(
            ConditionState::yes(Reason::Ready, ""),
            ConditionState::no(Reason::Progressing, ""),
        );
        let stalled = state(
            ConditionState::no(Reason::SecretMissing, "m"),
            ConditionState::yes(Reason::SecretMissing, "m"),
        );
        let reasons = |before: &[Condition], after: &[Condition]| -> Vec<String> {
            transitions(before, after).into_iter().map(|e| e.reason).collect()
        };
        assert!(reasons(&[], &starting).is_empty());
        assert_eq!(reasons(&starting, &ready), ["Ready"]);
        assert!(reasons(&ready, &ready).is_empty());
        assert_eq!(reasons(&ready, &stalled), ["SecretMissing"]);
        assert_eq!(reasons(&stalled, &ready), ["Ready"]);
        assert_eq!(reasons(&ready, &starting), ["Starting"]);
    }
}
