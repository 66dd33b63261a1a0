//! What a receiver says of itself: the answer to `GET /status` on its admin port. The receiver writes these types, and
//! the operator reads them.
//!
//! A figure is one field here. Where receivers fill it in and the operator adds it up no field is left to a default, so
//! that the compiler names the places. What a receiver of another version does not say is read as its default: during
//! an upgrade, the operator asks receivers of both versions.

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::counts::{DeliveryCounts, ProcessCounts, StoredCounts};
use crate::crm_sink::CrmSinkStatusAudit;
use crate::lead_webhook::{Latency, LeadFailure};

/// The answer to `GET /status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// Whether the manifests were read once.
    pub loaded: bool,
    /// The store.
    pub queue: QueueReport,
    /// What does not run as it is written.
    pub problems: Vec<Problem>,
    /// What runs, and should be looked at nevertheless.
    pub warnings: Vec<Problem>,
    /// The webhooks that are configured.
    pub webhooks: Vec<WebhookReport>,
    /// The sinks that are configured, then those that are not although leads wait for them.
    pub sinks: Vec<SinkReport>,
}

/// The store as a receiver sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueReport {
    /// Whether it answers.
    pub ready: bool,
    /// Why leads in it are not safe, or why it does not answer.
    pub problems: Vec<String>,
    /// What survives what, in words: for example whether a power cut can take the last second.
    pub durability: Option<String>,
    /// What one durable write took, for example `1.2ms`.
    pub write_latency: Option<String>,
    /// What it holds, in bytes; absent where it has no limit, or none that is known.
    pub bytes: Option<u64>,
    /// What it may hold, in bytes.
    pub max_bytes: Option<u64>,
}

/// Something in the manifests that cannot run as it is, or that will surprise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Problem {
    /// Whether the object runs nonetheless.
    pub severity: Severity,
    /// The file, relative to the manifests' folder; empty for the folder itself.
    pub file: String,
    /// The line in the file, from 1 on, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// `LeadWebhook default/website`; empty when the file cannot be read at all.
    pub object: String,
    /// What is wrong, with the field and the remedy.
    pub message: String,
    /// Whether an earlier form of the object keeps running.
    pub previous_kept: bool,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does not run as it is written.
    #[default]
    Error,
    /// It runs, and a person should look at it.
    Warning,
}

/// A webhook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookReport {
    /// `namespace/name`.
    pub name: String,
    /// The uid of the object whose form runs; empty when its manifest states none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The generation of that form; 0 when its manifest states none.
    pub generation: i64,
    /// Where senders post to.
    pub path: String,
    /// Whether this receiver answers at that path; `false`: another one does, and this one delivers its leads as well.
    pub served: bool,
    /// Whether it answers 503.
    pub suspended: bool,
    /// Counts of requests and leads.
    pub leads: LeadsReport,
    /// How many proofs each of its secrets has made in this process; empty unless it has several.
    pub proofs: Vec<u64>,
    /// What a person should look at, in words.
    pub hints: Vec<String>,
    /// The last leads that were rejected or could not be delivered, newest first (of this process).
    pub failures: Vec<LeadFailure>,
    /// Its share of each sink, those that it does not name any more included.
    pub sinks: Vec<RouteReport>,
}

/// Counts of a webhook's requests and leads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LeadsReport {
    /// Counts that the store keeps.
    #[serde(flatten)]
    pub stored: StoredCounts,
    /// Leads that were accepted although another lead had their idempotency key (of the store).
    pub key_conflicts: i64,
    /// Rejected requests whose copies made room for newer ones (of the store).
    pub rejected_dropped: i64,
    /// Unrouted leads that were discarded, erased, or removed at the end of their retention (of the store).
    pub discarded: i64,
    /// Counts of this process.
    #[serde(flatten)]
    pub process: ProcessCounts,
    /// When the last lead was accepted.
    pub last_accepted_time: Option<Timestamp>,
}

