//! The bodies HubSpot answers with.

use serde_json::{Value, json};

use super::limiter::Policy;

/// A status with its body.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `None` for answers without a body.
    pub(super) body: Option<Value>,
    /// Seconds.
    pub(super) retry_after: Option<u64>,
    /// A proxy's page instead of a body.
    pub(super) html: bool,
}

/// Either way an answer; the error side ends a handler early.
pub(super) type Handled = Result<Answer, Answer>;

impl Answer {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            retry_after: None,
            html: false,
        }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            body: None,
            retry_after: None,
            html: false,
        }
    }

    /// What something between the client and HubSpot answers.
    pub(super) fn page(status: u16) -> Self {
        Self {
            html: true,
            ..Self::empty(status)
        }
    }

    /// An error with a category.
    pub(super) fn error(status: u16, category: &str, message: &str) -> Self {
        Self::json(
            status,
            json!({"status": "error", "message": message, "correlationId": correlation_id(), "category": category}),
        )
    }

    pub(super) fn validation(message: &str) -> Self {
        Self::error(400, "VALIDATION_ERROR", message)
    }

    /// The answer to an id or a key that no record has: no category.
    pub(super) fn not_found() -> Self {
        Self::json(
            404,
            json!({"status": "error", "message": "resource not found", "correlationId": correlation_id()}),
        )
    }

    /// The id of the record stands in the message only.
    pub(super) fn conflict(existing: u64) -> Self {
        Self::error(
            409,
            "CONFLICT",
            &format!("Contact already exists. Existing ID: {existing}"),
        )
    }

    pub(super) fn unauthenticated() -> Self {
        Self::error(
            401,
            "INVALID_AUTHENTICATION",
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find \
             more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        )
    }

    pub(super) fn expired() -> Self {
        Self::error(
            401,
            "EXPIRED_AUTHENTICATION",
            "The OAuth token used to make this call expired 5 minute(s) ago.",
        )
    }

    pub(super) fn missing_scopes(scope: &str) -> Self {
        Self::json(
            403,
            json!({
                "status": "error",
                "message": "This app hasn't been granted all required scopes to make this call. Read more about \
                            required scopes here: https://developers.hubspot.com/scopes.",
                "correlationId": correlation_id(),
                "errors": [{
                    "message": "One or more of the following scopes are required.",
                    "context": {"requiredGranularScopes": [scope]},
                }],
                "links": {"scopes": "https://developers.hubspot.com/scopes"},
                "category": "MISSING_SCOPES",
            }),
        )
    }

    pub(super) fn rate_limited(policy: Policy) -> Self {
        Self::over_limit(policy.name())
    }

    fn over_limit(policy: &str) -> Self {
        Self::json(
            429,
            json!({
                "status": "error",
                "message": format!("You have reached your {} limit.", policy.to_lowercase()),
                "errorType": "RATE_LIMIT",
                "correlationId": correlation_id(),
                "policyName": policy,
                "requestId": correlation_id(),
            }),
        )
    }

    /// A status made up by the fault plan.
    pub(super) fn fault(code: u16, retry_after: Option<u64>, policy: Option<&str>) -> Self {
        let mut answer = match code {
            429 => Self::over_limit(policy.unwrap_or(Policy::TenSecondlyRolling.name())),
            423 => Self::error(
                423,
                "LOCKED",
                "The resource is locked by another operation; wait at least 2 seconds.",
            ),
            477 => Self::error(
                477,
                "MIGRATION_IN_PROGRESS",
                "This account is being migrated between data centres.",
            ),
            // What answers these is a proxy in front, which doesn't speak JSON.
            502 | 504 | 524 => Self::page(code),
            503 => Self::error(
                503,
                "SERVICE_UNAVAILABLE",
                "The service is temporarily unavailable.",
            ),
            _ => Self::error(code, "UNKNOWN", "internal error"),
        };
        answer.retry_after = retry_after;
        answer
    }
}

/// A property value that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) name: String,
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// A 400 for refused values: a JSON list inside the message; newer versions repeat it as `errors`.
pub(super) fn refused(refusals: &[Refusal], newer: bool) -> Answer {
    let list: Vec<Value> = refusals
        .iter()
        .map(|r| {
            json!({
                "isValid": false,
                "message": r.message,
                "error": r.code,
                "name": r.name,
                "localizedErrorMessage": r.message,
                "portalId": 4242,
            })
        })
        .collect();
    let message = format!("Property values were not valid: {}", Value::from(list));
    let mut body = json!({
        "status": "error",
        "message": message,
        "correlationId": correlation_id(),
        "category": "VALIDATION_ERROR",
    });
    if newer {
        body["errors"] = refusals
            .iter()
            .map(|r| json!({"message": r.message, "code": r.code, "context": {"propertyName": [r.name]}}))
            .collect();
    }
    Answer::json(400, body)
}

/// Looks like the UUIDs that HubSpot's support asks for.
fn correlation_id() -> String {
    let (high, low): (u64, u64) = (rand::random(), rand::random());
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}
