//! How the receiver signs in: a fixed header, or a token of the OAuth 2.0 client credentials flow (RFC 6749, 4.4) that
//! all callers share.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use leadgate_crds::common::SecretKeyRef;
use leadgate_crds::crm_sink::{OAuth2ClientCredentials, RestAuth, RestAuthScheme, RestBasic};
use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use crate::crm::token::TokenCache;
use crate::crm::{Failure, Outcome, Throttle};
use crate::expression::percent_encode;
use crate::outbound::{Body, Client, NoAnswer, Peer, Reply, exchange, retry_after};
use crate::secret_value::{ReadSecret, secret_header, secret_text, without_line_break};

/// How often refused credentials are tried again, so that a correction is noticed.
const RETRY_AFTER_MISCONFIGURED: Duration = Duration::from_mins(1);
/// For a token endpoint's 429 without Retry-After.
const RETRY_AFTER_RATE_LIMITED: Duration = Duration::from_secs(10);
/// Where the token endpoint's address stands.
const TOKEN_URL_FIELD: &str = "rest.auth.oauth2ClientCredentials.tokenUrl";

/// How to sign in.
#[derive(Debug)]
pub(super) enum Auth {
    /// The same header in every call; its value is marked sensitive.
    Header(HeaderName, HeaderValue),
    /// A token that expires.
    ClientCredentials(ClientCredentials),
}

/// The client credentials flow.
pub(super) struct ClientCredentials {
    /// Where tokens are asked for.
    pub(super) token_url: String,
    /// The encoded form, with the client's secret.
    pub(super) form: String,
    /// What stands before the token: `Bearer`.
    pub(super) scheme: String,
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("token_url", &self.token_url)
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

/// Compiles `rest.auth`; every error names its field and the remedy.
pub(super) fn compile(spec: &RestAuth, read_secret: &ReadSecret<'_>) -> Result<Auth, Vec<String>> {
    let one = |error: String| vec![error];
    match spec.scheme() {
        Some(RestAuthScheme::Bearer(bearer)) => {
            let at = "spec.rest.auth.bearer.token";
            let value =
                secret_header(at, &bearer.token, b"Bearer ", "the token", read_secret).map_err(one)?;
            Ok(Auth::Header(AUTHORIZATION, value))
        }
        Some(RestAuthScheme::Header(header)) => {
            let name = header
                .name
                .parse()
                .map_err(|_| one("spec.rest.auth.header.name: this is no header's name".to_owned()))?;
            let (at, prefix) = ("spec.rest.auth.header.value", header.prefix.as_bytes());
            let value =
                secret_header(at, &header.value, prefix, "the header's value", read_secret).map_err(one)?;
            Ok(Auth::Header(name, value))
        }
        Some(RestAuthScheme::Basic(basic)) => basic_header(basic, read_secret),
        Some(RestAuthScheme::OAuth2ClientCredentials(flow)) => client_credentials(flow, read_secret),
        None => Err(one(
            "spec.rest.auth: set exactly one of bearer, header, basic and oauth2ClientCredentials".to_owned(),
        )),
    }
}

fn basic_header(spec: &RestBasic, read_secret: &ReadSecret<'_>) -> Result<Auth, Vec<String>> {
    let pair = &spec.secret_ref;
    let at = "spec.rest.auth.basic.secretRef";
    let key = |key: &str| SecretKeyRef {
        name: pair.name.clone(),
        key: key.to_owned(),
    };
    let user = secret_text(at, &key(&pair.username_key), "the user name", read_secret);
    // Close and others want the key as user name and nothing as password.
    let password = read_secret(&pair.name, &pair.password_key).map_err(|error| format!("{at}: {error}"));
    let (user, password) = match (user, password) {
        (Ok(user), Ok(password)) => (user, password),
        (user, password) => return Err([user.err(), password.err()].into_iter().flatten().collect()),
    };
    if user.contains(&b':') {
        return Err(vec![format!(
            "{at}: Secret {} key {} holds a colon, which no user name of HTTP Basic can have",
            pair.name, pair.username_key
        )]);
    }
    let encoded = STANDARD.encode([user.as_slice(), b":", without_line_break(&password)].concat());
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))
        .map_err(|_| vec![format!("{at}: the user name and password make no header")])?;
    value.set_sensitive(true);
    Ok(Auth::Header(AUTHORIZATION, value))
}

fn client_credentials(
    spec: &OAuth2ClientCredentials,
    read_secret: &ReadSecret<'_>,
) -> Result<Auth, Vec<String>> {
    let text = |field: &str, reference: &SecretKeyRef, what: &str| {
        let at = format!("spec.rest.auth.oauth2ClientCredentials.{field}");
        let bytes = secret_text(&at, reference, what, read_secret)?;
        String::from_utf8(bytes).map_err(|_| {
            format!(
                "{at}: Secret {} key {} is no text; put {what} there",
                reference.name, reference.key
            )
        })
    };
    let id = text("clientId", &spec.client_id, "the client's id");
    let secret = text("clientSecret", &spec.client_secret, "the client's secret");
    let (id, secret) = match (id, secret) {
        (Ok(id), Ok(secret)) => (id, secret),
        (id, secret) => return Err([id.err(), secret.err()].into_iter().flatten().collect()),
    };
    let scopes = spec.scopes.join(" ");
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", &id),
        ("client_secret", &secret),
    ];
    if !scopes.is_empty() {
        form.push(("scope", &scopes));
    }
    if let Some(audience) = &spec.audience {
        form.push(("audience", audience));
    }
    form.extend(
        spec.parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    let form: Vec<String> = form
        .into_iter()
        .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
        .collect();
    Ok(Auth::ClientCredentials(ClientCredentials {
        token_url: spec.token_url.clone(),
        form: form.join("&"),
        scheme: spec.scheme.clone(),
    }))
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
    let peer = Peer::of_delivery("the token endpoint", TOKEN_URL_FIELD, timeout);
    match exchange(request, peer, throttle).await {
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
                FailureReason::RateLimited,
                "the token endpoint's request limit is used up (429)",
            ),
        }),
        300..=399 => Err(Outcome::Pause {
            pause: RETRY_AFTER_MISCONFIGURED,
            why: Failure::new(
                FailureReason::Redirected,
                format!(
                    "{TOKEN_URL_FIELD} answers with a redirect ({}); write the endpoint's own address",
                    reply.status
                ),
            ),
        }),
        400..=499 => Err(refused(error_code(&body), &reply.text)),
        status => Err(Outcome::Retry {
            after,
            why: Failure::new(
                FailureReason::Unavailable,
                format!("the token endpoint failed ({status})"),
            ),
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
            FailureReason::InvalidCredentials,
            format!(
                "the token endpoint refused the client ({code}); check clientId, clientSecret, scopes and tokenUrl of rest.auth.oauth2ClientCredentials"
            ),
        )
        .with_answer(answer),
    }
}

#[cfg(test)]
mod tests;
