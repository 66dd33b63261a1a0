//! Whether to tell somebody: of what has come since the last notification, at most once an hour.

use serde::{Deserialize, Serialize};

use crate::notice::Counts;
use crate::queue::Millis;

/// Between two notifications about one object (ms).
pub(super) const PAUSE: Millis = 3_600_000;
/// Until a notification that failed is tried again (ms).
pub(super) const AGAIN: Millis = 300_000;

/// What counts for ever; the others fall when somebody acts.
const EVER: &str = "rejected";

/// A pause ends by itself and begins anew with the next call: it is over once a lead was delivered.
const PAUSED: &str = "paused";
pub(super) const DELIVERED: &str = "delivered";

/// What somebody has been told of, and when the next notification may go out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) counts: Counts,
    pub(super) next_at: Millis,
}

impl Told {
    /// Before the first notification: what was rejected up to now is history.
    pub(super) fn first(now: &Counts, at: Millis) -> Self {
        let history = now
            .get_key_value(EVER)
            .map(|(what, count)| (what.clone(), *count));
        Self {
            counts: history.into_iter().collect(),
            next_at: at,
        }
    }

    /// What is less by now was dealt with; if it grows again, that is news.
    pub(super) fn lowered(&self, now: &Counts) -> Self {
        let count_of = |counts: &Counts, what: &str| counts.get(what).copied().unwrap_or_default();
        let has_delivered = count_of(now, DELIVERED) > count_of(&self.counts, DELIVERED);
        let told = |(what, count): (&String, &u64)| {
            let lowered = (*count).min(count_of(now, what));
            let count = if what == PAUSED && !has_delivered {
                *count
            } else {
                lowered
            };
            (what.clone(), count)
        };
        Self {
            counts: self.counts.iter().map(told).collect(),
            next_at: self.next_at,
        }
    }

    /// What to tell now, if anything: of what counts for ever the news, else how many there are.
    pub(super) fn news(&self, now: &Counts, at: Millis) -> Option<Counts> {
        let known = |what: &String| self.counts.get(what).copied().unwrap_or_default();
        let is_news = |(what, count): (&String, &u64)| what != DELIVERED && *count > known(what);
        if at < self.next_at || !now.iter().any(is_news) {
            return None;
        }
        let shown = now.iter().map(|(what, &count)| {
            let count = if what == EVER {
                count.saturating_sub(known(what))
            } else {
                count
            };
            (what.clone(), count)
        });
        Some(shown.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(dead: u64, rejected: u64) -> Counts {
        [("dead".to_owned(), dead), (EVER.to_owned(), rejected)].into()
    }

    #[test]
    fn what_grows_is_told_and_what_was_told_is_not_told_again() {
        let told = Told {
            counts: counts(2, 5),
            next_at: 100,
        };
        for (dead, rejected, at, expected) in [
            (3, 5, 100, Some((3, 0))),
            (2, 7, 100, Some((2, 2))),
            (3, 7, 99, None),
            (2, 5, 1_000_000, None),
            (1, 5, 1_000_000, None),
        ] {
            let news = told.news(&counts(dead, rejected), at);
            assert_eq!(
                news,
                expected.map(|(dead, rejected)| counts(dead, rejected)),
                "{dead} {rejected} {at}"
            );
        }
    }

    #[test]
    fn what_was_dealt_with_is_news_when_it_comes_again() {
        let told = Told {
            counts: counts(2, 5),
            next_at: 0,
        };
        let told = told.lowered(&counts(0, 5));
        assert_eq!(told.news(&counts(0, 5), 1), None);
        assert_eq!(told.news(&counts(1, 5), 1), Some(counts(1, 0)));
    }

    #[test]
    fn a_pause_that_begins_anew_every_minute_is_told_once_until_leads_arrive_again() {
        let seen = |paused, delivered| -> Counts {
            [(PAUSED.to_owned(), paused), (DELIVERED.to_owned(), delivered)].into()
        };
        let told = Told {
            counts: seen(1, 5),
            next_at: 0,
        };
        let told = told.lowered(&seen(0, 5));
        assert_eq!(told.news(&seen(1, 5), 1), None);
        let told = told.lowered(&seen(0, 6));
        assert!(told.news(&seen(1, 6), 1).is_some());
        assert_eq!(told.news(&seen(0, 9), 1), None, "a delivery alone is no news");
    }

    #[test]
    fn what_was_rejected_before_the_first_look_is_history_and_what_is_dead_is_not() {
        let told = Told::first(&counts(1, 9), 1);
        assert_eq!(told.news(&counts(1, 9), 1), Some(counts(1, 0)));
        assert_eq!(Told::first(&counts(0, 9), 1).news(&counts(0, 9), 1), None);
    }
}
