//! Time as people and programs write it, and as this program counts it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{TimestampRound, Unit};
use leadgate_crds::time::timestamp;

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

/// A time as RFC 3339 in UTC, of all that [`timestamp`] reads. At most milliseconds: CRMs read no more.
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
