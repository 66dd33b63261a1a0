//! Calls to CRMs that deliver no lead: deletions for erasures, and audits. Within the rate limit, pause and circuit of their
//! sink.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use leadgate_crds::reason::FailureReason;

use super::shared::Shared;
use super::throttle::{SinkThrottle, SpareThrottle};
use crate::config::Sink;
use crate::crm::{Crm, Deletion, Failure, Twins, Undone};

/// Records of one audit call: few enough that live leads hardly notice.
const MAX_AUDITED_AT_ONCE: usize = 20;

/// Makes what does errands.
#[derive(Clone)]
pub(crate) struct Errands(Shared);

impl Errands {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(shared)
    }

    /// For the records of one sink.
    pub(crate) fn of(&self, sink: &Arc<Sink>) -> Errand {
        let Shared {
            queue,
            metrics,
            client,
            ..
        } = &self.0;
        Errand {
            crm: Arc::clone(&sink.crm).connect(client.clone()),
            throttle: SinkThrottle::new(Arc::clone(queue), Arc::clone(sink), Arc::clone(metrics)),
            is_suspended: sink.suspended,
        }
    }
}

/// Does errands in the CRM of one sink.
pub(crate) struct Errand {
    crm: Arc<dyn Crm>,
    throttle: SinkThrottle,
    is_suspended: bool,
}

impl Errand {
    /// Deletes a record by its id.
    pub(crate) async fn delete(&self, record: &str) -> Deletion {
        if self.is_suspended {
            let why = "the sink is suspended (spec.suspend)";
            return Err(Undone::later(Failure::new(FailureReason::Suspended, why)));
        }
        self.crm.delete(record, &self.throttle).await
    }

    /// The most records of one [`Errand::twins`].
    pub(crate) fn max_audited(&self) -> usize {
        self.crm.max_batch().min(MAX_AUDITED_AT_ONCE)
    }

    /// The other records of the people of these, and how many calls it took.
    pub(crate) async fn twins(&self, records: &[String]) -> (Result<Vec<Twins>, Undone>, u32) {
        let throttle = SpareThrottle::new(&self.throttle);
        let twins = self.crm.twins(records, &throttle).await;
        (twins, throttle.calls.load(Ordering::Relaxed))
    }
}
