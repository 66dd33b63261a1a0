//! What senders are told. 200 always means: stored, known, or deliberately not a lead.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use problem_details::ProblemDetails;
use serde::Serialize;

use crate::lead::Problem;
use crate::outcomes::RequestOutcome;
use crate::shown;
use crate::source::auth::AuthError;
use crate::source::{BodyError, ChallengeAnswer, Refusal};

/// What became of a request, or of one of its elements.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    pub(super) status: RequestOutcome,
    /// What is stored is known by this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    /// Fields that were left out or cut.
    #[serde(skip_serializing_if = "<[Problem]>::is_empty")]
    pub(super) notes: &'a [Problem],
    /// Why it was rejected.
    #[serde(skip_serializing_if = "<[Problem]>::is_empty")]
    pub(super) errors: &'a [Problem],
}

impl Told<'_> {
    /// With nothing else to tell.
    pub(super) fn of(status: RequestOutcome) -> Self {
        Self {
            status,
            id: None,
            reason: None,
            notes: &[],
            errors: &[],
        }
    }
}

/// The same of several.
#[derive(Serialize)]
struct ToldAll<'a> {
    status: RequestOutcome,
    items: &'a [Told<'a>],
}

/// More about a refusal.
#[derive(Serialize)]
struct More {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Problem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// 200: new (`accepted`) or known (`duplicate`). Several elements are listed in their order.
pub(super) fn stored(status: RequestOutcome, told: &[Told<'_>]) -> Response {
    match told {
        [only] => json(only),
        items => json(&ToldAll { status, items }),
    }
}

/// 200: verified, and not meant to be a lead.
pub(super) fn ignored(reason: &'static str) -> Response {
    json(&Told {
        reason: Some(reason),
        ..Told::of(RequestOutcome::Ignored)
    })
}

fn json(body: &impl Serialize) -> Response {
    // Serialising plain structs cannot fail; an empty object would still be a correct 200.
    let text = serde_json::to_vec(body).unwrap_or_else(|_| b"{}".to_vec());
    (
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        text,
    )
        .into_response()
}

/// A refusal as `application/problem+json` (RFC 9457).
pub(super) fn problem(status: StatusCode, detail: impl Into<String>) -> Response {
    ProblemDetails::from_status_code(status)
        .with_detail(detail)
        .into_response()
}

/// 503 with Retry-After: the sender keeps the lead and comes back.
pub(super) fn unavailable(seconds: u32, detail: &str) -> Response {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The answer to a handshake.
pub(super) fn challenge(answer: ChallengeAnswer) -> Response {
    match answer {
        ChallengeAnswer::Answer(kind, body) | ChallengeAnswer::AfterVerification(kind, body) => {
            ([(CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
        }
        ChallengeAnswer::Refuse(status, reason) => problem(
            StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
            reason,
        ),
    }
}

/// 405: leads are posted.
pub(super) fn method_not_allowed() -> Response {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "leads are sent with POST");
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

/// 401, or 403 for an address: the sender is not believed.
pub(super) fn unauthorized(error: AuthError) -> Response {
    let status = if error == AuthError::Address {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::UNAUTHORIZED
    };
    problem(status, error.to_string())
}

/// 400, 413 or 415: verified, and not a valid lead. `id` names the kept copy, `keys` what the payload holds.
pub(super) fn refused(refusal: Refusal, id: Option<String>, keys: Vec<String>) -> Response {
    match refusal {
        Refusal::Body(error) => {
            let status = match error {
                BodyError::Empty | BodyError::Malformed(_) => StatusCode::BAD_REQUEST,
                BodyError::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            };
            ProblemDetails::from_status_code(status)
                .with_detail(error.to_string())
                .with_extensions(More {
                    errors: Vec::new(),
                    keys,
                    id,
                })
                .into_response()
        }
        Refusal::Invalid(errors) => {
            let fields: Vec<&str> = errors
                .iter()
                .map(|e| e.field.as_str())
                .filter(|f| !f.is_empty())
                .collect();
            let detail = match fields.as_slice() {
                [] => "the lead is not valid".to_owned(),
                fields => shown::message(format!("the lead is not valid: see {}", fields.join(", "))),
            };
            ProblemDetails::from_status_code(StatusCode::BAD_REQUEST)
                .with_detail(detail)
                .with_extensions(More { errors, keys, id })
                .into_response()
        }
    }
}
