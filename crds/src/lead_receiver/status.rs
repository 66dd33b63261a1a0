//! The observed state of a receiver.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::common::Condition;

/// The observed state of a LeadReceiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeadReceiverStatus {
    /// The most recent generation observed by the operator; -1 before the first observation.
    #[serde(default = "default_observed_generation")]
    pub observed_generation: i64,
    /// The conditions of the receiver: Accepted, QueueReady, QueueDurable, Available, Ready, Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The number of pods.
    #[serde(default)]
    pub replicas: i32,
    /// The label selector of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The number of LeadWebhooks that name this LeadReceiver.
    #[serde(default)]
    pub webhooks: i64,
    /// The number of pending deliveries of these LeadWebhooks.
    #[serde(default)]
    pub pending: i64,
    /// The queue: `Managed`, or the Secret with the URL of your own Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The used share of the queue's memory, for example `12%`. Absent: the queue has no limit, or it is
    /// unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_used: Option<String>,
    /// The URLs at which the pods are reached within the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub addresses: Vec<String>,
}

impl Default for LeadReceiverStatus {
    fn default() -> Self {
        Self {
            observed_generation: default_observed_generation(),
            conditions: Vec::new(),
            replicas: 0,
            selector: None,
            webhooks: 0,
            pending: 0,
            store: None,
            queue_used: None,
            addresses: Vec::new(),
        }
    }
}

fn default_observed_generation() -> i64 {
    -1
}
