//! What can be seen of a secret without knowing what it is for.

/// The fewest bytes of a secret that cannot be guessed by trying: 128 bits.
pub const SHORTEST: usize = 16;

/// Whether a secret has fewer than [`SHORTEST`] bytes. A line break at its end does not count.
pub fn is_short(value: &[u8]) -> bool {
    without_line_break(value).len() < SHORTEST
}

/// Whether it is the text of an example, which everybody knows: `replace-me`, `put-the-token-here`, `<token>`, or a text
/// that was shortened with an ellipsis such as `pat-…`.
pub fn is_placeholder(value: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(value) else {
        return false;
    };
    let text = text.trim().to_ascii_lowercase();
    let between = |start: &str, end: &str| {
        text.strip_prefix(start)
            .and_then(|rest| rest.strip_suffix(end))
            .is_some()
    };
    ["replace-me", "change-me", "changeme"].contains(&text.as_str())
        || between("put-", "-here")
        || between("<", ">")
        || text.ends_with('…')
}

fn without_line_break(value: &[u8]) -> &[u8] {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    value.strip_suffix(b"\r").unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::{is_placeholder, is_short};

    #[test]
    fn what_protects_nothing() {
        for (value, short, placeholder) in [
            ("0123456789abcdef", false, false),
            ("0123456789abcdef\r\n", false, false),
            ("0123456789abcde\n", true, false),
            ("", true, false),
            ("replace-me", true, true),
            ("Replace-Me\n", true, true),
            ("put-what-the-sender-signs-with-here", false, true),
            ("<your token>", true, true),
            ("pat-…", true, true),
            ("put-away-that-there", false, false),
            ("quickstart-website-secret", false, false),
        ] {
            assert_eq!(is_short(value.as_bytes()), short, "{value}");
            assert_eq!(is_placeholder(value.as_bytes()), placeholder, "{value}");
        }
        assert!(!is_placeholder(&[0xff; 32]), "binary keys hold no text");
    }
}
