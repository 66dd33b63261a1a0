//! What can be counted and measured, for Prometheus and for `/status`.
//!
//! Labels are names of webhooks and sinks and fixed words: never data, so the number of series is bounded by the
//! manifests.

mod latency;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use leadgate_crds::report::{LastError, RefusedProperty};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::ids::{SinkId, WebhookId};
use crate::lead::Problem;
use crate::outcomes::{DeliveryOutcome, RequestOutcome};
pub use latency::Latency;

/// Labels of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// `namespace/name`; empty where no webhook has the path.
    pub webhook: String,
    /// What became of it.
    pub outcome: RequestOutcome,
}

/// Labels of a connection's end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConnectionLabels {
    /// A fixed word.
    pub reason: &'static str,
}

/// Labels of what belongs to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WebhookLabels {
    /// `namespace/name`.
    pub webhook: String,
}

/// Labels of what belongs to a sink.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SinkLabels {
    /// `namespace/name`.
    pub sink: String,
}

/// Labels of a refused proof.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UnauthorizedLabels {
    /// `namespace/name`.
    pub webhook: String,
    /// A fixed word.
    pub reason: &'static str,
}

/// Labels of a proof that one of several secrets made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ProofLabels {
    /// `namespace/name`.
    pub webhook: String,
    /// Its place in `secretRefs`, from 0.
    pub secret: u32,
}

/// Labels of a lead's field that is not as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FieldLabels {
    /// `namespace/name`.
    pub webhook: String,
    /// A name of the mapping.
    pub field: String,
    /// A fixed word.
    pub reason: &'static str,
}

/// Labels of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DeliveryLabels {
    /// `namespace/name`.
    pub sink: String,
    /// What became of it.
    pub outcome: DeliveryOutcome,
}

/// Labels of a route from webhook to sink.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    /// `namespace/name`.
    pub webhook: String,
    /// `namespace/name`.
    pub sink: String,
}

/// Seconds from half a millisecond to a day.
const SECONDS: [f64; 20] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
    1800.0, 7200.0, 86_400.0,
];

/// A histogram of seconds by labels.
type Seconds<L> = Family<L, Histogram, fn() -> Histogram>;

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

fn proof_labels(webhook: &WebhookId, number: usize) -> ProofLabels {
    ProofLabels {
        webhook: webhook.to_string(),
        secret: u32::try_from(number).unwrap_or(u32::MAX),
    }
}

/// What key conflicts mean, and the remedy.
pub const KEY_CONFLICT: &str = "leads came with the idempotency key of another lead and were accepted, because they say \
    something else: the key is too coarse; give idempotency.key parts that tell one submission from another, such as \
    the site and the form beside the entry's number";

type RouteKey = (WebhookId, SinkId);

/// Labels of a CRM property; only those that the sink's mapping names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PropertyLabels {
    /// `namespace/name`.
    pub sink: String,
    /// The CRM's name of it.
    pub property: String,
}

