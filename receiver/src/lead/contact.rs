//! Who a lead is about, as a hash: the identity that order and "one record" hold for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{self as hashes, SHA256};
use serde_json::Value;

use super::phone::is_number;
use super::{Field, Lead, Member, email, phone};
use crate::ids::Contact;
use crate::queue::Identity;

/// The contact of a lead: its e-mail address, else its phone number with its extension, else the submission itself.
pub fn contact(lead: &Lead, submission: &str) -> Contact {
    let parts = match (lead.get(Field::Email), lead.get(Field::Phone)) {
        (Some(email), _) => ["email", email],
        (None, Some(phone)) => ["phone", phone],
        (None, None) => ["submission", submission],
    };
    // Behind one switchboard are many people.
    let extension = lead.get(Field::PhoneExtension).filter(|_| parts[0] == "phone");
    Contact::new(digest(parts.into_iter().chain(extension)))
}

/// Whom a lead is about, for the ledger: each address and number by itself; and which submission it is.
pub fn people(lead: &Lead, submission: Option<&str>) -> Vec<Identity> {
    let known = [
        lead.get(Field::Email).map(Identity::email),
        lead.get(Field::Phone).map(Identity::phone),
        submission.map(Identity::submission),
    ];
    known.into_iter().flatten().collect()
}

/// An e-mail address as somebody types it; `None`: it is none.
pub fn email_identity(typed: &str) -> Option<Identity> {
    let address = email(typed);
    address.contains('@').then(|| Identity::email(&address))
}

/// A phone number as somebody types it, with its country code or as people of `region` do; `None`: it is none.
pub fn phone_identity(typed: &str, region: Option<&str>) -> Option<Identity> {
    let number = phone(typed, region).number;
    is_number(&number).then(|| Identity::phone(&number))
}

/// Digest of what a sender posted.
pub fn posted(payload: &[u8]) -> [u8; 8] {
    start_of(hashes::digest(&SHA256, payload).as_ref())
}

/// Digest of what a webhook made of it, before anything is filled in; of a thin payload, also of where the rest is. The
/// time is left out: many senders tell that of the attempt.
pub fn mapped(lead: &Lead, hydrate: Option<&str>) -> [u8; 8] {
    let mut hash = hashes::Context::new(&SHA256);
    let mut add = |part: &str| {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    };
    for (name, value) in lead.members() {
        if name == Field::CapturedAt.name() {
            continue;
        }
        add(name);
        match value {
            Member::Text(text) => add(text),
            Member::Other(Value::String(text)) => add(text),
            Member::Other(other) => add(&other.to_string()),
        }
    }
    add(hydrate.unwrap_or_default());
    start_of(hash.finish().as_ref())
}

fn start_of(hash: &[u8]) -> [u8; 8] {
    let mut start = [0; 8];
    for (to, from) in start.iter_mut().zip(hash) {
        *to = *from;
    }
    start
}

/// 128 bits of SHA-256 over the parts, each with its length before it, so that `ab`+`c` differs from `a`+`bc`.
/// 22 characters that are safe in keys and URLs.
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = hashes::Context::new(&SHA256);
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(hash.finish().as_ref().get(..16).unwrap_or_default())
}
