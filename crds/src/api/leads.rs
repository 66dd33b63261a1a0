//! Leads: searching them, and their story.

use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Set;

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
