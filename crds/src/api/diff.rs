//! What a changed webhook, or a payload, would become.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Set;

/// What a changed webhook would make of the leads that are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Diff {
    /// The LeadWebhook as it would be applied.
    pub manifest: serde_json::Value,
    /// Which of its leads. Default: those that were delivered.
    #[serde(default = "delivered")]
    pub set: Set,
    /// Where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

fn delivered() -> Set {
    Set::Delivered
}

/// How leads would differ, of up to 100 at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffPage {
    /// How many leads were compared, each once, whatever number of sinks it is in.
    pub compared: u64,
    /// How many could not be read: the key that sealed them is missing (KeyMissing), or they are damaged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// Those that would change.
    pub items: Vec<Changed>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

// As serde asks for it.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A lead that a changed webhook would make otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// The lead.
    pub id: String,
    /// Why it would be no lead any more: a reason word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The fields that would change.
    #[serde(default)]
    pub fields: Vec<ChangedField>,
}

/// A field that would change. The values are personal data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedField {
    /// Its name.
    pub field: String,
    /// What it is.
    pub from: serde_json::Value,
    /// What it would be.
    pub to: serde_json::Value,
}

/// A request as its sender would post it, and what would become of it. Nothing is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Trial {
    /// The body.
    pub body: String,
    /// Its headers, as `Name: value`.
    pub headers: Vec<String>,
    /// The query of its URL.
    pub query: String,
    /// The body is what one lead is made of: an element of `payload.items`, if the webhook has these.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub element: bool,
}

/// What would become of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrialResult {
    /// Whether it would be accepted.
    pub accepted: bool,
    /// What would become of it, in words, as `leadgate-receiver try` prints it.
    pub report: String,
}
