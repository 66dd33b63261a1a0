//! An erasure as the store keeps it, among the jobs.

use std::collections::BTreeSet;

use leadgate_crds::api::Erasure;
use serde::{Deserialize, Serialize};

use super::Targets;
use super::records::Rounds;
use crate::admin::api::lease::Lease;
use crate::queue::StoredJob;

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

    /// For the store.
    pub(super) fn stored(&self) -> StoredJob {
        StoredJob {
            id: self.erasure.id.clone(),
            version: self.lease.version,
            body: serde_json::to_vec(self).unwrap_or_default(),
        }
    }
}
