//! The observed state of a CrmSink and of the leads for it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    common::{Condition, Time, is_default},
    counts::DeliveryCounts,
    lead_webhook::SinkError,
};

/// The observed state of a CrmSink and of the leads for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrmSinkStatus {
    /// The most recent generation observed by the operator; -1 before the first observation.
    #[serde(default = "default_observed_generation")]
    pub observed_generation: i64,
    /// The conditions of the sink: Accepted, CredentialsValid, Reachable, Delivering, Ready, Reconciling and
    /// Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The type of CRM: `HubSpot`, `Salesforce` or `Rest`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The number of LeadWebhooks that deliver to this sink.
    #[serde(default)]
    pub webhooks: i64,
    /// Delivery counts over all webhooks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub leads: CrmSinkStatusLeads,
    /// Whether deliveries are paused, because the sink is suspended or the CRM asked to wait.
    #[serde(default)]
    pub paused: bool,
    /// The end of the pause that the CRM asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Time>,
    /// The last delivery failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<SinkError>,
}

impl Default for CrmSinkStatus {
    fn default() -> Self {
        Self {
            observed_generation: default_observed_generation(),
            conditions: Vec::new(),
            kind: None,
            webhooks: 0,
            leads: CrmSinkStatusLeads::default(),
            paused: false,
            paused_until: None,
            last_error: None,
        }
    }
}

/// Delivery counts over all webhooks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrmSinkStatusLeads {
    /// Counts that the stores keep.
    #[serde(flatten)]
    pub deliveries: DeliveryCounts,
    /// The age of the oldest pending delivery in seconds.
    #[serde(default)]
    pub oldest_pending_seconds: i64,
}

fn default_observed_generation() -> i64 {
    -1
}
