//! A person pauses a sink.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use leadgate_crds::api::Pause;
use leadgate_crds::reason::FailureReason;
use leadgate_crds::words::PAUSED;
use serde_json::json;

use crate::admin::dead_letters::{bad_request, unavailable, unreadable};
use crate::admin::shared::Admin;
use crate::admin::sinks;
use crate::queue::{PauseReason, SinkId, ThrottleKey};

/// How long a pause is, unless somebody says otherwise, and at most: a forgotten one must not outlive the leads.
const USUAL: u64 = 24 * 3600;
const LONGEST: u64 = 7 * 24 * 3600;

/// `POST /api/v1/sinks/{namespace}/{name}/pause`: nothing is delivered until it ends, or is resumed.
pub(super) async fn pause(
    State(admin): State<Arc<Admin>>,
    Path((namespace, name)): Path<(String, String)>,
    body: Result<Json<Pause>, JsonRejection>,
) -> Result<Response, Response> {
    let Json(asked) = body.map_err(|error| unreadable(&error))?;
    let seconds = asked.seconds.unwrap_or(USUAL);
    if !(1..=LONGEST).contains(&seconds) {
        return Err(bad_request(
            "seconds must be from 1 to 604800 (7 days); to stop a sink for longer, set spec.suspend of the CrmSink",
        ));
    }
    let id = SinkId::of(&namespace, &name);
    if !admin.config.borrow().sinks().any(|sink| sink.id == id) {
        return Err(sinks::unknown());
    }
    let why = PauseReason {
        reason: FailureReason::PausedByPerson,
        message: PAUSED.to_owned(),
    };
    admin
        .queue
        .pause(&ThrottleKey::Sink(id.clone()), Duration::from_secs(seconds), &why)
        .await
        .map_err(|error| unavailable(&error))?;
    tracing::info!(sink = %id, seconds, "sink paused by a person");
    Ok(Json(json!({"sink": id.as_str(), "paused": true, "seconds": seconds})).into_response())
}
