//! Any CRM with a REST API, described in data: one upsert call, or lookup, then create or update.
//!
//! * `settings`: what a sink says, compiled; `request`: a lead -> one request that cannot leave `baseUrl`.
//! * `answer`: what an answer means; `find`: which of the records that a lookup found is the lead's. Both pure.
//!   `search_lag`: leads whose record the lookup may not show yet; `outcome`: what becomes of a lead.
//! * `auth`: credentials, and OAuth tokens that all callers share; `client`: the calls in their order; `preflight`: a
//!   check that writes nothing.

mod answer;
mod auth;
mod client;
mod find;
mod outcome;
mod preflight;
mod request;
mod search_lag;
mod settings;

pub use auth::{Auth, ClientCredentials};
pub use client::Rest;
pub use settings::{Answers, Body, Call, Find, Flow, Lookup, Part, Settings, Write};

/// For sinks without `properties`: the lead's own names, since every CRM has others.
pub const STANDARD_PROPERTIES: &[(&str, &str)] = &[
    ("email", "lead.email"),
    ("firstName", "lead.firstName"),
    ("lastName", "lead.lastName"),
    ("phone", "lead.phone"),
    ("phoneExtension", "lead.phoneExtension"),
    ("company", "lead.company"),
    ("jobTitle", "lead.jobTitle"),
    ("website", "lead.website"),
    ("address", "lead.address"),
    ("city", "lead.city"),
    ("state", "lead.state"),
    ("postalCode", "lead.postalCode"),
    ("country", "lead.country"),
    ("message", "lead.message"),
    ("source", "lead.source"),
];
