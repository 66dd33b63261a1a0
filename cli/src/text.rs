//! Text of strangers, in a form that does nothing to a terminal.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// Text as text: what a terminal would obey (escapes, control characters) or turn round (bidirectional controls) is shown
/// as its number. Leads, and answers of CRMs, are written by strangers.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_active(c) {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// JSON in which no character acts on a terminal. It means the same: JSON has escapes for all of them.
pub(crate) fn json<T: Serialize>(thing: &T) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(thing)?;
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_active(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    Ok(shown)
}

/// YAML, with [`plain`] strings.
pub(crate) fn yaml<T: Serialize>(thing: &T) -> anyhow::Result<String> {
    fn tame(value: &mut Value) {
        match value {
            Value::String(text) => *text = plain(text),
            Value::Array(items) => items.iter_mut().for_each(tame),
            Value::Object(members) => {
                *members = std::mem::take(members)
                    .into_iter()
                    .map(|(name, mut member)| {
                        tame(&mut member);
                        (plain(&name), member)
                    })
                    .collect();
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(thing)?;
    tame(&mut value);
    Ok(serde_saphyr::to_string(&value)?)
}

/// How long ago something was, as kubectl writes it.
pub(crate) fn age(then: Timestamp) -> String {
    duration(Timestamp::now().as_second().saturating_sub(then.as_second()))
}

fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_text() {
        #[rustfmt::skip]
        let table = [
            ("plain ü 漢 🙂\n", "plain ü 漢 🙂\n"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\rb\u{8}\u{7f}\t", "a\\u{d}b\\u{8}\\u{7f}\\u{9}"),
            ("\u{202e}txt.exe\u{2066}", "\\u{202e}txt.exe\\u{2066}"),
            ("\u{200f}\u{61c}\u{feff}\u{e0041}", "\\u{200f}\\u{61c}\\u{feff}\\u{e0041}"),
        ];
        for (text, expected) in table {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn json_means_the_same_and_does_nothing_to_a_terminal() {
        let value = serde_json::json!({"a\u{202e}": "\u{1b}\u{9b}\u{e0041}ü", "n": [1]});
        let text = json(&value).unwrap();
        assert!(!text.chars().any(|c| c != '\n' && is_active(c)), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        let text = yaml(&value).unwrap();
        assert!(!text.chars().any(|c| c != '\n' && is_active(c)), "{text}");
    }

    #[test]
    fn durations_are_as_kubectl_writes_them() {
        let written = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(duration);
        assert_eq!(written, ["0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }
}
