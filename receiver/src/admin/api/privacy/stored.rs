//! An erasure as the store keeps it, among the jobs.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use leadgate_crds::api::{Erasure, ErasureState};
use serde::{Deserialize, Serialize};

use super::Targets;
use super::records::Rounds;
use crate::admin::api::lease::Lease;
use crate::queue::StoredJob;

/// How long one is told of that has ended: as long as the audit, in which it stands too. It names CRM records.
const TOLD_FOR: SignedDuration = SignedDuration::from_hours(8760);

/// An erasure, and whom it is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) erasure: Erasure,
    /// Gone once it has ended.
    pub(super) targets: Targets,
    /// The namespaces of whoever asked for it: only a receiver that may touch all of them runs it, or tells of it.
    pub(super) namespaces: Option<BTreeSet<String>>,
    /// Webhook and id of the leads that were erased, whose entries are still to be cleared.
    pub(super) erased: BTreeSet<(String, String)>,
    /// The contacts of these leads, whose CRM records are still to be forgotten.
    #[serde(default)]
    pub(super) contacts: BTreeSet<String>,
    /// Nothing of the person is held any more: what is left to do is in CRMs.
    #[serde(default)]
    pub(super) is_gone: bool,
    /// How CRMs are asked.
    #[serde(default)]
    pub(super) rounds: Rounds,
    #[serde(flatten)]
    pub(super) lease: Lease,
}

impl Kept {
    pub(super) fn new(erasure: Erasure, targets: Targets, namespaces: Option<BTreeSet<String>>) -> Self {
        Self {
            erasure,
            targets,
            namespaces,
            erased: BTreeSet::new(),
            contacts: BTreeSet::new(),
            is_gone: false,
            rounds: Rounds::default(),
            lease: Lease::free(),
        }
    }

    /// `None`: it is a job of another kind.
    pub(super) fn read(stored: &StoredJob) -> Option<Self> {
        let mut kept: Self = serde_json::from_slice(&stored.body).ok()?;
        kept.lease.version = stored.version;
        Some(kept)
    }

    /// Whether it has ended so long ago that it goes. Pure.
    pub(super) fn has_gone_by(&self, now: jiff::Timestamp) -> bool {
        let has_ended = self.erasure.state != ErasureState::Running;
        has_ended && now.duration_since(self.erasure.updated_at) > TOLD_FOR
    }

    /// For the store.
    pub(super) fn stored(&self) -> StoredJob {
        StoredJob {
            id: self.erasure.id.clone(),
            version: self.lease.version,
            body: serde_json::to_vec(self).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erasure_is_told_of_as_long_as_the_audit_once_it_has_ended() {
        let ended: jiff::Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
        for (state, day, expected) in [
            (ErasureState::Completed, "2025-12-31T00:00:00Z", false),
            (ErasureState::Completed, "2026-01-02T00:00:00Z", true),
            (ErasureState::Running, "2027-01-01T00:00:00Z", false),
        ] {
            let erasure = Erasure {
                id: String::new(),
                state,
                leads: Vec::new(),
                entries: 0,
                suppressed: false,
                records: Vec::new(),
                missing: Vec::new(),
                remains: Vec::new(),
                by: String::new(),
                created_at: ended,
                updated_at: ended,
            };
            let kept = Kept::new(erasure, Targets::default(), None);
            assert_eq!(kept.has_gone_by(day.parse().unwrap()), expected, "{day}");
        }
    }
}
