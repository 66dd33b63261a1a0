//! What is counted: by kind and reason, never by object name.

use std::fmt::Error;
use std::time::Instant;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::{
    counter::Counter,
    family::Family,
    gauge::Gauge,
    histogram::{Histogram, exponential_buckets},
};
use prometheus_client::registry::Registry;

/// A kind of resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    /// `LeadWebhook`, `LeadReceiver` or `CrmSink`.
    pub kind: &'static str,
}

/// A kind of resource and a reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabels {
    /// `LeadWebhook`, `LeadReceiver` or `CrmSink`.
    pub kind: &'static str,
    /// Why, in one CamelCase word.
    pub reason: String,
}

/// A write to the API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WriteLabels {
    /// The kind that is written.
    pub kind: &'static str,
    /// `apply`, `create`, `delete` or `status`.
    pub verb: &'static str,
}

/// The program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BuildLabel {
    /// Its version.
    pub version: &'static str,
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    /// Reconciliations, by kind.
    pub reconciliations: Family<KindLabel, Counter>,
    /// Reconciliations that did not end well, by kind and reason.
    pub failures: Family<ReasonLabels, Counter>,
    /// How long one takes, by kind.
    pub duration: Family<KindLabel, Histogram>,
    /// Writes to the API server.
    pub writes: Family<WriteLabels, Counter>,
    /// Whether this operator leads.
    pub leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("leadgate_operator");
        let reconciliations = Family::default();
        registry.register(
            "reconciliations",
            "Reconciliations, by kind",
            reconciliations.clone(),
        );
        let failures = Family::default();
        registry.register(
            "failures",
            "Failed reconciliations, by kind and reason",
            failures.clone(),
        );
        let duration: Family<KindLabel, Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 4.0, 8)));
        registry.register(
            "reconciliation_seconds",
            "Duration of a reconciliation, by kind",
            duration.clone(),
        );
        let writes = Family::default();
        registry.register(
            "writes",
            "Writes to the API server, by kind and verb",
            writes.clone(),
        );
        let leader = Gauge::default();
        registry.register(
            "leader",
            "1 if this operator is the leader, else 0",
            leader.clone(),
        );
        let build: Family<BuildLabel, Gauge> = Family::default();
        let version = env!("CARGO_PKG_VERSION");
        build.get_or_create(&BuildLabel { version }).set(1);
        registry.register("build_info", "1; the label tells the version", build);
        Self {
            registry,
            reconciliations,
            failures,
            duration,
            writes,
            leader,
        }
    }
}

impl Metrics {
    /// Counts a reconciliation; the answer is for [`Metrics::ended`].
    pub fn begun(&self, kind: &'static str) -> Instant {
        self.reconciliations.get_or_create(&KindLabel { kind }).inc();
        Instant::now()
    }

    /// How long a reconciliation took.
    pub fn ended(&self, kind: &'static str, begun: Instant) {
        let seconds = begun.elapsed().as_secs_f64();
        self.duration.get_or_create(&KindLabel { kind }).observe(seconds);
    }

    /// Counts a write.
    pub fn wrote(&self, kind: &'static str, verb: &'static str) {
        self.writes.get_or_create(&WriteLabels { kind, verb }).inc();
    }

    /// Counts a reconciliation that did not end well.
    pub fn failed(&self, kind: &'static str, reason: &str) {
        let reason = reason.to_owned();
        self.failures.get_or_create(&ReasonLabels { kind, reason }).inc();
    }

    /// In the OpenMetrics format.
    pub fn encode(&self) -> Result<String, Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
