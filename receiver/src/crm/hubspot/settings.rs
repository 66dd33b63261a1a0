//! `spec.hubspot`, compiled, and what follows from it for a lead.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use leadgate_crds::CrmSinkSpec;
use leadgate_crds::crm_sink::{self, MatchingKey};
use serde_json::{Map, Value};

use super::values::{property, texts};
use crate::crm::properties::PHONE;
use crate::crm::{CrmSettings, CrmSpec, Matching, Upsert};
use crate::expression::plain_text;
use crate::secret_value::{ReadSecret, secret_header};

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

/// What a HubSpot sink says.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// `https://api.hubapi.com`, without a slash at the end.
    pub(super) base_url: String,
    /// `v3` or `2026-03`.
    pub(super) api_version: String,
    /// `contacts`.
    pub(super) object: String,
    /// `email`, or a unique property of the user's own.
    pub(super) unique_property: String,
    /// One by one, or in batches.
    pub(super) upsert: crm_sink::Upsert,
    /// Whether missing properties are made.
    pub(super) ensure_properties: bool,
    /// `Bearer …`; marked sensitive.
    pub(super) authorization: HeaderValue,
    /// For one call.
    pub(super) timeout: Duration,
    /// How a lead finds its record.
    pub(super) matching: Matching,
}

impl CrmSpec for crm_sink::HubSpot {
    fn compile(
        &self,
        sink: &CrmSinkSpec,
        read_secret: &ReadSecret<'_>,
    ) -> Result<Arc<dyn CrmSettings>, Vec<String>> {
        let authorization = secret_header(
            "spec.hubspot.tokenSecretRef",
            &self.token_secret_ref,
            b"Bearer ",
            "the private-app token",
            read_secret,
        )
        .map_err(|error| vec![error])?;
        Ok(Arc::new(Settings {
            base_url: self.base_url.clone(),
            api_version: self.api_version.clone(),
            object: self.object.clone(),
            unique_property: self.unique_property.clone(),
            upsert: self.upsert,
            ensure_properties: self.ensure_properties,
            authorization,
            timeout: sink.delivery.timeout.get(),
            matching: Matching::from(&sink.matching),
        }))
    }

    fn address(&self) -> String {
        format!("hubspot {} {}", self.base_url, self.object)
    }

    fn standard_properties(&self) -> &'static [(&'static str, &'static str)] {
        STANDARD_PROPERTIES
    }

    fn extends_standard_properties(&self) -> bool {
        self.object == "contacts"
    }

    fn unidentified(&self, maps: &dyn Fn(&str) -> bool) -> Option<String> {
        let unique = &self.unique_property;
        let source = if unique == "email" {
            "lead.email"
        } else {
            "lead.submissionId"
        };
        (!maps(unique)).then(|| {
            format!(
                "spec.properties: nothing gives {unique}, by which HubSpot finds a record (hubspot.uniqueProperty); add `{unique}: {source}`"
            )
        })
    }
}

impl Settings {
    /// The lead's value of the unique property.
    pub(super) fn key(&self, lead: &Upsert) -> Option<String> {
        property(lead, &self.unique_property)
    }

    /// The phone number to look for, if records are compared by it.
    pub(super) fn phone(&self, lead: &Upsert) -> Option<String> {
        self.matching
            .compares(MatchingKey::Phone)
            .then(|| property(lead, "phone").or_else(|| property(lead, "mobilephone")))
            .flatten()
    }

    /// Whether the phone number is asked before the e-mail address.
    pub(super) fn phone_first(&self) -> bool {
        self.matching.keys.first() == Some(&MatchingKey::Phone)
    }

    /// Whether the record must be read before it is written.
    pub(super) fn reads_first(&self, lead: &Upsert) -> bool {
        self.matching
            .keeps_any(lead.properties.iter().map(|(name, _)| name.as_str()))
    }

    /// Whether a record found by its e-mail address is found by this property: it has the address then, be it as one of
    /// its further addresses. Written again, such a one would become the primary address.
    pub(super) fn by_email(&self) -> bool {
        self.unique_property == "email"
    }

    /// Whether `property` tells whose record it is, so that a lead is not written without it.
    pub(super) fn identifies(&self, lead: &Upsert, name: &str) -> bool {
        name == self.unique_property
            || name == "email"
            || (matches!(name, "phone" | "mobilephone") && self.key(lead).is_none())
    }

    /// Whether a lead whose e-mail address is none for HubSpot is known without it: by the unique property, or by a phone
    /// number; then with a name, without which HubSpot makes no contact.
    pub(super) fn known_without_email(&self, lead: &Upsert) -> bool {
        if self.unique_property != "email" {
            return self.key(lead).is_some();
        }
        let has_name = ["firstname", "lastname"]
            .into_iter()
            .any(|name| property(lead, name).is_some());
        has_name && self.phone(lead).is_some()
    }

    /// What to write to a record in which `standing` stands.
    pub(super) fn to_write(&self, lead: &Upsert, standing: &Value) -> Map<String, Value> {
        let stands = |name: &str| {
            standing
                .get(name)
                .and_then(plain_text)
                .is_some_and(|text| !text.is_empty())
        };
        let mut properties = texts(&lead.properties);
        properties.retain(|name, _| !(self.matching.keeps(name) && stands(name)));
        properties
    }
}
