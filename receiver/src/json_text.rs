//! JSON as the world writes it.

use serde_json::Value;

use std::borrow::Cow;

/// A double has no more digits that count.
const MAX_DIGITS: usize = 17;

/// JSON, mended where it must be; `None`: it is none.
pub(crate) fn read(text: &[u8]) -> Option<Value> {
    let exact = exact(text);
    serde_json::from_slice(&exact)
        .ok()
        .or_else(|| serde_json::from_slice(&mend(text)?).ok())
}

/// JSON in which a number that no integer of 64 bits and no double holds is a text of its digits: an id must not become
/// another one.
pub(crate) fn exact(body: &[u8]) -> Cow<'_, [u8]> {
    // Most have no number that is so long.
    let mut run = 0;
    let may_have = body.iter().any(|byte| {
        run = if is_of_number(*byte) { run + 1 } else { 0 };
        run > MAX_DIGITS
    });
    let mended = if may_have { mend(body) } else { None };
    mended.map_or(Cow::Borrowed(body), Cow::Owned)
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E')
}

/// Whether a number would not be the same any more; or is none to JSON, but digits as people write them (`+49170…`, `0170…`):
/// templates put them in without quotes.
fn is_text(number: &str) -> bool {
    let written = number.strip_prefix('+').or_else(|| number.strip_prefix('0'));
    if written.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit())) {
        return true;
    }
    let digits = number.strip_prefix('-').unwrap_or(number);
    let is_number = number.parse::<f64>().is_ok()
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.ends_with(|c: char| c.is_ascii_digit());
    if !is_number || number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() {
        return false;
    }
    let mantissa = digits.split(['e', 'E']).next().unwrap_or(digits);
    let is_whole = !digits.contains(['.', 'e', 'E']);
    let plain: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let counted = plain.trim_matches('0').len();
    is_whole || counted > MAX_DIGITS || number.parse().is_ok_and(f64::is_infinite)
}

/// JSON with what many writers get wrong in texts put right: half a surrogate pair, which cutting an emoji leaves,
/// becomes U+FFFD, and a raw control character its escape; with the numbers of [`exact`] and those that are none as texts, and
/// null for `NaN`. `None`: there is none of it.
pub(crate) fn mend(body: &[u8]) -> Option<Vec<u8>> {
    let mut mended = Vec::with_capacity(body.len() + 16);
    let mut rest = body;
    let (mut in_text, mut changed) = (false, false);
    while let Some((&byte, after)) = rest.split_first() {
        let length = match (byte, in_text) {
            (b'\\', true) => match (unicode_escape(rest), rest.get(6..).and_then(unicode_escape)) {
                (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => 12,
                (Some(0xD800..0xE000), _) => {
                    mended.extend_from_slice(b"\\ufffd");
                    rest = rest.get(6..).unwrap_or_default();
                    changed = true;
                    continue;
                }
                _ => 2,
            },
            (0..0x20, true) => {
                mended.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                rest = after;
                changed = true;
                continue;
            }
            (b'"', _) => {
                in_text = !in_text;
                1
            }
            (b'N' | b'I' | b'-', false) if not_a_number(rest).is_some() => {
                mended.extend_from_slice(b"null");
                rest = rest.get(not_a_number(rest).unwrap_or(1)..).unwrap_or_default();
                changed = true;
                continue;
            }
            (b'-' | b'+' | b'0'..=b'9', false) => {
                let length = rest.iter().take_while(|byte| is_of_number(**byte)).count();
                let number = rest.get(..length).unwrap_or_default();
                if std::str::from_utf8(number).is_ok_and(is_text) {
                    mended.extend([b"\"", number, b"\""].concat());
                    rest = rest.get(length..).unwrap_or_default();
                    changed = true;
                    continue;
                }
                length
            }
            _ => 1,
        };
        let (taken, left) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        mended.extend_from_slice(taken);
        rest = left;
    }
    changed.then_some(mended)
}

/// How long `NaN` or `Infinity` is at the start of a text, which JSON has no number for and Python writes.
fn not_a_number(text: &[u8]) -> Option<usize> {
    [&b"NaN"[..], b"Infinity", b"-Infinity"]
        .into_iter()
        .find_map(|word| text.starts_with(word).then_some(word.len()))
}

/// The code unit of `\uXXXX` at the start of a text.
fn unicode_escape(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn mended(text: &str) -> Option<Value> {
        serde_json::from_slice(&super::mend(text.as_bytes())?).ok()
    }

    #[test]
    fn a_number_that_would_become_another_one_is_kept_as_its_digits() {
        for (number, kept) in [
            ("18446744073709551616", true),
            ("-9223372036854775809", true),
            ("123456789012345678901234", true),
            ("0.1234567890123456789", true),
            ("1e400", true),
            ("-1e400", true),
            ("18446744073709551615", false),
            ("-9223372036854775808", false),
            ("0.30000000000000004", false),
            ("19.989999999999998", false),
            ("100000000000000000000.0", false),
            ("0.10000000000000000000", false),
            ("1.5e300", false),
            ("-0", false),
            ("00", true),
            ("0", false),
            ("0.5", false),
            ("0170123", true),
            ("+491701234567", true),
            ("0123456789012345678901234", true),
        ] {
            let text = format!(r#"{{"id":{number},"ids":[ {number}]}}"#);
            let plain = serde_json::from_str::<Value>(number).unwrap_or_default();
            let expected = if kept { json!(number) } else { plain };
            assert_eq!(
                super::read(text.as_bytes()),
                Some(json!({"id": expected, "ids": [expected]})),
                "{number}"
            );
        }
        // What stands in a text is one already, and what is no JSON does not become it.
        let text = r#"{"id":"x 123456789012345678901234 \" 123456789012345678901234"}"#;
        assert_eq!(super::read(text.as_bytes()), serde_json::from_str(text).ok());
        for none in [
            r#"{"id":1234567890.1234567890.1}"#,
            r#"{"id":12345678901234567890-}"#,
        ] {
            assert_eq!(super::read(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn what_python_writes_for_no_number_is_null() {
        let text = br#"{"a":NaN,"b":[-Infinity, Infinity],"c":"NaN"}"#;
        assert_eq!(
            super::read(text),
            Some(json!({"a": null, "b": [null, null], "c": "NaN"}))
        );
        assert_eq!(super::read(b"{\"a\":Nan}"), None);
    }

    #[test]
    fn half_an_emoji_and_raw_control_characters_are_mended_and_nothing_else_is_touched() {
        for (text, expected) in [
            (r#"{"a":"Ada \ud83d"}"#, json!({"a": "Ada \u{fffd}"})),
            (r#"{"a":"\uDE00b"}"#, json!({"a": "\u{fffd}b"})),
            (
                r#"{"\ud83d":"\ud83d\ude00\ud83d!"}"#,
                json!({"\u{fffd}": "😀\u{fffd}!"}),
            ),
            (r#"{"a":"\ud83d\u0041"}"#, json!({"a": "\u{fffd}A"})),
            (r#"{"a":"\\\ud83d"}"#, json!({"a": "\\\u{fffd}"})),
            ("{\n\"a\":\"two\nlines\0\"}", json!({"a": "two\nlines\0"})),
        ] {
            assert_eq!(mended(text), Some(expected), "{text}");
        }
        for sound in [
            r#"{"a":"\ud83d\ude00"}"#,
            r#"{"a":"\\ud83d"}"#,
            "{\n}",
            "",
            r#"{"a":"\u"#,
            "\"\\",
        ] {
            assert_eq!(super::mend(sound.as_bytes()), None, "{sound}");
        }
    }
}
