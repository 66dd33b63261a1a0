//! How long to wait before the next attempt: exponential, with full jitter, never less than the CRM asked for.

use std::time::Duration;

use rand::RngExt as _;

/// The wait after attempt number `attempt` (from 1): random up to `initial` doubled with each failure, at most `max`.
pub(super) fn backoff(attempt: u32, initial: Duration, max: Duration) -> Duration {
    let ceiling = ceiling(attempt, initial, max);
    ceiling.mul_f64(rand::rng().random::<f64>())
}

fn ceiling(attempt: u32, initial: Duration, max: Duration) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    initial.saturating_mul(1_u32 << doublings).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_longest_and_never_overflows() {
        let (initial, max) = (Duration::from_secs(1), Duration::from_mins(15));
        let seconds: Vec<u64> = [1, 2, 3, 10, 11, 60, u32::MAX]
            .map(|n| ceiling(n, initial, max).as_secs())
            .to_vec();
        assert_eq!(seconds, [1, 2, 4, 512, 900, 900, 900]);
        assert_eq!(ceiling(u32::MAX, Duration::MAX, Duration::MAX), Duration::MAX);
        assert!((0..1000).all(|_| backoff(3, initial, max) <= Duration::from_secs(4)));
    }
}
