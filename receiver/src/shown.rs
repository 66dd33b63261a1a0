//! Text of others, made fit to be shown: on a terminal, in a log, in an answer.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The longest message about one thing, in bytes.
pub const LONGEST_MESSAGE: usize = 1024;

/// Shows what a terminal would obey, or a reader be deceived by, as `\u{1b}`: control characters, and those that change
/// the direction of text (Unicode's Bidi_Control). Line breaks and tabs stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| !matches!(c, '\n' | '\t') && is_obeyed(c))
}

/// The same as one line: line breaks and tabs are shown too.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed)
}

/// A message as one line of at most [`LONGEST_MESSAGE`] bytes.
pub fn message(text: impl Into<String>) -> String {
    let mut text = line(&text.into()).into_owned();
    if text.len() > LONGEST_MESSAGE {
        let mark = '…';
        text.truncate(text.floor_char_boundary(LONGEST_MESSAGE - mark.len_utf8()));
        text.push(mark);
    }
    text
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_escaped(c) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Prints a command's output, as [`lines`]. A reader that has seen enough (`| head`) ends it quietly.
pub fn print(text: &str) -> io::Result<()> {
    write(&mut io::stdout().lock(), text)
}

/// Prints to standard error. If that is gone too, nobody is left to be told.
pub fn complain(text: &str) {
    let _ = write(&mut io::stderr().lock(), text);
}

fn write(to: &mut impl Write, text: &str) -> io::Result<()> {
    match to.write_all(lines(text).as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (text, as_lines, as_line) in [
            ("Zoë 東京 🎉", "Zoë 東京 🎉", "Zoë 東京 🎉"),
            ("a\tb\nc", "a\tb\nc", "a\\u{9}b\\u{a}c"),
            ("\u{1b}[31mred", "\\u{1b}[31mred", "\\u{1b}[31mred"),
            (
                "\u{1b}]0;title\u{7}",
                "\\u{1b}]0;title\\u{7}",
                "\\u{1b}]0;title\\u{7}",
            ),
            ("a\rb\0c\u{8}", "a\\u{d}b\\u{0}c\\u{8}", "a\\u{d}b\\u{0}c\\u{8}"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("abc\u{202e}fdp.exe", "abc\\u{202e}fdp.exe", "abc\\u{202e}fdp.exe"),
            (
                "\u{2066}x\u{2069}\u{2028}",
                "\\u{2066}x\\u{2069}\\u{2028}",
                "\\u{2066}x\\u{2069}\\u{2028}",
            ),
        ] {
            assert_eq!(lines(text), as_lines, "{text:?}");
            assert_eq!(line(text), as_line, "{text:?}");
        }
    }

    #[test]
    fn a_message_is_one_short_line() {
        assert_eq!(message("a\nb"), "a\\u{a}b");
        for long in ["x".repeat(2000), "é".repeat(1000), "\u{1b}".repeat(500)] {
            let cut = message(long.as_str());
            assert!(cut.len() <= LONGEST_MESSAGE && cut.ends_with('…'), "{cut}");
        }
        assert_eq!(message("x".repeat(LONGEST_MESSAGE)).len(), LONGEST_MESSAGE);
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is() {
        struct Gone(io::ErrorKind);
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        write(&mut Gone(io::ErrorKind::BrokenPipe), "x").unwrap();
        let error = write(&mut Gone(io::ErrorKind::StorageFull), "x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
