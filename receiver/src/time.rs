//! Time as people and programs write it, and as this program counts it.

use std::str::FromStr as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{TimestampRound, Unit};

/// The time of this machine's clock since 1970.
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The same in milliseconds.
pub fn epoch_ms() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// How long ago a store says that something was, in milliseconds since 1970. By this machine's clock: a little skew does
/// not matter to hours of patience.
pub fn since(epoch_ms: u64) -> Duration {
    since_epoch().saturating_sub(Duration::from_millis(epoch_ms))
}

/// A time as RFC 3339 in UTC, from RFC 3339, a zoned or plain date-time (taken as UTC), a date, or a number of
/// seconds or milliseconds since 1970. At most milliseconds: CRMs read no more. `None`: it cannot be read.
pub fn instant(text: &str) -> Option<String> {
    to_milliseconds(timestamp(text.trim())?)
}

/// This moment, as [`instant`] writes it.
pub fn now() -> String {
    let now = jiff::Timestamp::now();
    to_milliseconds(now).unwrap_or_else(|| now.to_string())
}

fn to_milliseconds(time: jiff::Timestamp) -> Option<String> {
    let to_milliseconds = TimestampRound::new()
        .smallest(Unit::Millisecond)
        .mode(jiff::RoundMode::Trunc);
    Some(time.round(to_milliseconds).ok()?.to_string())
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
