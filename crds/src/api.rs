//! The receiver's API, `/api/v1` on its admin port: the bodies of its requests and answers. The receiver writes these
//! types, `kubectl leadgate` reads them, and the OpenAPI document is generated from them.

mod diff;
mod jobs;
mod leads;
mod privacy;

use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use diff::{Changed, ChangedField, Diff, DiffPage, Trial, TrialResult};
pub use jobs::{Action, Backfill, Job, JobState, Left, Line, LineResult, NewJob, Set};
pub use leads::{Delivery, Event, EventKind, Lead, LeadFilter, LeadSearch, Outcome, Page, State, Story};
pub use privacy::{
    CrmRecord, ErasedLeads, Erasure, ErasureState, Export, ExportedLead, LeftBecause, NewErasure, Person,
    RecordErasure, Suppressions,
};

/// Why a sink is paused, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pause {
    /// For how many seconds. Absent: for 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// What was done lately, over all receivers that share the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// When this was read.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub now: Timestamp,
    /// From when on the figures are complete: a receiver reads a bounded part of the ledger when it starts.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// The last hour, in steps of 5 minutes.
    pub hour: Vec<Point>,
    /// The last day, in steps of an hour.
    pub day: Vec<Point>,
    /// The last week, in steps of 6 hours.
    pub week: Vec<Point>,
    /// How fast leads reached the CRMs, for each webhook that had some lately.
    pub speeds: Vec<Speed>,
}

/// What was done in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// When the span begins.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Leads that were accepted.
    pub accepted: u64,
    /// Deliveries that a CRM confirmed.
    pub delivered: u64,
}

/// The time from acceptance to delivery, of the last leads of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Speed {
    /// The webhook, NAMESPACE/NAME.
    pub webhook: String,
    /// Half of them took at most so long, in milliseconds.
    pub p50_ms: u64,
    /// 99 of 100 took at most so long, in milliseconds.
    pub p99_ms: u64,
    /// `spec.objectives.speedToLead`, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective_ms: Option<u64>,
    /// How many deliveries this is about.
    pub deliveries: u64,
}

/// What somebody did through the API. It holds no payload, no address and no name of a lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Act {
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What.
    pub act: ActKind,
    /// Of what: the id of the lead or the job, or NAMESPACE/NAME of the webhook or the sink.
    pub of: String,
}

/// What can be done through the API, as far as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ActKind {
    /// Somebody was shown what is kept of a lead.
    PayloadShown,
    /// Everything that is held about a person was exported.
    Exported,
    /// A person was erased.
    Erased,
    /// Leads of a person are taken again.
    SuppressionLifted,
    /// A lead was put back into its line, or decided about.
    Replayed,
    /// A lead was discarded.
    Discarded,
    /// A lead was moved to another sink.
    Moved,
    /// A waiting lead was made due.
    Expedited,
    /// A job was begun.
    JobCreated,
    /// A job was cancelled.
    JobCancelled,
    /// Leads were imported, or an edited copy was sent.
    Imported,
    /// Somebody was shown what a changed webhook would make of leads.
    Compared,
    /// A sink was paused.
    Paused,
    /// A sink was resumed.
    Resumed,
}
