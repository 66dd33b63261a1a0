//! Quantiles of a latency in constant memory: exponential buckets, halved now and then so that they follow the present.

use std::time::Duration;

/// Each bucket is 15 % wider than the last; 160 of them reach from 100 µs to over a week.
const GROWTH: f64 = 1.15;
const BUCKETS: usize = 160;
const SMALLEST: f64 = 100e-6;
/// Old observations lose half of their weight after so many.
const HALVE_AFTER: u32 = 10_000;

/// A latency's distribution.
#[derive(Debug, Clone)]
pub struct Latency {
    counts: [u32; BUCKETS],
    total: u32,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
            total: 0,
        }
    }
}

impl Latency {
    /// Adds an observation.
    pub fn add(&mut self, took: Duration) {
        if self.total >= HALVE_AFTER {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the buckets"
        )]
        let bucket = ((took.as_secs_f64() / SMALLEST).max(1.0).ln() / GROWTH.ln()) as usize;
        if let Some(count) = self.counts.get_mut(bucket.min(BUCKETS - 1)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// The upper end of the bucket in which the quantile lies; `None` without observations.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        if self.total == 0 {
            return None;
        }
        let rank = f64::from(self.total) * quantile;
        let mut seen = 0_u32;
        let mut upper = SMALLEST;
        for count in self.counts {
            upper *= GROWTH;
            seen += count;
            if f64::from(seen) >= rank {
                break;
            }
        }
        Some(Duration::from_secs_f64(upper))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_a_bucket_and_forget_the_past() {
        let mut latency = Latency::default();
        assert_eq!(latency.quantile(0.5), None);
        (1..=1000).for_each(|ms| latency.add(Duration::from_millis(ms)));
        let p50 = latency.quantile(0.5).unwrap().as_secs_f64();
        let p99 = latency.quantile(0.99).unwrap().as_secs_f64();
        assert!((0.5..0.6).contains(&p50), "{p50}");
        assert!((0.99..1.2).contains(&p99), "{p99}");
        (0..200_000).for_each(|_| latency.add(Duration::from_mins(1)));
        assert!(latency.quantile(0.01).unwrap() > Duration::from_secs(55));
        latency.add(Duration::from_secs(u64::MAX / 2));
        latency.add(Duration::ZERO);
    }
}
