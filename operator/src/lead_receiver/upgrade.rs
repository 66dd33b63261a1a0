//! A new version of the operator replaces all pods. Namespaces take turns, so that not every queue is away at the same time, and
//! stop when one does not get ready; in a namespace, the managed Redis comes first, the receivers when it is back.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::ResourceExt as _;

use super::dereference::Dereferenced;
use super::validate::Plan;
use crate::context::Context;

/// How many namespaces are upgraded at once.
const AT_ONCE: usize = 2;
/// A namespace that is not ready for so long after its turn began has failed: Deployments are given as long.
const PATIENCE: Duration = Duration::from_mins(10);

/// What an upgrade waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Its turn.
    Turn,
    /// A namespace that was upgraded before and does not get ready.
    Failed(String),
    /// The managed Redis of the namespace, which is upgraded first.
    Redis,
}

impl Waits {
    /// For people.
    pub fn message(&self) -> String {
        match self {
            Self::Turn => "the new version waits until the pods of other namespaces have it".to_owned(),
            Self::Failed(namespace) => format!(
                "the new version waits: in namespace {namespace}, whose pods have it, a LeadReceiver is not ready any more; repair it, \
                 or go back to the former version"
            ),
            Self::Redis => {
                "the receivers get the new version when the managed Redis has it and is ready".to_owned()
            }
        }
    }
}

/// The namespaces that are being upgraded.
#[derive(Debug, Default)]
pub struct Upgrades(Mutex<BTreeMap<String, Turn>>);

#[derive(Clone, Copy, Debug)]
struct Turn {
    since: Instant,
    /// Whether it worked before; one that did not says nothing of the new version.
    was_ready: bool,
}

impl Upgrades {
    /// Whether a namespace may be upgraded now. It has its turn until [`Upgrades::done`].
    fn admit(&self, namespace: &str, was_ready: bool, now: Instant) -> Option<Waits> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.contains_key(namespace) {
            return None;
        }
        let failed = |turn: &Turn| now.duration_since(turn.since) > PATIENCE;
        if let Some((other, _)) = turns.iter().find(|(_, turn)| turn.was_ready && failed(turn)) {
            return Some(Waits::Failed(other.clone()));
        }
        // Nothing is learned from one that did not work before, so nobody waits for it for long.
        turns.retain(|_, turn| turn.was_ready || !failed(turn));
        if turns.len() >= AT_ONCE {
            return Some(Waits::Turn);
        }
        turns.insert(
            namespace.to_owned(),
            Turn {
                since: now,
                was_ready,
            },
        );
        None
    }

    /// A namespace is ready with the new version, or has nothing to upgrade any more.
    pub fn done(&self, namespace: &str) {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.remove(namespace);
    }
}

/// What the pods of a receiver wait for before they get another image. Those that do not exist yet wait for nothing.
pub(super) fn waits_for(plan: &Plan, facts: &Dereferenced, context: &Context) -> Option<Waits> {
    let namespace = plan.receiver.namespace().unwrap_or_default();
    let settings = &context.settings;
    let other = |image: &Option<String>, wanted: &str| image.as_deref().is_some_and(|image| image != wanted);
    let rollout = facts.rollout.clone().unwrap_or_default();
    let redis = facts
        .redis
        .clone()
        .filter(|_| plan.redis.is_some())
        .unwrap_or_default();
    let old_receivers = other(&rollout.image, &settings.receiver_image);
    let old_redis = other(&redis.image, &settings.redis_image);
    if old_receivers || old_redis {
        let was_ready = rollout.ready > 0;
        if let Some(waits) = context.upgrades.admit(&namespace, was_ready, Instant::now()) {
            return Some(waits);
        }
        let redis_is_back = plan.redis.is_none() || !old_redis && redis.is_in_step() && redis.complete;
        return (old_receivers && !redis_is_back).then_some(Waits::Redis);
    }
    if rollout.complete && (plan.redis.is_none() || redis.is_in_step() && redis.complete) {
        context.upgrades.done(&namespace);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_take_turns_and_stop_behind_one_that_fails() {
        let upgrades = Upgrades::default();
        let begin = Instant::now();
        assert_eq!(upgrades.admit("a", true, begin), None);
        assert_eq!(upgrades.admit("b", true, begin), None);
        assert_eq!(upgrades.admit("a", true, begin), None, "it has its turn");
        assert_eq!(upgrades.admit("c", true, begin), Some(Waits::Turn));
        upgrades.done("a");
        assert_eq!(upgrades.admit("c", true, begin), None);
        upgrades.done("c");
        let late = begin + PATIENCE + Duration::from_secs(1);
        assert_eq!(
            upgrades.admit("d", true, late),
            Some(Waits::Failed("b".to_owned()))
        );
        upgrades.done("b");
        assert_eq!(upgrades.admit("d", true, late), None);
    }

    #[test]
    fn nobody_waits_for_one_that_did_not_work_before() {
        let upgrades = Upgrades::default();
        let begin = Instant::now();
        assert_eq!(upgrades.admit("a", false, begin), None);
        assert_eq!(upgrades.admit("b", false, begin), None);
        let late = begin + PATIENCE + Duration::from_secs(1);
        assert_eq!(upgrades.admit("c", true, late), None);
    }
}
