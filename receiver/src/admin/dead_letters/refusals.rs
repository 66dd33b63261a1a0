//! Why a request about leads is refused.

use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use leadgate_crds::words::{IN_FLIGHT, KNOWN_THERE, OVERTAKEN_THERE};
use problem_details::ProblemDetails;

use crate::queue::{QueueError, Requeued};

/// Why a lead was left where it is; `None`: it was not.
pub(in super::super) fn left_because(done: Requeued) -> Option<&'static str> {
    match done {
        Requeued::Done => None,
        Requeued::Absent => Some(IN_FLIGHT),
        Requeued::Known => Some(KNOWN_THERE),
        Requeued::Overtaken => Some(OVERTAKEN_THERE),
    }
}

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
    let (status, why) = match error.status() {
        status @ StatusCode::PAYLOAD_TOO_LARGE => (
            status,
            "the body is longer than 16 MiB: send fewer lines at a time".to_owned(),
        ),
        status @ StatusCode::UNSUPPORTED_MEDIA_TYPE => (status, error.body_text()),
        _ => (StatusCode::BAD_REQUEST, error.body_text()),
    };
    ProblemDetails::from_status_code(status)
        .with_detail(why)
        .into_response()
}

pub(in super::super) fn unavailable(error: &QueueError) -> Response {
    ProblemDetails::from_status_code(StatusCode::SERVICE_UNAVAILABLE)
        .with_detail(error.to_string())
        .into_response()
}
