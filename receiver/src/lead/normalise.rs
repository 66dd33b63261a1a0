//! One form for what can be written in many ways, so that one person is recognised as one.

use std::str::FromStr as _;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, Region};

use super::{Field, Lead};

/// A phone text longer than this is not looked at: the parser's cost grows with it.
const LONGEST_PHONE: usize = 100;

/// Brings a lead's fields to their canonical form. `region` (ISO 3166) is the country of phone numbers that
/// name none.
pub fn normalise(lead: &mut Lead, region: Option<&str>) {
    if let Some(text) = lead.get(Field::Email).map(email) {
        lead.set(Field::Email, text);
    }
    if let Some(text) = lead.get(Field::Phone).map(|text| phone(text, region)) {
        lead.set(Field::Phone, text);
    }
    if let Some(text) = lead.get(Field::CapturedAt).and_then(instant) {
        lead.set(Field::CapturedAt, text);
    }
    split_full_name(lead);
}

/// An e-mail address in lower case: CRMs compare it so.
pub fn email(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A phone number as E.164 where it can be read, else its text without outer blanks. Numbers that no carrier
/// assigned (`+15550109999`) are kept: validity is not for a form to decide.
pub fn phone(text: &str, region: Option<&str>) -> String {
    let text = text.trim();
    if text.len() > LONGEST_PHONE {
        return text.to_owned();
    }
    let international = text.strip_prefix("00").map(|rest| format!("+{rest}"));
    let candidate = international.as_deref().unwrap_or(text);
    let region = region.and_then(|code| Region::from_str(code).ok());
    PHONE_NUMBER_UTIL.parse(candidate, region).map_or_else(
        |_| text.to_owned(),
        |number| {
            PHONE_NUMBER_UTIL
                .format(&number, PhoneNumberFormat::E164)
                .into_owned()
        },
    )
}

/// Loads the tables for a region before the first lead needs them.
pub fn warm_up(region: &str) {
    let _ = phone("030 901820", Some(region));
}

/// A time as RFC 3339 in UTC, from RFC 3339, a zoned or plain date-time (taken as UTC), a date, or a number of
/// seconds or milliseconds since 1970. `None`: it cannot be read.
pub fn instant(text: &str) -> Option<String> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        // From 1973 on, milliseconds have more than 11 digits; seconds reach 11 digits in the year 5138.
        let instant = if number.unsigned_abs() >= 100_000_000_000 {
            jiff::Timestamp::from_millisecond(number)
        } else {
            jiff::Timestamp::from_second(number)
        };
        return instant.ok().map(|t| t.to_string());
    }
    if let Ok(instant) = jiff::Timestamp::from_str(text) {
        return Some(instant.to_string());
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(zoned.timestamp().to_string());
    }
    let civil = jiff::civil::DateTime::from_str(text)
        .or_else(|_| jiff::civil::Date::from_str(text).map(jiff::civil::DateTime::from))
        .ok()?;
    civil
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp().to_string())
}

/// Fills first and last name from the full name where the sender did not split it: the last word is the family
/// name.
fn split_full_name(lead: &mut Lead) {
    if lead.get(Field::FirstName).is_some() || lead.get(Field::LastName).is_some() {
        return;
    }
    let Some(full) = lead
        .get(Field::FullName)
        .map(|name| name.split_whitespace().collect::<Vec<_>>().join(" "))
    else {
        return;
    };
    match full.rsplit_once(' ') {
        Some((first, last)) => {
            lead.set(Field::FirstName, first);
            lead.set(Field::LastName, last);
        }
        None => lead.set(Field::FirstName, full),
    }
}
