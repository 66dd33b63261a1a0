//! From one server of the managed Redis to three and back: what changes in which order. Pure.
//!
//! A lead waits for no more servers than there are, so servers come before receivers wait for them, and go after receivers
//! have stopped waiting. The first server stays: one that goes hands its role over, and the others have all that it has.

use super::dereference::Dereferenced;
use crate::stores::StoreKey;
use crate::workloads::{RedisState, Rollout};

/// How many replicas must have a lead before it is acknowledged, now: more than before only when there are as many.
pub fn acknowledge(wanted: Option<i32>, store: &StoreKey, facts: &Dereferenced) -> Option<i32> {
    let wanted = wanted?;
    if *store != StoreKey::Managed {
        return Some(wanted);
    }
    let before = facts.rollout.as_ref().and_then(|rollout| rollout.acknowledge);
    let ready = facts.redis.as_ref().map_or(0, |redis| redis.ready);
    Some(
        before
            .filter(|before| *before < wanted && ready <= wanted)
            .unwrap_or(wanted),
    )
}

/// How many servers there are to be now, and what a person should know while it is not what they wrote.
pub fn servers(wanted: i32, facts: &Dereferenced) -> (i32, Option<String>) {
    // A person who stopped all of them starts them again.
    let changes = |redis: &&RedisState| redis.replicas != wanted && redis.replicas > 0;
    let Some(redis) = facts.redis.as_ref().filter(changes) else {
        return (wanted, None);
    };
    let stays = |why: &str| {
        let note = format!(
            "the managed Redis has {} servers and not yet {wanted}: it waits {why}",
            redis.replicas
        );
        (redis.replicas, Some(note))
    };
    let waits = |rollout: &Rollout| {
        !rollout.complete || rollout.acknowledge.is_some_and(|replicas| replicas >= wanted)
    };
    // More may be what brings the queue back: those that were removed have its leads.
    if redis.replicas > wanted {
        if facts.users_of_redis.iter().any(waits) {
            return stays("until no receiver waits for the others");
        }
        if !redis.is_in_step() {
            return stays("until all of them have all leads");
        }
    }
    (wanted, None)
}
