//! An erasure as the store keeps it, among the jobs.

use std::collections::BTreeSet;
use std::time::Duration;

use leadgate_crds::api::Erasure;
use serde::{Deserialize, Serialize};

use super::Targets;
use crate::queue::StoredJob;
use crate::time::epoch_ms;

/// How long a receiver that has taken an erasure may be silent before another goes on with it.
const LEASE: Duration = Duration::from_secs(30);

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
    worker: String,
    until: u64,
    #[serde(skip)]
    version: u64,
}

impl Kept {
    pub(super) fn new(erasure: Erasure, targets: Targets, namespaces: Option<BTreeSet<String>>) -> Self {
        Self {
            erasure,
            targets,
            namespaces,
            erased: BTreeSet::new(),
            contacts: BTreeSet::new(),
            worker: String::new(),
            until: 0,
            version: 1,
        }
    }

    /// `None`: it is a job of another kind.
    pub(super) fn read(stored: &StoredJob) -> Option<Self> {
        let kept: Self = serde_json::from_slice(&stored.body).ok()?;
        Some(Self {
            version: stored.version,
            ..kept
        })
    }

    /// For the store.
    pub(super) fn stored(&self) -> StoredJob {
        StoredJob {
            id: self.erasure.id.clone(),
            version: self.version,
            body: serde_json::to_vec(self).unwrap_or_default(),
        }
    }

    /// Whether `worker` may go on with it.
    pub(super) fn is_free_for(&self, worker: &str) -> bool {
        self.worker == worker || self.until < epoch_ms()
    }

    /// The next version, taken by `worker`.
    pub(super) fn take(&mut self, worker: &str) {
        worker.clone_into(&mut self.worker);
        self.until = epoch_ms() + u64::try_from(LEASE.as_millis()).unwrap_or_default();
        self.version += 1;
    }
}
