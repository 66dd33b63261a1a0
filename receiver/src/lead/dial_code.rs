//! A phone number whose country's dial code stands in a field of its own, as the country lists of forms have it.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber};

use super::text;

/// No country has a longer dial code.
const MAX_CODE: usize = 3;

/// The number with its dial code; `None`: it has one of its own, or the other text is none, or which of two numbers is meant
/// cannot be told.
pub fn with_dial_code(typed: &str, code: &str) -> Option<String> {
    let typed = text::trim(typed);
    let code = dial_code(code)?;
    let digits: String = typed.chars().filter_map(text::digit).collect();
    let is_local = typed.starts_with(|c: char| text::digit(c).is_some() || c == '(')
        && !typed.contains(['+', '＋'])
        && !digits.starts_with("00");
    if !is_local {
        return None;
    }
    let joined = format!("+{code} {typed}");
    if !digits.starts_with(&code) {
        return Some(joined);
    }
    // The code may stand before the number, or the number begins like it.
    let whole = format!("+{typed}");
    match (valid(&joined), valid(&whole)) {
        (Some(_), None) => Some(joined),
        (None, Some(_)) => Some(whole),
        (Some(one), Some(other)) if one == other => Some(whole),
        _ => None,
    }
}

fn valid(number: &str) -> Option<PhoneNumber> {
    let number = PHONE_NUMBER_UTIL.parse(number, None).ok()?;
    PHONE_NUMBER_UTIL.is_valid_number(&number).then_some(number)
}

/// `+49`, `0049`, `49`, `Germany (+49)`, `DE +49`: the digits.
fn dial_code(text: &str) -> Option<String> {
    let text = text::trim(text);
    let (digits, rest) = match text.split_once('+') {
        Some((_, after)) => {
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            let rest = after.get(digits.len()..).unwrap_or_default();
            (digits, rest)
        }
        None => (text.trim_start_matches("00").to_owned(), ""),
    };
    let is_code = (1..=MAX_CODE).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0')
        && !rest.contains(|c: char| c.is_numeric() || c == '+');
    is_code.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::phone;

    #[test]
    fn a_dial_code_beside_a_number_is_part_of_it() {
        for (code, typed, expected) in [
            ("+49", "0170 1234567", "+491701234567"),
            ("+49", "170 1234567", "+491701234567"),
            ("49", "01701234567", "+491701234567"),
            ("0049", "(0170) 123-4567", "+491701234567"),
            ("Germany (+49)", "0170/1234567", "+491701234567"),
            ("DE +49", "0170 1234567", "+491701234567"),
            ("+1", "(650) 253-0000", "+16502530000"),
            ("1", "16502530000", "+16502530000"),
            ("+44", "020 7183 8750", "+442071838750"),
            // Italy dials the zero.
            ("+39", "06 6982 0000", "+390669820000"),
            ("+971", "050 123 4567", "+971501234567"),
        ] {
            let joined = with_dial_code(typed, code).unwrap_or_default();
            assert_eq!(phone(&joined, Some("US")).number, expected, "{code} {typed}");
        }
    }

    #[test]
    fn nothing_is_joined_that_may_be_another_number() {
        for (code, typed) in [
            ("+49", "+33 6 12 34 56 78"),
            ("+49", "0033 6 12 34 56 78"),
            ("DE", "0170 1234567"),
            ("Germany", "0170 1234567"),
            ("10115", "0170 1234567"),
            ("0", "0170 1234567"),
            ("", "0170 1234567"),
            // +49 170 1234567, or 0491 701234567.
            ("+49", "49 170 1234567"),
            ("+49 170", "1234567"),
            ("+1 +49", "0170 1234567"),
            ("+49", "call me"),
            ("+49", ""),
        ] {
            assert_eq!(with_dial_code(typed, code), None, "{code} {typed}");
        }
    }
}
