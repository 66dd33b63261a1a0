//! The keys of a signing scheme.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use leadgate_crds::lead_webhook::{Encoding, HmacAlgorithm, SecretFormat};
use ring::{digest, hmac};
use subtle::ConstantTimeEq as _;

use crate::secret_value::without_line_break;

/// All keys of a webhook, at least one.
#[derive(Debug)]
pub(super) struct Keys(Vec<Key>);

enum Key {
    Hmac(hmac::Key),
    Ed25519(ring::signature::UnparsedPublicKey<Vec<u8>>),
    /// The state after the key.
    KeyedSha256(digest::Context),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<key>")
    }
}

impl Keys {
    /// From secrets, each with a name for errors.
    pub(super) fn compile(
        algorithm: HmacAlgorithm,
        format: Option<&SecretFormat>,
        secrets: &[(String, Vec<u8>)],
    ) -> Result<Self, String> {
        let keys = secrets
            .iter()
            .map(|(name, value)| {
                key(algorithm, format, value)
                    .map_err(|reason| format!("hmac.secretRefs: Secret {name}: {reason}"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err("hmac.secretRefs: at least one secret is needed".to_owned());
        }
        Ok(Self(keys))
    }

    /// The number of the key, from 0, that made one of the signatures over the text, which is given in pieces.
    pub(super) fn verify(&self, pieces: &[Cow<'_, [u8]>], signatures: &[Vec<u8>]) -> Option<usize> {
        // No early exit: how long it takes tells nothing about which key or signature came close.
        self.0.iter().enumerate().fold(None, |found, (number, key)| {
            let made = |all: bool, signature: &Vec<u8>| key.verifies(pieces, signature) | all;
            signatures.iter().fold(false, made).then_some(number).or(found)
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether who sees a signed text could sign one that goes on after it.
    pub(super) fn lengthen(&self) -> bool {
        self.0.iter().any(|key| matches!(key, Key::KeyedSha256(_)))
    }
}

impl Key {
    fn verifies(&self, pieces: &[Cow<'_, [u8]>], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => {
                let mut mac = hmac::Context::with_key(key);
                for piece in pieces {
                    mac.update(piece);
                }
                same(mac.sign().as_ref(), signature)
            }
            Self::Ed25519(key) => key.verify(&pieces.concat(), signature).is_ok(),
            Self::KeyedSha256(state) => {
                let mut hash = state.clone();
                for piece in pieces {
                    hash.update(piece);
                }
                same(hash.finish().as_ref(), signature)
            }
        }
    }
}

/// In constant time.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Base64 with or without padding: some senders show their keys without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn key(algorithm: HmacAlgorithm, format: Option<&SecretFormat>, value: &[u8]) -> Result<Key, String> {
    let value = without_line_break(value);
    let prefix = format.and_then(|f| f.prefix.as_deref()).unwrap_or_default();
    let value = value.strip_prefix(prefix.as_bytes()).unwrap_or(value);
    let bytes = match format.and_then(|f| f.encoding).unwrap_or_default() {
        Encoding::Text => value.to_vec(),
        Encoding::Hex => {
            hex::decode(value).map_err(|_| "its value is not hexadecimal, which the scheme requires")?
        }
        Encoding::Base64 => BASE64
            .decode(value)
            .map_err(|_| "its value is not base64, which the scheme requires")?,
    };
    if bytes.is_empty() {
        return Err("it is empty; an empty secret would let anyone sign".to_owned());
    }
    Ok(match algorithm {
        HmacAlgorithm::Sha1 => Key::Hmac(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes)),
        HmacAlgorithm::Sha256 => Key::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
        HmacAlgorithm::Sha512 => Key::Hmac(hmac::Key::new(hmac::HMAC_SHA512, &bytes)),
        HmacAlgorithm::KeyedSha256 => {
            let mut state = digest::Context::new(&digest::SHA256);
            state.update(&bytes);
            Key::KeyedSha256(state)
        }
        HmacAlgorithm::Ed25519 => {
            if bytes.len() != 32 {
                return Err("an ed25519 public key has 32 bytes".to_owned());
            }
            Key::Ed25519(ring::signature::UnparsedPublicKey::new(
                &ring::signature::ED25519,
                bytes,
            ))
        }
    })
}
