//! The inside: health, metrics, status, and the leads that wait for a person.
//!
//! `/livez`, `/readyz` and `/metrics` hold nothing personal and are open; everything else needs the bearer token, or,
//! where no token is set, a loopback peer.

mod access;
mod dead_letters;
mod orphans;
mod sinks;
mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::sync::watch;

use crate::config::Config;
use crate::delivery::Preflights;
use crate::metrics::Metrics;
use crate::queue::{Millis, Queue};

pub use access::Token;
pub use orphans::watch_orphans;

/// What the admin server shows.
pub struct Admin {
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
    pub token: Option<Token>,
}

/// The admin server's routes.
pub fn router(admin: Arc<Admin>) -> Router {
    let guarded = Router::new()
        .route("/status", get(status::status))
        .route("/deadletters", get(dead_letters::list))
        .route(
            "/deadletters/{id}",
            get(dead_letters::show).delete(dead_letters::discard),
        )
        .route("/deadletters/replay", post(dead_letters::replay_many))
        .route("/deadletters/{id}/replay", post(dead_letters::replay))
        .route("/deadletters/{id}/move", post(dead_letters::move_to))
        .route("/deadletters/{id}/expedite", post(dead_letters::expedite))
        .route("/sinks/{namespace}/{name}/resume", post(sinks::resume))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&admin),
            access::require,
        ));
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .merge(guarded)
        .with_state(admin)
}

/// Ready: the manifests were read, and the queue answers and is set up to keep leads.
async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    if !admin.loaded.load(Ordering::Relaxed) {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "the manifests are not loaded yet\n",
        )
            .into_response();
    }
    match admin.queue.check().await {
        Ok(report) => {
            admin
                .metrics
                .write_latency
                .set(report.write_latency.as_secs_f64());
            let (used, most) = report.room.unwrap_or_default();
            let gauge = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            admin.metrics.store_bytes.set(gauge(used));
            admin.metrics.store_max_bytes.set(gauge(most));
            "ok\n".into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    status::refresh_gauges(&admin).await;
    match admin.metrics.encode() {
        Ok(text) => (
            [(
                CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A store's time.
fn timestamp(millis: Millis) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok()
}

/// A store's time as RFC 3339.
fn time(millis: Millis) -> Option<String> {
    timestamp(millis).map(|t| t.to_string())
}
