//! What a text says that was encoded on its way: JSON's escapes, HTML's entities, percent signs, quoted-printable. Pure.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Encodings one inside the other that are looked through.
const DEEPEST: usize = 3;

/// A text without JSON's escapes. A backslash before anything else is a blank.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once('\\') {
        plain.push_str(before);
        let mut chars = behind.chars();
        let kind = chars.next();
        rest = chars.as_str();
        match kind {
            Some(c @ ('"' | '/' | '\\')) => plain.push(c),
            Some('n' | 't' | 'r' | 'b' | 'f') | None => plain.push('\n'),
            Some('u') => {
                let code = rest.get(..4).and_then(|code| u32::from_str_radix(code, 16).ok());
                if code.is_some() {
                    rest = rest.get(4..).unwrap_or_default();
                }
                plain.push(code.and_then(char::from_u32).unwrap_or(' '));
            }
            Some(c) => plain.extend([' ', c]),
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// What else a text may say.
pub(super) fn decoded(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if text.contains('&') {
        found.extend(changed(text, without_entities(text)));
    }
    if text.contains("=40") || text.contains("=\n") || text.contains("=\r\n") {
        found.extend(changed(text, unquoted(text)));
    }
    if text.contains('%') {
        found.extend(changed(text, percent_decoded(&text.replace('+', " "))));
        found.extend(changed(text, percent_decoded(text)));
    }
    found
}

fn changed(text: &str, decoded: String) -> Option<String> {
    (decoded != text).then_some(decoded)
}

fn percent_decoded(text: &str) -> String {
    let mut plain = text.to_owned();
    for _ in 0..DEEPEST {
        if !plain.contains('%') {
            break;
        }
        plain = percent_decode_str(&plain).decode_utf8_lossy().into_owned();
    }
    plain
}

/// HTML's numbered characters, and the named ones that stand in or around addresses.
fn without_entities(text: &str) -> String {
    const LONGEST: usize = 10;
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once('&') {
        plain.push_str(before);
        let end = behind.bytes().take(LONGEST).position(|b| b == b';');
        let entity = end.and_then(|end| Some((entity(behind.get(..end)?)?, behind.get(end + 1..)?)));
        if let Some((c, behind)) = entity {
            plain.push(c);
            rest = behind;
        } else {
            plain.push('&');
            rest = behind;
        }
    }
    plain.push_str(rest);
    plain
}

fn entity(name: &str) -> Option<char> {
    match name {
        "commat" => Some('@'),
        "period" => Some('.'),
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "nbsp" => Some(' '),
        "plus" => Some('+'),
        name => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

/// Without the escapes and line ends of quoted-printable.
fn unquoted(text: &str) -> String {
    let joined = text.replace("=\r\n", "").replace("=\n", "");
    let (mut plain, mut rest) = (Vec::with_capacity(joined.len()), joined.as_str());
    while let Some((before, behind)) = rest.split_once('=') {
        plain.extend_from_slice(before.as_bytes());
        let byte = behind.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        if let Some(byte) = byte {
            plain.push(byte);
            rest = behind.get(2..).unwrap_or_default();
        } else {
            plain.push(b'=');
            rest = behind;
        }
    }
    plain.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&plain).into_owned()
}
