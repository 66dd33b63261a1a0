//! How a webhook's sender proves itself and what it asks first: the webhook's own words over its preset's.

use leadgate_crds::LeadWebhookSpec;
use leadgate_crds::lead_webhook::{Auth, AuthScheme, Extractor, Format, Hmac, TokenEncoding};

use super::{
    HmacScheme, HmacVerifier, MESSAGE_SIGNED, MessageVerifier, Place, TokenVerifier, Verifier,
    without_line_break,
};
use crate::secret_value::ReadSecret;
use crate::source::challenge::{Challenge, Key};
use crate::source::preset::{Preset, PresetToken};

/// Builds the verifier for bodies of this format. Errors start with the field below `spec.auth`.
pub(in crate::source) fn verifier(
    spec: &LeadWebhookSpec,
    preset: Option<&Preset>,
    format: Format,
    read_secret: &ReadSecret<'_>,
) -> Result<Verifier, String> {
    let auth: &Auth = &spec.auth;
    let read_all = |refs: &[leadgate_crds::common::SecretKeyRef], field: &str| {
        refs.iter()
            .map(|r| {
                let value = read_secret(&r.name, &r.key).map_err(|e| format!("{field}: {e}"))?;
                Ok((format!("{}/{}", r.name, r.key), value))
            })
            .collect::<Result<Vec<_>, String>>()
    };
    match auth.scheme() {
        Some(AuthScheme::Hmac(hmac)) => {
            let scheme = overlay(
                hmac,
                preset.and_then(|p| p.auth.as_ref()).and_then(|a| a.hmac.as_ref()),
            );
            let secrets = read_all(&hmac.secret_refs, "hmac.secretRefs")?;
            let url = spec.public_url.as_deref();
            if scheme.message_signature.is_some() {
                MessageVerifier::compile(&scheme, &secrets, url).map(|v| Verifier::Message(Box::new(v)))
            } else {
                HmacVerifier::compile(&scheme, &secrets, url, format).map(|v| Verifier::Hmac(Box::new(v)))
            }
        }
        Some(AuthScheme::Token(token)) => {
            let known = preset
                .and_then(|p| p.auth.as_ref())
                .and_then(|a| a.token.clone())
                .unwrap_or_default();
            let own = PresetToken {
                header: token.header.clone(),
                query: token.query.clone(),
                json: token.json.clone(),
                ..PresetToken::default()
            };
            let place = token_place(
                if token.header.is_some() || token.query.is_some() || token.json.is_some() {
                    &own
                } else {
                    &known
                },
            )?;
            let scheme = token
                .scheme
                .as_deref()
                .or(known.scheme.as_deref())
                .unwrap_or_default();
            let encoding = token.encoding.or(known.encoding).unwrap_or_default();
            let secrets = read_all(&token.secret_refs, "token.secretRefs")?;
            TokenVerifier::compile(place, scheme, encoding, &secrets).map(Verifier::Token)
        }
        Some(AuthScheme::Basic(basic)) => {
            let r = &basic.secret_ref;
            let user = read_secret(&r.name, &r.username_key).map_err(|e| format!("basic.secretRef: {e}"))?;
            let password =
                read_secret(&r.name, &r.password_key).map_err(|e| format!("basic.secretRef: {e}"))?;
            let (user, password) = (without_line_break(&user), without_line_break(&password));
            if user.is_empty() || password.is_empty() {
                return Err(format!(
                    "basic.secretRef: Secret {}: user name and password must not be empty",
                    r.name
                ));
            }
            let credentials = [user, b":", password].concat();
            let place = Place::header("authorization")?;
            TokenVerifier::compile(
                place,
                "Basic",
                TokenEncoding::Base64,
                &[(r.name.clone(), credentials)],
            )
            .map(Verifier::Token)
        }
        Some(AuthScheme::ClientCertificate(_)) => Ok(Verifier::Certificate),
        Some(AuthScheme::None(none)) if none.allow_unauthenticated => Ok(Verifier::Anyone),
        Some(AuthScheme::None(_)) => Err(
            "none.allowUnauthenticated: it must be true: anyone who knows the URL can then post leads"
                .to_owned(),
        ),
        None => {
            Err("hmac: set exactly one of hmac, token, basic and none, or clientCertificate alone".to_owned())
        }
    }
}

