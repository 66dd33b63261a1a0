//! HTTP Message Signatures (RFC 9421): the signer says in `Signature-Input` what it signed, and the webhook what that
//! must be at least. The body is signed by its digest (RFC 9530).
//!
//! * `fields`: the headers, as structured fields; `base`: the text that is signed.
//! * Whatever a request announces, only what its signature covers was proven: so the digest of the body always is.

mod base;
mod fields;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use leadgate_crds::lead_webhook::{HmacAlgorithm, MessageSignature};
use sha2::{Digest as _, Sha256, Sha512};

pub use self::base::SIGNED;
use self::base::Target;
use self::fields::{INPUT, Input};
use super::hmac::HmacScheme;
use super::key::{Keys, same};
use super::{AuthError, RawRequest};

const DIGEST: &str = "content-digest";
const DIGEST_HEADER: &str = "Content-Digest header";
const SIGNATURE_HEADER: &str = "Signature header";

/// What a signature must fulfil, with the keys.
#[derive(Debug)]
pub struct MessageVerifier {
    keys: Keys,
    /// As the parameter `alg` names it.
    algorithm: &'static str,
    rules: MessageSignature,
    target: Option<Target>,
}

impl MessageVerifier {
    /// Compiles with the secrets, each with a name for errors. `public_url` is the URL that is signed.
    pub fn compile(
        scheme: &HmacScheme,
        secrets: &[(String, Vec<u8>)],
        public_url: Option<&str>,
    ) -> Result<Self, String> {
        let rules = scheme.message_signature.clone().unwrap_or_default();
        let algorithm = scheme.algorithm.unwrap_or_default();
        let name = match algorithm {
            HmacAlgorithm::Sha256 => "hmac-sha256",
            HmacAlgorithm::Ed25519 => "ed25519",
            HmacAlgorithm::Sha1 | HmacAlgorithm::Sha512 | HmacAlgorithm::KeyedSha256 => {
                return Err("hmac.algorithm: a messageSignature is made with sha256 or ed25519".to_owned());
            }
        };
        if !rules.components.iter().any(|component| component == DIGEST) {
            return Err(
                "hmac.messageSignature.components: name content-digest; without it anyone could change the body"
                    .to_owned(),
            );
        }
        if let Some(unknown) = rules
            .components
            .iter()
            .find(|component| !base::is_known(component))
        {
            return Err(format!(
                "hmac.messageSignature.components: `{unknown}` is neither a header's name in lower case nor one of \
                 @method, @target-uri, @authority, @scheme, @path, @query and @request-target"
            ));
        }
        if public_url.is_none()
            && rules
                .components
                .iter()
                .any(|component| base::needs_url(component))
        {
            return Err(
                "publicUrl: this sender signs the URL it calls; write it exactly as the sender does"
                    .to_owned(),
            );
        }
        Ok(Self {
            keys: Keys::compile(algorithm, scheme.secret.as_ref(), secrets)?,
            algorithm: name,
            target: public_url.map(Target::compile).transpose()?,
            rules,
        })
    }

    pub(super) fn verify(&self, request: &RawRequest<'_>) -> Result<usize, AuthError> {
        let announced = fields::field(request.headers, "signature-input", INPUT)?;
        let given = fields::field(request.headers, "signature", SIGNATURE_HEADER)?;
        check_digest(request)?;
        let inputs = fields::inputs(&announced)?;
        let signatures = fields::byte_sequences(&given, SIGNATURE_HEADER)?;
        // All of them are judged: how long it takes tells nothing about which one came close.
        let verdicts: Vec<_> = self
            .chosen(&inputs)?
            .into_iter()
            .map(|input| {
                let signature = signatures.iter().find(|(label, _)| *label == input.label);
                let signature = signature.and_then(|(_, bytes)| bytes.clone());
                self.judge(input, signature, request)
            })
            .collect();
        let verified = verdicts.iter().find_map(|verdict| verdict.ok());
        let refused = || {
            verdicts
                .first()
                .copied()
                .unwrap_or(Err(AuthError::Missing("signature")))
        };
        verified.map_or_else(refused, Ok)
    }

