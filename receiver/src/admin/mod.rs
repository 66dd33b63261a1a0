//! The inside: health, metrics, status, and the leads that wait for a person.
//!
//! `/livez`, `/readyz` and `/metrics` hold nothing personal and are open; everything else needs the bearer token, or,
//! where no token is set, a loopback peer.

mod access;
mod api;
mod caller;
mod console;
mod dead_letters;
mod figures;
mod gauges;
mod notices;
mod orphans;
mod shared;
mod sinks;
mod status;
mod token;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};

pub(crate) use api::{Audits, Newer, run_audits, run_erasures, run_jobs};
pub(crate) use figures::{Figures, follow_figures};
pub(crate) use notices::run_notices;
pub(crate) use orphans::watch_orphans;
pub(crate) use shared::Admin;
pub(crate) use token::TokenFile;

/// The admin server's routes.
///
/// `listen` is where senders post to, for the console to tell.
pub(crate) fn router(admin: Arc<Admin>, listen: &str) -> Router {
    let guarded = Router::new()
        .route("/status", get(status::status))
        // Of leads that are kept: the names that they had before the API.
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
        .route_layer(middleware::from_fn_with_state(Arc::clone(&admin), api::record))
        .nest("/api/v1", api::router(&admin))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&admin),
            access::require,
        ));
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .merge(guarded)
        .with_state(Arc::clone(&admin))
        .merge(console::router(admin, listen.to_owned()))
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
            let problems = u64::try_from(report.problems.len()).unwrap_or_default();
            admin.metrics.queue_problems.set(gauge(problems));
            admin.metrics.primary_changes.set(gauge(report.primary_changes));
            admin.metrics.store_bytes.set(gauge(used));
            admin.metrics.store_max_bytes.set(gauge(most));
            "ok\n".into_response()
        }
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{}\n", admin.unavailable(&error)),
        )
            .into_response(),
    }
}

async fn metrics(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    gauges::refresh_gauges(&admin).await;
    let accepted = headers.get_all(ACCEPT);
    let mut accepted = accepted.iter().filter_map(|value| value.to_str().ok());
    let exemplars = accepted.any(|value| value.contains("application/openmetrics-text"));
    match admin.metrics.encode(exemplars) {
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
