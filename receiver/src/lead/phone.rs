//! Phone numbers: E.164 where a number can be read with certainty, else what was typed. Nothing is guessed: a false
//! number reaches a stranger.

use std::borrow::Cow;
use std::str::FromStr as _;

use rlibphonenumber::{
    CountryCodeSource, NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType,
    Region,
};

use super::text;

/// A longer text is not looked at; in bytes.
const MAX_TYPED: usize = 100;
/// No extension has more digits.
const MAX_EXTENSION: usize = 8;
/// What a number may be introduced with.
const LABELS: &[&str] = &[
    "tel",
    "telephone",
    "phone",
    "mobile",
    "mobil",
    "cell",
    "cellphone",
    "handy",
    "telefon",
    "telefono",
    "teléfono",
    "telefone",
    "téléphone",
    "fon",
    "whatsapp",
    "movil",
    "móvil",
    "celular",
    "portable",
    "тел",
    "телефон",
    "電話",
    "电话",
    "전화",
];
/// What an extension is introduced with, in the languages that forms come in.
const EXTENSIONS: &[&str] = &[
    "x",
    "ext",
    "extn",
    "xtn",
    "extension",
    "app",
    "apparat",
    "durchwahl",
    "dw",
    "nst",
    "nebenstelle",
    "poste",
    "interno",
    "int",
    "ramal",
    "anexo",
    "extensión",
    "extensao",
    "extensão",
    "toestel",
    "tst",
    "wew",
    "wewn",
    "klapka",
    "anknytning",
    "ankn",
    "доб",
    "доп",
    "вн",
    "dahili",
    "内線",
    "内线",
    "分机",
    "分機",
    "내선",
    "#",
    "ext=",
];

/// A phone number and its extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    /// E.164, or as it was typed, its digits in ASCII.
    pub number: String,
    /// The digits behind `x`, `ext.`, `Durchwahl` and the like.
    pub extension: Option<String>,
}

/// Reads a phone number. `region` (ISO 3166) is the country of numbers that name none. Numbers that no carrier assigned
/// (`+15550109999`) are numbers: validity is not for a form to decide.
pub fn phone(typed: &str, region: Option<&str>) -> Phone {
    let typed = text::trim(typed);
    if typed.len() > MAX_TYPED {
        return Phone {
            number: typed.to_owned(),
            extension: None,
        };
    }
    let region = region.and_then(|code| Region::from_str(code).ok());
    // Most senders write it so: nothing is around such a number.
    let digits = typed.strip_prefix('+').unwrap_or(typed);
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return Phone {
            number: e164(typed, region).unwrap_or_else(|| typed.to_owned()),
            extension: None,
        };
    }
    let folded = fold(typed);
    let whole = whole_number(unlabelled(&folded));
    let (number, extension) = split_extension(&whole);
    if let Some(e164) = e164(number, region) {
        return Phone {
            number: e164,
            extension: extension.map(str::to_owned),
        };
    }
    if is_plain(number) {
        return Phone {
            number: number.to_owned(),
            extension: extension.map(str::to_owned),
        };
    }
    Phone {
        number: folded,
        extension: None,
    }
}

/// Whether numbers of a region (ISO 3166) can be read.
pub(super) fn is_region(code: &str) -> bool {
    // `Region` takes any two letters.
    Region::from_str(code).is_ok_and(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(region).is_some())
}

/// Whether a normalised text can be a phone number at all: three digits, and all of its digits are there.
pub(super) fn is_number(text: &str) -> bool {
    text.chars().filter(char::is_ascii_digit).count() >= 3 && !is_rounded(text)
}

/// Digits of every script as ASCII, dashes and blanks of every kind as one, without what nobody sees.
fn fold(typed: &str) -> String {
    typed
        .chars()
        .filter(|c| !text::is_invisible(*c))
        .map(|c| match c {
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE63}' | '\u{30FC}' | '\u{2043}' => '-',
            c if c.is_whitespace() && c != '\n' => ' ',
            c => text::digit(c).unwrap_or_else(|| text::narrow(c)),
        })
        .collect()
}

