//! Rules that several fields have.

use kube::core::Rule;
use schemars::JsonSchema;
use serde::Serialize;

use super::duration::DURATION_PATTERN;

/// A duration from `min` to `max`; `field` names it in the message.
pub(crate) fn between(field: &str, min: &str, max: &str) -> Rule {
    // A text that is no duration is the pattern's to report: `duration()` would fail on it.
    let pattern = DURATION_PATTERN;
    Rule::new(format!(
        "!self.matches('{pattern}') || (duration(self) >= duration('{min}') && duration(self) <= duration('{max}'))"
    ))
    .message(format!("{field} must be at least {min} and at most {max}").as_str())
}

/// An https URL without user, query or fragment; plain http only to the machine itself.
pub(crate) fn https_url(field: &str) -> Rule {
    Rule::new(
        r"self.matches('^https://[^/?#@\\s]+(/[^?#\\s]*)?$') || self.matches('^http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]+)?(/[^?#\\s]*)?$')",
    )
    .message(format!(
        "{field} must be an https:// URL without user, query or fragment (plain http:// is allowed only to localhost, 127.0.0.1 and [::1]): leads are never sent unencrypted"
    ).as_str())
}

/// That a map's keys are names of headers that may be written in the open; `auth` is the field for credentials.
pub(crate) fn header_names(field: &str, auth: &str) -> Rule {
    Rule::new(r"self.all(k, k.matches('^[A-Za-z0-9_-]{1,128}$') && !(k.lowerAscii() in ['authorization', 'cookie', 'host', 'content-length', 'transfer-encoding', 'connection']))")
        .message(format!("{field} has names of headers as keys, but not Authorization, Cookie, Host, Content-Length, Transfer-Encoding or Connection: use {auth} for credentials").as_str())
}

/// The schema of a header's value.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct HeaderValue(#[schemars(length(max = 1024), regex(pattern = r"^[\x20-\x7e]*$"))] String);

/// Exactly one of `fields` is set; `message` says what to write.
pub(crate) fn exactly_one(fields: &[&str], message: &str) -> Rule {
    Rule::new(format!("{} == 1", count(fields))).message(message)
}

/// At most one of `fields` is set; `message` says what to write.
pub(crate) fn at_most_one(fields: &[&str], message: &str) -> Rule {
    Rule::new(format!("{} <= 1", count(fields))).message(message)
}

fn count(fields: &[&str]) -> String {
    let has: Vec<_> = fields.iter().map(|f| format!("has(self.{f})")).collect();
    format!("[{}].filter(x, x).size()", has.join(", "))
}
