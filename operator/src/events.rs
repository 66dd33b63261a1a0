//! Events: one when a condition that people wait for changes, none otherwise.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::api::DynamicObject;
use kube::runtime::events::{Event, EventType, Recorder};
use leadgate_crds::common::Condition;
use leadgate_crds::{GROUP, VERSION};

use crate::api_error::words;
use crate::conditions::find;
use crate::context::Context;
use crate::kinds::Desired;
use crate::ownership::Ownership;
use crate::reasons::Reason;

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
        publish_to(recorder, &reference, event).await;
    }
}

/// Says that an object was put back as it is to be, after somebody else had changed or deleted it: an Event of the resource
/// that it belongs to, or of the object itself if that is no one resource. `repeated`: that this happens again and again, and
/// what to do.
pub(crate) async fn restored(
    context: &Context,
    belongs: Ownership<'_>,
    desired: &Desired,
    made: &DynamicObject,
    repeated: Option<String>,
) {
    let (kind, name) = (desired.kind.name(), desired.name.as_str());
    let namespace = made.metadata.namespace.clone().unwrap_or_default();
    tracing::warn!(
        namespace,
        kind,
        name,
        "an object was changed by somebody else and is put back"
    );
    let reference = match belongs {
        Ownership::To {
            kind,
            name,
            uid: Some(uid),
        } => ObjectReference {
            api_version: Some(format!("{GROUP}/{VERSION}")),
            kind: Some(kind.to_owned()),
            name: Some(name.to_owned()),
            namespace: Some(namespace),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        },
        _ => made.object_ref(&desired.kind.api_resource()),
    };
    let (reason, note) = match repeated {
        Some(repeated) => (Reason::ObjectContested, repeated),
        None => (
            Reason::Restored,
            format!("{kind} {name} was changed or deleted by somebody else and is put back"),
        ),
    };
    publish_to(
        &context.recorder,
        &reference,
        Event {
            type_: EventType::Warning,
            reason: reason.as_str().to_owned(),
            note: Some(note),
            action: "Apply".to_owned(),
            // Without it, Events of several objects would count as one.
            secondary: Some(made.object_ref(&desired.kind.api_resource())),
        },
    )
    .await;
}

/// Tells people of a resource's Secret, in an Event of the resource.
pub(crate) async fn tell<K: Resource<DynamicType = ()>>(
    context: &Context,
    object: &K,
    reason: Reason,
    note: String,
) {
    tracing::warn!(reason = reason.as_str(), "{note}");
    let event = Event {
        type_: EventType::Warning,
        reason: reason.as_str().to_owned(),
        note: Some(note),
        action: "Apply".to_owned(),
        secondary: None,
    };
    publish_to(&context.recorder, &object.object_ref(&()), event).await;
}

async fn publish_to(recorder: &Recorder, reference: &ObjectReference, event: Event) {
    if let Err(error) = recorder.publish(&event, reference).await {
        tracing::warn!(
            error = words(&error),
            reason = event.reason,
            "failed to write an Event"
        );
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::conditions::{ConditionState, conditions};

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
