//! Jobs over many leads, and imports.

use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LeadFilter, Outcome};

/// What is to be done with many leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewJob {
    /// What.
    pub action: Action,
    /// Which set the leads are taken from.
    pub set: Set,
    /// Which leads of the set.
    #[serde(default)]
    pub filter: LeadFilter,
    /// Of `Move` and `Copy`: the sink that the leads go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How much of the sink's rate limit the job may use, in percent: 1 to 100. Default: 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub share: Option<u8>,
    /// Also replay a lead that a newer lead of the same person has overtaken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Count what fits and do nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What a job does with each lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// Put it back into the line of its sink. What was rejected, unrouted or delivered is mapped again, as the webhook is
    /// now.
    Replay,
    /// Remove it for good.
    Discard,
    /// Put it into the line of another sink instead.
    Move,
    /// Put it into the line of another sink as well.
    Copy,
}

/// A set of leads that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Set {
    /// Those that wait for delivery.
    Pending,
    /// A person must decide which record they are.
    Held,
    /// The CRM refused them, or retries ran out.
    Dead,
    /// No sink takes them.
    Unrouted,
    /// They are no valid leads.
    Rejected,
    /// They were delivered, and their payloads are kept (`spec.retention.payloads`).
    Delivered,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its id; empty of a dry run.
    pub id: String,
    /// What it does.
    #[serde(flatten)]
    pub work: NewJob,
    /// Members of the filter that are applied and not kept, because they name a person: `email`, `phone`, `submission`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden_filter: Vec<String>,
    /// How far it is.
    pub state: JobState,
    /// How many leads it has looked at and done.
    pub done: u64,
    /// How many it left as they were, for example because a newer lead has overtaken them.
    pub kept: u64,
    /// Of a dry run: how many fit, and up to ten of their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<String>,
    /// Up to twenty of those that were left: why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Left>,
    /// Why it failed or waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Who asked for it.
    pub by: String,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub created_at: Timestamp,
    /// When it last did something.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub updated_at: Timestamp,
}

/// A lead that a job left as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// The lead.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum JobState {
    /// It is at work, or waits for room in the line.
    Running,
    /// It has looked at every lead.
    Completed,
    /// A person stopped it.
    Cancelled,
}

/// Leads of the past, sent through a webhook's own mapping.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backfill {
    /// The leads, at most 500.
    pub lines: Vec<Line>,
    /// Tell what would become of them, and store nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// A lead of the past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line {
    /// Its line in the file, for answers.
    pub line: u64,
    /// What the sender would have posted.
    pub payload: serde_json::Value,
    /// When it was submitted. An older lead does not overwrite what a newer one of the same person wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Timestamp>,
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineResult {
    /// Which.
    pub line: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// The lead's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why it was not accepted: a reason word. Of one that was: `OvertakenByNewer` if it is older than a lead of the same
    /// person that was delivered or waits; then it is kept as dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
