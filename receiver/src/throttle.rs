//! How often a CRM may be called: rate limit, circuit breaker, and what a caller is granted.

use std::time::Duration;

/// At most `requests` in any window of `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
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
