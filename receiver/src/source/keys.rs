//! What a refused payload holds, for the person who writes its mapping: names, never values.

use serde_json::Value;

use super::auth::RawRequest;
use super::body;
use super::webhook::Webhook;

/// How many names are told.
const MAX_KEYS: usize = 20;
/// How deep they are looked for.
const MAX_DEPTH: usize = 4;
/// The longest name.
const MAX_KEY: usize = 40;
/// A larger payload is not read a second time for this.
const MAX_BODY: usize = 64 << 10;

impl Webhook {
    /// The paths of a verified request's values, as expressions name them. Names that a person may have typed (a label, an
    /// address, a number) are left out: only what looks like an identifier is told.
    pub fn keys(&self, request: &RawRequest<'_>) -> Vec<String> {
        let mut keys = Vec::new();
        if request.body.len() > MAX_BODY {
            return keys;
        }
        let plain = body::decompress(request.headers, request.body, MAX_BODY);
        let Ok(payload) = plain.and_then(|plain| body::parse(self.format, request.headers, plain)) else {
            return keys;
        };
        collect(&payload.value, "", MAX_DEPTH, &mut keys);
        keys
    }
}

fn collect(value: &Value, at: &str, depth: usize, keys: &mut Vec<String>) {
    match value {
        Value::Object(members) if depth > 0 => {
            for (name, value) in members.iter().filter(|(name, _)| is_identifier(name)) {
                let point = if at.is_empty() { "" } else { "." };
                collect(value, &format!("{at}{point}{name}"), depth - 1, keys);
            }
        }
        Value::Array(items) if depth > 0 => {
            if let Some(first) = items.iter().find(|item| item.is_object() || item.is_array()) {
                collect(first, &format!("{at}[0]"), depth - 1, keys);
            } else {
                tell(at, keys);
            }
        }
        _ => tell(at, keys),
    }
}

fn tell(key: &str, keys: &mut Vec<String>) {
    if keys.len() < MAX_KEYS && !key.is_empty() {
        keys.push(key.to_owned());
    }
}

/// A name as programs write it, or a short number, as Gravity Forms has for its fields.
fn is_identifier(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let is_number = || name.len() <= 6 && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_name = || {
        name.bytes().next().is_some_and(letter)
            && name
                .bytes()
                .all(|byte| letter(byte) || byte.is_ascii_digit() || byte == b'-')
    };
    name.len() <= MAX_KEY && (is_name() || is_number())
}
