//! What can be counted and measured, for Prometheus and for `/status`.
//!
//! Labels are names of webhooks and sinks and fixed words: never data, so the number of series is bounded by the
//! manifests.

mod calls;
mod labels;
mod latency;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use leadgate_crds::common::Time;
use leadgate_crds::lead_webhook::{LeadFailure, MAX_FAILURES};
use leadgate_crds::report::{LastError, RefusedProperty};
use opentelemetry::trace::TraceId;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::ids::{LeadId, SinkId, WebhookId};
use crate::lead::Problem;
use calls::Calls;
use labels::Labels;
pub use labels::{
    BuildLabels, CertificateLabels, ConnectionLabels, DeliveryLabels, FieldLabels, NoticeLabels, ProofLabels,
    PropertyLabels, RequestLabels, ResponseLabels, RouteLabels, SinkLabels, TraceLabels, UnauthorizedLabels,
    WebhookLabels,
};
pub use latency::Latency;

/// Seconds from half a millisecond to a day.
const SECONDS: [f64; 20] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
    1800.0, 7200.0, 86_400.0,
];

/// What key conflicts mean, and the remedy.
pub const KEY_CONFLICT: &str = "leads came with the idempotency key of another lead and were accepted, because their \
    content differs: the key is not unique; add parts to idempotency.key that distinguish submissions, such as the site \
    and the form besides the entry number";

type RouteKey = (WebhookId, SinkId);

/// A metric, or what a family has of it for each set of labels.
trait Fresh {
    /// With nothing counted.
    fn fresh() -> Self;
    /// Has a series, so that it is written although nothing was counted.
    fn show(&self) {}
}

impl Fresh for Counter {
    fn fresh() -> Self {
        Self::default()
    }
}

impl Fresh for Gauge {
    fn fresh() -> Self {
        Self::default()
    }
}

impl Fresh for Gauge<f64, AtomicU64> {
    fn fresh() -> Self {
        Self::default()
    }
}

impl Fresh for Histogram {
    /// Of seconds, which is all that is measured.
    fn fresh() -> Self {
        Self::new(SECONDS)
    }
}

/// A histogram whose buckets name the trace of the last request or lead that fell into them, if it has one (exemplars).
pub type Traced = HistogramWithExemplars<TraceLabels>;

/// What stands before an exemplar.
const EXEMPLAR: &str = " # {trace_id=";

impl Fresh for Traced {
    /// Of seconds, too.
    fn fresh() -> Self {
        Self::new(SECONDS.into_iter())
    }
}

/// Measures what took a time, and what its trace is.
fn observe(histogram: &Traced, took: Duration, trace: Option<TraceId>) {
    let labels = trace.map(|trace| TraceLabels {
        trace_id: trace.to_string(),
    });
    let at = labels.is_some().then(SystemTime::now);
    histogram.observe(took.as_secs_f64(), labels, at);
}

impl<L: Labels, M: Fresh> Fresh for Family<L, M> {
    fn fresh() -> Self {
        Self::new_with_constructor(M::fresh)
    }

    fn show(&self) {
        let _ = self.get_or_create(&L::example());
    }
}