/// Without the `tel:` of a link, `Phone:`, or the apostrophe that spreadsheets want before digits.
fn unlabelled(text: &str) -> &str {
    let text = text
        .trim_start_matches(['\'', '"', '='])
        .trim_end_matches(['\'', '"'])
        .trim();
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    let text = match text.split_at_checked(end) {
        Some((word, rest)) if LABELS.contains(&word.to_lowercase().as_str()) => {
            rest.trim_start_matches(['.', ':', ' '])
        }
        _ => text,
    };
    without_note(text)
}

/// Without a word behind the number that says which one it is: `(WhatsApp)`, `mobil`.
fn without_note(text: &str) -> &str {
    let note = text.trim_end_matches([')', ']', '.']);
    let start = note.rfind(|c: char| !c.is_alphabetic()).map_or(0, |at| {
        at + note
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8)
    });
    match note.split_at_checked(start) {
        Some((number, word)) if is_note(word) => number.trim_end_matches(['(', '[', ' ', '-', ',', ';', ':']),
        _ => text,
    }
}

fn is_note(word: &str) -> bool {
    const PLACES: &[&str] = &[
        "home",
        "work",
        "office",
        "private",
        "privat",
        "personal",
        "business",
        "dienstlich",
        "geschäftlich",
        "büro",
        "festnetz",
        "landline",
        "fijo",
        "casa",
        "trabajo",
        "bureau",
        "domicile",
        "ufficio",
        "thuis",
        "werk",
        "preferred",
    ];
    let word = word.to_lowercase();
    LABELS.contains(&word.as_str()) || PLACES.contains(&word.as_str())
}

/// `491701234568.0` and `4.91701234568E+11`, which spreadsheets make of a number, with all of its digits and no more.
fn whole_number(text: &str) -> Cow<'_, str> {
    let (sign, digits) = text.strip_prefix('+').map_or(("", text), |rest| ("+", rest));
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<usize>().ok()),
        None => (digits, Some(0)),
    };
    let (Some((whole, fraction)), Some(exponent)) = (mantissa.split_once(['.', ',']), exponent) else {
        return Cow::Borrowed(text);
    };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return Cow::Borrowed(text);
    }
    let significant = fraction.trim_end_matches('0');
    match (exponent, significant.len()) {
        // `030.0` may be typed so; nobody types seven digits and `.0`.
        (0, 0) if whole.len() >= 7 => Cow::Owned(format!("{sign}{whole}")),
        (1.., all) if all == exponent => Cow::Owned(format!("{sign}{whole}{significant}")),
        _ => Cow::Borrowed(text),
    }
}

/// Whether a number was written with fewer digits than it has (`4.917E+11`).
fn is_rounded(text: &str) -> bool {
    text.split_once(['e', 'E']).is_some_and(|(mantissa, exponent)| {
        let numeric = |part: &str| {
            part.bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'+'))
        };
        !mantissa.is_empty()
            && exponent.bytes().any(|b| b.is_ascii_digit())
            && numeric(mantissa)
            && numeric(exponent)
    })
}

/// The number, and the digits that a word at its end calls an extension.
fn split_extension(text: &str) -> (&str, Option<&str>) {
    let end = text.trim_end_matches([')', ']', '.', '#', ' ']);
    let number = end.trim_end_matches(|c: char| c.is_ascii_digit());
    let Some(extension) = end.get(number.len()..) else {
        return (text, None);
    };
    let marker = number.trim_end_matches(['.', ':', ' ', '-']);
    let found = EXTENSIONS
        .iter()
        .filter_map(|word| strip_word(marker, word))
        .min_by_key(|rest| rest.len());
    match found {
        Some(rest) if (1..=MAX_EXTENSION).contains(&extension.len()) => (
            rest.trim_end_matches([',', ';', '(', '[', '-', '/', ' ', '.']),
            Some(extension),
        ),
        _ => (text, None),
    }
}

/// A text without the word that it ends with; before a word of letters stands none.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let at = text
        .char_indices()
        .rev()
        .nth(word.chars().count().checked_sub(1)?)?
        .0;
    let (rest, end) = text.split_at_checked(at)?;
    let whole = !rest.ends_with(char::is_alphabetic) && rest.contains(|c: char| c.is_ascii_digit());
    (whole && end.to_lowercase() == word).then_some(rest)
}