/// A webhook's share of a sink.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteReport {
    /// The sink's name.
    pub name: String,
    /// Whether the webhook names it; otherwise leads of an earlier configuration wait for it.
    pub named: bool,
    /// Counts that the store keeps.
    #[serde(flatten)]
    pub deliveries: DeliveryCounts,
    /// Deliveries that were discarded, erased, or removed at the end of their retention.
    pub discarded: i64,
    /// From acceptance to delivery, in this process.
    pub latency: Option<Latency>,
    /// When the CRM last confirmed a delivery.
    pub last_delivered_time: Option<Timestamp>,
    /// The last failure in this process.
    pub last_error: Option<LastError>,
}

/// A failure to deliver. It holds no personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LastError {
    /// The reason in one CamelCase word, for example `InvalidEmail`.
    pub reason: String,
    /// The same in words.
    pub message: String,
    /// When it happened.
    pub time: Option<Timestamp>,
}

/// A sink, over all webhooks that share the store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SinkReport {
    /// `namespace/name`.
    pub name: String,
    /// The uid of the object whose form runs; empty when its manifest states none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The generation of that form; 0 when its manifest states none.
    pub generation: i64,
    /// Whether it is not configured although leads wait for it.
    pub orphaned: bool,
    /// What is wrong with that, in words.
    pub problem: Option<String>,
    /// Whether its leads are queued without being delivered.
    pub suspended: bool,
    /// How many of this receiver's webhooks deliver to it.
    pub webhooks: usize,
    /// Counts of deliveries.
    pub leads: SinkLeads,
    /// Until when deliveries wait: the CRM asked for it, or its circuit is open.
    pub paused_until: Option<Timestamp>,
    /// Why, as a CamelCase word.
    pub paused_reason: Option<String>,
    /// Why, in words.
    pub paused_message: Option<String>,
    /// What the receiver found when it asked the CRM itself.
    pub preflight: Option<PreflightReport>,
    /// What makes deliveries slower without stopping them.
    pub notice: Option<Notice>,
    /// What the last audit found; `None`: none was made, or `spec.audit` is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<CrmSinkStatusAudit>,
    /// How often the CRM was called lately, by this process.
    pub calls: CallsReport,
    /// Properties that leads were delivered without, in this process.
    pub delivered_without_properties: Vec<RefusedProperty>,
    /// The last failure in this process.
    pub last_error: Option<LastError>,
}

/// Calls to a CRM in the last 60 seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CallsReport {
    /// How many.
    pub last_minute: u64,
    /// Leads in them; one that several calls were about counts in each.
    pub leads: u64,
    /// How many calls a minute `spec.delivery.rateLimit` allows to all receivers that share the store.
    pub allowed: u64,
}

/// Counts of deliveries to a sink, which the store keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SinkLeads {
    /// Those that the status shows, too.
    #[serde(flatten)]
    pub deliveries: DeliveryCounts,
    /// Deliveries that were discarded, erased, or removed at the end of their retention.
    pub discarded: i64,
    /// The age of the oldest delivery that is still to be made, in seconds.
    pub oldest_pending_seconds: i64,
}

/// What a receiver found when it asked a CRM, before the first lead and every ten minutes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PreflightReport {
    /// When it asked last.
    pub time: Option<Timestamp>,
    /// Whether the CRM answered; `None`: nobody knows.
    pub reachable: Option<Check>,
    /// Whether it took the credentials; `None`: nobody knows.
    pub credentials: Option<Check>,
    /// What is wrong with the sink's properties, each with its remedy.
    pub problems: Vec<String>,
}

/// One of the questions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Check {
    /// Yes or no.
    pub ok: bool,
    /// Why not, as a CamelCase word.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why not, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// What makes deliveries slower without stopping them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Notice {
    /// A CamelCase word, for example `BatchRefused`.
    pub reason: String,
    /// The same in words.
    pub message: String,
}

/// A property that a CRM did not take: leads were delivered without it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RefusedProperty {
    /// The CRM's name of it.
    pub property: String,
    /// A CamelCase word, of the last time.
    pub reason: String,
    /// How often, since the start of this process.
    pub count: u64,
    /// When it happened last.
    pub last_time: Option<Timestamp>,
}
