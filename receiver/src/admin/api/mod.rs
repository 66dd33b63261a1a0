//! `/api/v1`: the ledger, the leads that are kept, jobs over many of them, and what a webhook would make of a request.
//! The bodies are the types of `leadgate_crds::api`, from which [`openapi`] generates the document.

// Why a request is refused is its answer.
#![allow(clippy::result_large_err)]

mod audit;
mod audits;
mod backfill;
mod diff;
mod in_set;
mod jobs;
mod leads;
mod lease;
mod merge;
mod newer;
mod openapi;
mod overview;
mod pause;
mod privacy;
mod trial;
mod view;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Router, middleware};

use problem_details::ProblemDetails;

use super::dead_letters;
use super::shared::Admin;
use super::sinks;
use crate::queue::WebhookId;
use crate::source::Webhook;

pub(in crate::admin) use audit::{NothingDone, record};
pub(crate) use audits::{Audits, run_audits};
pub(crate) use jobs::run_jobs;
pub(in crate::admin) use merge::newest as newest_entries;
pub(crate) use newer::Newer;
pub(crate) use privacy::run_erasures;

/// Of a request: 500 lines of an import.
const LONGEST_BODY: usize = 16 << 20;

/// The webhook of a path.
fn named(admin: &Admin, namespace: &str, name: &str) -> Result<Arc<Webhook>, Response> {
    let id = WebhookId::of(namespace, name);
    let config = admin.config.borrow();
    config.webhook(&id).cloned().ok_or_else(|| {
        ProblemDetails::from_status_code(StatusCode::NOT_FOUND)
            .with_detail("no webhook of this name runs here; /status lists them")
            .into_response()
    })
}

/// No other path means anything.
async fn unknown() -> Response {
    ProblemDetails::from_status_code(StatusCode::NOT_FOUND)
        .with_detail("there is nothing at this path; /api/v1/openapi.json lists what there is")
        .into_response()
}

/// Its routes, behind whatever guards them.
pub(super) fn router(admin: &Arc<Admin>) -> Router<Arc<Admin>> {
    Router::new()
        .route("/openapi.json", get(openapi::document))
        .route("/overview", get(overview::overview))
        .route("/audit", get(audit::list))
        .route("/leads/search", post(leads::search))
        .route("/leads", get(dead_letters::list))
        .route("/leads/{id}", get(leads::story).delete(dead_letters::discard))
        .route("/leads/{id}/payload", get(dead_letters::show))
        .route("/leads/{id}/replay", post(dead_letters::replay))
        .route("/leads/{id}/move", post(dead_letters::move_to))
        .route("/leads/{id}/expedite", post(dead_letters::expedite))
        .route("/jobs", get(jobs::list).post(jobs::create))
        .route("/jobs/{id}", get(jobs::show).delete(jobs::cancel))
        .route("/privacy/erasures", get(privacy::list).post(privacy::create))
        .route("/privacy/erasures/{id}", get(privacy::show))
        .route("/privacy/suppressions", get(privacy::suppressions))
        .route("/privacy/suppressions/lift", post(privacy::lift))
        .route("/privacy/exports", post(privacy::export))
        .route("/webhooks/{namespace}/{name}/backfill", post(backfill::backfill))
        .route("/webhooks/{namespace}/{name}/diff", post(diff::diff))
        .route("/webhooks/{namespace}/{name}/try", post(trial::attempt))
        .route("/{*path}", any(unknown))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .route("/sinks/{namespace}/{name}/pause", post(pause::pause))
        .route("/sinks/{namespace}/{name}/resume", post(sinks::resume))
        .route_layer(middleware::from_fn_with_state(Arc::clone(admin), audit::record))
        .fallback(|| async {
            problem(
                StatusCode::NOT_FOUND,
                "the API has no such path; /api/v1/openapi.json lists them",
            )
        })
        .method_not_allowed_fallback(|| async {
            problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "the path has no such method; /api/v1/openapi.json lists them",
            )
        })
}

fn problem(status: StatusCode, detail: &str) -> Response {
    ProblemDetails::from_status_code(status)
        .with_detail(detail)
        .into_response()
}
