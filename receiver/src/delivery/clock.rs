//! How long ago the store says that something was.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::queue::Millis;

/// By this machine's clock; a little skew does not matter to hours of patience.
pub(super) fn since(time: Millis) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(time))
}
