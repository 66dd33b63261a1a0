//! What became of a sink and the leads for it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    common::{Condition, Time, is_default},
    counts::DeliveryCounts,
    lead_webhook::SinkError,
};

/// What became of a sink and the leads for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrmSinkStatus {
    /// The generation that the status speaks of; -1: none yet.
    #[serde(default = "default_observed_generation")]
    pub observed_generation: i64,
    /// Accepted, CredentialsValid, Reachable, Delivering, Ready, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The kind of CRM: `HubSpot`, `Salesforce` or `Rest`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The number of LeadWebhooks that deliver to it.
    #[serde(default)]
    pub webhooks: i64,
    /// Counts of deliveries, over all webhooks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub leads: CrmSinkStatusLeads,
    /// Whether deliveries wait: it is suspended, or the CRM asked to wait.
    #[serde(default)]
    pub paused: bool,
    /// Until when the CRM asked to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Time>,
    /// The last failure.
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

/// Counts of deliveries, over all webhooks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrmSinkStatusLeads {
    /// Counts that the stores keep.
    #[serde(flatten)]
    pub deliveries: DeliveryCounts,
    /// The age of the oldest delivery that is still to be made, in seconds.
    #[serde(default)]
    pub oldest_pending_seconds: i64,
}

fn default_observed_generation() -> i64 {
    -1
}
