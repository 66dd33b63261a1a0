//! Signing in: one access token for all callers of a process, fetched once per expiry.

use std::fmt;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use leadgate_crds::reason::FailureReason;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;

use super::answer::{Answer, RETRY_AFTER_MISCONFIGURED, Token, token};
use crate::crm::token::{AccessToken, TokenCache};
use crate::crm::{Failure, Throttle};
use crate::outbound::{Body, Client, NoAnswer, Peer, send};
use crate::throttle::CrmHealth;
use crate::time::since_epoch;

/// Salesforce takes assertions that end within three minutes; the rest is for clocks that differ.
const ASSERTION_LIFETIME: Duration = Duration::from_mins(2);
/// After a sign-in that got no answer, the next one waits so long: all callers would try at once.
const RETRY_AFTER_NO_ANSWER: Duration = Duration::from_secs(2);

/// How a sink signs in.
pub(super) enum SignIn {
    /// OAuth 2.0 client credentials.
    ClientCredentials {
        /// The organisation's address.
        url: String,
        /// The consumer key.
        client_id: String,
        /// The consumer secret.
        client_secret: String,
    },
    /// OAuth 2.0 JWT bearer.
    JwtBearer {
        /// The login server.
        url: String,
        /// The consumer key.
        client_id: String,
        /// Whose certificate the connected app has.
        key: Box<RsaKeyPair>,
        /// In whose name.
        username: String,
        /// For whom the assertion is.
        audience: String,
    },
    /// OAuth 2.0 refresh token.
    RefreshToken {
        /// The login server.
        url: String,
        /// The consumer key.
        client_id: String,
        /// The consumer secret, if the app needs one.
        client_secret: Option<String>,
        /// The refresh token.
        refresh_token: String,
    },
}

/// Names the flow and shows no secret.
impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientCredentials { .. } => "ClientCredentials",
            Self::JwtBearer { .. } => "JwtBearer",
            Self::RefreshToken { .. } => "RefreshToken",
        })
    }
}

/// Reads an RSA private key in PEM (PKCS#8 or PKCS#1); the error says what is wrong, without the key.
pub(super) fn rsa_key(pem: &[u8]) -> Result<RsaKeyPair, String> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("ENCRYPTED") {
        return Err(
            "the key is encrypted; write it without a passphrase, e.g. with `openssl rsa -in key.pem`"
                .to_owned(),
        );
    }
    let key = match PrivateKeyDer::from_pem_slice(pem) {
        Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        Ok(_) => return Err("it is no RSA key; make one with `openssl genrsa 2048`".to_owned()),
        Err(_) if text.contains("BEGIN CERTIFICATE") || text.contains("BEGIN PUBLIC KEY") => {
            return Err(
                "this is the certificate or the public key; the private key is in the other file".to_owned(),
            );
        }
        Err(_) => {
            return Err("there is no private key in PEM (-----BEGIN PRIVATE KEY-----); make one with `openssl genrsa 2048`".to_owned());
        }
    };
    key.map_err(|error| format!("the key cannot be used ({error}); an RSA key of 2048 to 4096 bits is needed: `openssl genrsa 2048`"))
}

impl SignIn {
    fn token_url(&self) -> String {
        let (Self::ClientCredentials { url, .. }
        | Self::JwtBearer { url, .. }
        | Self::RefreshToken { url, .. }) = self;
        format!("{}/services/oauth2/token", url.trim_end_matches('/'))
    }

    /// The field whose address is asked, for messages.
    fn address(&self) -> &'static str {
        match self {
            Self::ClientCredentials { .. } => "salesforce.instanceUrl",
            Self::JwtBearer { .. } => "salesforce.auth.jwtBearer.loginUrl",
            Self::RefreshToken { .. } => "salesforce.auth.refreshToken.loginUrl",
        }
    }

    /// What is posted; `now` in seconds since 1970.
    fn form(&self, now: u64) -> Result<Vec<(&'static str, String)>, Failure> {
        Ok(match self {
            Self::ClientCredentials {
                client_id,
                client_secret,
                ..
            } => vec![
                ("grant_type", "client_credentials".to_owned()),
                ("client_id", client_id.clone()),
                ("client_secret", client_secret.clone()),
            ],
            Self::JwtBearer {
                client_id,
                key,
                username,
                audience,
                ..
            } => vec![
                (
                    "grant_type",
                    "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned(),
                ),
                ("assertion", assertion(key, client_id, username, audience, now)?),
            ],
            Self::RefreshToken {
                client_id,
                client_secret,
                refresh_token,
                ..
            } => {
                let mut form = vec![
                    ("grant_type", "refresh_token".to_owned()),
                    ("refresh_token", refresh_token.clone()),
                    ("client_id", client_id.clone()),
                ];
                form.extend(
                    client_secret
                        .iter()
                        .map(|secret| ("client_secret", secret.clone())),
                );
                form
            }
        })
    }
}

