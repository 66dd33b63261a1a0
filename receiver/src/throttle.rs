//! How often a CRM may be called: rate limit, pause and circuit breaker, shared by all replicas, and what a caller is
//! granted.

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use leadgate_crds::reason::FailureReason;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::ids::{SinkId, WebhookId};
use crate::trace::Call;

/// At most `requests` in any window of `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub requests: u32,
    /// Window.
    pub per: Duration,
}

impl RateLimit {
    /// How long so many calls take at a share of it, in percent.
    pub fn time_for(&self, calls: u32, share: u8) -> Duration {
        self.per * calls * 100 / self.requests.max(1).saturating_mul(u32::from(share.max(1)))
    }
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
    pub paused: Option<PauseReason>,
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

    /// Counts an answer by its HTTP status; `None`: there was none.
    fn count(&self, _status: Option<u16>) {}

    /// A request is sent to `peer`: tells the traces of the leads that it is about.
    fn trace(&self, _request: &reqwest::Request, _peer: &str) -> Call {
        Call::default()
    }
}

/// No request may be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttled {
    /// How long to wait.
    pub wait: Duration,
    /// Why, if a pause or an open circuit is the reason; `None`: the rate limit, or an unavailable queue.
    pub paused: Option<PauseReason>,
}

/// Why nothing is sent for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseReason {
    /// In a word.
    pub reason: FailureReason,
    /// For a person, without personal data.
    pub message: String,
}

impl PauseReason {
    /// Of a circuit that is open.
    pub fn circuit_open() -> Self {
        Self {
            reason: FailureReason::CircuitOpen,
            message: "the CRM fails; waiting before the next try".to_owned(),
        }
    }

    /// Whether a person said so.
    pub fn is_a_persons(&self) -> bool {
        self.reason == FailureReason::PausedByPerson
    }

    /// As stores keep it.
    pub fn encode(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// As a store kept it. What cannot be read stops deliveries all the same.
    pub fn decode(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self {
            reason: FailureReason::Other("Paused".to_owned()),
            message: text.to_owned(),
        })
    }
}

impl From<&Failure> for PauseReason {
    fn from(why: &Failure) -> Self {
        Self {
            reason: why.reason.clone(),
            message: why.message.clone(),
        }
    }
}

/// Whose calls share a rate limit, a pause and a circuit breaker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ThrottleKey {
    /// A sink's calls to its CRM.
    Sink(SinkId),
    /// A webhook's calls to its sender's API, for what thin payloads lack.
    Hydrate(WebhookId),
}

impl ThrottleKey {
    /// As stores name it: a sink as itself.
    pub(crate) fn stored(&self) -> Cow<'_, str> {
        match self {
            Self::Sink(sink) => Cow::Borrowed(sink.as_str()),
            Self::Hydrate(webhook) => Cow::Owned(format!("{webhook}#hydrate")),
        }
    }
}

impl From<SinkId> for ThrottleKey {
    fn from(sink: SinkId) -> Self {
        Self::Sink(sink)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pauses_reason_comes_back_from_a_store_and_what_is_no_reason_still_pauses() {
        for why in [
            PauseReason::circuit_open(),
            PauseReason {
                reason: FailureReason::Other("OfALaterVersion".to_owned()),
                message: "a: \"b\"".to_owned(),
            },
        ] {
            assert_eq!(PauseReason::decode(&why.encode()), why);
        }
        let odd = PauseReason::decode("by hand");
        assert_eq!((odd.reason.as_str(), odd.message.as_str()), ("Paused", "by hand"));
    }
}
