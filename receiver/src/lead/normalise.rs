//! One form for what can be written in many ways, so that one person is recognised as one.

use super::phone::is_region;
use super::{Field, Lead, email, names, phone};
use crate::time::instant;

/// Brings a lead's fields to their canonical form. `region` (ISO 3166) is the country of phone numbers that
/// name none.
pub(super) fn normalise(lead: &mut Lead, region: Option<&str>) {
    for field in [
        Field::FirstName,
        Field::LastName,
        Field::FullName,
        Field::Company,
        Field::JobTitle,
    ] {
        if let Some(plain) = lead.get(field).and_then(unescaped) {
            lead.set(field, plain);
        }
    }
    if let Some(text) = lead.get(Field::Email).map(email) {
        lead.set(Field::Email, text);
    }
    if let Some(read) = lead.get(Field::Phone).map(|text| phone(text, region)) {
        match (read.extension, lead.get(Field::PhoneExtension)) {
            // Which of two extensions is meant cannot be told.
            (Some(typed), Some(given)) if typed != given => {}
            (Some(typed), _) => {
                lead.set(Field::PhoneExtension, typed);
                lead.set(Field::Phone, read.number);
            }
            (None, _) => lead.set(Field::Phone, read.number),
        }
    }
    if let Some(text) = lead.get(Field::CapturedAt).and_then(instant) {
        lead.set(Field::CapturedAt, text);
    }
    split_full_name(lead);
}

/// What a page's software made of a text: `O&#039;Brien`, `O\\'Brien`, `Smith &amp; Sons`. `None`: nothing.
fn unescaped(text: &str) -> Option<String> {
    let has_entity = || text.split_once('&').is_some_and(|(_, rest)| rest.contains(';'));
    let has_slash = || text.contains("\\'") || text.contains("\\\"");
    if !has_entity() && !has_slash() {
        return None;
    }
    let plain = html_escape::decode_html_entities(text)
        .replace("\\'", "'")
        .replace("\\\"", "\"");
    (plain != text).then_some(plain)
}

/// Loads the tables for a region before the first lead needs them; whether there is such a region.
pub fn warm_up(region: &str) -> bool {
    let _ = phone("030 901820", Some(region));
    is_region(region)
}

/// Fills first and last name from the full name where the sender did not split it. A name with a comma that came as one
/// part is a full name.
pub(super) fn split_full_name(lead: &mut Lead) {
    let (first, last) = (lead.get(Field::FirstName), lead.get(Field::LastName));
    let full = match (first, last) {
        (None, None) => lead.get(Field::FullName),
        (Some(only), None) | (None, Some(only)) if names::has_comma(only) => Some(only),
        // The full name tells the other part.
        (Some(_), None) | (None, Some(_)) => lead.get(Field::FullName).filter(|full| {
            let whole = names::split(full);
            !whole.family.is_empty()
                && (first == Some(whole.given.as_str()) || last == Some(whole.family.as_str()))
        }),
        _ => None,
    };
    let Some(full) = full.map(str::to_owned) else {
        for field in [Field::FirstName, Field::LastName] {
            if let Some(part) = lead.get(field).filter(|part| names::has_comma(part)) {
                lead.set(field, names::tidy(part));
            }
        }
        return;
    };
    let name = names::split(&full);
    lead.set(Field::FirstName, name.given);
    lead.set(Field::LastName, name.family);
    if lead.get(Field::FullName).is_none() {
        lead.set(Field::FullName, full);
    }
}