/// A signed JWT (RFC 7523).
fn assertion(
    key: &RsaKeyPair,
    issuer: &str,
    subject: &str,
    audience: &str,
    now: u64,
) -> Result<String, Failure> {
    let header = json!({"alg": "RS256", "typ": "JWT"}).to_string();
    let claims =
        json!({"iss": issuer, "sub": subject, "aud": audience, "exp": now + ASSERTION_LIFETIME.as_secs()})
            .to_string();
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|_| {
        Failure::new(
            FailureReason::InvalidCredentials,
            "the sign-in could not be signed with salesforce.auth.jwtBearer.privateKey",
        )
    })?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The sign-in that all callers share. While a refusal holds, none is tried.
pub(super) struct Auth {
    client: Client,
    timeout: Duration,
    tokens: TokenCache<Answer>,
}

impl Auth {
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        Self {
            client,
            timeout,
            tokens: TokenCache::new(hold),
        }
    }

    /// The session's token; the first caller signs in, the others wait for it.
    pub(super) async fn session(
        &self,
        sign_in: &SignIn,
        throttle: &dyn Throttle,
    ) -> Result<AccessToken, Answer> {
        let token = self.tokens.get(self.sign_in(sign_in, throttle)).await;
        token.map_err(|failed| match failed.left {
            Some(left) => with_wait(failed.why, left),
            None => failed.why,
        })
    }

    /// Forgets a session that was refused, unless another caller has renewed it already.
    pub(super) async fn expired(&self, session: &AccessToken) {
        self.tokens.invalidate(session.generation).await;
    }

    /// A session lasts until it is refused: no answer says when it ends.
    async fn sign_in(
        &self,
        sign_in: &SignIn,
        throttle: &dyn Throttle,
    ) -> Result<(HeaderValue, Option<Duration>), Answer> {
        let form = sign_in
            .form(since_epoch().as_secs())
            .map_err(|why| Answer::Pause(RETRY_AFTER_MISCONFIGURED, why))?;
        let started = Instant::now();
        let request = self.client.post(sign_in.token_url()).form(&form);
        let peer = Peer::of_delivery("Salesforce's sign-in", sign_in.address(), self.timeout);
        let reply = match send(request, peer).await {
            Ok(reply) => reply,
            Err(why) => {
                throttle.report(CrmHealth::Down, started.elapsed()).await;
                // Nothing was written by it, whatever became of it.
                return Err(match why {
                    NoAnswer::Failed(why, _) => Answer::Retry {
                        after: None,
                        why,
                        in_doubt: false,
                    },
                    denied @ NoAnswer::Throttled(_) => Answer::None(denied),
                });
            }
        };
        if reply.status >= 500 {
            throttle.report(CrmHealth::Down, started.elapsed()).await;
        }
        // A wrong address answers 404 with a page, too.
        if reply.body == Body::Html && matches!(reply.status, 200..=299 | 403) {
            let why = reply.foreign("Salesforce's sign-in");
            return Err(Answer::Pause(RETRY_AFTER_MISCONFIGURED, why));
        }
        match token(reply.status, &reply.headers, &reply.text) {
            Token::Refused(answer) => Err(answer),
            Token::Given(token) => {
                let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
                    Answer::Pause(
                        RETRY_AFTER_MISCONFIGURED,
                        Failure::new(
                            FailureReason::InvalidCredentials,
                            "Salesforce's sign-in gave a token that no header can have",
                        ),
                    )
                })?;
                header.set_sensitive(true);
                Ok((header, None))
            }
        }
    }
}

/// After a sign-in that gave this answer, the next one waits so long.
fn hold(answer: &Answer) -> Duration {
    match answer {
        Answer::Pause(pause, _) => *pause,
        Answer::Retry {
            after: Some(after), ..
        } => *after,
        _ => RETRY_AFTER_NO_ANSWER,
    }
}

fn with_wait(answer: Answer, left: Duration) -> Answer {
    match answer {
        Answer::Pause(_, why) => Answer::Pause(left, why),
        Answer::Retry { why, in_doubt, .. } => Answer::Retry {
            after: Some(left),
            why,
            in_doubt,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests;