    pub(super) fn secrets(&self) -> usize {
        self.keys.len()
    }

    /// Those that the webhook is to look at.
    fn chosen<'i, 'h>(&self, inputs: &'i [Input<'h>]) -> Result<Vec<&'i Input<'h>>, AuthError> {
        let labelled: Vec<_> = inputs
            .iter()
            .filter(|input| {
                self.rules
                    .label
                    .as_deref()
                    .is_none_or(|label| label == input.label)
            })
            .collect();
        if labelled.is_empty() {
            return Err(AuthError::Missing(
                "signature with the label of messageSignature.label",
            ));
        }
        if self.rules.key_ids.is_empty() {
            return Ok(labelled);
        }
        let is_known = |input: &&Input<'_>| {
            let id = input.text("keyid").ok().flatten();
            id.is_some_and(|id| self.rules.key_ids.iter().any(|known| known == id))
        };
        let known: Vec<_> = labelled.into_iter().filter(is_known).collect();
        if known.is_empty() {
            return Err(AuthError::UnknownKey);
        }
        Ok(known)
    }

    fn judge(
        &self,
        input: &Input<'_>,
        signature: Option<Vec<u8>>,
        request: &RawRequest<'_>,
    ) -> Result<usize, AuthError> {
        let covered: Vec<&str> = input.components()?.collect();
        if !self
            .rules
            .components
            .iter()
            .all(|needed| covered.contains(&needed.as_str()))
        {
            return Err(AuthError::Uncovered);
        }
        if input.text("alg")?.is_some_and(|named| named != self.algorithm) {
            return Err(AuthError::Unsupported("another alg than auth.hmac.algorithm"));
        }
        self.check_time(input, request.now)?;
        let signature = signature.ok_or(AuthError::Missing("signature under the label of its input"))?;
        let base = base::signature_base(input, request, self.target.as_ref())?;
        self.keys
            .verify(&[Cow::Borrowed(base.as_slice())], &[signature])
            .ok_or(AuthError::Mismatch("signature"))
    }

    fn check_time(&self, input: &Input<'_>, now: u64) -> Result<(), AuthError> {
        let now = i64::try_from(now / 1000).unwrap_or(i64::MAX);
        let skew = i64::from(self.rules.skew_seconds);
        let tolerance = i64::from(self.rules.tolerance_seconds);
        let stale = |seconds: i32| Err(AuthError::Stale(u32::try_from(seconds).unwrap_or(u32::MAX)));
        let created = input
            .number("created")?
            .ok_or(AuthError::Missing("time of signing (created)"))?;
        if created > now.saturating_add(skew) {
            return stale(self.rules.skew_seconds);
        }
        if now.saturating_sub(created) > tolerance + skew {
            return stale(self.rules.tolerance_seconds);
        }
        match input.number("expires")? {
            Some(expires) if now > expires.saturating_add(skew) => Err(AuthError::Expired),
            _ => Ok(()),
        }
    }
}

/// Every digest that we can make must be that of the body, and there must be one.
fn check_digest(request: &RawRequest<'_>) -> Result<(), AuthError> {
    let stated = fields::field(request.headers, DIGEST, DIGEST_HEADER)?;
    let mut compared = false;
    for (algorithm, digest) in fields::byte_sequences(&stated, DIGEST_HEADER)? {
        let own = match algorithm {
            "sha-256" => Sha256::digest(request.body).to_vec(),
            "sha-512" => Sha512::digest(request.body).to_vec(),
            _ => continue,
        };
        let digest = digest.ok_or(AuthError::Malformed(DIGEST_HEADER))?;
        if !same(&own, &digest) {
            return Err(AuthError::Mismatch("body digest"));
        }
        compared = true;
    }
    if compared {
        Ok(())
    } else {
        Err(AuthError::Unsupported(
            "a Content-Digest without sha-256 and sha-512",
        ))
    }
}
