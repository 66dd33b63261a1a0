//! A job as the store keeps it.

use std::collections::BTreeSet;

use leadgate_crds::api::{Job, LeadFilter};
use serde::{Deserialize, Serialize};

use crate::admin::api::lease::Lease;
use crate::queue::StoredJob;

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
    #[serde(flatten)]
    pub(super) lease: Lease,
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
            lease: Lease::free(),
        }
    }

    /// `None`: another version of Leadgate wrote it.
    pub(super) fn read(stored: &StoredJob) -> Option<Self> {
        let mut kept: Self = serde_json::from_slice(&stored.body).ok()?;
        kept.lease.version = stored.version;
        Some(kept)
    }

    /// For the store.
    pub(super) fn stored(&self) -> StoredJob {
        StoredJob {
            id: self.job.id.clone(),
            version: self.lease.version,
            body: serde_json::to_vec(self).unwrap_or_default(),
        }
    }

    /// The leads that were looked up are kept in place of the address or number.
    pub(super) fn found(&mut self, ids: Option<Vec<String>>) {
        self.ids = ids;
        let filter = &mut self.job.work.filter;
        self.job.hidden_filter = filter.personal().into_iter().map(str::to_owned).collect();
        *filter = LeadFilter {
            email: None,
            phone: None,
            submission: None,
            ..std::mem::take(filter)
        };
    }
}
