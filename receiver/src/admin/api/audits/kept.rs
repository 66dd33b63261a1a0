//! An audit as the store keeps it, and what becomes of it step by step. Pure.

use std::time::Duration;

use leadgate_crds::common::Time;
use leadgate_crds::counts::share_at_most;
use leadgate_crds::crm_sink::{CrmSinkStatusAudit, DuplicateRecord, MAX_DUPLICATES};
use leadgate_crds::reason::FailureReason;
use serde::{Deserialize, Serialize};

use crate::admin::api::lease::Lease;
use crate::admin::api::merge::Mark;
use crate::crm::{Twins, Undone};
use crate::queue::{Millis, Place, SinkId, StoredJob, WebhookId};

/// Before the CRM is asked again that could not be asked, at least.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// When the next audit is made if this one found no record to look at.
const AGAIN_IF_EMPTY: Duration = Duration::from_mins(10);

/// An audit that takes longer ends with what it has found, unless the interval is longer.
const LONGEST: Duration = Duration::from_hours(24);

/// So many refusals in a row end an audit: the next ones would be refused, too.
const MOST_REFUSALS: u32 = 3;

/// The audits of a sink.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The sink. No other job has this field.
    audited_sink: String,
    /// What the last audit found, and why the one under way cannot go on.
    pub(super) found: CrmSinkStatusAudit,
    /// Where the next audit goes on in the ledger (webhook, time, key); `None`: with the newest entry.
    mark: Option<(String, Millis, String)>,
    /// The audit under way.
    run: Option<Run>,
    /// When the last one ended, in Unix milliseconds, and whether it had nothing to look at.
    ended: (Millis, bool),
    #[serde(flatten)]
    pub(super) lease: Lease,
}

/// An audit under way.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Run {
    begun: Millis,
    was_empty: bool,
    left: Vec<String>,
    audited: i64,
    duplicates: i64,
    records: Vec<DuplicateRecord>,
    refusals: u32,
    refused: Option<String>,
}

/// The id of a sink's audits among the jobs.
pub(super) fn id(sink: &SinkId) -> String {
    format!("audit:{sink}")
}

impl Kept {
    /// Of a sink of which the store has nothing (version 0), or nothing that can be read.
    pub(super) fn new(sink: &SinkId, version: u64) -> Self {
        let mut lease = Lease::free();
        lease.version = version + 1;
        Self {
            audited_sink: sink.to_string(),
            found: CrmSinkStatusAudit::default(),
            mark: None,
            run: None,
            ended: (0, false),
            lease,
        }
    }

    /// `None`: another version of Leadgate wrote it, or its key is lost.
    pub(super) fn read(stored: &StoredJob) -> Option<Self> {
        let mut kept: Self = serde_json::from_slice(&stored.body).ok()?;
        kept.lease.version = stored.version;
        Some(kept)
    }

    /// For the store.
    pub(super) fn stored(&self) -> StoredJob {
        StoredJob {
            id: id(&SinkId::from(self.audited_sink.as_str())),
            version: self.lease.version,
            body: serde_json::to_vec(self).unwrap_or_default(),
        }
    }

    /// Whether one is under way.
    pub(super) fn is_running(&self) -> bool {
        self.run.is_some()
    }

    /// Whether one is under way or should be.
    pub(super) fn is_due(&self, interval: Duration, now: Millis) -> bool {
        let (ended, was_empty) = self.ended;
        let wait = if was_empty {
            interval.min(AGAIN_IF_EMPTY)
        } else {
            interval
        };
        self.is_running() || now >= ended.saturating_add(millis(wait))
    }

