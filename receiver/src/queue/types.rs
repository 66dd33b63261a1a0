//! The queue's vocabulary: what goes in, what comes out.

mod claim;
mod dead_letter;
mod job;
mod lead;
mod ledger;
mod stats;

pub(in crate::queue) use claim::NEWEST_KEPT;
pub use claim::{Attempt, Claim, Claims, Disposition, LastError, Settled, Settlement, Token};
pub use dead_letter::{
    Candidates, DeadLetter, DeadLetterPage, DeadLetterReason, DeadLetterSet, Due, Instead, ListFilter,
    NewRejected, Removal, Requeue, Requeued,
};
pub use job::StoredJob;
pub use lead::{Admission, Content, NewLead, Original};
pub use ledger::{
    Before, Entry, EntryFilter, EntryOutcome, EntryPage, Identity, LedgerBound, LedgerBounds, LedgerEvent,
    LedgerEventKind, NewEntry, Place,
};
pub use stats::{SinkShare, SinkStats, StoreReport, WebhookStats};

/// Why the store could not do it. All are temporary to a sender: answered 503 with Retry-After.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// The store does not answer, or refuses writes (disk full, out of memory, loading).
    #[error("the queue is unavailable: {0}")]
    Unavailable(String),
    /// More waits to be written than the receiver may hold in memory.
    #[error("the queue is not keeping up: {waiting} leads wait to be written")]
    Full {
        /// Leads that wait.
        waiting: usize,
    },
    /// What the store holds cannot be read; names the key or row.
    #[error("the queue holds something unreadable: {0}")]
    Corrupt(String),
}

/// Milliseconds since the Unix epoch, by the store's clock.
pub type Millis = u64;
