//! What the token endpoint answers (RFC 6749, 5; Salesforce Help "OAuth error codes").

use std::time::Duration;

use http::HeaderMap;
use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use super::meaning::{Answer, RETRY_AFTER_MISCONFIGURED, word};
use crate::crm::Failure;
use crate::outbound::retry_after;

/// The result of a sign-in.
#[derive(Debug)]
pub(in super::super) enum Token {
    /// An access token.
    Given(String),
    /// None, and why.
    Refused(Answer),
}

/// Classifies. An answer that holds a token is never kept; a refusal's words are.
pub(in super::super) fn token(status: u16, headers: &HeaderMap, text: &str) -> Token {
    let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let after = retry_after(headers);
    let refused = match status {
        200..=299 => match body.get("access_token").and_then(Value::as_str) {
            Some(token) if !token.is_empty() => return Token::Given(token.to_owned()),
            _ => pause(
                RETRY_AFTER_MISCONFIGURED,
                FailureReason::InvalidCredentials,
                "Salesforce's sign-in gave no access token; check salesforce.instanceUrl and loginUrl"
                    .to_owned(),
            ),
        },
        429 | 500..=599 => Answer::Retry {
            after,
            why: Failure::new(
                FailureReason::SignInUnavailable,
                format!("Salesforce's sign-in failed ({status})"),
            ),
            in_doubt: false,
        },
        300..=399 | 404 | 405 => pause(
            RETRY_AFTER_MISCONFIGURED,
            FailureReason::InvalidCredentials,
            format!(
                "there is no Salesforce sign-in at this address ({status}); check salesforce.instanceUrl (client credentials) or loginUrl"
            ),
        ),
        _ => {
            let code = word(body.get("error").and_then(Value::as_str).unwrap_or_default());
            pause(
                after.unwrap_or(RETRY_AFTER_MISCONFIGURED),
                FailureReason::InvalidCredentials,
                format!(
                    "Salesforce refused to sign in ({status} {code}); {}",
                    remedy(code)
                ),
            )
        }
    };
    Token::Refused(refused)
}

fn pause(period: Duration, reason: FailureReason, message: String) -> Answer {
    Answer::Pause(period, Failure::new(reason, message))
}

fn remedy(code: &str) -> &'static str {
    match code {
        "invalid_client_id" | "invalid_client" => {
            "put the connected app's consumer key and secret into the Secret"
        }
        "invalid_grant" => {
            "check the user name, the audience, the app's certificate and that the user is pre-authorised, or put a new refresh token into the Secret"
        }
        "unsupported_grant_type" | "invalid_app_access" | "app_not_found" => {
            "enable this OAuth flow in the connected app, and choose its run-as user"
        }
        "inactive_user" | "inactive_org" => "the user or the organisation is not active",
        "rate_limit_exceeded" => "too many sign-ins; other programs share this user",
        _ => "check salesforce.auth and its Secret",
    }
}
