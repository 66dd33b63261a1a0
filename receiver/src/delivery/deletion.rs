//! Deletes records of a CRM for erasures, within the rate limit, pause and circuit of its sink.

use std::sync::Arc;

use leadgate_crds::reason::FailureReason;

use super::shared::Shared;
use super::throttle::SinkThrottle;
use crate::config::Sink;
use crate::crm::{Crm, Deletion, Failure};

/// Makes what deletes records.
pub(crate) struct Deleters(Shared);

impl Deleters {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(shared)
    }

    /// For the records of one sink.
    pub(crate) fn of(&self, sink: &Arc<Sink>) -> Deleter {
        let Shared {
            queue,
            metrics,
            client,
            ..
        } = &self.0;
        Deleter {
            crm: Arc::clone(&sink.crm).connect(client.clone()),
            throttle: SinkThrottle::new(Arc::clone(queue), Arc::clone(sink), Arc::clone(metrics)),
            is_suspended: sink.suspended,
        }
    }
}

/// Deletes records of one sink.
pub(crate) struct Deleter {
    crm: Arc<dyn Crm>,
    throttle: SinkThrottle,
    is_suspended: bool,
}

impl Deleter {
    /// Deletes one by its id.
    pub(crate) async fn delete(&self, record: &str) -> Deletion {
        if self.is_suspended {
            let why = "the sink is suspended (spec.suspend)";
            return Deletion::later(Failure::new(FailureReason::Suspended, why));
        }
        self.crm.delete(record, &self.throttle).await
    }
}
