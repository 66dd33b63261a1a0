//! Erasures and exports: what the receiver holds about a person.

use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Set, Story};

/// A person: at least one of the two.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Person {
    /// An e-mail address. It is hashed before anything is looked up, and not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A phone number with its country code. It is hashed before anything is looked up, and not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// An erasure that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NewErasure {
    /// Whom to erase: everything that names one of these.
    pub person: Person,
    /// Whether later leads of the person are refused too: answered with 200, counted and not stored.
    pub suppress: bool,
}

/// Whose leads are refused: how many addresses and numbers. Only keyed hashes of them are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suppressions {
    /// How many addresses and numbers are suppressed.
    pub suppressed: u64,
    /// How many of them this call lifted.
    #[serde(default)]
    pub lifted: u64,
}

/// An erasure. It does not say whose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub state: ErasureState,
    /// How many leads were erased, by set.
    #[serde(default)]
    pub leads: Vec<ErasedLeads>,
    /// How many entries of the ledger no longer say whom they are about.
    #[serde(default)]
    pub entries: u64,
    /// Whether later leads of the person are refused.
    #[serde(default)]
    pub suppressed: bool,
    /// The CRM records that the person's leads were delivered as, and what became of them.
    #[serde(default)]
    pub records: Vec<CrmRecord>,
    /// What keeps it from its end, each with its remedy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// What may still hold the person's data, and until when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remains: Vec<String>,
    /// Who asked for it.
    pub by: String,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub created_at: Timestamp,
    /// When it last did something; of one that is complete, when it ended.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub updated_at: Timestamp,
}

/// How many leads of a set were erased; one that was in two sinks counts twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErasedLeads {
    /// The set.
    pub set: Set,
    /// How many.
    pub leads: u64,
}

/// How far an erasure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ErasureState {
    /// It is at work, waits for a lead that is being delivered, or for a CRM that is to delete records.
    Running,
    /// Nothing of the person is left.
    Completed,
    /// Something is left: see `missing`, which says what to do.
    Incomplete,
}

/// A record in a CRM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrmRecord {
    /// The sink, NAMESPACE/NAME.
    pub sink: String,
    /// The record's id.
    pub record: String,
    /// What the erasure did with it in the CRM.
    #[serde(default)]
    pub erasure: RecordErasure,
    /// Why it is still there: a reason word. Of one that was left as it is: `NotAskedFor`, `FoundByNumber`,
    /// `OnlyMentioned`, `UnknownSink` or `IdTooLong`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl CrmRecord {
    /// Why it was left as it is; `None`: it was not, or for a reason that this version does not know.
    pub fn left(&self) -> Option<LeftBecause> {
        let is_left = self.erasure == RecordErasure::Skipped;
        let found = LeftBecause::ALL
            .into_iter()
            .find(|why| Some(why.as_str()) == self.reason.as_deref());
        found.filter(|_| is_left)
    }
}

/// Why an erasure left a record as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftBecause {
    /// Its sink does not say `privacy.crm: Delete`.
    NotAskedFor,
    /// Its lead was found by its phone number, which several people may share.
    FoundByNumber,
    /// Its lead is somebody else's, and only mentions the person.
    OnlyMentioned,
    /// The receiver does not run its sink any more.
    UnknownSink,
    /// The ledger does not hold its whole id.
    IdTooLong,
}

impl LeftBecause {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::NotAskedFor,
        Self::FoundByNumber,
        Self::OnlyMentioned,
        Self::UnknownSink,
        Self::IdTooLong,
    ];

    /// The reason word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAskedFor => "NotAskedFor",
            Self::FoundByNumber => "FoundByNumber",
            Self::OnlyMentioned => "OnlyMentioned",
            Self::UnknownSink => "UnknownSink",
            Self::IdTooLong => "IdTooLong",
        }
    }
}

/// What an erasure did with a record in a CRM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum RecordErasure {
    /// It will be deleted, or the CRM is asked again.
    Pending,
    /// It is deleted, or was gone already.
    Deleted,
    /// The CRM did not delete it: delete it there, by its id.
    Failed,
    /// It was left as it is.
    #[default]
    Skipped,
}

/// What is held about a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// When it was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub exported_at: Timestamp,
    /// The leads that are held, with everything that they say.
    pub leads: Vec<ExportedLead>,
    /// What became of each request, as the ledger tells it: where it came from, when, and to whom it went.
    pub entries: Vec<Story>,
    /// What could not be looked at, each with its remedy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// A lead that is held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportedLead {
    /// Its id.
    pub id: String,
    /// The webhook that took it.
    pub webhook: String,
    /// The sink that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    /// Where it is.
    pub set: Set,
    /// When it was received.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub received_at: Timestamp,
    /// Until when it is kept; absent: until it is delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub kept_until: Option<Timestamp>,
    /// Why it is there: a reason word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The CRM's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What is held: the lead, and what its sender posted.
    pub data: serde_json::Value,
}
