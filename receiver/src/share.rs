//! What one webhook takes of what all of them share in this process, and how much of it it may take.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;

use leadgate_crds::lead_receiver::Limits;
use leadgate_crds::quantity;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Threads that the heavy work of requests may keep busy at once. One webhook has half of them, so that those of another
/// never wait for its work to end.
static THREADS: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get).max(2));
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(*THREADS));

/// What a LeadReceiver allows each of its webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes of bodies that are read or processed at once.
    pub body_memory: usize,
    /// Deliveries that wait in the store; `None`: as many as it holds.
    pub pending_deliveries: Option<u64>,
    /// Bytes of kept copies of rejected requests.
    pub rejected_copies: u64,
    /// Bytes of the ledger.
    pub ledger: u64,
}

impl From<&Limits> for Allowance {
    fn from(limits: &Limits) -> Self {
        // The schema has refused what is no quantity; such a limit would be none.
        let bytes = |text: &str| quantity::bytes(text).unwrap_or(u64::MAX);
        Self {
            body_memory: usize::try_from(bytes(&limits.body_memory.0)).unwrap_or(usize::MAX),
            pending_deliveries: limits.pending_deliveries.and_then(|most| most.try_into().ok()),
            rejected_copies: bytes(&limits.rejected_copies.0),
            ledger: bytes(&limits.ledger.0),
        }
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

/// One webhook's share of the process. What it uses is counted on when its allowance changes.
#[derive(Debug)]
pub struct Share {
    /// What it may use.
    pub allowance: Allowance,
    usage: Arc<Usage>,
}

/// What a webhook uses.
#[derive(Debug)]
pub(crate) struct Usage {
    bodies: AtomicUsize,
    /// What the store said last, and what this process has added since.
    pending: AtomicU64,
    added: AtomicU64,
    was_asked: AtomicBool,
    /// Whether its expressions took long the last time.
    is_heavy: AtomicBool,
    turns: Semaphore,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            bodies: AtomicUsize::new(0),
            pending: AtomicU64::new(0),
            added: AtomicU64::new(0),
            was_asked: AtomicBool::new(false),
            is_heavy: AtomicBool::new(false),
            turns: Semaphore::new(*THREADS / 2),
        }
    }
}

impl Share {
    pub(crate) fn new(allowance: Allowance, usage: Arc<Usage>) -> Self {
        Self { allowance, usage }
    }

    pub(crate) fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// Memory for one body, none yet.
    pub(crate) fn body(&self) -> BodyShare {
        BodyShare {
            usage: Arc::clone(&self.usage),
            most: self.allowance.body_memory,
            taken: 0,
        }
    }

    /// Whether so many deliveries wait that no more may be added.
    pub(crate) fn is_full(&self) -> bool {
        self.allowance
            .pending_deliveries
            .is_some_and(|most| self.usage.estimate() >= most)
    }

    /// Deliveries were added to the store.
    pub(crate) fn added(&self, deliveries: usize) {
        if self.allowance.pending_deliveries.is_some() {
            self.usage.added.fetch_add(deliveries as u64, Ordering::Relaxed);
        }
    }

    /// What was added before the store is asked; see [`Share::counted`]. `None`: it need not be asked, because there is no
    /// limit, or nothing waits.
    pub(crate) fn to_count(&self) -> Option<u64> {
        self.allowance.pending_deliveries?;
        let usage = &self.usage;
        let added = usage.added.load(Ordering::Relaxed);
        (!usage.was_asked.load(Ordering::Relaxed) || usage.estimate() > 0).then_some(added)
    }

    /// The store said how many deliveries wait. Those that were added since it was asked are counted in any case.
    pub(crate) fn counted(&self, pending: u64, added_before: u64) {
        self.usage.pending.store(pending, Ordering::Relaxed);
        self.usage.added.fetch_sub(added_before, Ordering::Relaxed);
        self.usage.was_asked.store(true, Ordering::Relaxed);
    }

