//! When something goes wrong: by script, by chance, or because the CRM is down.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::{SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// A fault and how often it happens (0 to 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Odds<F> {
    /// The fault.
    pub fault: F,
    /// Its probability.
    pub probability: f64,
}

/// A simulator's plan of faults, and what was made of it.
pub(crate) struct Faults<P> {
    seed: u64,
    drawn: u64,
    pub(crate) plan: P,
    down_until: Option<Instant>,
}

impl<P> Faults<P> {
    pub(crate) fn new(seed: u64, plan: P) -> Self {
        Self {
            seed,
            drawn: 0,
            plan,
            down_until: None,
        }
    }

    pub(crate) fn down_for(&mut self, period: Duration) {
        self.down_until = Some(Instant::now() + period);
    }

    pub(crate) fn up(&mut self) {
        self.down_until = None;
    }

    pub(crate) fn is_down(&self, now: Instant) -> bool {
        self.down_until.is_some_and(|until| now < until)
    }

    /// A generator of its own for each request: what the n-th meets doesn't depend on the plan before it.
    pub(crate) fn chance(&mut self) -> StdRng {
        let rng = StdRng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.drawn);
        self.drawn += 1;
        rng
    }
}

/// The next fault of the script, else at most one by chance; `roll` is from 0 to 1.
pub(crate) fn next_fault<F: Clone>(script: &mut VecDeque<F>, odds: &[Odds<F>], roll: f64) -> Option<F> {
    if let Some(fault) = script.pop_front() {
        return Some(fault);
    }
    let mut reached = 0.0;
    for odds in odds {
        reached += odds.probability;
        if roll < reached {
            return Some(odds.fault.clone());
        }
    }
    None
}