/// Declares every metric: its field, the name and the help with which it is registered, and its unit if it has one.
macro_rules! metrics {
    ($($field:ident: $metric:ty = $name:literal $($unit:ident)?, $help:literal;)+) => {
        /// Every metric of the process.
        pub struct Metrics {
            registry: Registry,
            $(#[doc = $help] pub $field: $metric,)+
            calls: Mutex<HashMap<SinkId, Calls>>,
            began: Instant,
            latencies: Mutex<HashMap<RouteKey, Latency>>,
            last_errors: Mutex<HashMap<RouteKey, LastError>>,
            failures: Mutex<HashMap<WebhookId, VecDeque<LeadFailure>>>,
            refusals: Mutex<BTreeMap<(SinkId, String), RefusedProperty>>,
        }

        impl Metrics {
            /// Registers everything.
            pub fn new() -> Self {
                let mut registry = Registry::with_prefix("leadgate");
                Self {
                    $($field: {
                        let metric = <$metric>::fresh();
                        metrics!(@register registry, $name, $help, metric.clone() $(, $unit)?);
                        metric
                    },)+
                    calls: Mutex::default(),
                    began: Instant::now(),
                    latencies: Mutex::default(),
                    last_errors: Mutex::default(),
                    failures: Mutex::default(),
                    refusals: Mutex::default(),
                    registry,
                }
            }

            /// With a series of each metric: what has none is not written.
            pub fn examples() -> Self {
                let metrics = Self::new();
                $(metrics.$field.show();)+
                metrics
            }
        }
    };
    (@register $registry:ident, $name:literal, $help:literal, $metric:expr) => {
        $registry.register($name, $help, $metric)
    };
    (@register $registry:ident, $name:literal, $help:literal, $metric:expr, $unit:ident) => {
        $registry.register_with_unit($name, $help, Unit::$unit, $metric)
    };
}

metrics! {
    requests: Family<RequestLabels, Counter> = "requests",
        "Requests, by webhook and outcome";
    accept_latency: Family<WebhookLabels, Traced> = "accept_duration" Seconds,
        "Time to accept a request";
    key_conflicts: Family<WebhookLabels, Counter> = "key_conflicts",
        "Leads accepted although another lead has the same idempotency key";
    unauthorized: Family<UnauthorizedLabels, Counter> = "unauthorized",
        "Requests that failed authentication, by webhook and reason";
    proofs: Family<ProofLabels, Counter> = "proofs",
        "Authenticated requests by index in secretRefs, for webhooks with several secrets; a secret whose counter stands still can be removed";
    connections_ended: Family<ConnectionLabels, Counter> = "connections_ended",
        "Connections closed by the receiver, by reason: silent (no request arrived), slow (a request or its response took too long), crowded (the connection limit was reached), refused (the operating system had no resources)";
    fields_left_out: Family<FieldLabels, Counter> = "fields_left_out",
        "Fields that were left out of accepted leads or truncated, by webhook, field and reason";
    items_rejected: Family<WebhookLabels, Counter> = "items_rejected",
        "Elements of a request that were rejected while others were accepted";
    deliveries: Family<DeliveryLabels, Counter> = "deliveries",
        "Delivery attempts, by sink and outcome";
    refused_properties: Family<PropertyLabels, Counter> = "refused_properties",
        "Leads delivered without a property that the CRM rejects";
    crm_latency: Family<SinkLabels, Histogram> = "crm_request_duration" Seconds,
        "Duration of a call to the CRM";
    crm_responses: Family<ResponseLabels, Counter> = "crm_responses",
        "Responses of the CRM, by status: 429 (the CRM's rate limit), else 2xx, 3xx, 4xx or 5xx; none if there was no response";
    sink_rate_limit: Family<SinkLabels, Gauge<f64, AtomicU64>> = "sink_rate_limit",
        "Calls to the CRM that delivery.rateLimit allows in a second";
    speed_to_lead: Family<RouteLabels, Traced> = "speed_to_lead" Seconds,
        "Time from acceptance to delivery";
    objective_missed: Family<WebhookLabels, Counter> = "speed_to_lead_missed",
        "Leads whose delivery took longer than objectives.speedToLead of their webhook";
    objective: Family<WebhookLabels, Gauge<f64, AtomicU64>> = "speed_to_lead_objective" Seconds,
        "Time from acceptance to delivery that 99 of 100 leads may take, if the webhook sets objectives.speedToLead";
    audited_records: Family<SinkLabels, Gauge> = "audited_records",
        "Records that the last audit of the CRM (spec.audit) looked at";
    duplicate_records: Family<SinkLabels, Gauge> = "duplicate_records",
        "Of these, records whose person has another record";
    audit_end: Family<SinkLabels, Gauge<f64, AtomicU64>> = "audit_end_timestamp" Seconds,
        "When the last audit of the CRM ended, in seconds since 1970";
    notifications: Family<NoticeLabels, Counter> = "notifications",
        "Notifications about leads that need someone (spec.notify), by object and outcome";
    queue_errors: Counter = "queue_errors",
        "Failed calls to the queue";
    queue_depth: Family<SinkLabels, Gauge> = "queue_depth",
        "Pending leads";
    queue_age: Family<SinkLabels, Gauge<f64, AtomicU64>> = "queue_oldest_age" Seconds,
        "Age of the oldest pending lead";
    dead: Family<SinkLabels, Gauge> = "dead_leads",
        "Leads in the set dead: delivery failed permanently";
    held: Family<SinkLabels, Gauge> = "held_leads",
        "Leads in the set held: a person must decide which record they belong to";
    orphaned: Family<SinkLabels, Gauge> = "orphaned_leads",
        "Pending leads and dead letters of a sink that is not configured";
    unrouted: Family<WebhookLabels, Gauge> = "unrouted_leads",
        "Leads that no sink of their webhook receives";
    paused: Family<SinkLabels, Gauge> = "sink_paused",
        "1 if the sink is paused or its circuit is open, else 0";
    write_latency: Gauge<f64, AtomicU64> = "queue_write_duration" Seconds,
        "Duration of a durable write to the queue";
    store_bytes: Gauge = "queue_store" Bytes,
        "Used size of the queue, if it has a limit";
    store_max_bytes: Gauge = "queue_store_max" Bytes,
        "Maximum size of the queue; 0 if no limit is known";
    queue_problems: Gauge = "queue_problems",
        "Problems with the set-up of the queue that endanger acknowledged leads, such as a Redis that does not write to its disk";
    primary_changes: Gauge = "queue_primary_changes",
        "How often this receiver was led to another primary by the sentinels";
    certificate_start: Family<CertificateLabels, Gauge<f64, AtomicU64>> = "tls_certificate_start_timestamp" Seconds,
        "Begin of the validity of the certificate that senders are shown, in seconds since 1970";
    certificate_end: Family<CertificateLabels, Gauge<f64, AtomicU64>> = "tls_certificate_expiry_timestamp" Seconds,
        "End of the validity of the certificate that senders are shown, in seconds since 1970";
    trace_spans_dropped: Counter = "trace_spans_dropped",
        "Spans of traces that were not exported: the collector did not take them, or too many waited";
    config_problems: Gauge = "config_problems",
        "Problems in the manifests";
    reloads: Counter = "config_reloads",
        "Reloads of the manifests";
    build: Family<BuildLabels, Gauge> = "build_info",
        "1; the label tells the version";
}

impl Metrics {
    /// The text that Prometheus reads; `exemplars`: with the traces of durations, which only OpenMetrics has.
    pub fn encode(&self, exemplars: bool) -> Result<String, std::fmt::Error> {
        let mut text = String::with_capacity(16_384);
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        if exemplars || !text.contains(EXEMPLAR) {
            return Ok(text);
        }
        let lines = text
            .lines()
            .map(|line| line.split(EXEMPLAR).next().unwrap_or(line));
        Ok(lines.flat_map(|line| [line, "\n"]).collect())
    }

    /// A request was accepted.
    pub fn accepted(&self, webhook: &WebhookId, took: Duration, trace: Option<TraceId>) {
        let labels = WebhookLabels {
            webhook: webhook.to_string(),
        };
        observe(&self.accept_latency.get_or_create(&labels), took, trace);
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
        tracing::info!(%webhook, lead, "lead accepted with fields left out or changed: {}", fields.join(", "));
    }

    /// One of a webhook's several secrets made a proof.
    pub fn proof(&self, webhook: &WebhookId, number: usize) {
        self.proofs.get_or_create(&ProofLabels::of(webhook, number)).inc();
    }

    /// How many proofs each of a webhook's secrets has made, since this process began.
    pub fn proofs(&self, webhook: &WebhookId, secrets: usize) -> Vec<u64> {
        let count = |number| self.proofs.get_or_create(&ProofLabels::of(webhook, number)).get();
        (0..secrets).map(count).collect()
    }

    /// A lead arrived in the CRM.
    pub fn delivered(&self, webhook: &WebhookId, sink: &SinkId, took: Duration, trace: Option<TraceId>) {
        let labels = RouteLabels {
            webhook: webhook.to_string(),
            sink: sink.to_string(),
        };
        observe(&self.speed_to_lead.get_or_create(&labels), took, trace);
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        latencies
            .entry((webhook.clone(), sink.clone()))
            .or_default()
            .add(took);
    }

    /// A sink's CRM is called, about so many leads.
    pub fn called(&self, sink: &SinkId, leads: usize) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let leads = u64::try_from(leads).unwrap_or(u64::MAX);
        let now = self.began.elapsed().as_secs();
        calls.entry(sink.clone()).or_default().add(now, leads);
    }

    /// Calls of a sink's CRM in the last 60 seconds, and leads in them.
    pub fn calls(&self, sink: &SinkId) -> (u64, u64) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.began.elapsed().as_secs();
        calls.get_mut(sink).map_or((0, 0), |calls| calls.lately(now))
    }

    /// A lead was delivered without a property that the CRM did not take.
    pub fn refused(&self, sink: &SinkId, property: &str, reason: &str) {
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

    /// A lead was rejected, or could not be delivered to a sink.
    pub fn lead_failed(&self, webhook: &WebhookId, lead: &LeadId, sink: Option<&SinkId>, reason: &str) {
        let failure = LeadFailure {
            id: lead.to_string(),
            sink: sink.map(|sink| sink.name().to_owned()),
            reason: reason.to_owned(),
            time: Some(Time(jiff::Timestamp::now())),
        };
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let of_webhook = failures.entry(webhook.clone()).or_default();
        // Another attempt at the same lead is not another lead.
        of_webhook.retain(|known| (&known.id, &known.sink) != (&failure.id, &failure.sink));
        of_webhook.push_front(failure);
        of_webhook.truncate(MAX_FAILURES);
    }

    /// The last leads of a webhook that failed, newest first.
    pub fn failures(&self, webhook: &WebhookId) -> Vec<LeadFailure> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let of_webhook = failures.get(webhook).into_iter().flatten();
        of_webhook.cloned().collect()
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