/// Every metric of the process.
pub struct Metrics {
    registry: Registry,
    /// Requests by webhook and outcome.
    pub requests: Family<RequestLabels, Counter>,
    /// From the first byte to the answer, for accepted leads.
    pub accept_latency: Family<WebhookLabels, Histogram, fn() -> Histogram>,
    /// Leads that were accepted although another lead had their idempotency key.
    pub key_conflicts: Family<WebhookLabels, Counter>,
    /// Refused proofs by reason.
    pub unauthorized: Family<UnauthorizedLabels, Counter>,
    /// Accepted proofs by secret, of webhooks that have several.
    pub proofs: Family<ProofLabels, Counter>,
    /// Connections that were ended or refused, by reason.
    pub connections_ended: Family<ConnectionLabels, Counter>,
    /// Fields that were left out of accepted leads, or cut.
    pub fields_left_out: Family<FieldLabels, Counter>,
    /// Elements of batches that were refused while others were accepted.
    pub items_rejected: Family<WebhookLabels, Counter>,
    /// Deliveries by sink and outcome.
    pub deliveries: Family<DeliveryLabels, Counter>,
    /// Leads that were delivered without a property, by sink and property.
    pub refused_properties: Family<PropertyLabels, Counter>,
    /// One call to a CRM.
    pub crm_latency: Family<SinkLabels, Histogram, fn() -> Histogram>,
    /// From acceptance to the CRM's confirmation.
    pub speed_to_lead: Family<RouteLabels, Histogram, fn() -> Histogram>,
    /// Failed calls to the queue.
    pub queue_errors: Counter,
    /// Leads that wait, by sink.
    pub queue_depth: Family<SinkLabels, Gauge>,
    /// Age of the oldest of them in seconds.
    pub queue_age: Family<SinkLabels, Gauge<f64, AtomicU64>>,
    /// Dead leads, by sink.
    pub dead: Family<SinkLabels, Gauge>,
    /// Held leads, by sink.
    pub held: Family<SinkLabels, Gauge>,
    /// Leads of sinks that are not configured.
    pub orphaned: Family<SinkLabels, Gauge>,
    /// Leads that no sink takes, by webhook.
    pub unrouted: Family<WebhookLabels, Gauge>,
    /// Whether a sink is paused.
    pub paused: Family<SinkLabels, Gauge>,
    /// One durable write to the store, in seconds.
    pub write_latency: Gauge<f64, AtomicU64>,
    /// What the store holds, in bytes.
    pub store_bytes: Gauge,
    /// What the store may hold, in bytes; 0: no limit is known.
    pub store_max_bytes: Gauge,
    /// Problems in the manifests.
    pub config_problems: Gauge,
    /// Reloads of the manifests.
    pub reloads: Counter,
    latencies: Mutex<HashMap<RouteKey, Latency>>,
    last_errors: Mutex<HashMap<RouteKey, LastError>>,
    refusals: Mutex<BTreeMap<(SinkId, String), RefusedProperty>>,
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("leadgate");
        macro_rules! register {
            ($name:literal, $help:literal, $metric:expr) => {{
                let metric = $metric;
                registry.register($name, $help, metric.clone());
                metric
            }};
            ($name:literal, $help:literal, $unit:expr, $metric:expr) => {{
                let metric = $metric;
                registry.register_with_unit($name, $help, $unit, metric.clone());
                metric
            }};
        }
        Self {
            requests: register!("requests", "Requests by webhook and outcome", Family::default()),
            accept_latency: register!(
                "accept_duration",
                "Time to accept a lead",
                Unit::Seconds,
                Seconds::new_with_constructor(seconds as fn() -> Histogram)
            ),
            key_conflicts: register!(
                "key_conflicts",
                "Leads that were accepted although another lead had their idempotency key",
                Family::default()
            ),
            unauthorized: register!(
                "unauthorized",
                "Refused proofs by webhook and reason",
                Family::default()
            ),
            proofs: register!(
                "proofs",
                "Accepted proofs by place in secretRefs, where a webhook has several secrets: what is not used any more can be removed",
                Family::default()
            ),
            connections_ended: register!(
                "connections_ended",
                "Connections ended by reason: silent (no request came), slow (a request or its answer took too long), crowded \
                 (another one needed its seat), refused (the operating system had no room)",
                Family::default()
            ),
            fields_left_out: register!(
                "fields_left_out",
                "Fields that were left out of accepted leads, or cut, by webhook, field and reason",
                Family::default()
            ),
            items_rejected: register!(
                "items_rejected",
                "Elements of batches that were rejected while others were accepted",
                Family::default()
            ),
            deliveries: register!("deliveries", "Deliveries by sink and outcome", Family::default()),
            refused_properties: register!(
                "refused_properties",
                "Leads that were delivered without a property that the CRM does not take",
                Family::default()
            ),
            crm_latency: register!(
                "crm_request_duration",
                "Time of one call to a CRM",
                Unit::Seconds,
                Seconds::new_with_constructor(seconds as fn() -> Histogram)
            ),
            speed_to_lead: register!(
                "speed_to_lead",
                "Time from acceptance to the CRM",
                Unit::Seconds,
                Seconds::new_with_constructor(seconds as fn() -> Histogram)
            ),
            queue_errors: register!("queue_errors", "Failed calls to the queue", Counter::default()),
            queue_depth: register!("queue_depth", "Leads that wait for delivery", Family::default()),
            queue_age: register!(
                "queue_oldest_age",
                "Age of the oldest waiting lead",
                Unit::Seconds,
                Family::default()
            ),
            dead: register!(
                "dead_leads",
                "Leads that a CRM refused for good",
                Family::default()
            ),
            held: register!(
                "held_leads",
                "Leads that wait for a person's decision",
                Family::default()
            ),
            orphaned: register!(
                "orphaned_leads",
                "Leads that wait, or are set aside, for a sink that is not configured",
                Family::default()
            ),
            unrouted: register!(
                "unrouted_leads",
                "Leads that no sink of their webhook takes",
                Family::default()
            ),
            paused: register!(
                "sink_paused",
                "1 while a sink is paused or its circuit is open",
                Family::default()
            ),
            write_latency: register!(
                "queue_write_duration",
                "Time of one durable write",
                Unit::Seconds,
                Gauge::default()
            ),
            store_bytes: register!(
                "queue_store",
                "What the store holds, where it has a limit",
                Unit::Bytes,
                Gauge::default()
            ),
            store_max_bytes: register!(
                "queue_store_max",
                "What the store may hold; 0: no limit is known",
                Unit::Bytes,
                Gauge::default()
            ),
            config_problems: register!("config_problems", "Problems in the manifests", Gauge::default()),
            reloads: register!(
                "config_reloads",
                "Times the manifests were read",
                Counter::default()
            ),
            latencies: Mutex::default(),
            last_errors: Mutex::default(),
            refusals: Mutex::default(),
            registry,
        }
    }

    /// The text that Prometheus reads.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::with_capacity(16_384);
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// A lead goes on without some of its fields. Counted, and said once; `lead` is its id.
    pub fn left_out(&self, webhook: &WebhookId, lead: &str, notes: &[Problem]) {
        let mut fields = Vec::with_capacity(notes.len());
        for Problem { field, reason, .. } in notes {
            let labels = FieldLabels {
                webhook: webhook.to_string(),
                field: field.clone(),
                reason,
            };
            self.fields_left_out.get_or_create(&labels).inc();
            fields.push(format!("{field} ({reason})"));
        }
        tracing::info!(%webhook, lead, "a lead goes on without fields as they were sent: {}", fields.join(", "));
    }

    /// One of a webhook's several secrets made a proof.
    pub fn proof(&self, webhook: &WebhookId, number: usize) {
        self.proofs.get_or_create(&proof_labels(webhook, number)).inc();
    }

    /// How many proofs each of a webhook's secrets has made, since this process began.
    pub fn proofs(&self, webhook: &WebhookId, secrets: usize) -> Vec<u64> {
        let count = |number| self.proofs.get_or_create(&proof_labels(webhook, number)).get();
        (0..secrets).map(count).collect()
    }

    /// A lead arrived in the CRM.
    pub fn delivered(&self, webhook: &WebhookId, sink: &SinkId, took: Duration) {
        let labels = RouteLabels {
            webhook: webhook.to_string(),
            sink: sink.to_string(),
        };
        self.speed_to_lead
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        latencies
            .entry((webhook.clone(), sink.clone()))
            .or_default()
            .add(took);
    }

    /// A lead was delivered without a property that the CRM did not take.
    pub fn refused(&self, sink: &SinkId, property: &str, reason: &'static str) {
        self.refused_properties
            .get_or_create(&PropertyLabels {
                sink: sink.to_string(),
                property: property.to_owned(),
            })
            .inc();
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let known = refusals
            .entry((sink.clone(), property.to_owned()))
            .or_insert_with(|| RefusedProperty {
                property: property.to_owned(),
                reason: String::new(),
                count: 0,
                last_time: None,
            });
        reason.clone_into(&mut known.reason);
        known.count += 1;
        known.last_time = Some(jiff::Timestamp::now());
    }

    /// What leads of a sink were delivered without.
    pub fn refusals(&self, sink: &SinkId) -> Vec<RefusedProperty> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals
            .iter()
            .filter(|((known, _), _)| known == sink)
            .map(|(_, refusals)| refusals.clone())
            .collect()
    }

    /// A delivery failed.
    pub fn failed(&self, webhook: &WebhookId, sink: &SinkId, reason: &str, message: &str) {
        let error = LastError {
            reason: reason.to_owned(),
            message: message.to_owned(),
            time: Some(jiff::Timestamp::now()),
        };
        let mut errors = self.last_errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.insert((webhook.clone(), sink.clone()), error);
    }

    /// The last failure of a route.
    pub fn last_error(&self, webhook: &WebhookId, sink: &SinkId) -> Option<LastError> {
        let errors = self.last_errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.get(&(webhook.clone(), sink.clone())).cloned()
    }

    /// Half, and 99 of 100, of a route's leads took at most so long.
    pub fn latency(&self, webhook: &WebhookId, sink: &SinkId) -> Option<(Duration, Duration)> {
        let latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        let latency = latencies.get(&(webhook.clone(), sink.clone()))?;
        Some((latency.quantile(0.5)?, latency.quantile(0.99)?))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