/// The sender's handshakes. Errors start with the field below `spec.auth`.
pub(in crate::source) fn challenges(
    spec: &LeadWebhookSpec,
    preset: Option<&Preset>,
    read_secret: &ReadSecret<'_>,
) -> Result<Vec<Challenge>, String> {
    let auth = &spec.auth;
    let of_sender = preset.and_then(|p| p.auth.as_ref()).and_then(|a| a.hmac.as_ref());
    let data = match preset {
        _ if !auth.challenges.is_empty() => auth.challenges.as_slice(),
        // A webhook that replaced the sender's own proof has no key to answer its handshake with.
        Some(_) if of_sender.is_some() && auth.hmac.is_none() => &[],
        Some(preset) => preset.challenges.as_slice(),
        None => &[],
    };
    if data.is_empty() {
        return Ok(Vec::new());
    }
    let token = auth
        .challenge_token_secret_ref
        .as_ref()
        .map(|r| read_secret(&r.name, &r.key).map_err(|e| format!("challengeTokenSecretRef: {e}")))
        .transpose()?;
    let key = match &auth.hmac {
        None => None,
        Some(hmac) => {
            let scheme = overlay(hmac, of_sender);
            let first = hmac.secret_refs.first();
            first
                .map(|r| read_secret(&r.name, &r.key).map_err(|e| format!("hmac.secretRefs: {e}")))
                .transpose()?
                .map(|bytes| Key {
                    bytes,
                    algorithm: scheme.algorithm.unwrap_or_default(),
                    signed: match scheme.message_signature {
                        Some(_) => MESSAGE_SIGNED.to_owned(),
                        None => scheme.signed.unwrap_or_else(|| "{body}".to_owned()),
                    },
                })
        }
    };
    data.iter()
        .enumerate()
        .map(|(n, data)| {
            Challenge::compile(data, token.clone(), key.as_ref()).map_err(|e| format!("challenges[{n}].{e}"))
        })
        .collect()
}

fn token_place(token: &PresetToken) -> Result<Place, String> {
    let mut extractor = Extractor {
        header: token.header.clone(),
        query: token.query.clone(),
        json: token.json.clone(),
        ..Extractor::default()
    };
    if extractor.header.is_none() && extractor.query.is_none() && extractor.json.is_none() {
        extractor.header = Some("X-API-Key".to_owned());
    }
    Place::compile(&extractor).map_err(|e| format!("token: {e}"))
}

/// The webhook's own words over the preset's.
fn overlay(own: &Hmac, preset: Option<&HmacScheme>) -> HmacScheme {
    if own.message_signature.is_some() {
        // A scheme of its own: nothing that a preset knows of another belongs to it.
        return HmacScheme {
            algorithm: own.algorithm,
            secret: own.secret.clone(),
            message_signature: own.message_signature.clone(),
            ..HmacScheme::default()
        };
    }
    let known = preset.cloned().unwrap_or_default();
    HmacScheme {
        algorithm: own.algorithm.or(known.algorithm),
        secret: own.secret.clone().or(known.secret),
        signature: own.signature.clone().or(known.signature),
        timestamp: own.timestamp.clone().or(known.timestamp),
        id: own.id.clone().or(known.id),
        signed: own.signed.clone().or(known.signed),
        body_digest: own.body_digest.clone().or(known.body_digest),
        other_headers: known.other_headers,
        message_signature: known.message_signature.filter(|_| own.signature.is_none()),
    }
}
