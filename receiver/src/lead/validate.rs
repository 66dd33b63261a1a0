//! What makes a lead valid: every problem at once, each with its field and what to send instead.

use std::collections::BTreeMap;

use email_address::{EmailAddress, Options};
use leadgate_crds::lead_webhook::OnInvalid;
use serde::Serialize;
use serde_json::Value;

use super::{Field, Lead, phone};
use crate::shown;
use crate::time::instant;

/// The largest custom value, written as JSON.
const MAX_CUSTOM: usize = 10_000;

/// One thing that is wrong with a lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The lead's field, or a JSON pointer into the payload; empty for the payload as a whole.
    pub field: String,
    /// A stable CamelCase word.
    pub reason: &'static str,
    /// What is wrong and what is expected, without the value itself.
    pub message: String,
}

impl Problem {
    /// A problem of a field.
    pub fn new(field: impl Into<String>, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason,
            message: shown::message(message),
        }
    }
}

/// What a webhook demands beyond the rules that always hold.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Fields that must be given.
    pub required: Vec<String>,
    /// Longest values in characters, by field or `custom.<name>`.
    pub longest: BTreeMap<String, usize>,
    /// Fields that are cut when they are longer.
    pub truncate: Vec<String>,
    /// What becomes of a lead when an optional field is not valid.
    pub on_invalid: OnInvalid,
}

/// How many characters a field, or `custom.<name>`, may have.
pub(super) fn longest(name: &str, limits: &Limits) -> usize {
    let standard = || Field::named(name).map(Field::longest);
    limits
        .longest
        .get(name)
        .copied()
        .or_else(standard)
        .unwrap_or(MAX_CUSTOM)
}

/// Everything that is wrong with a normalised lead.
pub(super) fn validate(lead: &Lead, limits: &Limits) -> Vec<Problem> {
    let mut problems = Vec::new();
    if lead.get(Field::Email).is_none() && lead.get(Field::Phone).is_none() {
        problems.push(Problem::new(
            "email",
            "ContactMissing",
            "a lead needs an e-mail address or a phone number; the mapping found neither in the payload",
        ));
    }
    if lead.get(Field::Email).is_some_and(|text| !is_email(text)) {
        problems.push(Problem::new(
            "email",
            "InvalidEmail",
            "this is not an e-mail address such as ada@example.com",
        ));
    }
    if lead.get(Field::Phone).is_some_and(|text| !phone::is_number(text)) {
        problems.push(Problem::new(
            "phone",
            "InvalidPhone",
            "a phone number has at least 3 digits, as in +442071838750, and all of them",
        ));
    }
    if lead
        .get(Field::CapturedAt)
        .is_some_and(|text| instant(text).is_none())
    {
        problems.push(Problem::new(
            "capturedAt",
            "InvalidTime",
            "write the time as RFC 3339 (2026-11-23T09:00:00Z) or as seconds since 1970",
        ));
    }
    for name in &limits.required {
        if !lead.has(name) && !problems.iter().any(|p| p.field == *name) {
            problems.push(Problem::new(
                name.as_str(),
                "Required",
                "this field is required and is missing or blank",
            ));
        }
    }
    for (field, text) in lead.given() {
        let own = limits.longest.get(field.name()).copied();
        let longest = own.unwrap_or_else(|| field.longest());
        if longer_than(text, longest) {
            problems.push(too_long(field.name().to_owned(), longest));
        }
    }
    for (name, value) in lead.customs() {
        let path = format!("custom.{name}");
        let longest = longest(&path, limits);
        let too = match value {
            Value::String(text) => longer_than(text, longest),
            Value::Array(_) | Value::Object(_) => longer_than(&value.to_string(), longest),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        };
        if too {
            problems.push(too_long(path, longest));
        }
    }
    problems
}

fn too_long(field: String, longest: usize) -> Problem {
    Problem::new(
        field,
        "TooLong",
        format!("at most {longest} characters are allowed"),
    )
}

pub(super) fn longer_than(text: &str, longest: usize) -> bool {
    text.len() > longest && text.chars().count() > longest
}

/// Where an address may have several dots side by side, or one before the `@`.
const DOTTED_DOMAINS: [&str; 3] = ["docomo.ne.jp", "ezweb.ne.jp", "au.com"];

pub(super) fn is_email(text: &str) -> bool {
    let options = Options::default()
        .with_required_tld()
        .without_display_text()
        .without_domain_literal();
    let (local, domain) = text.rsplit_once('@').unwrap_or_default();
    // Japanese carriers gave out addresses with dots that RFC 5322 has no place for: `abc..def@docomo.ne.jp`.
    let is_valid = |text: &str| EmailAddress::parse_with_options(text, options).is_ok();
    text.len() <= 254
        && is_domain(domain)
        && if DOTTED_DOMAINS.contains(&domain) {
            let parts: Vec<&str> = local.split('.').filter(|part| !part.is_empty()).collect();
            is_valid(&format!("{}@{domain}", parts.join(".")))
        } else {
            is_valid(text)
        }
}

/// Whether mail can be sent to it: letters, digits and hyphens (RFC 1123, 2.1), and no number at the end, as an IP address has.
fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    }) && domain
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().any(|b| b.is_ascii_alphabetic()))
}
