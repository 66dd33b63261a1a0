//! The observed state of a webhook and of its leads.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{Condition, Time, is_default};
use crate::counts::{DeliveryCounts, ProcessCounts, StoredCounts};

/// The observed state of a LeadWebhook and of its leads. Counts cover the time since the LeadWebhook was created, over
/// all pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeadWebhookStatus {
    /// The most recent generation observed by the operator; -1 before the first observation.
    #[serde(default = "default_observed_generation")]
    pub observed_generation: i64,
    /// The URL that senders post to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The LeadReceiver whose pods serve the webhook; during a move to another one, the one that senders still
    /// reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// The conditions of the webhook: Accepted, ResolvedRefs, Programmed, Exposed (with `ingress` or `gateway`), Delivering,
    /// Ready, Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Counts of requests and leads, and totals over all sinks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub leads: LeadWebhookStatusLeads,
    /// Counts and times by sink.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sinks: Vec<LeadWebhookStatusSink>,
    /// The names of the sinks, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink_names: Option<String>,
    /// The percentage of settled deliveries that a CRM confirmed, for example `"99.2"`. Absent until a
    /// delivery is settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<String>,
    /// The percentage of new leads that were rejected because of their content, for example `"0.8"`. Absent until a lead
    /// is received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection_rate: Option<String>,
    /// The 99th percentile of the time from acceptance to delivery, of the slowest sink, for example `900ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<String>,
    /// The last five leads that were rejected or could not be delivered, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub failures: Vec<LeadFailure>,
}

impl Default for LeadWebhookStatus {
    fn default() -> Self {
        Self {
            observed_generation: default_observed_generation(),
            url: None,
            receiver: None,
            conditions: Vec::new(),
            leads: LeadWebhookStatusLeads::default(),
            sinks: Vec::new(),
            sink_names: None,
            success_rate: None,
            rejection_rate: None,
            p99: None,
            failures: Vec::new(),
        }
    }
}

/// Counts of requests and leads, and totals over all sinks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeadWebhookStatusLeads {
    /// Counts that the store keeps.
    #[serde(flatten)]
    pub stored: StoredCounts,
    /// Counts of the pods, added up.
    #[serde(flatten)]
    pub process: ProcessCounts,
    /// Deliveries over all sinks.
    #[serde(flatten)]
    pub deliveries: DeliveryCounts,
    /// The time at which the last lead was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accepted_time: Option<Time>,
}

/// The counts and times of one sink.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeadWebhookStatusSink {
    /// The name of the CrmSink.
    pub name: String,
    /// Counts of deliveries.
    #[serde(flatten)]
    pub deliveries: DeliveryCounts,
    /// The time from acceptance to delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// The time at which the CRM last confirmed a delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_delivered_time: Option<Time>,
    /// The last delivery failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<SinkError>,
}

/// The time from acceptance to delivery.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// The median, for example `120ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<String>,
    /// The 99th percentile, for example `900ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<String>,
}

impl Latency {
    /// The slowest of several, as each figure says it.
    pub fn slowest<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let slower = |a: Option<String>, b: Option<&String>| {
            let both = a.into_iter().chain(b.cloned());
            both.max_by(|a, b| milliseconds(a).total_cmp(&milliseconds(b)))
        };
        all.fold(Self::default(), |slowest, one| Self {
            p50: slower(slowest.p50, one.p50.as_ref()),
            p99: slower(slowest.p99, one.p99.as_ref()),
        })
    }
}

/// `12.3ms` -> 12.3. Anything else counts as nothing.
pub fn milliseconds(text: &str) -> f64 {
    let number = text.strip_suffix("ms").and_then(|number| number.parse().ok());
    number.unwrap_or_default()
}

/// A delivery failure. It contains no personal data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SinkError {
    /// The reason as one CamelCase word, for example `InvalidEmail`.
    #[serde(default)]
    pub reason: String,
    /// The reason in words.
    #[serde(default)]
    pub message: String,
    /// The time of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// A lead that was rejected or could not be delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LeadFailure {
    /// The id of the lead: `kubectl leadgate trace` shows its story.
    pub id: String,
    /// The sink that did not take it; absent if it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    /// The reason as one CamelCase word, for example `InvalidEmail`.
    pub reason: String,
    /// The time of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// How many failures a status tells.
pub const MAX_FAILURES: usize = 5;

fn default_observed_generation() -> i64 {
    -1
}
