//! How an object fares, as its conditions tell it.

use kube::Resource;
use leadgate_crds::common::Condition;
use serde::Serialize;

use crate::output::{Cell, Paint};

/// Whether something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Level {
    /// It does not.
    Wrong,
    /// Nobody knows yet.
    Unknown,
    /// It works, and a person should look at it.
    Warning,
    /// It does.
    Fine,
}

/// Whether something works, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Health {
    pub(crate) level: Level,
    /// A CamelCase word.
    pub(crate) reason: String,
    /// In words.
    pub(crate) message: String,
}

impl Health {
    pub(crate) fn new(level: Level, reason: &str, message: &str) -> Self {
        Self {
            level,
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }

    pub(crate) fn fine() -> Self {
        Self::new(Level::Fine, "Ready", "")
    }

    /// For a table.
    pub(crate) fn cell(&self) -> Cell {
        let paint = match self.level {
            Level::Fine => Paint::Good,
            Level::Warning | Level::Unknown => Paint::Warning,
            Level::Wrong => Paint::Bad,
        };
        Cell::new(&self.reason, paint)
    }
}

/// A condition of this name.
pub(crate) fn condition<'c>(conditions: &'c [Condition], name: &str) -> Option<&'c Condition> {
    conditions.iter().find(|condition| condition.type_ == name)
}

/// Pure: what the condition Ready of an object says, if the operator has seen the object as it is.
pub(crate) fn health_of<K: Resource>(object: &K, observed: i64, conditions: &[Condition]) -> Health {
    let generation = object.meta().generation.unwrap_or_default();
    match condition(conditions, "Ready") {
        None => Health::new(
            Level::Unknown,
            "NotObserved",
            "no operator has seen it: kubectl leadgate check tells why",
        ),
        Some(_) if observed < generation => Health::new(
            Level::Unknown,
            "NotObserved",
            "the operator has not seen the last change yet",
        ),
        // It works as it is written, and delivers nothing, or takes nothing.
        Some(ready) if ready.status == "True" => conditions
            .iter()
            .find(|condition| condition.reason == "Suspended")
            .map_or_else(Health::fine, |suspended| {
                Health::new(Level::Warning, &suspended.reason, &suspended.message)
            }),
        Some(ready) => Health::new(Level::Wrong, &ready.reason, &ready.message),
    }
}

#[cfg(test)]
mod tests {
    use leadgate_crds::{LeadReceiver, LeadReceiverSpec};
    use serde_json::json;

    use super::*;

    #[test]
    fn ready_counts_only_of_the_form_that_was_seen() {
        let mut object = LeadReceiver::new("a", LeadReceiverSpec::default());
        object.metadata.generation = Some(3);
        let ready = |status: &str| -> Vec<Condition> {
            let condition = json!({"type": "Ready", "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-11-01T00:00:00Z"});
            vec![serde_json::from_value(condition).unwrap()]
        };
        #[rustfmt::skip]
        let table = [
            (-1, vec![], Level::Unknown), (2, ready("True"), Level::Unknown),
            (3, ready("True"), Level::Fine), (3, ready("False"), Level::Wrong), (3, ready("Unknown"), Level::Wrong),
        ];
        for (observed, conditions, expected) in table {
            assert_eq!(health_of(&object, observed, &conditions).level, expected);
        }
        let mut suspended = ready("True");
        suspended[0].reason = "Suspended".to_owned();
        assert_eq!(health_of(&object, 3, &suspended).level, Level::Warning);
    }
}
