//! Counts by time: fine ones of an hour, coarse ones of a week. Pure.

use std::collections::BTreeMap;

use leadgate_crds::api::Point;

use crate::admin::shared::timestamp;
use crate::queue::Millis;

/// The spans that are counted, in milliseconds.
pub(super) const FINE: Millis = 5 * 60_000;
pub(super) const COARSE: Millis = 3_600_000;

/// How many fine spans are kept: an hour's, and the one that is not over.
const FINE_KEPT: Millis = 13 * FINE;

/// What was accepted and delivered in each span, by its number since the epoch.
#[derive(Debug, Default)]
pub(super) struct Series {
    fine: BTreeMap<u64, (u64, u64)>,
    coarse: BTreeMap<u64, (u64, u64)>,
}

impl Series {
    pub(super) fn add(&mut self, at: Millis, accepted: u64, delivered: u64) {
        if (accepted, delivered) != (0, 0) {
            add(&mut self.fine, at / FINE, (accepted, delivered));
            add(&mut self.coarse, at / COARSE, (accepted, delivered));
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (span, counts) in other.fine {
            add(&mut self.fine, span, counts);
        }
        for (span, counts) in other.coarse {
            add(&mut self.coarse, span, counts);
        }
    }

    /// Drops what is older than `oldest`, and fine counts that are older than an hour.
    pub(super) fn forget(&mut self, oldest: Millis) {
        self.coarse = self.coarse.split_off(&(oldest / COARSE));
        if let Some((newest, _)) = self.fine.last_key_value() {
            let from = newest.saturating_sub(FINE_KEPT / FINE);
            self.fine = self.fine.split_off(&from);
        }
    }

    /// The last `many` spans of a length, oldest first; the last of them is the one that is not over.
    pub(super) fn points(&self, now: Millis, length: Millis, many: u64) -> Vec<Point> {
        let (counts, unit) = if length < COARSE {
            (&self.fine, FINE)
        } else {
            (&self.coarse, COARSE)
        };
        let newest = now / length;
        (newest.saturating_sub(many - 1)..=newest)
            .map(|span| {
                let first = span * length / unit;
                let (accepted, delivered) = counts
                    .range(first..first + length / unit)
                    .fold((0, 0), |sum, (_, counts)| (sum.0 + counts.0, sum.1 + counts.1));
                Point {
                    at: timestamp(span * length).unwrap_or(jiff::Timestamp::UNIX_EPOCH),
                    accepted,
                    delivered,
                }
            })
            .collect()
    }
}

fn add(counts: &mut BTreeMap<u64, (u64, u64)>, span: u64, (accepted, delivered): (u64, u64)) {
    let known = counts.entry(span).or_default();
    *known = (known.0 + accepted, known.1 + delivered);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    #[test]
    fn each_span_has_its_own_counts_and_old_ones_go() {
        let mut series = Series::default();
        series.add(NOW, 3, 2);
        series.add(NOW - 7 * 60_000, 1, 1);
        series.add(NOW - 3 * COARSE, 10, 9);
        series.add(NOW - 8 * 24 * COARSE, 100, 100);
        series.forget(NOW - 7 * 24 * COARSE);
        let sum = |points: &[Point]| -> (u64, u64) {
            (
                points.iter().map(|point| point.accepted).sum(),
                points.iter().map(|point| point.delivered).sum(),
            )
        };
        let hour = series.points(NOW, FINE, 12);
        assert_eq!((hour.len(), sum(&hour)), (12, (4, 3)));
        assert_eq!((hour[11].accepted, hour[10].accepted), (3, 0));
        assert_eq!(sum(&series.points(NOW, COARSE, 24)), (14, 12));
        assert_eq!(sum(&series.points(NOW, 6 * COARSE, 28)), (14, 12));
        assert!(series.coarse.len() <= 168 && series.fine.len() <= 14);
    }
}
