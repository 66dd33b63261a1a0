//! What both resources are made of: expressions, durations, references, rules.

use std::{borrow::Cow, fmt, str::FromStr};

use kube::core::Rule;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The longest CEL source in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 2048;

/// The source of a CEL expression: 1 to 2,048 bytes. It is not compiled here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression(String);

impl Expression {
    /// Takes `source` when it has 1 to 2,048 bytes.
    pub fn new(source: impl Into<String>) -> Result<Self, InvalidValue> {
        let source = source.into();
        match source.len() {
            0 => Err(InvalidValue(
                "an expression must not be empty; leave the field out instead".to_owned(),
            )),
            1..=MAX_EXPRESSION_BYTES => Ok(Self(source)),
            n => Err(InvalidValue(format!(
                "an expression has at most {MAX_EXPRESSION_BYTES} bytes, this one {n}"
            ))),
        }
    }

    /// For defaults that stand in this crate.
    pub(crate) fn literal(source: &'static str) -> Self {
        debug_assert!(!source.is_empty() && source.len() <= MAX_EXPRESSION_BYTES);
        Self(source.to_owned())
    }

    /// The CEL source.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Expression {
    type Error = InvalidValue;

    fn try_from(source: String) -> Result<Self, InvalidValue> {
        Self::new(source)
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.0
    }
}

impl FromStr for Expression {
    type Err = InvalidValue;

    fn from_str(source: &str) -> Result<Self, InvalidValue> {
        Self::new(source)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Expression {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": MAX_EXPRESSION_BYTES})
    }
}

/// What a duration looks like, for the schema; [`Duration`]'s parser accepts the same.
const DURATION_PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

/// A length of time such as `50ms`, `10s`, `1h30m` or `72h`: one to four numbers of up to five digits, each
/// followed by `h`, `m`, `s` or `ms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration {
    text: String,
    value: std::time::Duration,
}

impl Duration {
    /// `n` milliseconds.
    pub fn milliseconds(n: u16) -> Self {
        Self {
            text: format!("{n}ms"),
            value: std::time::Duration::from_millis(n.into()),
        }
    }

    /// `n` seconds.
    pub fn seconds(n: u16) -> Self {
        Self {
            text: format!("{n}s"),
            value: std::time::Duration::from_secs(n.into()),
        }
    }

    /// `n` minutes.
    pub fn minutes(n: u16) -> Self {
        Self {
            text: format!("{n}m"),
            value: std::time::Duration::from_secs(u64::from(n) * 60),
        }
    }

    /// `n` hours.
    pub fn hours(n: u16) -> Self {
        Self {
            text: format!("{n}h"),
            value: std::time::Duration::from_secs(u64::from(n) * 3600),
        }
    }

    /// The length of time.
    pub fn get(&self) -> std::time::Duration {
        self.value
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Written with the largest units, as a person would: `48h`, `1h30m`. What is shorter than a millisecond is left out.
impl From<std::time::Duration> for Duration {
    fn from(value: std::time::Duration) -> Self {
        let seconds = value.as_secs();
        let parts = [
            (seconds / 3600, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
            (u64::from(value.subsec_millis()), "ms"),
        ];
        let text: String = parts
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, unit)| format!("{number}{unit}"))
            .collect();
        Self {
            text: if text.is_empty() { "0s".to_owned() } else { text },
            value,
        }
    }
}

impl From<&Duration> for std::time::Duration {
    fn from(duration: &Duration) -> Self {
        duration.value
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.text
    }
}

impl TryFrom<String> for Duration {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        match parse_duration(&text) {
            Some(value) => Ok(Self { text, value }),
            None => Err(InvalidValue(format!(
                "`{text}` is not a duration; write for example 50ms, 10s, 1h30m or 72h"
            ))),
        }
    }
}

impl FromStr for Duration {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": DURATION_PATTERN, "maxLength": 28})
    }
}

/// None when `text` does not match [`DURATION_PATTERN`].
fn parse_duration(text: &str) -> Option<std::time::Duration> {
    let mut total = std::time::Duration::ZERO;
    let mut rest = text;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        parts += 1;
        if !(1..=5).contains(&digits) || parts > 4 {
            return None;
        }
        let (number, unit) = rest.split_at_checked(digits)?;
        let letters = unit.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = unit.split_at_checked(letters)?;
        let number: u64 = number.parse().ok()?;
        total += match unit {
            "ms" => std::time::Duration::from_millis(number),
            "s" => std::time::Duration::from_secs(number),
            "m" => std::time::Duration::from_secs(number * 60),
            "h" => std::time::Duration::from_secs(number * 3600),
            _ => return None,
        };
        rest = after;
    }
    (parts > 0).then_some(total)
}

/// A value that its type does not admit; the text says why and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidValue(String);

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidValue {}

/// A key of a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub name: String,
    /// The key in the Secret's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = KEY_PATTERN))]
    pub key: String,
}

/// A Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub name: String,
}

/// A Secret in the same namespace that contains a user name and a password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicSecretRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub name: String,
    /// The key of the user name. Default: `username`, as in Secrets of type `kubernetes.io/basic-auth`.
    #[serde(default = "default_username_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = KEY_PATTERN))]
    pub username_key: String,
    /// The key of the password. Default: `password`.
    #[serde(default = "default_password_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = KEY_PATTERN))]
    pub password_key: String,
}

fn default_username_key() -> String {
    "username".to_owned()
}

fn default_password_key() -> String {
    "password".to_owned()
}

/// A DNS subdomain: the name of most objects.
pub(crate) const NAME_PATTERN: &str = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
/// A key of a Secret.
pub(crate) const KEY_PATTERN: &str = r"^[-._a-zA-Z0-9]+$";
/// A DNS label (RFC 1123).
pub(crate) const LABEL_PATTERN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// The name of an HTTP header (RFC 9110 token).
pub(crate) const HEADER_PATTERN: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

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

/// For fields that are left out when they say nothing.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// For switches that are off unless set. Serialised only when on.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde's skip_serializing_if wants"
)]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

/// An object of any shape, kept as it is.
pub(crate) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

#[cfg(test)]
mod tests {
    use super::Duration;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("50ms", Some(50)),
            ("0s", Some(0)),
            ("10s", Some(10_000)),
            ("15m", Some(900_000)),
            ("72h", Some(259_200_000)),
            ("1h30m", Some(5_400_000)),
            ("1h1m1s1ms", Some(3_661_001)),
            ("99999h", Some(359_996_400_000)),
            ("", None),
            ("10", None),
            ("s", None),
            ("1d", None),
            ("1.5s", None),
            ("-1s", None),
            (" 1s", None),
            ("1S", None),
            ("1s ", None),
            ("100000s", None),
            ("1s1s1s1s1s", None),
            ("1µs", None),
        ] {
            let parsed = text.parse::<Duration>();
            assert_eq!(
                parsed.as_ref().ok().map(|d| d.get().as_millis()),
                milliseconds,
                "{text}"
            );
            if let Ok(duration) = parsed {
                assert_eq!(duration.as_str(), text);
            }
        }
    }

    #[test]
    fn made_durations_read_back() {
        for made in [
            Duration::milliseconds(50),
            Duration::seconds(10),
            Duration::minutes(15),
            Duration::hours(72),
        ] {
            assert_eq!(made.as_str().parse::<Duration>().unwrap(), made);
        }
        for text in ["0s", "50ms", "10m", "48h", "1h30m", "1h1m1s1ms"] {
            let value = text.parse::<Duration>().unwrap().get();
            assert_eq!(Duration::from(value).as_str(), text);
        }
    }
}
