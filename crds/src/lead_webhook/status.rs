//! What became of a webhook and its leads.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{Condition, Time, is_default};
use crate::counts::{DeliveryCounts, ProcessCounts, StoredCounts};

/// What became of a webhook and its leads. Counts are of this webhook since it was made, over all
/// of its pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeadWebhookStatus {
    /// The generation that the status speaks of; -1: none yet.
    #[serde(default = "default_observed_generation")]
    pub observed_generation: i64,
    /// Where senders post to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The number of pods that receive.
    #[serde(default)]
    pub replicas: i32,
    /// The label selector of these pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Accepted, ResolvedRefs, QueueReady, Available, Delivering, Ready, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Counts of requests and leads, and totals over all sinks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub leads: LeadWebhookStatusLeads,
    /// Each sink's figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sinks: Vec<LeadWebhookStatusSink>,
    /// The names of the sinks, joined with commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink_names: Option<String>,
    /// The percentage of settled deliveries that a CRM confirmed, for example `"99.2"`. Absent while
    /// none is settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<String>,
    /// The time from acceptance to delivery that 99 of 100 leads stayed under, of the slowest sink,
    /// for example `900ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<String>,
    /// How much of the queue's memory is used, for example `12%`. Absent: it has no limit, or none that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_used: Option<String>,
}

impl Default for LeadWebhookStatus {
    fn default() -> Self {
        Self {
            observed_generation: default_observed_generation(),
            url: None,
            replicas: 0,
            selector: None,
            conditions: Vec::new(),
            leads: LeadWebhookStatusLeads::default(),
            sinks: Vec::new(),
            sink_names: None,
            success_rate: None,
            p99: None,
            queue_used: None,
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
    /// When the last lead was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accepted_time: Option<Time>,
}

/// One sink's figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeadWebhookStatusSink {
    /// The CrmSink's name.
    pub name: String,
    /// Counts of deliveries.
    #[serde(flatten)]
    pub deliveries: DeliveryCounts,
    /// The time from acceptance to delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// When the CRM last confirmed a delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_delivered_time: Option<Time>,
    /// The last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<SinkError>,
}

/// The time from acceptance to delivery.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// Half of the leads stayed under it, for example `120ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<String>,
    /// 99 of 100 leads stayed under it, for example `900ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<String>,
}

/// A failure to deliver. It holds no personal data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SinkError {
    /// The reason in one CamelCase word, for example `InvalidEmail`.
    #[serde(default)]
    pub reason: String,
    /// The same in words.
    #[serde(default)]
    pub message: String,
    /// When it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

fn default_observed_generation() -> i64 {
    -1
}
