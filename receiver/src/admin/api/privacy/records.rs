//! What becomes of the CRM records that an erased person's leads were delivered to. The decisions are pure.

use std::collections::BTreeMap;
use std::time::Duration;

use leadgate_crds::api::{CrmRecord, LeftBecause, RecordErasure};
use leadgate_crds::crm_sink::CrmErasure;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Sink};
use crate::crm::Deletion;
use crate::queue::SinkId;
use crate::time::epoch_ms;

/// Why a record is left: its sink does not ask for its deletion.
const NOT_ASKED_FOR: &str = LeftBecause::NotAskedFor.as_str();

/// Why a record is left: its lead only mentions the person.
pub(super) const MENTIONED: &str = LeftBecause::OnlyMentioned.as_str();

/// Why a record is left: its lead has the number, and perhaps another person's address.
pub(super) const SHARED_NUMBER: &str = LeftBecause::FoundByNumber.as_str();

/// Why a record is left: the ledger cuts ids of this length.
const CUT_ID: &str = LeftBecause::IdTooLong.as_str();
const LONGEST_ID: usize = 128;

/// Why a record is left: the receiver does not run its sink any more.
const UNKNOWN_SINK: &str = LeftBecause::UnknownSink.as_str();

/// Between two rounds: it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// When records that a CRM does not delete are given up.
const GIVEN_UP_AFTER: Duration = Duration::from_hours(72);

/// How often, and when next, CRMs are asked (Unix milliseconds).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Rounds {
    made: u32,
    next: u64,
    until: u64,
}

impl Rounds {
    /// The first one is due now.
    pub(super) fn begin() -> Self {
        Self {
            made: 0,
            next: 0,
            until: epoch_ms() + millis(GIVEN_UP_AFTER),
        }
    }

    /// Whether the next one is due.
    pub(super) fn is_due(&self) -> bool {
        self.next <= epoch_ms()
    }

    /// After one that left records: when to come back, not before what a CRM asked for. `false`: it was the last.
    pub(super) fn wait(&mut self, asked: Duration) -> bool {
        let wait = FIRST_WAIT
            .saturating_mul(1 << self.made.min(10))
            .min(LONGEST_WAIT);
        self.made += 1;
        self.next = epoch_ms() + millis(wait.max(asked));
        epoch_ms() < self.until
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The sink that says what becomes of a record; or why the record is left.
pub(super) fn sink_of<'c>(
    record: &CrmRecord,
    config: &'c Config,
) -> Result<&'c std::sync::Arc<Sink>, &'static str> {
    let id = SinkId::from(record.sink.as_str());
    match config.sinks().find(|sink| sink.id == id) {
        None => Err(UNKNOWN_SINK),
        Some(sink) if sink.erasure != CrmErasure::Delete => Err(NOT_ASKED_FOR),
        Some(sink) => Ok(sink),
    }
}

/// What an erasure is to do with each record.
pub(super) fn plan(records: &mut [CrmRecord], config: &Config) {
    for record in records {
        if record.reason.is_some() {
            record.erasure = RecordErasure::Skipped;
        } else if record.record.len() >= LONGEST_ID {
            set(record, RecordErasure::Skipped, Some(CUT_ID));
        } else {
            match sink_of(record, config) {
                Ok(_) => set(record, RecordErasure::Pending, None),
                Err(why) => {
                    leave(record, config, why);
                }
            }
        }
    }
}

/// Leaves a record. One whose sink is written and cannot run for now is left for a while; whether it is.
pub(super) fn leave(record: &mut CrmRecord, config: &Config, why: &'static str) -> bool {
    let object = format!("CrmSink {}", record.sink);
    let waits = why == UNKNOWN_SINK && config.problems.iter().any(|problem| problem.object == object);
    let erasure = if waits {
        RecordErasure::Pending
    } else {
        RecordErasure::Skipped
    };
    set(record, erasure, Some(why));
    waits
}

/// A record once, and as one of the person's if any of its leads is theirs.
pub(super) fn each_once(records: impl IntoIterator<Item = CrmRecord>) -> Vec<CrmRecord> {
    let mut found: BTreeMap<(String, String), CrmRecord> = BTreeMap::new();
    for record in records {
        let known = found.entry((record.sink.clone(), record.record.clone()));
        let known = known.or_insert_with(|| record.clone());
        if record.reason.is_none() {
            *known = record;
        }
    }
    found.into_values().collect()
}

/// Takes a CRM's answer down. Tells how long to leave it alone, if it is to be asked again.
pub(super) fn take(record: &mut CrmRecord, answer: Deletion) -> Option<Duration> {
    match answer {
        Deletion::Done => {
            set(record, RecordErasure::Deleted, None);
            None
        }
        Deletion::Later { after, why } => {
            set(record, RecordErasure::Pending, Some(why.reason.as_str()));
            Some(after)
        }
        Deletion::Failed(why) => {
            set(record, RecordErasure::Failed, Some(why.reason.as_str()));
            None
        }
    }
}

/// Notes that a record is left as it is.
pub(super) fn set(record: &mut CrmRecord, erasure: RecordErasure, reason: Option<&str>) {
    record.erasure = erasure;
    record.reason = reason.map(str::to_owned);
}

/// Of those that are left, in words; `None`: none is.
pub(super) fn missing(records: &[CrmRecord]) -> Option<String> {
    let failed = records
        .iter()
        .filter(|record| record.erasure == RecordErasure::Failed)
        .count();
    (failed > 0).then(|| {
        format!("{failed} CRM records were not deleted: delete them in the CRM by their ids; their reasons stand with them")
    })
}
