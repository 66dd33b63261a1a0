//! Why a request about leads is refused.

use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use problem_details::ProblemDetails;

use crate::queue::QueueError;

/// Why nothing can be done with a lead.
pub(super) const IN_FLIGHT: &str =
    "the lead is being delivered or was delivered; check again in a few seconds";

pub(in super::super) fn conflict(why: &str) -> Response {
    ProblemDetails::from_status_code(StatusCode::CONFLICT)
        .with_detail(why)
        .into_response()
}

pub(in super::super) fn bad_request(why: &str) -> Response {
    ProblemDetails::from_status_code(StatusCode::BAD_REQUEST)
        .with_detail(why)
        .into_response()
}

/// A body that cannot be read. What is too long says so by its status, and in words that name the remedy.
pub(in super::super) fn unreadable(error: &JsonRejection) -> Response {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ProblemDetails::from_status_code(StatusCode::PAYLOAD_TOO_LARGE)
            .with_detail("the body is longer than 16 MiB: send fewer lines at a time")
            .into_response();
    }
    bad_request(&error.body_text())
}

pub(in super::super) fn unavailable(error: &QueueError) -> Response {
    ProblemDetails::from_status_code(StatusCode::SERVICE_UNAVAILABLE)
        .with_detail(error.to_string())
        .into_response()
}
