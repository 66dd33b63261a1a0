//! What stands between a CRM's client and the network: rate, pause and circuit, shared by all replicas.

use std::time::Duration;

use async_trait::async_trait;

use crate::throttle::CrmHealth;

/// Asked before each request to a CRM.
#[async_trait]
pub trait Throttle: Send + Sync {
    /// Waits a moment for a permit if need be; an error says how long nothing may be sent.
    async fn acquire(&self) -> Result<(), Throttled>;

    /// Tells how the CRM fared: it answered in `elapsed`, or did not.
    async fn report(&self, health: CrmHealth, elapsed: Duration);
}

/// No request may be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttled {
    /// How long to wait.
    pub wait: Duration,
    /// Why: a pause, an open circuit, the rate limit, or an unavailable queue.
    pub reason: String,
}

impl Throttled {
    /// The reason of a pause or an open circuit: a CamelCase word, and words for a person. `None`: it is not one of these,
    /// but the rate limit or the store.
    pub fn paused(&self) -> Option<(&str, &str)> {
        self.reason
            .split_once(": ")
            .filter(|(word, _)| word.bytes().all(|b| b.is_ascii_alphanumeric()))
            .filter(|(word, _)| word.starts_with(|c: char| c.is_ascii_uppercase()))
    }
}

/// Lets everything pass.
#[cfg(test)]
pub(super) struct Unlimited;

#[cfg(test)]
#[async_trait]
impl Throttle for Unlimited {
    async fn acquire(&self) -> Result<(), Throttled> {
        Ok(())
    }

    async fn report(&self, _health: CrmHealth, _elapsed: Duration) {}
}
