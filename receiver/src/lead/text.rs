//! What stands in a text and is not meant: characters that nobody sees, and digits of other scripts.

use std::borrow::Cow;

use unicode_general_category::{GeneralCategory, get_general_category};

/// Characters that take no room: zero-width spaces and joiners, the byte order mark, soft hyphens, marks of direction.
/// They come from copying and pasting.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Without outer blanks, seen or not.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// Whether a text is plain to see: printable ASCII characters between two that are no blanks. Most are.
pub(super) fn is_clean(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    // To the end without leaving early: then the compiler compares sixteen bytes at a time.
    let is_odd = |odd, byte: &u8| odd | !matches!(byte, b' '..=b'~');
    ends.iter().all(|end| end.is_some_and(u8::is_ascii_graphic)) && !bytes.iter().fold(false, is_odd)
}

/// Without control characters, NUL among them: many stores refuse a whole record for one. Line breaks and tabs stay.
pub(super) fn without_controls(text: &str) -> Cow<'_, str> {
    let control = |c: char| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r');
    if text.contains(control) {
        Cow::Owned(text.replace(control, ""))
    } else {
        Cow::Borrowed(text)
    }
}

/// A full-width form (U+FF01 to U+FF5E) as the ASCII character that it is a form of.
pub(super) fn narrow(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{FF01}'..='\u{FF5E}' => u32::from(c)
            .checked_sub(0xFEE0)
            .and_then(char::from_u32)
            .unwrap_or(c),
        _ => c,
    }
}

/// The value of a decimal digit of any script.
pub(super) fn digit(c: char) -> Option<char> {
    if c.is_ascii() {
        return c.is_ascii_digit().then_some(c);
    }
    let is_digit = |c| get_general_category(c) == GeneralCategory::DecimalNumber;
    if !is_digit(c) {
        return None;
    }
    // Unicode (chapter 4.6): decimal digits stand in runs of ten, from zero on.
    let before = (1..=50)
        .map_while(|n| u32::from(c).checked_sub(n).and_then(char::from_u32))
        .take_while(|c| is_digit(*c))
        .count();
    u32::try_from(before % 10)
        .ok()
        .and_then(|n| char::from_digit(n, 10))
}
