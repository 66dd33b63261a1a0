//! How the receiver signs in: a fixed header, or a token of the OAuth 2.0 client credentials flow (RFC 6749, 4.4) that
//! all callers share.

use std::fmt;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use reqwest::Client;
use serde_json::Value;

use crate::crm::exchange::{Body, NoAnswer, Reply, exchange};
use crate::crm::token::TokenCache;
use crate::crm::{Failure, Outcome, Throttle, retry_after};

/// How often refused credentials are tried again, so that a correction is noticed.
const RETRY_AFTER_MISCONFIGURED: Duration = Duration::from_mins(1);
/// For a token endpoint's 429 without Retry-After.
const RETRY_AFTER_RATE_LIMITED: Duration = Duration::from_secs(10);
/// Where the token endpoint's address stands.
const TOKEN_URL_FIELD: &str = "rest.auth.oauth2ClientCredentials.tokenUrl";

/// How to sign in.
#[derive(Debug)]
pub enum Auth {
    /// The same header in every call; its value is marked sensitive.
    Header(HeaderName, HeaderValue),
    /// A token that expires.
    ClientCredentials(ClientCredentials),
}

/// The client credentials flow.
pub struct ClientCredentials {
    /// Where tokens are asked for.
    pub token_url: String,
    /// The encoded form, with the client's secret.
    pub form: String,
    /// What stands before the token: `Bearer`.
    pub scheme: String,
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("token_url", &self.token_url)
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

/// A header to sign in with.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
    /// Which token it is; `None`: there will be no other.
    generation: Option<u64>,
}

impl Credentials {
    /// Whether a refusal may only mean that the token has ended.
    pub(super) fn renewable(&self) -> bool {
        self.generation.is_some()
    }
}

/// The token that all callers share. A failure is shared only by those who waited for it.
#[derive(Debug)]
pub(super) struct Tokens(TokenCache<Outcome>);

impl Default for Tokens {
    fn default() -> Self {
        Self(TokenCache::new(|_| Duration::ZERO))
    }
}

impl Tokens {
    /// The header of a call; asks for a token if there is none. An outcome instead is what becomes of the lead.
    pub(super) async fn credentials(
        &self,
        auth: &Auth,
        client: &Client,
        timeout: Duration,
        throttle: &dyn Throttle,
    ) -> Result<Credentials, Outcome> {
        match auth {
            Auth::Header(name, value) => Ok(Credentials {
                name: name.clone(),
                value: value.clone(),
                generation: None,
            }),
            Auth::ClientCredentials(flow) => {
                let token = self.0.get(fetch(flow, client, timeout, throttle)).await;
                let token = token.map_err(|failed| failed.why)?;
                Ok(Credentials {
                    name: AUTHORIZATION,
                    value: token.header,
                    generation: Some(token.generation),
                })
            }
        }
    }

    /// The CRM refused these credentials: the next caller asks for a new token, unless another has already.
    pub(super) async fn refused(&self, credentials: &Credentials) {
        if let Some(generation) = credentials.generation {
            self.0.invalidate(generation).await;
        }
    }
}

async fn fetch(
    flow: &ClientCredentials,
    client: &Client,
    timeout: Duration,
    throttle: &dyn Throttle,
) -> Result<(HeaderValue, Option<Duration>), Outcome> {
    let request = client
        .post(&flow.token_url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(http::header::ACCEPT, "application/json")
        .body(flow.form.clone());
    match exchange(request, timeout, throttle, "the token endpoint", TOKEN_URL_FIELD).await {
        Ok(reply) => read(&reply, &flow.scheme),
        Err(NoAnswer::Throttled(denied)) => Err(Outcome::Throttled(denied)),
        // Whatever happened there, the CRM did not get the lead.
        Err(NoAnswer::Failed(why, _)) => Err(Outcome::Retry {
            after: None,
            why,
            in_doubt: false,
        }),
    }
}

/// What the token endpoint's answer means (RFC 6749, 5.1 and 5.2). Zoho answers errors with 200.
fn read(reply: &Reply, scheme: &str) -> Result<(HeaderValue, Option<Duration>), Outcome> {
    let body: Value = serde_json::from_str(&reply.text).unwrap_or(Value::Null);
    let after = retry_after(&reply.headers);
    match reply.status {
        // A wrong address answers 404 with a page, too.
        200..=299 | 403 if reply.body == Body::Html => Err(Outcome::Pause {
            pause: after.unwrap_or(RETRY_AFTER_MISCONFIGURED),
            why: reply.foreign("the token endpoint"),
        }),
        200..=299 => {
            let token = body
                .get("access_token")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let header = HeaderValue::from_str(&format!("{scheme} {token}"));
            let (false, Ok(mut header)) = (token.is_empty(), header) else {
                return Err(refused(error_code(&body), ""));
            };
            header.set_sensitive(true);
            // Some write the number as a text.
            let life = body.get("expires_in").and_then(|life| match life {
                Value::String(text) => text.trim().parse().ok(),
                other => other.as_u64(),
            });
            Ok((header, life.map(Duration::from_secs)))
        }
        429 => Err(Outcome::Pause {
            pause: after.unwrap_or(RETRY_AFTER_RATE_LIMITED),
            why: Failure::new(
                "RateLimited",
                "the token endpoint's request limit is used up (429)",
            ),
        }),
        300..=399 => Err(Outcome::Pause {
            pause: RETRY_AFTER_MISCONFIGURED,
            why: Failure::new(
                "Redirected",
                format!(
                    "{TOKEN_URL_FIELD} answers with a redirect ({}); write the endpoint's own address",
                    reply.status
                ),
            ),
        }),
        400..=499 => Err(refused(error_code(&body), &reply.text)),
        status => Err(Outcome::Retry {
            after,
            why: Failure::new("Unavailable", format!("the token endpoint failed ({status})")),
            in_doubt: false,
        }),
    }
}

/// An OAuth error: a lower-case word, never a value.
fn error_code(body: &Value) -> &str {
    let code = body.get("error").and_then(Value::as_str).unwrap_or_default();
    let is_word = (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_word { code } else { "no token was given" }
}

fn refused(code: &str, answer: &str) -> Outcome {
    Outcome::Pause {
        pause: RETRY_AFTER_MISCONFIGURED,
        why: Failure::new(
            "InvalidCredentials",
            format!(
                "the token endpoint refused the client ({code}); check clientId, clientSecret, scopes and tokenUrl of rest.auth.oauth2ClientCredentials"
            ),
        )
        .with_answer(answer),
    }
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
