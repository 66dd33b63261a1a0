//! A job as the store keeps it.

use std::collections::BTreeSet;
use std::time::Duration;

use leadgate_crds::api::{Job, LeadFilter};
use serde::{Deserialize, Serialize};

use crate::queue::StoredJob;
use crate::time::epoch_ms;

/// How long a receiver that has taken a job may be silent before another goes on with it.
const LEASE: Duration = Duration::from_secs(30);

/// A job, and how far it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) job: Job,
    /// Where the next page begins.
    pub(super) cursor: Option<String>,
    /// Which leads, if the filter asks for people, a submission or a record: looked up once, because the filter's address is
    /// not kept.
    pub(super) ids: Option<Vec<String>>,
    /// The namespaces of whoever asked for it: only a receiver that may touch all of them runs it, or tells of it.
    pub(super) namespaces: Option<BTreeSet<String>>,
    /// Whether this pass over the set has done anything.
    pub(super) did: bool,
    /// What makes a repeated request the same one.
    pub(super) key: Option<String>,
    /// Which receiver runs it, and until when it need not say that it still does (Unix milliseconds).
    worker: String,
    until: u64,
    #[serde(skip)]
    pub(super) version: u64,
}

impl Kept {
    pub(super) fn new(job: Job, key: Option<String>, namespaces: Option<BTreeSet<String>>) -> Self {
        Self {
            job,
            namespaces,
            did: false,
            cursor: None,
            ids: None,
            key,
            worker: String::new(),
            until: 0,
            version: 1,
        }
    }

    /// `None`: another version of Leadgate wrote it.
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
            id: self.job.id.clone(),
            version: self.version,
            body: serde_json::to_vec(self).unwrap_or_default(),
        }
    }

    /// Whether `worker` may go on with it.
    pub(super) fn is_free_for(&self, worker: &str) -> bool {
        self.worker == worker || self.until < epoch_ms()
    }

    /// The same, taken by `worker`, as its next version.
    pub(super) fn taken_by(mut self, worker: &str) -> Self {
        worker.clone_into(&mut self.worker);
        self.until = epoch_ms() + u64::try_from(LEASE.as_millis()).unwrap_or_default();
        self.version += 1;
        self
    }

    /// The leads that were looked up are kept in place of the address or number.
    pub(super) fn found(&mut self, ids: Option<Vec<String>>) {
        self.ids = ids;
        let filter = &mut self.job.work.filter;
        *filter = LeadFilter {
            email: None,
            phone: None,
            submission: None,
            ..std::mem::take(filter)
        };
    }
}
