//! How often a CRM may be called: rate limit, pause and circuit breaker, shared by all replicas, and what a caller is
//! granted.

use std::time::Duration;

use async_trait::async_trait;

/// At most `requests` in any window of `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests.
    pub requests: u32,
    /// Window.
    pub per: Duration,
}

/// When to stop calling a CRM that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row that open the circuit.
    pub failures: u32,
    /// How long it stays open before a probe.
    pub cooldown: Duration,
}

/// What a request told about the CRM itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrmHealth {
    /// It answered (be it with a refusal of the lead).
    Up,
    /// Time-out, refused connection, or 5xx.
    Down,
}

/// An answer to [`crate::queue::ThrottleStore::permits`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Requests that may be sent now; 0 to `want`.
    pub granted: u32,
    /// When fewer than wanted: how long until it is worth asking again.
    pub wait: Duration,
    /// Why nothing was granted, if a pause or an open circuit is the reason.
    pub paused: Option<String>,
    /// Failures in a row so far; a success needs reporting only when this is not 0.
    pub failures: u32,
}

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
pub(crate) struct Unlimited;

#[cfg(test)]
#[async_trait]
impl Throttle for Unlimited {
    async fn acquire(&self) -> Result<(), Throttled> {
        Ok(())
    }

    async fn report(&self, _health: CrmHealth, _elapsed: Duration) {}
}
