//! HubSpot: find by a unique property, else create, else update what the conflict names.
//!
//! `answer`: what HubSpot's answers mean, as a table; `client`: the calls, one by one.

mod answer;
mod client;

pub use answer::{Answer, classify};
pub use client::{HubSpot, Settings};

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