    /// Where the ledger is read on.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.mark.clone().map(|(webhook, at, key)| Mark {
            webhook: WebhookId::from(webhook.as_str()),
            place: Place { at, key },
        })
    }

    /// Begins an audit of these records; the next one goes on at `mark`.
    pub(super) fn begin(&mut self, records: Vec<String>, mark: Option<Mark>, now: Millis) {
        self.mark = mark.map(|mark| (mark.webhook.to_string(), mark.place.at, mark.place.key));
        self.run = Some(Run {
            begun: now,
            was_empty: records.is_empty(),
            left: records,
            ..Run::default()
        });
    }

    /// The next records, at most so many.
    pub(super) fn page(&self, most: usize) -> Vec<String> {
        let left = self.run.iter().flat_map(|run| &run.left);
        left.take(most).cloned().collect()
    }

    /// Takes the CRM's answer about these records down. How long to leave it alone.
    pub(super) fn take(&mut self, page: &[String], answer: Result<Vec<Twins>, Undone>) -> Duration {
        let Some(run) = &mut self.run else {
            return Duration::ZERO;
        };
        let (reason, wait) = match answer {
            Ok(twins) => {
                for (record, twins) in page.iter().zip(twins) {
                    run.count(record, twins);
                }
                run.refusals = 0;
                (run.refused.clone(), Duration::ZERO)
            }
            Err(Undone::Failed(why)) => {
                run.refusals += 1;
                run.refused = Some(why.reason.to_string());
                (run.refused.clone(), Duration::ZERO)
            }
            Err(Undone::Later { after, why }) => {
                self.found.reason = Some(why.reason.to_string());
                return after.max(RETRY_AFTER);
            }
        };
        run.left.drain(..page.len().min(run.left.len()));
        if run.refusals == MOST_REFUSALS {
            run.left.clear();
        }
        self.found.reason = reason;
        wait
    }

    /// Ends the audit under way if it has looked at all records, or took too long. Whether it did, and had any.
    pub(super) fn end(&mut self, interval: Duration, now: Millis) -> bool {
        let is_over = |run: &mut Run| {
            run.left.is_empty() || now.saturating_sub(run.begun) > millis(interval.max(LONGEST))
        };
        let Some(run) = self.run.take_if(is_over) else {
            return false;
        };
        self.ended = (now, run.was_empty);
        if run.was_empty {
            return false;
        }
        let nothing = (run.audited == 0).then(|| FailureReason::RecordGone.to_string());
        self.found = CrmSinkStatusAudit {
            last_time: i64::try_from(now)
                .ok()
                .and_then(|now| jiff::Timestamp::from_second(now / 1000).ok())
                .map(Time),
            audited: run.audited,
            duplicates: run.duplicates,
            duplicate_rate: share_at_most(run.duplicates, run.audited),
            records: run.records,
            reason: self.found.reason.take().or(nothing),
        };
        true
    }
}

