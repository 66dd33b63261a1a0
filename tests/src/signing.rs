//! Requests signed as their senders sign them.
//!
//! Each function returns the headers a sender adds to a body; they are written from the senders' descriptions,
//! not from the receiver's presets, so that the two check each other.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Headers, by lower-case name.
pub type Headers = Vec<(&'static str, String)>;

/// HMAC-SHA256 over the joined parts.
pub fn hmac_sha256(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// Seconds since the epoch, as senders put them into signatures.
pub fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The generic scheme: `X-Webhook-Signature: sha256=<hex>`.
pub fn generic(secret: &str, body: &[u8]) -> Headers {
    vec![("x-webhook-signature", prefixed_hex(secret, body))]
}

/// GitHub: `X-Hub-Signature-256: sha256=<hex>` and the delivery's id.
pub fn github(secret: &str, body: &[u8], delivery: &str) -> Headers {
    vec![
        ("x-hub-signature-256", prefixed_hex(secret, body)),
        ("x-github-delivery", delivery.to_owned()),
        ("x-github-event", "ping".to_owned()),
    ]
}

/// Typeform: `Typeform-Signature: sha256=<base64>`.
pub fn typeform(secret: &str, body: &[u8]) -> Headers {
    let mac = STANDARD.encode(hmac_sha256(secret.as_bytes(), &[body]));
    vec![("typeform-signature", format!("sha256={mac}"))]
}

/// Shopify: `X-Shopify-Hmac-Sha256: <base64>` and the webhook's id.
pub fn shopify(secret: &str, body: &[u8], webhook_id: &str) -> Headers {
    vec![
        (
            "x-shopify-hmac-sha256",
            STANDARD.encode(hmac_sha256(secret.as_bytes(), &[body])),
        ),
        ("x-shopify-webhook-id", webhook_id.to_owned()),
    ]
}

/// Stripe: `Stripe-Signature: t=<seconds>,v1=<hex>` over `t.body`.
pub fn stripe(secret: &str, body: &[u8], at: u64) -> Headers {
    vec![("stripe-signature", timestamped_hex(secret, body, at))]
}

/// Calendly: `Calendly-Webhook-Signature: t=<seconds>,v1=<hex>` over `t.body`.
pub fn calendly(secret: &str, body: &[u8], at: u64) -> Headers {
    vec![("calendly-webhook-signature", timestamped_hex(secret, body, at))]
}

/// Standard Webhooks: `v1,<base64>` over `id.timestamp.body`; the key is base64 after `whsec_`.
pub fn standard_webhooks(secret: &str, body: &[u8], id: &str, at: u64) -> Headers {
    let key = STANDARD
        .decode(secret.trim_start_matches("whsec_"))
        .expect("the secret is base64");
    let time = at.to_string();
    let mac = hmac_sha256(&key, &[id.as_bytes(), b".", time.as_bytes(), b".", body]);
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", time),
        ("webhook-signature", format!("v1,{}", STANDARD.encode(mac))),
    ]
}

fn prefixed_hex(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hex::encode(hmac_sha256(secret.as_bytes(), &[body])))
}

fn timestamped_hex(secret: &str, body: &[u8], at: u64) -> String {
    let mac = hmac_sha256(secret.as_bytes(), &[at.to_string().as_bytes(), b".", body]);
    format!("t={at},v1={}", hex::encode(mac))
}

/// An RSA key pair, made by openssl: ring makes none.
pub struct RsaKey {
    pem: String,
    key: ring::signature::RsaKeyPair,
}

impl RsaKey {
    /// A new one of 2048 bits.
    pub fn generate() -> Self {
        let output = std::process::Command::new("openssl")
            .args(["genrsa", "2048"])
            .output()
            .expect("openssl is missing: apt-get install openssl");
        let pem = String::from_utf8(output.stdout).expect("PEM is ASCII");
        let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(lines).expect("PEM holds base64");
        let key = ring::signature::RsaKeyPair::from_pkcs8(&der)
            .or_else(|_| ring::signature::RsaKeyPair::from_der(&der))
            .expect("openssl makes PKCS#8 or PKCS#1");
        Self { pem, key }
    }

    /// The private key in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The public key (PKCS#1, DER).
    pub fn public(&self) -> Vec<u8> {
        ring::signature::KeyPair::public_key(&self.key).as_ref().to_vec()
    }

    /// RS256.
    pub fn sign(&self, data: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &ring::signature::RSA_PKCS1_SHA256,
                &ring::rand::SystemRandom::new(),
                data,
                &mut signature,
            )
            .expect("a buffer of the right length");
        signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GitHub's published example.
    #[test]
    fn github_signs_as_its_documentation_says() {
        let headers = github("It's a Secret to Everybody", b"Hello, World!", "1");
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(headers[0].1, expected);
    }

    /// The example of the Standard Webhooks specification.
    #[test]
    fn standard_webhooks_signs_as_its_specification_says() {
        let headers = standard_webhooks(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            br#"{"test": 2432232314}"#,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
        );
        assert_eq!(headers[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
