//! What was done lately.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::admin::dead_letters::unavailable;
use crate::admin::figures;
use crate::admin::shared::Admin;

/// `GET /api/v1/overview`.
pub(super) async fn overview(State(admin): State<Arc<Admin>>) -> Result<Response, Response> {
    let told = figures::overview(&admin).await;
    Ok(Json(told.map_err(|error| unavailable(&error))?).into_response())
}
