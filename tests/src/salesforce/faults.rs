//! Faults on demand: what goes wrong with which request.

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::simulator::{self, Faults, next_fault};

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
    /// Something in between answers with a page for people; Salesforce sees nothing.
    Page {
        /// The status.
        status: u16,
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

/// A fault and how often it happens.
pub type Odds = simulator::Odds<Fault>;

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

impl Faults<FaultPlan> {
    /// The fault and the latency of the next request: they depend on the seed, its number and the plan alone.
    pub(super) fn draw(&mut self) -> (Fault, Duration) {
        let mut rng = self.chance();
        let roll = rng.random();
        let plan = &mut self.plan;
        let (least, most) = plan.latency;
        let latency = Duration::from_millis(rng.random_range(least..=most.max(least)));
        let fault = next_fault(&mut plan.next, &plan.odds, roll);
        (fault.unwrap_or(Fault::None), latency)
    }
}
