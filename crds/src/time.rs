//! Time as people and programs write it. Pure.

use std::str::FromStr as _;

use k8s_openapi::jiff;

/// Reads RFC 3339, a zoned or plain date-time (taken as UTC), a date (`20260921` too), RFC 2822, or a number of seconds,
/// milli-, micro- or nanoseconds since 1970. `None`: it cannot be read, or it is a program's way to say that there is none
/// (the year 1, a number that is no time of this century).
pub fn timestamp(text: &str) -> Option<jiff::Timestamp> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return number(text);
    }
    if let Some((seconds, fraction)) = text.split_once('.')
        && let Ok(seconds) = seconds.parse::<i64>()
        && CENTURY.contains(&seconds)
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
    {
        // `1790000000.123`, as Python and Slack write it.
        let thousandths = format!("{fraction:0<3}");
        let milliseconds = thousandths.get(..3)?.parse::<i64>().ok()?;
        return jiff::Timestamp::from_millisecond(seconds * 1000 + milliseconds).ok();
    }
    if let Ok(instant) = jiff::Timestamp::from_str(text) {
        return is_told(instant);
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return is_told(zoned.timestamp());
    }
    // `2026-09-21 13:33:20 UTC`, `… +0000`
    let (plain, zone) = text
        .strip_suffix(" UTC")
        .or_else(|| text.strip_suffix(" GMT"))
        .map_or_else(|| offset_apart(text), |plain| (plain, jiff::tz::TimeZone::UTC));
    let civil = jiff::civil::DateTime::from_str(plain)
        .or_else(|_| jiff::civil::Date::from_str(plain).map(jiff::civil::DateTime::from))
        .ok()?;
    is_told(civil.to_zoned(zone).ok()?.timestamp())
}

/// Seconds of the years 2000 to 2099: what a number of them can be, if it is a time of a lead.
const CENTURY: std::ops::Range<i64> = 946_684_800..4_102_444_800;

/// A date in eight digits, a date-time in fourteen, or a time since 1970, whose unit its size tells.
fn number(digits: &str) -> Option<jiff::Timestamp> {
    let compact = match digits.len() {
        8 => jiff::civil::Date::strptime("%Y%m%d", digits).map(|date| date.at(0, 0, 0, 0)),
        14 => jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", digits),
        _ => {
            let number: i64 = digits.parse().ok()?;
            return [1, 1000, 1_000_000, 1_000_000_000].into_iter().find_map(|unit| {
                let seconds = number / unit;
                let nanoseconds = i32::try_from(number % unit * (1_000_000_000 / unit)).ok()?;
                CENTURY
                    .contains(&seconds)
                    .then(|| jiff::Timestamp::new(seconds, nanoseconds).ok())?
            });
        }
    };
    let zoned = compact.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    CENTURY
        .contains(&zoned.timestamp().as_second())
        .then(|| zoned.timestamp())
}

/// Not the first of all times (`0001-01-01T00:00:00Z`), which programs write where there is none.
fn is_told(time: jiff::Timestamp) -> Option<jiff::Timestamp> {
    (time.as_second() > -2_208_988_800).then_some(time)
}

/// A date-time and the offset that stands apart behind it (`+0000`); without one, it is taken as UTC.
fn offset_apart(text: &str) -> (&str, jiff::tz::TimeZone) {
    let apart = text.rsplit_once(' ').and_then(|(plain, offset)| {
        let sign = if offset.starts_with('-') { -1 } else { 1 };
        let digits = offset.strip_prefix(['+', '-'])?.replace(':', "");
        let (hours, minutes) = digits.split_at_checked(2).filter(|_| digits.len() == 4)?;
        let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
        let offset = jiff::tz::Offset::from_seconds(sign * seconds).ok()?;
        Some((plain, jiff::tz::TimeZone::fixed(offset)))
    });
    apart.unwrap_or((text, jiff::tz::TimeZone::UTC))
}
