//! The token endpoint: client credentials, JWT bearer and refresh token; and whether a request has a valid session.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use super::answers::Answer;
use super::{Config, State};

/// Access tokens.
#[derive(Default)]
pub(super) struct Sessions {
    given: u64,
    /// The one that is valid; those before it have expired.
    current: Option<String>,
}

impl Sessions {
    pub(super) fn expire(&mut self) {
        self.current = None;
    }

    /// Whether `Authorization` names the valid one.
    pub(super) fn admits(&self, authorization: &str) -> bool {
        let token = authorization
            .strip_prefix("Bearer ")
            .or_else(|| authorization.strip_prefix("OAuth "));
        token.is_some() && token == self.current.as_deref()
    }

    /// The valid token; a new one if there is none. As Salesforce does, the same session is given until it expires.
    fn give(&mut self) -> String {
        if let Some(current) = &self.current {
            return current.clone();
        }
        self.given += 1;
        let token = format!("00DSim!AQEAQ.session{}", self.given);
        self.current = Some(token.clone());
        token
    }
}

/// POST /services/oauth2/token.
pub(super) fn token(config: &Config, state: &mut State, form: &str, base: &str) -> Answer {
    let form: HashMap<String, String> = form.split('&').filter_map(pair).collect();
    let get = |name: &str| form.get(name).map_or("", String::as_str);
    state.stats.sign_ins += 1;
    let checked = match get("grant_type") {
        "client_credentials" => app(config, get("client_id"), Some(get("client_secret"))),
        "refresh_token" => app(
            config,
            get("client_id"),
            form.get("client_secret").map(String::as_str),
        )
        .and_then(|()| {
            if get("refresh_token") == config.refresh_token {
                Ok(())
            } else {
                Err(("invalid_grant", "expired access/refresh token"))
            }
        }),
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => assertion(config, get("assertion")),
        _ => Err(("unsupported_grant_type", "grant type not supported")),
    };
    match checked {
        Ok(()) => {
            let token = state.sessions.give();
            Answer::json(
                200,
                json!({
                    "access_token": token, "signature": "c2ln", "scope": "api", "instance_url": base,
                    "id": format!("{base}/id/00DSim000000001EAA/005Sim000000001AAA"), "token_type": "Bearer",
                    "issued_at": millis().to_string(),
                }),
            )
        }
        Err((error, description)) => {
            state.stats.refused_sign_ins += 1;
            let status = if error == "invalid_client" { 401 } else { 400 };
            Answer::json(status, json!({"error": error, "error_description": description}))
        }
    }
}

type Checked = Result<(), (&'static str, &'static str)>;

fn app(config: &Config, id: &str, secret: Option<&str>) -> Checked {
    if id != config.client_id {
        Err(("invalid_client_id", "client identifier invalid"))
    } else if secret.is_some_and(|secret| secret != config.client_secret) {
        Err(("invalid_client", "invalid client credentials"))
    } else {
        Ok(())
    }
}

/// RS256 by the app's certificate, for its user, for this server, and not for longer than three minutes.
fn assertion(config: &Config, jwt: &str) -> Checked {
    let refused = |description| Err(("invalid_grant", description));
    let [header, claims, signature] = jwt.split('.').collect::<Vec<_>>()[..] else {
        return refused("invalid assertion");
    };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let parse = |part: &str| {
        decode(part)
            .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
            .unwrap_or_default()
    };
    let (Some(key), Some(proof)) = (&config.public_key, decode(signature)) else {
        return refused("invalid assertion");
    };
    let signed = &jwt[..header.len() + 1 + claims.len()];
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
    if parse(header)["alg"] != "RS256" || key.verify(signed.as_bytes(), &proof).is_err() {
        return refused("invalid assertion");
    }
    let claims = parse(claims);
    if claims["iss"] != config.client_id.as_str() {
        return Err(("invalid_client_id", "client identifier invalid"));
    }
    if claims["aud"] != config.audience.as_str() {
        return refused("audience is invalid");
    }
    if claims["sub"] != config.username.as_str() {
        return refused("user hasn't approved this consumer");
    }
    let now = millis() / 1000;
    let end = claims["exp"]
        .as_u64()
        .or_else(|| claims["exp"].as_str()?.parse().ok());
    match end {
        Some(end) if end > now && end <= now + 180 => Ok(()),
        _ => refused("assertion has expired or is valid for too long"),
    }
}

fn pair(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once('=')?;
    let value = percent_encoding::percent_decode_str(&value.replace('+', " "))
        .decode_utf8()
        .ok()?
        .into_owned();
    Some((name.to_owned(), value))
}

fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
