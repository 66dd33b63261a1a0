//! Salesforce: one query finds the records that a batch may be about, then collections of up to 200 update them or
//! create new ones by external id.
//!
//! * Pure: `answer` (what answers mean), `external` (a value that is safe as an external id), `soql` (queries and what
//!   they find), `plan` (which record is the lead's, and what is sent), `batch` (which writes share a call), `preflight`
//!   (what a describe says about the sink's settings), `contact` (people who are contacts already).
//! * Shells: `auth` (one sign-in for all callers), `calls` (one request each), `write` (many in few calls), `client` (a
//!   batch), `limits` (the daily limit, seen coming).

mod answer;
mod auth;
mod batch;
mod calls;
mod client;
mod contact;
mod external;
mod limits;
mod plan;
mod preflight;
mod soql;
mod write;

pub use auth::{SignIn, rsa_key};
pub use client::Salesforce;

use std::time::Duration;

use leadgate_crds::crm_sink::Fallbacks;

use crate::crm::Matching;
use crate::crm::properties::PHONE;
use crate::expression::Program;

/// Salesforce's own fields of a Lead, for sinks without `properties`.
pub const STANDARD_PROPERTIES: &[(&str, &str)] = &[
    ("Email", "lead.email"),
    ("FirstName", "lead.firstName"),
    ("LastName", "lead.lastName"),
    ("Phone", PHONE),
    ("Company", "lead.company"),
    ("Title", "lead.jobTitle"),
    ("Website", "lead.website"),
    ("Street", "lead.address"),
    ("City", "lead.city"),
    ("State", "lead.state"),
    ("PostalCode", "lead.postalCode"),
    ("Country", "lead.country"),
    ("Description", "lead.message"),
];

/// What a Salesforce sink says.
#[derive(Debug)]
pub struct Settings {
    /// `https://example.my.salesforce.com`.
    pub instance_url: String,
    /// `62.0`.
    pub api_version: String,
    /// `Lead`.
    pub object: String,
    /// By what a record is created exactly once.
    pub external_id: Option<ExternalId>,
    /// How the receiver signs in.
    pub sign_in: SignIn,
    /// Save in spite of duplicate rules that allow it.
    pub allow_save: bool,
    /// Whether assignment rules run for new records.
    pub assignment_rule: bool,
    /// What new records get where the lead has nothing.
    pub fallbacks: Fallbacks,
    /// For one call.
    pub timeout: Duration,
    /// How a lead finds its record.
    pub matching: Matching,
}

/// By what a record is created exactly once.
#[derive(Debug)]
pub struct ExternalId {
    /// A field marked "External ID" and "Unique".
    pub field: String,
    /// Its value, over `lead`, `webhook` and `payload`.
    pub value: Program,
}

impl Settings {
    /// The field that `matching`'s key is compared with: standard objects have `Email` and `Phone`, custom ones have
    /// fields of the user's own.
    fn key_field(&self, standard: &str) -> String {
        if self.object.to_ascii_lowercase().ends_with("__c") {
            format!("{standard}__c")
        } else {
            standard.to_owned()
        }
    }

    /// Leads are converted into contacts, and are read-only from then on.
    fn converts(&self) -> bool {
        self.object.eq_ignore_ascii_case("Lead")
    }
}
