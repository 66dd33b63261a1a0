//! What all parts of the admin server work on.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Notify, watch};

use super::api::{Audits, Newer};
use super::figures::Figures;
use super::token::TokenFile;
use crate::config::Config;
use crate::delivery::Preflights;
use crate::metrics::Metrics;
use crate::queue::{Millis, Queue, QueueError};
use crate::renewal::Complaints;

/// What the admin server shows.
pub(crate) struct Admin {
    /// What runs now.
    pub config: watch::Receiver<Arc<Config>>,
    /// Whether the manifests were read once.
    pub loaded: AtomicBool,
    /// Where leads wait.
    pub queue: Arc<dyn Queue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What CRMs said when they were asked before the first lead.
    pub preflights: Arc<Preflights>,
    /// What must be shown to see leads; `None`: only this machine may.
    pub token: Option<TokenFile>,
    /// Told when a job was created.
    pub jobs: Notify,
    /// What was done lately.
    pub figures: Figures,
    /// Told when an erasure was created.
    pub erasures: Notify,
    /// What the last audits of CRMs found.
    pub audits: Audits,
    /// What an import does not overwrite.
    pub newer: Newer,
    /// What is wrong with the files that say how the store and CRMs are reached.
    pub complaints: Arc<Complaints>,
}

impl Admin {
    /// Why the store cannot be asked: the file that holds its address may be the cause.
    pub(super) fn unavailable(&self, error: &QueueError) -> String {
        match self.complaints.queue.now() {
            Some(complaint) => format!("{error} ({complaint})"),
            None => error.to_string(),
        }
    }
}

/// A store's time.
pub(super) fn timestamp(millis: Millis) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok()
}

/// A store's time as RFC 3339.
pub(super) fn time(millis: Millis) -> Option<String> {
    timestamp(millis).map(|t| t.to_string())
}
