//! Who a lead is about, as a hash: the identity that order and "one record" hold for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{self as hashes, SHA256};
use serde_json::Value;

use super::phone::is_number;
use super::validate::is_email;
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

/// Addresses and numbers of one lead besides its own that the ledger tells: whoever sends it decides how many there are.
const MOST_BESIDES: usize = 8;

/// Whom a lead is about, for the ledger: its address and number, each by itself; which submission it is; and the first of its
/// other values that are nothing but an address or a number, as people of `region` write it. What a text only mentions is not
/// among them.
pub fn people(lead: &Lead, submission: Option<&str>, region: Option<&str>) -> Vec<Identity> {
    let own = [lead.get(Field::Email), lead.get(Field::Phone)];
    let known = [
        own[0].map(Identity::email),
        own[1].map(Identity::phone),
        submission.map(Identity::submission),
    ];
    let mut people: Vec<Identity> = known.into_iter().flatten().collect();
    let most = people.len() + MOST_BESIDES;
    for (name, value) in lead.members() {
        if OTHER_KINDS.iter().any(|field| field.name() == name) {
            continue;
        }
        match value {
            Member::Text(text) => add_besides(&mut people, text, region, most),
            Member::Other(value) => add_all_besides(&mut people, value, region, most),
        }
    }
    people
}

/// Fields that are told already, or look like numbers and are none.
const OTHER_KINDS: [Field; 6] = [
    Field::Email,
    Field::Phone,
    Field::PhoneExtension,
    Field::PostalCode,
    Field::SubmissionId,
    Field::CapturedAt,
];

fn add_all_besides(people: &mut Vec<Identity>, value: &Value, region: Option<&str>, most: usize) {
    match value {
        Value::String(text) => add_besides(people, text, region, most),
        Value::Number(number) => add_besides(people, &number.to_string(), region, most),
        Value::Array(items) => {
            for item in items {
                add_all_besides(people, item, region, most);
            }
        }
        Value::Object(members) => {
            for member in members.values() {
                add_all_besides(people, member, region, most);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn add_besides(people: &mut Vec<Identity>, text: &str, region: Option<&str>, most: usize) {
    if people.len() < most
        && let Some(person) = whole(text, region)
        && !people.contains(&person)
        && !people.contains(&person.clone().besides())
    {
        people.push(person.besides());
    }
}

/// The address or number that a text is, and nothing else.
fn whole(text: &str, region: Option<&str>) -> Option<Identity> {
    if text.contains('@') {
        let address = (text.len() <= LONGEST_ADDRESS).then(|| email(text))?;
        return is_email(&address).then(|| Identity::email(&address));
    }
    let digits = text.chars().filter(|c| c.is_numeric()).count();
    let number = DIGITS.contains(&digits).then(|| phone(text, region).number)?;
    let is_plain = number
        .chars()
        .all(|c| c.is_ascii_digit() || " +-()./".contains(c));
    is_plain.then(|| Identity::phone(&number))
}

/// Bytes of an address with what people write around it.
const LONGEST_ADDRESS: usize = 320;

/// So many digits has a phone number.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

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

/// Whose a phone number may be that somebody types: as it is, and as people of each of these regions write it.
pub fn phone_identities<'r>(typed: &str, regions: impl Iterator<Item = &'r str>) -> Vec<Identity> {
    let mut found = Vec::new();
    for region in std::iter::once(None).chain(regions.map(Some)) {
        if let Some(number) = phone_identity(typed, region)
            && !found.contains(&number)
        {
            found.push(number);
        }
    }
    found
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