    /// Whether its expressions are expected to take long.
    pub(crate) fn is_heavy(&self) -> bool {
        self.usage.is_heavy.load(Ordering::Relaxed)
    }

    /// Its expressions took long, or did not.
    pub(crate) fn found_heavy(&self, heavy: bool) {
        if self.is_heavy() != heavy {
            self.usage.is_heavy.store(heavy, Ordering::Relaxed);
        }
    }

    /// Waits for a turn on a thread for heavy work: behind the webhook's own, then behind one of each other webhook.
    pub(crate) async fn turn(&self) -> (Option<SemaphorePermit<'_>>, Option<SemaphorePermit<'static>>) {
        // Neither is ever closed.
        (self.usage.turns.acquire().await.ok(), TURNS.acquire().await.ok())
    }
}

impl Usage {
    fn estimate(&self) -> u64 {
        self.pending.load(Ordering::Relaxed) + self.added.load(Ordering::Relaxed)
    }
}

/// The memory that one body takes of its webhook's, until it is dropped.
pub(crate) struct BodyShare {
    usage: Arc<Usage>,
    most: usize,
    taken: usize,
}

impl BodyShare {
    /// Takes memory until it is `bytes`. `false`: the webhook has no more. A body that is alone always has it, so that a
    /// limit below `payload.maxBytes` slows down and does not lock out.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.taken);
        let all = self.usage.bodies.fetch_add(more, Ordering::Relaxed) + more;
        self.taken += more;
        all <= self.most || all == self.taken
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        self.usage.bodies.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(body_memory: usize, pending: Option<u64>) -> Share {
        let allowance = Allowance {
            body_memory,
            pending_deliveries: pending,
            rejected_copies: 0,
            ledger: 0,
        };
        Share::new(allowance, Arc::default())
    }

    #[test]
    fn bodies_share_the_webhooks_memory_and_one_alone_is_always_let_in() {
        let share = share(100, None);
        let mut first = share.body();
        assert!(first.grow(60) && first.grow(90));
        let mut second = share.body();
        assert!(second.grow(10));
        assert!(!second.grow(11), "101 of 100 bytes");
        drop(second);
        assert!(first.grow(1000), "it is alone");
        assert!(!share.body().grow(1));
        drop(first);
        assert!(share.body().grow(100));
    }

    #[test]
    fn a_limit_that_changes_counts_what_is_in_use() {
        let before = share(100, None);
        let mut body = before.body();
        assert!(body.grow(80));
        let allowance = Allowance {
            body_memory: 81,
            ..before.allowance
        };
        let now = Share::new(allowance, Arc::clone(before.usage()));
        assert!(now.body().grow(1));
        assert!(!now.body().grow(2));
    }

    #[test]
    fn a_webhook_is_full_by_what_the_store_says_and_by_what_was_added_since() {
        let share = share(0, Some(3));
        assert_eq!(share.to_count(), Some(0), "nobody knows what waits");
        share.counted(0, 0);
        assert_eq!(share.to_count(), None, "nothing waits");
        share.added(2);
        assert!(!share.is_full());
        share.added(1);
        assert!(share.is_full());
        let before = share.to_count().unwrap();
        share.added(1);
        share.counted(1, before);
        assert!(!share.is_full(), "one waits, and one was added meanwhile");
        share.added(1);
        assert!(share.is_full());
        let before = share.to_count().unwrap();
        share.counted(0, before);
        assert_eq!(share.to_count(), None);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let share = share(0, None);
        share.added(1_000_000);
        assert!(!share.is_full());
        assert_eq!(share.to_count(), None);
    }

    #[test]
    fn limits_are_those_of_the_schema_unless_written() {
        let allowance = Allowance::default();
        assert_eq!(
            (
                allowance.body_memory,
                allowance.pending_deliveries,
                allowance.rejected_copies
            ),
            (32 << 20, None, 64 << 20)
        );
    }
}
