//! HubSpot: find by a unique property, else by `matching`, else create, else update what the conflict names.
//!
//! `answer`: what HubSpot's answers mean, as a table; `api`: the calls; `single`: one lead; `batch`: up to 100 in one
//! call, `batch_answer` (pure): which of them arrived; `inspect`: what to know before the first lead.

mod answer;
mod api;
mod batch;
mod batch_answer;
mod inspect;
mod single;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use leadgate_crds::crm_sink::{self, MatchingKey};
use serde_json::{Map, Value};

pub use answer::{Answer, classify};

use self::api::Api;
use super::{Crm, Gate, Inspection, Matching, Outcome, Upsert};
use crate::expression::plain_text;

/// HubSpot's own contact properties, for sinks without `properties`.
pub const STANDARD_PROPERTIES: &[(&str, &str)] = &[
    ("email", "lead.email"),
    ("firstname", "lead.firstName"),
    ("lastname", "lead.lastName"),
    ("phone", "lead.phone"),
    ("company", "lead.company"),
    ("jobtitle", "lead.jobTitle"),
    ("website", "lead.website"),
    ("address", "lead.address"),
    ("city", "lead.city"),
    ("state", "lead.state"),
    ("zip", "lead.postalCode"),
    ("country", "lead.country"),
    ("message", "lead.message"),
];

/// HubSpot's bound on the inputs of one call.
const MOST: usize = 100;
/// `Auto`: so many waiting leads share a call; fewer go one by one, at the same time, and answer sooner.
const LOAD: usize = 5;

/// What a HubSpot sink says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://api.hubapi.com`, without a slash at the end.
    pub base_url: String,
    /// `v3` or `2026-03`.
    pub api_version: String,
    /// `contacts`.
    pub object: String,
    /// `email`, or a unique property of the user's own.
    pub unique_property: String,
    /// One by one, or in batches.
    pub upsert: crm_sink::Upsert,
    /// Whether missing properties are made.
    pub ensure_properties: bool,
    /// `Bearer …`; marked sensitive.
    pub authorization: HeaderValue,
    /// For one call.
    pub timeout: Duration,
    /// How a lead finds its record.
    pub matching: Matching,
}

/// A HubSpot account.
pub struct HubSpot {
    settings: Arc<Settings>,
    api: Api,
    /// The account refused `batch/upsert` by this property: update and create, each in a batch, do instead.
    no_upsert: AtomicBool,
}

impl HubSpot {
    /// An account, over a shared HTTP client.
    pub fn new(settings: Arc<Settings>, client: reqwest::Client) -> Self {
        Self {
            api: Api::new(Arc::clone(&settings), client),
            settings,
            no_upsert: AtomicBool::new(false),
        }
    }

    /// The lead's value of the unique property.
    fn key(&self, lead: &Upsert) -> Option<String> {
        property(lead, &self.settings.unique_property)
    }

    /// The phone number to look for, if records are compared by it.
    fn phone(&self, lead: &Upsert) -> Option<String> {
        self.settings
            .matching
            .compares(MatchingKey::Phone)
            .then(|| property(lead, "phone"))
            .flatten()
    }

    /// Whether the phone number is asked before the e-mail address.
    fn phone_first(&self) -> bool {
        self.settings.matching.keys.first() == Some(&MatchingKey::Phone)
    }

    /// Whether the record must be read before it is written.
    fn reads_first(&self, lead: &Upsert) -> bool {
        self.settings
            .matching
            .keeps_any(lead.properties.iter().map(|(name, _)| name.as_str()))
    }

    /// What to write to a record in which `standing` stands.
    fn to_write(&self, lead: &Upsert, standing: &Value) -> Map<String, Value> {
        let stands = |name: &str| {
            standing
                .get(name)
                .and_then(plain_text)
                .is_some_and(|text| !text.is_empty())
        };
        let mut properties = texts(&lead.properties);
        properties.retain(|name, _| !(self.settings.matching.keeps(name) && stands(name)));
        properties
    }
}

#[async_trait]
impl Crm for HubSpot {
    async fn upsert(&self, batch: &[Upsert], gate: &dyn Gate) -> Vec<Outcome> {
        match batch {
            [lead] if self.settings.upsert != crm_sink::Upsert::Batch => {
                vec![self.upsert_one(lead, gate).await]
            }
            leads => self.upsert_batch(leads, gate).await,
        }
    }

    fn max_batch(&self) -> usize {
        match self.settings.upsert {
            crm_sink::Upsert::Single => 1,
            crm_sink::Upsert::Auto | crm_sink::Upsert::Batch => MOST,
        }
    }

    fn batch_from(&self) -> usize {
        match self.settings.upsert {
            crm_sink::Upsert::Batch => 1,
            crm_sink::Upsert::Auto | crm_sink::Upsert::Single => LOAD,
        }
    }

    async fn inspect(&self, properties: &[&str], gate: &dyn Gate) -> Inspection {
        self.inspect_account(properties, gate).await
    }
}

fn property(lead: &Upsert, name: &str) -> Option<String> {
    let (_, value) = lead.properties.iter().find(|(known, _)| known == name)?;
    text(value).filter(|text| !text.is_empty())
}

/// HubSpot takes texts only: numbers and booleans as written, lists joined with `;` as for multiple checkboxes.
fn texts(properties: &[(String, Value)]) -> Map<String, Value> {
    properties
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), Value::String(text(value)?))))
        .collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => Some(items.iter().filter_map(plain_text).collect::<Vec<_>>().join(";")),
        Value::Object(_) => Some(value.to_string()),
        other => plain_text(other),
    }
}
