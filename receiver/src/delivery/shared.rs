//! What every worker shares.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use super::preflights::Preflights;
use crate::config::Config;
use crate::log_limit::LogLimit;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::trace::Traces;

/// What every worker shares.
#[derive(Clone)]
pub(crate) struct Shared {
    /// Where leads wait.
    pub queue: Arc<dyn Queue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// For CRMs.
    pub client: crate::outbound::Client,
    /// What runs now.
    pub config: watch::Receiver<Arc<Config>>,
    /// What CRMs said when they were asked before the first lead.
    pub preflights: Arc<Preflights>,
    /// One permit: leads that may have killed this process before are tried one at a time.
    pub suspects: Arc<Semaphore>,
    /// At most one line a second about an unavailable queue, from whoever notices.
    pub queue_log: Arc<LogLimit>,
    /// Spans of attempts.
    pub traces: Traces,
}
