//! Leads for which the CRM may hold a record that its lookup does not show yet.
//!
//! The queue tells that a lead is in doubt, not since when; this process remembers that. After a restart
//! the wait begins anew, which costs time and no duplicate.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::crm::Upsert;

/// When the numbers of leads that are remembered at all are reached, those that have waited are forgotten.
const MAX_REMEMBERED: usize = 10_000;

/// Since when leads wait.
#[derive(Debug, Default)]
pub(super) struct SearchLag(Mutex<HashMap<u64, Instant>>);

impl SearchLag {
    /// How long the lookup must still be waited for; `None`: what it shows is all there is.
    pub(super) fn left(&self, lead: &Upsert, lag: Duration) -> Option<Duration> {
        if lag.is_zero() {
            return None;
        }
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut since, lag);
        let began = *since.entry(key(lead)).or_insert_with(Instant::now);
        lag.checked_sub(began.elapsed()).filter(|left| !left.is_zero())
    }

    /// The CRM may have made a record just now.
    pub(super) fn begin(&self, lead: &Upsert) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.insert(key(lead), Instant::now());
    }

    /// It is known what became of the lead.
    pub(super) fn end(&self, lead: &Upsert) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.remove(&key(lead));
    }
}

fn forget(since: &mut HashMap<u64, Instant>, lag: Duration) {
    if since.len() >= MAX_REMEMBERED {
        since.retain(|_, began| began.elapsed() < lag);
    }
}

/// The lead, which has its submission's id and time.
fn key(lead: &Upsert) -> u64 {
    let mut hasher = DefaultHasher::new();
    lead.lead.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lead_waits_once_for_the_whole_lag() {
        let search_lag = SearchLag::default();
        let lead = Upsert {
            lead: json!({"submissionId": "1"}),
            ..Upsert::default()
        };
        let lag = Duration::from_millis(30);
        assert_eq!(search_lag.left(&lead, Duration::ZERO), None);
        assert!(search_lag.left(&lead, lag).is_some_and(|left| left <= lag));
        std::thread::sleep(lag);
        assert_eq!(search_lag.left(&lead, lag), None);
        search_lag.begin(&lead);
        assert!(search_lag.left(&lead, lag).is_some());
        search_lag.end(&lead);
        let long = Duration::from_hours(1);
        assert!(
            search_lag
                .left(&lead, long)
                .is_some_and(|left| left > Duration::from_mins(59))
        );
    }
}
