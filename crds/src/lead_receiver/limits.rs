//! What one webhook may take of a receiver, so that it cannot take it from the others.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Limits of each LeadWebhook, so that one of them cannot use up what all of them share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// The memory for the request bodies of one LeadWebhook that a pod reads or processes at the same time.
    /// Further requests are answered with 503. A single request is always read. At least `64Ki`. Default:
    /// `32Mi`.
    #[serde(default = "default_body_memory")]
    #[x_kube(
        validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Ki')) >= 0")
            .message("limits.bodyMemory must be a quantity of at least 64Ki: write for example 32Mi")
    )]
    pub body_memory: Quantity,
    /// The maximum number of pending deliveries of one LeadWebhook, over all its sinks. While it is reached,
    /// requests are answered with 503. Absent: no limit other than the queue's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pending_deliveries: Option<i64>,
    /// The maximum size of the kept copies of rejected requests of one LeadWebhook. If it is exceeded, the
    /// oldest copies are removed. At least `64Ki`. Default: `64Mi`.
    #[serde(default = "default_rejected_copies")]
    #[x_kube(
        validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Ki')) >= 0")
            .message("limits.rejectedCopies must be a quantity of at least 64Ki: write for example 64Mi")
    )]
    pub rejected_copies: Quantity,
    /// The maximum size of the ledger of one LeadWebhook. If it is exceeded, the oldest entries are removed, except
    /// those of leads that wait or are set aside. At least `64Ki`. Default: `64Mi`, which is some 250,000 leads.
    #[serde(default = "default_ledger")]
    #[x_kube(
        validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Ki')) >= 0")
            .message("limits.ledger must be a quantity of at least 64Ki: write for example 64Mi")
    )]
    pub ledger: Quantity,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_memory: default_body_memory(),
            pending_deliveries: None,
            rejected_copies: default_rejected_copies(),
            ledger: default_ledger(),
        }
    }
}

fn default_body_memory() -> Quantity {
    Quantity("32Mi".to_owned())
}

fn default_ledger() -> Quantity {
    Quantity("64Mi".to_owned())
}

fn default_rejected_copies() -> Quantity {
    Quantity("64Mi".to_owned())
}
