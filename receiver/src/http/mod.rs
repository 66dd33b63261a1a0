//! The outside: sockets, TLS, routes, answers.
//!
//! `handler`: a request's way in the design's order. `store`: what it leaves in the queue. `answer`: what senders are told.
//! `body`: reading within limits. `pending`: what waits of webhooks that have a limit. `bind`: from an address to a socket.
//! `server`: listening, until told to stop. `seats`: how many connections there are, and for how long. `tls`: certificates.
//! The admin server lives in `crate::admin`.

mod answer;
mod bind;
mod body;
mod handler;
mod pending;
mod seats;
mod server;
mod store;
mod tls;

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Config;
use crate::log_limit::LogLimit;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::trace::Traces;

pub use bind::{Listening, bind};
pub use body::BodyBudget;
pub use handler::router;
pub(crate) use pending::count_pending;
pub use seats::{ADMIN_CONNECTIONS, Limits};
pub use server::{Peer, serve};
pub(crate) use store::in_words;
pub use tls::{LOOK_EVERY, Tls};

/// What every request needs.
pub struct App {
    /// What runs now; `None` until the manifests were read once.
    pub config: watch::Receiver<Arc<Config>>,
    /// Where leads go.
    pub queue: Arc<dyn Queue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Memory for bodies.
    pub bodies: BodyBudget,
    /// A proxy in front terminates TLS: X-Forwarded-Proto must say https.
    pub behind_tls_proxy: bool,
    /// At most one line a second about an unavailable queue, from whoever notices.
    pub queue_log: Arc<LogLimit>,
    /// Spans of requests.
    pub traces: Traces,
}
