//! The receiver's API, `/api/v1` on its admin port: the bodies of its requests and answers. The receiver writes these
//! types, `kubectl leadgate` reads them, and the OpenAPI document is generated from them.

mod privacy;

use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use privacy::{
    CrmRecord, ErasedLeads, Erasure, ErasureState, Export, ExportedLead, LeftBecause, NewErasure, Person,
    RecordErasure, Suppressions,
};

/// Which leads are meant. Every member that is set must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LeadFilter {
    /// An e-mail address of the person. It is hashed before anything is looked up, and not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A phone number of the person, with its country code. It is hashed before anything is looked up, and not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The id of the lead, as it was told to the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The sender's own id of the submission, as `spec.idempotency` reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submission: Option<String>,
    /// The id of the CRM record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The webhook: NAME, or NAMESPACE/NAME.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// The sink: NAME, or NAMESPACE/NAME.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    /// What became of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Where the lead is in a sink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The reason word, for example `InvalidEmail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Received at this time or later; of a lead of the past, submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// Received before this time; of a lead of the past, submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<Timestamp>,
}

impl LeadFilter {
    /// What it asks for, as the names of its members and their values, but for what names a person.
    pub fn criteria(&self) -> Vec<(&'static str, String)> {
        let text = |name, value: &Option<String>| Some((name, value.clone()?));
        let all = [
            text("id", &self.id),
            text("record", &self.record),
            text("webhook", &self.webhook),
            text("sink", &self.sink),
            self.outcome.map(|outcome| ("outcome", format!("{outcome:?}"))),
            self.state.map(|state| ("state", format!("{state:?}"))),
            text("reason", &self.reason),
            self.since.map(|since| ("since", since.to_string())),
            self.until.map(|until| ("until", until.to_string())),
        ];
        all.into_iter().flatten().collect()
    }

    /// The names of the members that name a person, and that are set.
    pub fn personal(&self) -> Vec<&'static str> {
        let all = [
            ("email", &self.email),
            ("phone", &self.phone),
            ("submission", &self.submission),
        ];
        let set = all.into_iter().filter(|(_, value)| value.is_some());
        set.map(|(name, _)| name).collect()
    }
}

/// A search.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LeadSearch {
    /// Only leads that are in this set now, those that came into it last first: the same that a job on the set and the filter
    /// finds. Without it, all that the ledger tells of, those that were received last first; leads of the past stand where they
    /// were imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<Set>,
    /// Which leads.
    pub filter: LeadFilter,
    /// Where the page begins: `next` of the page before, of the same filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many leads at most: 1 to 1000. Default: 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u16>,
}

/// What became of a request that passed its proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    /// It was queued for its sinks.
    Accepted,
    /// It is a resend of one that was known.
    Duplicate,
    /// The webhook does not take such requests (`spec.payload.when`), or it says nothing: a test, a challenge.
    Ignored,
    /// No sink of the webhook takes it (`spec.sinks[].when`).
    Unrouted,
    /// It is no valid lead.
    Rejected,
}

/// Where a lead is in a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum State {
    /// It waits, or is being delivered.
    Pending,
    /// The CRM has it.
    Delivered,
    /// A person must decide which record it is.
    Held,
    /// The CRM refused it for good, or retries ran out.
    Dead,
    /// It was discarded, or its retention ended.
    Discarded,
    /// It was moved to another sink.
    Moved,
    /// The person was erased.
    Erased,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A request that passed its proof, as the ledger tells it: no payload, no address, no name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lead {
    /// Its id.
    pub id: String,
    /// The webhook, NAMESPACE/NAME.
    pub webhook: String,
    /// When it was received.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub received_at: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, of a lead that was not accepted; of a duplicate: the id of the lead that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The id of its trace, from its first attempt on: 32 hexadecimal digits. Absent: it is not traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Where it is in each of its sinks.
    #[serde(default)]
    pub sinks: Vec<Delivery>,
}

/// A lead in one sink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The sink, NAMESPACE/NAME.
    pub sink: String,
    /// Where the lead is.
    pub state: State,
    /// Since when.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// How often delivery was tried.
    pub attempts: u32,
    /// Why the last attempt failed, or why it was set aside: a reason word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The CRM record that it was delivered as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
}

/// One lead's story.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// The lead.
    #[serde(flatten)]
    pub lead: Lead,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// Something that happened to a lead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// What.
    pub event: EventKind,
    /// In which sink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    /// Of an attempt: which one, from 1 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Of an attempt: how long it took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// Of an attempt: the CRM's HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why: a reason word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// As which CRM record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Who did it, of what a person or a job did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What can happen to a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EventKind {
    /// The request was received.
    Received,
    /// Delivery failed and will be tried again.
    Retried,
    /// The CRM has it.
    Delivered,
    /// It was set aside: a person must decide which record it is.
    Held,
    /// It was set aside: the CRM refused it for good, or retries ran out.
    Dead,
    /// It was put back into the line.
    Replayed,
    /// It was moved to this sink from another.
    Moved,
    /// It was also put into the line of this sink.
    Copied,
    /// It was discarded, or its retention ended.
    Discarded,
    /// The person was erased.
    Erased,
}

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
