//! What surrounds an attempt.

use std::sync::Arc;

use crate::config::Sink;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::source::Webhook;
use crate::trace::Processing;

/// What an attempt needs besides the lead.
pub(super) struct Context<'a> {
    pub(super) sink: &'a Arc<Sink>,
    /// The webhook that took the lead, if it still exists.
    pub(super) webhook: Option<Arc<Webhook>>,
    pub(super) queue: &'a dyn Queue,
    pub(super) client: &'a crate::outbound::Client,
    pub(super) metrics: &'a Metrics,
    /// Of the call that the lead goes with.
    pub(super) spans: &'a Processing,
    /// The lead's place in it.
    pub(super) place: usize,
}
