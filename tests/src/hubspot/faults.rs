//! Faults on demand: what goes wrong with which request.

use std::{collections::VecDeque, time::Duration};

use rand::{Rng, RngExt, rngs::StdRng};
use serde::{Deserialize, Serialize};

use crate::simulator::{self, Faults, next_fault};

/// What happens to one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Fault {
    /// Nothing: this request goes through whatever chance says.
    None,
    /// Answered with this status before it is looked at; nothing is written.
    Status {
        /// The status: 423, 429, 477, 500, 502, 503, 504, 524 have their documented bodies.
        code: u16,
        /// Seconds for a Retry-After header.
        #[serde(default)]
        retry_after: Option<u64>,
        /// `policyName` of a 429.
        #[serde(default)]
        policy: Option<String>,
    },
    /// Something in between answers with a page for people: a firewall, a proxy, a maintenance page. HubSpot sees nothing.
    Page {
        /// The status; 200 too.
        code: u16,
    },
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

/// A range of milliseconds; equal ends make it fixed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Millis {
    /// At least.
    pub min: u64,
    /// At most.
    pub max: u64,
}

impl Millis {
    /// Always the same.
    pub const fn fixed(millis: u64) -> Self {
        Self {
            min: millis,
            max: millis,
        }
    }

    /// Anything between.
    pub const fn range(min: u64, max: u64) -> Self {
        Self { min, max }
    }

    fn pick(self, rng: &mut StdRng) -> Duration {
        Duration::from_millis(rng.random_range(self.min..=self.max.max(self.min)))
    }
}

/// A fault and how often it happens.
pub type Odds = simulator::Odds<Fault>;

impl Odds {
    /// A fault that happens to this share of the requests.
    pub const fn new(probability: f64, fault: Fault) -> Self {
        Self { fault, probability }
    }

    /// A status without further ado.
    pub const fn status(probability: f64, code: u16) -> Self {
        Self::new(
            probability,
            Fault::Status {
                code,
                retry_after: None,
                policy: None,
            },
        )
    }
}

/// A fault of all requests of a kind: what a firewall blocks by its content, a call that a gateway does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What the request's path contains.
    #[serde(default)]
    pub path: String,
    /// What its body contains.
    #[serde(default)]
    pub body: String,
    /// What happens to it.
    pub fault: Fault,
}

/// What goes wrong, until it is changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FaultPlan {
    /// Between the handling of a request and its answer.
    pub latency: Millis,
    /// The same for searches, instead of `latency`.
    pub search_latency: Option<Millis>,
    /// At most one of these happens to a request; the probabilities add up to 1 at most.
    pub odds: Vec<Odds>,
    /// What happens to requests of a kind, before anything else; the first that fits.
    pub rules: Vec<Rule>,
    /// One for each of the next requests, before anything left to chance.
    pub next: VecDeque<Fault>,
}

impl Faults<FaultPlan> {
    /// The fault and the latency of the next request.
    pub(super) fn draw(&mut self, search: bool, path: &str, body: &[u8]) -> (Fault, Duration) {
        let mut rng = self.chance();
        let _ = rng.next_u64();
        let roll = rng.random();
        let plan = &mut self.plan;
        let latency = plan
            .search_latency
            .filter(|_| search)
            .unwrap_or(plan.latency)
            .pick(&mut rng);
        let text = String::from_utf8_lossy(body);
        let rule = plan
            .rules
            .iter()
            .find(|rule| path.contains(&rule.path) && text.contains(&rule.body))
            .map(|rule| rule.fault.clone());
        let fault = rule.or_else(|| next_fault(&mut plan.next, &plan.odds, roll));
        (fault.unwrap_or(Fault::None), latency)
    }
}
