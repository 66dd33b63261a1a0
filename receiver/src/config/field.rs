//! A field of an object: as people write it, in a message, and in the schema.

use serde_json::Value;

/// A JSON pointer as people write fields: `/spec/sinks/0/name` -> `spec.sinks[0].name`.
pub(super) fn field(pointer: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            let _ = write!(out, "[{part}]");
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&part.replace("~1", "/").replace("~0", "~"));
        }
    }
    out
}

/// The field that a message begins with; empty where it names none.
pub(super) fn field_of(message: &str) -> &str {
    let field = message.split_once(": ").map_or("", |(field, _)| field);
    if field.contains(' ') { "" } else { field }
}

/// The schema of a member.
pub(super) fn below<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    schema
        .get("properties")
        .and_then(|properties| properties.get(name))
        .or_else(|| schema.get("additionalProperties"))
        .filter(|below| below.is_object())
}