/// Digits and what is written between them, with one plus sign at most, at the start.
fn is_plain(text: &str) -> bool {
    let plus = text.find('+').is_none_or(|at| {
        text.get(..at)
            .is_some_and(|before| before.trim_matches(['(', '[', ' ']).is_empty())
            && text.get(at + 1..).is_some_and(|after| !after.contains('+'))
    });
    plus && text.bytes().all(|b| {
        b.is_ascii_digit() || matches!(b, b'+' | b' ' | b'-' | b'.' | b'(' | b')' | b'[' | b']' | b'/')
    })
}

/// E.164, for one number that is written with digits only.
fn e164(text: &str, region: Option<Region>) -> Option<String> {
    if !is_plain(text) || !has_one_number(text) {
        return None;
    }
    if text.contains('+') {
        return possible(text, region).map(|number| to_e164(&number));
    }
    if text.starts_with('0')
        && let Some(abroad) = dialled_abroad(text, region)
    {
        return Some(to_e164(&abroad));
    }
    let national = possible(text, region)?;
    // `0170 …`: whoever types the prefix of calls within the country means a number of this country.
    if text.starts_with('0') && is_shorter(&national, text) {
        return Some(to_e164(&national));
    }
    // `491701234568`, typed in Germany: a country code without its plus sign, or an area code without its zero.
    let is_valid = PHONE_NUMBER_UTIL.is_valid_number(&national);
    let other = possible(&format!("+{text}"), None).filter(|other| PHONE_NUMBER_UTIL.is_valid_number(other));
    if let Some(other) = &other
        && other.country_code == national.country_code
        && *other != national
    {
        return (!is_valid).then(|| to_e164(other));
    }
    // Where calls within the country begin with 0, a number without it may be another country's: `44 20 7183 8750`.
    let lacks_zero = || possible(&format!("0{text}"), region).as_ref() == Some(&national);
    let certain = match (is_valid, other.is_some()) {
        (true, false) => true,
        (true, true) => text.contains('(') || is_mobile(&national) || !lacks_zero(),
        // Not assigned, as far as is known; but nothing else either.
        (false, false) => !lacks_zero() && text.bytes().filter(u8::is_ascii_digit).count() >= 7,
        (false, true) => false,
    };
    certain.then(|| to_e164(&national))
}

fn is_mobile(number: &PhoneNumber) -> bool {
    let kind = number.get_type();
    matches!(kind, PhoneNumberType::Mobile | PhoneNumberType::FixedLineOrMobile)
}

/// A number behind the prefix of calls abroad: that of the region (`0011` in Australia), else `00`, which travellers type.
fn dialled_abroad(text: &str, region: Option<Region>) -> Option<PhoneNumber> {
    let own = PHONE_NUMBER_UTIL
        .parse_and_keep_raw_input(text, region)
        .ok()
        .filter(|number| number.country_code_source() == CountryCodeSource::FromNumberWithIdd)
        .and_then(|_| possible(text, region));
    own.or_else(|| possible(&format!("+{}", text.strip_prefix("00")?), None))
}

/// Whether a number has fewer digits of its own than were typed: the rest was a prefix.
fn is_shorter(number: &PhoneNumber, typed: &str) -> bool {
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    let with_country = digits(&to_e164(number));
    with_country < digits(typed) + digits(&number.country_code.to_string())
}

fn possible(text: &str, region: Option<Region>) -> Option<PhoneNumber> {
    let number = PHONE_NUMBER_UTIL.parse(text, region).ok()?;
    match PHONE_NUMBER_UTIL.is_possible_number_with_reason(&number) {
        Ok(NumberLengthType::IsPossible) => Some(number),
        // A number without its area code is another one in E.164.
        Ok(NumberLengthType::IsPossibleLocalOnly) | Err(_) => None,
    }
}

fn to_e164(number: &PhoneNumber) -> String {
    PHONE_NUMBER_UTIL
        .format(number, PhoneNumberFormat::E164)
        .into_owned()
}

/// A slash parts an area code from its number (`030/901820`), or two numbers (`030 901820/21`), which are not one.
fn has_one_number(text: &str) -> bool {
    let Some((before, after)) = text.split_once('/') else {
        return true;
    };
    let digits: String = before.chars().filter(char::is_ascii_digit).collect();
    let longest = match (
        before.contains('+') || digits.starts_with("00"),
        digits.starts_with('0'),
    ) {
        (true, _) => 7,
        (false, true) => 6,
        (false, false) => 4,
    };
    digits.len() <= longest && !after.contains('/')
}
