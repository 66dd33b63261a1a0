//! Lengths of time.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::InvalidValue;

/// What a duration looks like, for the schema; [`Duration`]'s parser accepts the same.
pub(super) const DURATION_PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

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
