//! HubSpot: find by a unique property, else by `matching`, else create, else update what the conflict names.
//!
//! `answer`: what HubSpot's answers mean, as a table; `api`: the calls; `single`: one lead; `batch`: up to 100 in one
//! call, `progress` and `batch_answer` (pure): what has become of them; `phone_search` (pure): how phone numbers are looked for; `preflight`: what to know before the first lead.

mod answer;
mod api;
mod batch;
mod batch_answer;
mod phone_search;
mod preflight;
mod progress;
mod single;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use leadgate_crds::crm_sink::{self, MatchingKey};
use serde_json::{Map, Value};

use self::api::Api;
use super::batching::Batching;
use super::properties::PHONE;
use super::{Crm, Failure, Matching, Outcome, PreflightReport, Throttle, Upsert};
use crate::expression::plain_text;

/// HubSpot's own contact properties, for sinks without `properties`.
pub const STANDARD_PROPERTIES: &[(&str, &str)] = &[
    ("email", "lead.email"),
    ("firstname", "lead.firstName"),
    ("lastname", "lead.lastName"),
    ("phone", PHONE),
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
const MAX_BATCH: usize = 100;
/// `Auto`: so many waiting leads share a call; fewer go one by one, at the same time, and answer sooner.
const AUTO_BATCH_FROM: usize = 5;

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
    batching: Batching,
}

impl HubSpot {
    /// An account, over a shared HTTP client.
    pub fn new(settings: Arc<Settings>, client: reqwest::Client) -> Self {
        Self {
            api: Api::new(Arc::clone(&settings), client),
            settings,
            no_upsert: AtomicBool::new(false),
            batching: Batching::new(MAX_BATCH),
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

    /// Whether a record found by its e-mail address is found by this property: it has the address then, be it as one of
    /// its further addresses. Written again, such a one would become the primary address.
    fn by_email(&self) -> bool {
        self.settings.unique_property == "email"
    }

    /// Whether `property` tells whose record it is, so that a lead is not written without it.
    fn identifies(&self, lead: &Upsert, name: &str) -> bool {
        name == self.settings.unique_property
            || name == "email"
            || (name == "phone" && self.key(lead).is_none())
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
    async fn upsert(&self, batch: &[Upsert], throttle: &dyn Throttle) -> Vec<Outcome> {
        match batch {
            [lead]
                if self.settings.upsert != crm_sink::Upsert::Batch || self.batching.refusal().is_some() =>
            {
                vec![self.upsert_one(lead, throttle).await]
            }
            leads => self.upsert_batch(leads, throttle).await,
        }
    }

    fn max_batch(&self) -> usize {
        match self.settings.upsert {
            crm_sink::Upsert::Single => 1,
            crm_sink::Upsert::Auto | crm_sink::Upsert::Batch => self.batching.size(),
        }
    }

    fn batch_from(&self) -> usize {
        match self.settings.upsert {
            crm_sink::Upsert::Batch => 1,
            crm_sink::Upsert::Auto | crm_sink::Upsert::Single => AUTO_BATCH_FROM,
        }
    }

    fn notice(&self) -> Option<Failure> {
        self.batching.refusal()
    }

    async fn preflight(
        &self,
        properties: &[&str],
        create_only: &[&str],
        throttle: &dyn Throttle,
    ) -> PreflightReport {
        self.preflight_account(&[properties, create_only].concat(), throttle)
            .await
    }
}

fn property(lead: &Upsert, name: &str) -> Option<String> {
    let (_, value) = lead.properties.iter().find(|(known, _)| known == name)?;
    text(value).filter(|text| !text.is_empty())
}

/// The properties for a record that has the lead's e-mail address already.
fn without_email(lead: &Upsert) -> Map<String, Value> {
    let mut properties = texts(&lead.properties);
    properties.remove("email");
    properties
}

/// HubSpot takes texts only: numbers and booleans as written, lists joined with `;` as for multiple checkboxes.
fn texts<'a>(properties: impl IntoIterator<Item = &'a (String, Value)>) -> Map<String, Value> {
    properties
        .into_iter()
        .filter_map(|(name, value)| {
            // An empty text is HubSpot's way of clearing a property.
            let text = if value.is_null() {
                String::new()
            } else {
                text(value)?
            };
            Some((name.clone(), Value::String(text)))
        })
        .collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => Some(items.iter().filter_map(plain_text).collect::<Vec<_>>().join(";")),
        Value::Object(_) => Some(value.to_string()),
        other => plain_text(other),
    }
}