impl Run {
    fn count(&mut self, record: &str, twins: Twins) {
        let Some(mut others) = twins else { return };
        self.audited += 1;
        if others.is_empty() {
            return;
        }
        self.duplicates += 1;
        let (most, most_others) = MAX_DUPLICATES;
        // Of two records that leads were delivered to, each is the other's; and some CRMs' ids are addresses.
        let is_listed = self
            .records
            .iter()
            .any(|known| known.others.iter().any(|id| id == record));
        others.retain(|id| !id.contains('@'));
        others.truncate(most_others);
        if self.records.len() < most && !is_listed && !record.contains('@') {
            self.records.push(DuplicateRecord {
                record: record.to_owned(),
                others,
            });
        }
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::Failure;

    const DAY: Duration = Duration::from_hours(24);
    const NOW: Millis = 1_790_000_000_000;

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn begun(records: &[&str]) -> Kept {
        let mut kept = Kept::new(&SinkId::of("shop", "crm"), 0);
        kept.begin(ids(records), None, NOW);
        kept
    }

    fn why(reason: FailureReason) -> Failure {
        Failure::new(reason, "no")
    }

    #[test]
    fn what_is_found_is_counted_and_listed_once_for_both_of_a_pair() {
        // Given records of which two are one person's, one has a twin that somebody made, one is gone and one is single,
        let mut kept = begun(&["1", "2", "3", "4", "5"]);
        let page = kept.page(10);
        let twins = [
            Some(&["2"][..]),
            Some(&["1"]),
            Some(&["9", "a@example.com"]),
            None,
            Some(&[]),
        ];
        kept.take(&page, Ok(twins.map(|twins| twins.map(ids)).to_vec()));
        // when the audit ends, then it tells them by id, and no address.
        assert!(kept.end(DAY, NOW + 1));
        let found = &kept.found;
        assert_eq!((found.audited, found.duplicates), (4, 3));
        assert_eq!(
            (found.duplicate_rate.as_deref(), &found.reason),
            (Some("75"), &None)
        );
        let listed: Vec<_> = found
            .records
            .iter()
            .map(|it| (it.record.as_str(), it.others.clone()))
            .collect();
        assert_eq!(listed, [("1", ids(&["2"])), ("3", ids(&["9"]))]);
        assert!(!kept.is_due(DAY, NOW + 1) && kept.is_due(DAY, NOW + 1 + millis(DAY)));
    }

    #[test]
    fn lists_are_bounded_and_counts_are_not() {
        let records: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        let mut kept = Kept::new(&SinkId::of("shop", "crm"), 0);
        kept.begin(records.clone(), None, NOW);
        let others: Vec<String> = (100..109).map(|n| n.to_string()).collect();
        kept.take(&records, Ok(vec![Some(others); 30]));
        assert!(kept.end(DAY, NOW));
        assert_eq!((kept.found.duplicates, kept.found.records.len()), (30, 20));
        assert_eq!(kept.found.records[0].others.len(), 5);
    }

    #[test]
    fn a_crm_that_asks_to_wait_is_left_alone_and_asked_the_same_again() {
        let mut kept = begun(&["1", "2"]);
        let page = kept.page(1);
        let wait = Duration::from_secs(90);
        let later = Undone::Later {
            after: wait,
            why: why(FailureReason::RateLimited),
        };
        assert_eq!(kept.take(&page, Err(later)), wait);
        assert_eq!(kept.found.reason.as_deref(), Some("RateLimited"));
        assert_eq!(kept.page(1), page);
        assert!(!kept.end(DAY, NOW));
        // It answers: the reason has passed.
        assert_eq!(kept.take(&page, Ok(vec![Some(Vec::new())])), Duration::ZERO);
        assert_eq!((kept.found.reason.as_deref(), kept.page(1)), (None, ids(&["2"])));
        // Throttled for a moment, it steps back for longer than that: leads go first.
        let throttled = Undone::later(why(FailureReason::RateLimited));
        assert_eq!(kept.take(&ids(&["2"]), Err(throttled)), RETRY_AFTER);
    }

    #[test]
    fn a_refusal_skips_its_records_and_several_in_a_row_end_the_audit() {
        let mut kept = begun(&["1", "2", "3", "4", "5", "6"]);
        for (answer, left) in [
            (Err(()), 5),
            (Ok(()), 4),
            (Err(()), 3),
            (Err(()), 2),
            (Err(()), 0),
        ] {
            let page = kept.page(1);
            let answer = answer.map(|()| vec![Some(Vec::new())]);
            kept.take(
                &page,
                answer.map_err(|()| Undone::Failed(why(FailureReason::Refused))),
            );
            assert_eq!(kept.page(9).len(), left);
        }
        assert!(kept.end(DAY, NOW));
        assert_eq!(
            (kept.found.audited, kept.found.reason.as_deref()),
            (1, Some("Refused"))
        );
    }

    #[test]
    fn an_audit_without_records_says_nothing_and_is_soon_made_again() {
        let mut kept = begun(&[]);
        assert!(!kept.end(DAY, NOW) && !kept.is_running());
        assert_eq!(kept.found, CrmSinkStatusAudit::default());
        assert!(!kept.is_due(DAY, NOW) && kept.is_due(DAY, NOW + millis(AGAIN_IF_EMPTY)));
        assert!(kept.is_due(Duration::from_mins(1), NOW + 60_000));
    }

    #[test]
    fn an_audit_that_takes_too_long_ends_with_what_it_found_and_why() {
        let mut kept = begun(&["1", "2"]);
        kept.take(&ids(&["1"]), Ok(vec![Some(Vec::new())]));
        kept.take(
            &ids(&["2"]),
            Err(Undone::later(why(FailureReason::MissingScopes))),
        );
        assert!(!kept.end(DAY, NOW + millis(DAY)));
        assert!(kept.end(DAY, NOW + millis(DAY) + 1));
        assert_eq!(
            (kept.found.audited, kept.found.reason.as_deref()),
            (1, Some("MissingScopes"))
        );
    }

    #[test]
    fn records_that_are_all_gone_are_told() {
        let mut kept = begun(&["1"]);
        kept.take(&ids(&["1"]), Ok(vec![None]));
        assert!(kept.end(DAY, NOW));
        assert_eq!(
            (kept.found.audited, kept.found.reason.as_deref()),
            (0, Some("RecordGone"))
        );
        assert_eq!(kept.found.duplicate_rate, None);
    }

    #[test]
    fn it_comes_back_from_the_store_as_it_was_and_is_no_other_job() {
        let mut kept = begun(&["1", "2"]);
        kept.take(&ids(&["1"]), Ok(vec![Some(ids(&["3"]))]));
        let stored = kept.stored();
        let back = Kept::read(&stored).unwrap();
        assert_eq!((back.stored(), back.page(9)), (stored, ids(&["2"])));
        let other = StoredJob {
            id: "1".to_owned(),
            version: 1,
            body: br#"{"job": {}, "worker": "", "until": 0}"#.to_vec(),
        };
        assert!(Kept::read(&other).is_none());
    }
}
