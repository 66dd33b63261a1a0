//! Who is connected: so many at most, and nobody for longer than they have a use for it.
//!
//! A connection that is open costs a file descriptor and some memory, and opening one costs a stranger nothing. So
//! nobody is turned away: when all seats are taken, the connection whose last request began longest ago gives up its
//! own. Strangers who open connections and say nothing push each other out, while a sender, who asks at once, stays.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::log_limit::LogLimit;
use crate::metrics::{ConnectionLabels, Metrics};

/// Connections to the admin server at once.
pub const ADMIN_CONNECTIONS: usize = 64;

/// How many connections a server has at once, and how long each may take for what.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Until the first request with all its headers is there, the TLS handshake included.
    pub first: Duration,
    /// From the begin of a request until its answer was taken; of several at once, from the begin of the last.
    pub request: Duration,
    /// From the begin of a request until the next one begins.
    pub idle: Duration,
}

impl Limits {
    /// For senders. Edges keep a connection for 60 s at most (nginx, AWS): who closes later than they do never closes one
    /// on which a request is just being sent.
    pub fn senders(connections: usize) -> Self {
        Self {
            connections,
            first: Duration::from_secs(10),
            request: Duration::from_secs(30),
            idle: Duration::from_secs(75),
        }
    }

    /// For people and probes; a person may replay very many leads at once.
    pub fn admin() -> Self {
        Self {
            request: Duration::from_mins(10),
            ..Self::senders(ADMIN_CONNECTIONS)
        }
    }
}

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// No request came.
    Silent,
    /// A request or its answer took too long.
    Slow,
    /// No further request came, which is how connections that are kept open usually end.
    Idle,
    /// Another one needed its seat.
    Crowded,
}

/// The seats of one server.
pub(super) struct Seats {
    limits: Limits,
    free: Arc<Semaphore>,
    taken: Mutex<HashMap<u64, Arc<Place>>>,
    next: AtomicU64,
    opened: Instant,
    metrics: Arc<Metrics>,
    log: LogLimit,
}

struct Place {
    /// When the last request began, or the connection; nanoseconds since the server's start.
    last: AtomicU64,
    /// Whether a request has begun yet.
    asked: AtomicBool,
    /// Requests whose answers are not finished.
    under_way: AtomicUsize,
    give_up: Notify,
}

/// A connection's seat: free again when dropped.
pub(super) struct Seat {
    number: u64,
    place: Arc<Place>,
    seats: Arc<Seats>,
    /// Given back last, after what drops with the connection.
    _permit: OwnedSemaphorePermit,
}

/// A request, until its answer is finished.
pub(super) struct UnderWay(Arc<Place>);

impl Seats {
    pub(super) fn new(limits: Limits, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            limits,
            free: Arc::new(Semaphore::new(limits.connections)),
            taken: Mutex::default(),
            next: AtomicU64::new(0),
            opened: Instant::now(),
            metrics,
            log: LogLimit::new(),
        })
    }

    /// A seat; if none is free, that of the quietest connection, once it has gone. `None`: the server is closed.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Seat> {
        let permit = if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            permit
        } else {
            self.end_the_quietest();
            Arc::clone(&self.free).acquire_owned().await.ok()?
        };
        let place = Arc::new(Place {
            last: AtomicU64::new(self.now()),
            asked: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            give_up: Notify::new(),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.places().insert(number, Arc::clone(&place));
        Some(Seat {
            number,
            place,
            seats: Arc::clone(self),
            _permit: permit,
        })
    }

    /// The operating system has no room for a connection: no descriptors, no memory.
    pub(super) fn refused(&self, error: &std::io::Error) {
        self.count("refused");
        if let Some(left_out) = self.log.admit() {
            tracing::error!(%error, more = left_out, "failed to accept connections; raise the limit of open files");
        }
    }

    pub(super) fn ended(&self, end: End) {
        match end {
            End::Silent => self.count("silent"),
            End::Slow => self.count("slow"),
            End::Crowded => {
                self.count("crowded");
                if let Some(left_out) = self.log.admit() {
                    let most = self.limits.connections;
                    tracing::info!(
                        most,
                        more = left_out,
                        "connection limit reached; each new connection closes the one that has been idle longest"
                    );
                }
            }
            End::Idle => {}
        }
    }

    fn count(&self, reason: &'static str) {
        let labels = ConnectionLabels { reason };
        self.metrics.connections_ended.get_or_create(&labels).inc();
    }

    fn end_the_quietest(&self) {
        let places = self.places();
        let quietest = places
            .values()
            .min_by_key(|place| place.last.load(Ordering::Relaxed));
        if let Some(place) = quietest {
            place.give_up.notify_one();
        }
    }

    fn places(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Place>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Seat {
    /// Limits of the server.
    pub(super) fn limits(&self) -> Limits {
        self.seats.limits
    }

    /// What notes the connection's requests.
    pub(super) fn requests(&self) -> Requests {
        Requests {
            place: Arc::clone(&self.place),
            seats: Arc::clone(&self.seats),
        }
    }

    /// Waits until the connection must end, and says why.
    pub(super) async fn must_end(&self) -> End {
        tokio::select! {
            () = self.place.give_up.notified() => End::Crowded,
            end = self.overdue() => end,
        }
    }

    async fn overdue(&self) -> End {
        loop {
            let (end, deadline) = self.deadline();
            let now = Instant::now();
            if deadline <= now {
                return end;
            }
            // A request that begins or ends meanwhile may bring the deadline nearer, but not nearer than this.
            let nearest = self.limits().request.min(self.limits().idle);
            tokio::time::sleep((deadline - now).min(nearest)).await;
        }
    }

    fn deadline(&self) -> (End, Instant) {
        let limits = self.limits();
        let (end, allowed) = if !self.place.asked.load(Ordering::Relaxed) {
            (End::Silent, limits.first)
        } else if self.place.under_way.load(Ordering::Relaxed) > 0 {
            (End::Slow, limits.request)
        } else {
            (End::Idle, limits.idle)
        };
        let last = Duration::from_nanos(self.place.last.load(Ordering::Relaxed));
        (end, self.seats.opened + last + allowed)
    }

    /// Counts the end.
    pub(super) fn ended(&self, end: End) {
        self.seats.ended(end);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.places().remove(&self.number);
    }
}

/// Notes the requests of a connection.
#[derive(Clone)]
pub(super) struct Requests {
    place: Arc<Place>,
    seats: Arc<Seats>,
}

impl Requests {
    /// A request has arrived with all its headers.
    pub(super) fn begin(&self) -> UnderWay {
        self.place.under_way.fetch_add(1, Ordering::Relaxed);
        self.place.last.store(self.seats.now(), Ordering::Relaxed);
        self.place.asked.store(true, Ordering::Relaxed);
        UnderWay(Arc::clone(&self.place))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
