//! Values as pages show them.

use std::borrow::Borrow;
use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;
use jiff::Timestamp;
use serde_json::Value;

/// Of a payload that is shown.
const LONGEST_SHOWN: usize = 64 << 10;

/// Shows what a reader would be deceived by, or a browser obey, as `\u{202e}`: control characters, and those that change
/// the direction of text. Whole pages go through it, so that nothing is forgotten; what it writes means nothing in HTML.
pub(crate) fn fit(html: String) -> String {
    if !html.contains(is_obeyed) {
        return html;
    }
    let mut shown = String::with_capacity(html.len() + 64);
    for c in html.chars() {
        if is_obeyed(c) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_obeyed(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON to be read, or edited: with line breaks, and with escapes for what [`fit`] would show otherwise, so that an edited
/// copy is a copy.
pub(crate) fn json(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Text, cut where nobody reads on; and whether it was.
pub(crate) fn cut(mut text: String) -> (String, bool) {
    let is_long = text.len() > LONGEST_SHOWN;
    if is_long {
        text.truncate(text.floor_char_boundary(LONGEST_SHOWN));
    }
    (text, is_long)
}

/// A time. The script shows it in the reader's zone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At(pub(crate) Timestamp);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.0;
        let shown = exact.strftime("%Y-%m-%d %H:%M:%S UTC");
        write!(f, r#"<time datetime="{exact}" title="{exact}">{shown}</time>"#)
    }
}

/// It is made of digits and fixed words only.
impl HtmlSafe for At {}

/// A time.
pub(crate) fn when(time: &Timestamp) -> At {
    At(*time)
}

/// A time, or a dash.
pub(crate) fn at(time: Option<&Timestamp>) -> String {
    time.map_or_else(|| "–".to_owned(), |time| At(*time).to_string())
}

/// Milliseconds as people say them.
pub(crate) fn duration(ms: impl Borrow<u64>) -> String {
    let ms = *ms.borrow();
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A share in percent, rounded down: 99.9 is never shown as 100.
pub(crate) fn percent(part: i64, whole: i64) -> String {
    if whole <= 0 {
        return "–".to_owned();
    }
    let tenths = i128::from(part) * 1000 / i128::from(whole);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// A share that was made elsewhere.
pub(crate) fn rate(share: Option<&str>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{share} %"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_deceives_a_reader() {
        assert_eq!(
            fit("a\u{202e}b\u{1b}[31m\u{0}\r".to_owned()),
            "a\\u{202e}b\\u{1b}[31m\\u{0}\\u{d}"
        );
        assert_eq!(fit("Zoë 東京\n\t🎉".to_owned()), "Zoë 東京\n\t🎉");
        let hostile = serde_json::json!({"a": "x\u{202e}y\u{7f}"});
        let text = json(&hostile);
        assert_eq!(fit(text.clone()), text);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), hostile);
    }

    #[test]
    fn figures_are_exact_enough() {
        for (ms, shown) in [
            (38, "38 ms"),
            (1250, "1.2 s"),
            (61_000, "1 min 1 s"),
            (7_260_000, "2 h 1 min"),
        ] {
            assert_eq!(duration(ms), shown);
        }
        assert_eq!(percent(9999, 10_000), "99.9 %");
        assert_eq!(percent(0, 0), "–");
    }
}
