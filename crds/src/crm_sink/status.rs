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
    /// What the last audit found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<CrmSinkStatusAudit>,
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
            audit: None,
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

/// What the last audit found: how many of the people whose leads were delivered have a second record in the CRM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CrmSinkStatusAudit {
    /// The time at which the last audit ended. Absent while the first one is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_time: Option<Time>,
    /// The number of records that it looked at.
    pub audited: i64,
    /// The number of these records whose person has another record.
    pub duplicates: i64,
    /// The percentage of `duplicates` in `audited`, for example `"0.8"`. Absent if no record was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_rate: Option<String>,
    /// Up to 20 of these records, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub records: Vec<DuplicateRecord>,
    /// Why records were not looked at, as one CamelCase word, for example `RateLimited`. Absent if all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A record whose person has others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DuplicateRecord {
    /// The id of the record that leads were delivered to.
    pub record: String,
    /// The ids of up to 5 others.
    #[schemars(length(max = 5))]
    pub others: Vec<String>,
}

/// How many records a status lists, and how many others of each.
pub const MAX_DUPLICATES: (usize, usize) = (20, 5);

fn default_observed_generation() -> i64 {
    -1
}
