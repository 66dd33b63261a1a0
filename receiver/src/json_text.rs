//! JSON as the world writes it.

use serde_json::Value;

/// JSON, mended where it must be; `None`: it is none.
pub(crate) fn read(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text)
        .ok()
        .or_else(|| serde_json::from_slice(&mend(text)?).ok())
}

/// JSON with what many writers get wrong in texts put right: half a surrogate pair, which cutting an emoji leaves,
/// becomes U+FFFD, and a raw control character its escape. `None`: there is none of it.
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
            _ => 1,
        };
        let (taken, left) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        mended.extend_from_slice(taken);
        rest = left;
    }
    changed.then_some(mended)
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
