//! One form for what can be written in many ways, so that one person is recognised as one.

use std::str::FromStr as _;

use jiff::{TimestampRound, Unit};

use super::{Field, Lead, email, names, phone};

/// Brings a lead's fields to their canonical form. `region` (ISO 3166) is the country of phone numbers that
/// name none.
pub(super) fn normalise(lead: &mut Lead, region: Option<&str>) {
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

/// Loads the tables for a region before the first lead needs them.
pub fn warm_up(region: &str) {
    let _ = phone("030 901820", Some(region));
}

/// A time as RFC 3339 in UTC, from RFC 3339, a zoned or plain date-time (taken as UTC), a date, or a number of
/// seconds or milliseconds since 1970. At most milliseconds: CRMs read no more. `None`: it cannot be read.
pub fn instant(text: &str) -> Option<String> {
    let to_milliseconds = TimestampRound::new()
        .smallest(Unit::Millisecond)
        .mode(jiff::RoundMode::Trunc);
    let time = timestamp(text.trim())?.round(to_milliseconds).ok()?;
    Some(time.to_string())
}

fn timestamp(text: &str) -> Option<jiff::Timestamp> {
    if let Ok(number) = text.parse::<i64>() {
        // From 1973 on, milliseconds have more than 11 digits; seconds reach 11 digits in the year 5138.
        return if number.unsigned_abs() >= 100_000_000_000 {
            jiff::Timestamp::from_millisecond(number).ok()
        } else {
            jiff::Timestamp::from_second(number).ok()
        };
    }
    if let Some((seconds, fraction)) = text.split_once('.')
        && let Ok(seconds @ 0..100_000_000_000) = seconds.parse::<i64>()
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
    {
        // `1790000000.123`, as Python and Slack write it.
        let thousandths = format!("{fraction:0<3}");
        let milliseconds = thousandths.get(..3)?.parse::<i64>().ok()?;
        return jiff::Timestamp::from_millisecond(seconds * 1000 + milliseconds).ok();
    }
    if let Ok(instant) = jiff::Timestamp::from_str(text) {
        return Some(instant);
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(zoned.timestamp());
    }
    let civil = jiff::civil::DateTime::from_str(text)
        .or_else(|_| jiff::civil::Date::from_str(text).map(jiff::civil::DateTime::from))
        .ok()?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

/// Fills first and last name from the full name where the sender did not split it. A name with a comma that came as one
/// part is a full name.
fn split_full_name(lead: &mut Lead) {
    let (first, last) = (lead.get(Field::FirstName), lead.get(Field::LastName));
    let full = match (first, last) {
        (None, None) => lead.get(Field::FullName),
        (Some(only), None) | (None, Some(only)) if names::has_comma(only) => Some(only),
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
