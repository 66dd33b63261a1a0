//! Delivery settings: timeout, retries, rate limit, batching and circuit breaker.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{Duration, between};

/// Delivery settings: timeout, retries, rate limit, batching and circuit breaker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivery {
    /// The timeout of a call to the CRM. From `100ms` to `5m`. Default: `10s`.
    #[serde(default = "default_timeout")]
    #[x_kube(validation = between("delivery.timeout", "100ms", "5m"))]
    pub timeout: Duration,
    /// The retry policy for failed deliveries.
    #[serde(default)]
    pub retry: Retry,
    /// The rate limit for calls to the CRM, shared by all pods.
    #[serde(default)]
    pub rate_limit: RateLimit,
    /// How leads are combined into one call, for CRMs with batch calls.
    #[serde(default)]
    pub batch: Batch,
    /// The circuit breaker, which stops calls to a CRM that keeps failing.
    #[serde(default)]
    pub circuit_breaker: CircuitBreaker,
    /// The maximum number of concurrent calls of each pod, 1 to 256. Default: 8.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: i32,
    /// What happens when the CRM rejects one of a lead's properties (an unknown option, a text that is too
    /// long, a read-only or missing property) but would accept the others. `Drop`: deliver the lead without
    /// the property and report it. `Dead`: move the lead to the dead letters. A lead whose identifying
    /// property is rejected always becomes dead. Default: `Drop`.
    #[serde(default)]
    pub on_refused_property: OnRefusedProperty,
}

/// What happens when the CRM rejects one of a lead's properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnRefusedProperty {
    /// The lead is delivered without the property.
    #[default]
    Drop,
    /// The lead becomes dead.
    Dead,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            timeout: default_timeout(),
            retry: Retry::default(),
            rate_limit: RateLimit::default(),
            batch: Batch::default(),
            circuit_breaker: CircuitBreaker::default(),
            concurrency: default_concurrency(),
            on_refused_property: OnRefusedProperty::default(),
        }
    }
}

/// The retry policy for failed deliveries. Each retry waits for a random time up to the backoff, which
/// doubles with every failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!self.initialBackoff.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') || !self.maxBackoff.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') || duration(self.initialBackoff) <= duration(self.maxBackoff)")
        .message("delivery.retry.initialBackoff must not exceed delivery.retry.maxBackoff")
        .field_path(".initialBackoff")
)]
pub struct Retry {
    /// The maximum age of a lead since its acceptance. An older lead is not retried and becomes dead. From
    /// `1m` to `2160h`. Default: `72h`.
    #[serde(default = "default_max_age")]
    #[x_kube(validation = between("delivery.retry.maxAge", "1m", "2160h"))]
    pub max_age: Duration,
    /// The first backoff. From `10ms` to `1h`. Default: `1s`.
    #[serde(default = "default_initial_backoff")]
    #[x_kube(validation = between("delivery.retry.initialBackoff", "10ms", "1h"))]
    pub initial_backoff: Duration,
    /// The maximum backoff. From `10ms` to `24h`. Default: `15m`.
    #[serde(default = "default_max_backoff")]
    #[x_kube(validation = between("delivery.retry.maxBackoff", "10ms", "24h"))]
    pub max_backoff: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_age: default_max_age(),
            initial_backoff: default_initial_backoff(),
            max_backoff: default_max_backoff(),
        }
    }
}

/// The rate limit for calls to the CRM, shared by all pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// The number of calls allowed in each period, 1 to 1000000. Default: 100.
    #[serde(default = "default_requests")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests: i32,
    /// The length of the period. From `100ms` to `24h`. Default: `10s`.
    #[serde(default = "default_per")]
    #[x_kube(validation = between("delivery.rateLimit.per", "100ms", "24h"))]
    pub per: Duration,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            requests: default_requests(),
            per: default_per(),
        }
    }
}

/// How leads are combined into one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Batch {
    /// The maximum number of leads in one call, 1 to 200. The CRM's own limit applies as well. Default: 100.
    #[serde(default = "default_max_size")]
    #[schemars(range(min = 1, max = 200))]
    pub max_size: i32,
    /// How long a lead waits for others to share a call. From `0s` to `10s`. Default: `50ms`.
    #[serde(default = "default_linger")]
    #[x_kube(validation = between("delivery.batch.linger", "0s", "10s"))]
    pub linger: Duration,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            max_size: default_max_size(),
            linger: default_linger(),
        }
    }
}

/// The circuit breaker, which stops calls to a CRM that keeps failing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CircuitBreaker {
    /// The number of consecutive failures that opens the circuit, 1 to 1000. Default: 5.
    #[serde(default = "default_failures")]
    #[schemars(range(min = 1, max = 1000))]
    pub failures: i32,
    /// How long the circuit stays open before one call probes the CRM. From `1s` to `1h`. Default: `30s`.
    #[serde(default = "default_cooldown")]
    #[x_kube(validation = between("delivery.circuitBreaker.cooldown", "1s", "1h"))]
    pub cooldown: Duration,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            failures: default_failures(),
            cooldown: default_cooldown(),
        }
    }
}

fn default_timeout() -> Duration {
    Duration::seconds(10)
}

fn default_concurrency() -> i32 {
    8
}

fn default_max_age() -> Duration {
    Duration::hours(72)
}

fn default_initial_backoff() -> Duration {
    Duration::seconds(1)
}

fn default_max_backoff() -> Duration {
    Duration::minutes(15)
}

fn default_requests() -> i32 {
    100
}

fn default_per() -> Duration {
    Duration::seconds(10)
}

fn default_max_size() -> i32 {
    100
}

fn default_linger() -> Duration {
    Duration::milliseconds(50)
}

fn default_failures() -> i32 {
    5
}

fn default_cooldown() -> Duration {
    Duration::seconds(30)
}
