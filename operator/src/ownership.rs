//! Whose an object is: nothing is the operator's by a label alone. Pure.

use crate::index::Live;
use crate::names;

/// Whose an object has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ownership<'a> {
    /// That of one resource. Without a uid: of the receiver that is only implied, so that its objects have no owner.
    To {
        kind: &'a str,
        name: &'a str,
        uid: Option<&'a str>,
    },
    /// The operator's: the managed Redis.
    Shared,
}

/// The kinds that own objects.
const OWNERS: [&str; 2] = ["LeadReceiver", "LeadWebhook"];

/// What an existing object is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    Leftover,
    Foreign,
}

/// Pure: whose an object is.
pub(crate) fn whose(live: &Live, belongs: Ownership<'_>) -> Whose {
    let Ownership::To { kind, name, uid } = belongs else {
        return if live.is_made() {
            Whose::Ours
        } else {
            Whose::Foreign
        };
    };
    let is_of = |owner: &crate::index::Owner| owner.kind == kind && owner.name == name;
    if live.owners.iter().any(|owner| Some(owner.uid.as_str()) == uid) {
        Whose::Ours
    } else if live.owners.iter().any(is_of) {
        Whose::Leftover
    } else if live.managed
        && !live
            .owners
            .iter()
            .any(|owner| OWNERS.contains(&owner.kind.as_str()))
    {
        // Somebody removed its labels, or made another controller its owner: what the operator applied is still its own.
        let instance = live.instance.as_deref();
        if instance.is_none_or(|of| of == names::instance(name)) {
            Whose::Ours
        } else {
            Whose::Foreign
        }
    } else if live.owners.is_empty()
        && live.is_made()
        && live.instance.as_deref() == Some(&names::instance(name))
    {
        // Of an implied receiver, after `kubectl delete --cascade=orphan`, or of a restored backup.
        Whose::Ours
    } else {
        Whose::Foreign
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Owner;

    fn live(owner: Option<(&str, &str, &str)>, labelled: bool, instance: Option<&str>) -> Live {
        let marked = labelled;
        Live {
            uid: "x".to_owned(),
            version: 1,
            stamp: 1,
            owners: owner
                .map(|(kind, name, uid)| Owner {
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                    uid: uid.to_owned(),
                })
                .into_iter()
                .collect(),
            labelled,
            managed: false,
            installation: marked.then(|| "a/b".to_owned()),
            contested: None,
            instance: instance.map(str::to_owned),
        }
    }

    #[test]
    fn whose_objects_are() {
        let ours = Ownership::To {
            kind: "LeadReceiver",
            name: "web",
            uid: Some("1"),
        };
        let implied = Ownership::To {
            kind: "LeadReceiver",
            name: "web",
            uid: None,
        };
        let owned = |name, uid| live(Some(("LeadReceiver", name, uid)), true, Some(name));
        // What a person labels as the operator does.
        let unmarked = |instance| Live {
            installation: None,
            ..live(None, true, instance)
        };
        // What the operator applied, and somebody took the labels from.
        let stripped = |instance| Live {
            managed: true,
            ..live(None, false, instance)
        };
        let adopted = Live {
            managed: true,
            ..live(Some(("Rollout", "x", "9")), true, Some("web"))
        };
        for (live, belongs, expected) in [
            (stripped(None), ours, Whose::Ours),
            (stripped(Some("web")), implied, Whose::Ours),
            (stripped(Some("shop")), ours, Whose::Foreign),
            (stripped(None), Ownership::Shared, Whose::Ours),
            (adopted, ours, Whose::Ours),
            (owned("web", "1"), ours, Whose::Ours),
            (owned("web", "0"), ours, Whose::Leftover),
            (owned("shop", "2"), ours, Whose::Foreign),
            (live(None, false, None), ours, Whose::Foreign),
            (live(None, true, Some("web")), ours, Whose::Ours),
            (live(None, true, Some("shop")), ours, Whose::Foreign),
            (live(None, true, Some("web")), implied, Whose::Ours),
            (owned("web", "1"), implied, Whose::Leftover),
            (owned("shop", "1"), implied, Whose::Foreign),
            (live(None, false, None), Ownership::Shared, Whose::Foreign),
            (owned("shop", "2"), Ownership::Shared, Whose::Ours),
            (unmarked(Some("web")), ours, Whose::Foreign),
            (unmarked(Some("web")), implied, Whose::Foreign),
            (unmarked(None), Ownership::Shared, Whose::Foreign),
        ] {
            assert_eq!(whose(&live, belongs), expected, "{live:?}");
        }
    }
}
