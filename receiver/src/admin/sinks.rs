//! What a person does to a sink as a whole.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use problem_details::ProblemDetails;
use serde_json::json;

use super::shared::Admin;
use crate::queue::{SinkId, ThrottleKey};

/// `POST /sinks/{namespace}/{name}/resume`: ends a pause, closes the circuit, and has the CRM checked.
pub(super) async fn resume(
    State(admin): State<Arc<Admin>>,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    let id = SinkId::of(&namespace, &name);
    if !admin.config.borrow().sinks().any(|sink| sink.id == id) {
        return unknown();
    }
    admin.preflights.ask_again(&id);
    match admin.queue.resume(&ThrottleKey::Sink(id.clone())).await {
        Ok(()) => Json(json!({"sink": id.as_str(), "resumed": true})).into_response(),
        Err(error) => ProblemDetails::from_status_code(StatusCode::SERVICE_UNAVAILABLE)
            .with_detail(error.to_string())
            .into_response(),
    }
}

pub(super) fn unknown() -> Response {
    ProblemDetails::from_status_code(StatusCode::NOT_FOUND)
        .with_detail("no sink has this name; /status lists them")
        .into_response()
}
