//! Who works on something that all receivers of a store share: a job, or an erasure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::epoch_ms;

/// How long a receiver that has taken something may be silent before another goes on with it.
const LEASE: Duration = Duration::from_secs(30);

/// Which receiver works on it, until when it need not say that it still does (Unix milliseconds), and which version of it
/// this is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Lease {
    worker: String,
    until: u64,
    #[serde(skip)]
    pub(super) version: u64,
}

impl Lease {
    /// Nobody's, in its first version.
    pub(super) fn free() -> Self {
        Self {
            worker: String::new(),
            until: 0,
            version: 1,
        }
    }

    /// Whether `worker` may go on.
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
