//! Faults on demand: what goes wrong with which request.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// What happens to one request for data (sign-ins have no faults).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Fault {
    /// Nothing: this request goes through whatever chance says.
    None,
    /// Answered like this before it is looked at; nothing is written.
    Error {
        /// The status; 300 lists the first two records.
        status: u16,
        /// The error code; empty for a page instead of JSON.
        #[serde(default)]
        code: String,
        /// Seconds for a Retry-After header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// The first record of a collection fails with this code; other requests go through.
    Item {
        /// The error code.
        code: String,
    },
    /// The access token has expired, for everybody.
    Expire,
    /// The connection is closed before the request is looked at.
    Close,
    /// The request is carried out, then the connection is closed without an answer.
    LoseAnswer,
    /// The request is carried out, its answer comes after so many milliseconds.
    DelayAnswer {
        /// The delay.
        millis: u64,
    },
}

impl Fault {
    /// An error without further ado.
    pub fn error(status: u16, code: &str) -> Self {
        Self::Error {
            status,
            code: code.to_owned(),
            retry_after: None,
        }
    }
}

/// A fault and how often it happens (0 to 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Odds {
    /// The fault.
    pub fault: Fault,
    /// Its probability.
    pub probability: f64,
}

/// What goes wrong, until it is changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FaultPlan {
    /// Milliseconds between the handling of a request and its answer: at least, at most.
    pub latency: (u64, u64),
    /// At most one of these happens to a request; the probabilities add up to 1 at most.
    pub odds: Vec<Odds>,
    /// One for each of the next requests, before anything left to chance.
    pub next: VecDeque<Fault>,
}

/// The plan, and what was made of it.
pub(super) struct Faults {
    seed: u64,
    drawn: u64,
    pub(super) plan: FaultPlan,
    pub(super) down_until: Option<Instant>,
}

impl Faults {
    pub(super) fn new(seed: u64, plan: FaultPlan) -> Self {
        Self {
            seed,
            drawn: 0,
            plan,
            down_until: None,
        }
    }

    pub(super) fn is_down(&self, now: Instant) -> bool {
        self.down_until.is_some_and(|until| now < until)
    }

    /// The fault and the latency of the next request: they depend on the seed, its number and the plan alone.
    pub(super) fn draw(&mut self) -> (Fault, Duration) {
        let mut rng = StdRng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.drawn);
        self.drawn += 1;
        let roll: f64 = rng.random();
        let (least, most) = self.plan.latency;
        let latency = Duration::from_millis(rng.random_range(least..=most.max(least)));
        if let Some(fault) = self.plan.next.pop_front() {
            return (fault, latency);
        }
        let mut reached = 0.0;
        for odds in &self.plan.odds {
            reached += odds.probability;
            if roll < reached {
                return (odds.fault.clone(), latency);
            }
        }
        (Fault::None, latency)
    }
}
