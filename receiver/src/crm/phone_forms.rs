//! One phone number in the forms in which records hold it. Pure.
//!
//! People type numbers as they dial them, so a CRM that compares texts must be asked for each usual form, and what it
//! finds be compared as a number.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region};

/// A text longer than this is no phone number; the parser's cost grows with it.
const MAX_NUMBER_LENGTH: usize = 100;

/// The texts as which records may hold a lead's number: as it came, in its country's form and in the international one,
/// with and without signs. The first is the number as it came. A number in no known form has this one only.
pub(crate) fn forms(number: &str) -> Vec<String> {
    let number = number.trim();
    let mut forms = vec![number.to_owned()];
    let parsed = parse(number, None);
    for parsed in parsed.iter().flat_map(|(parsed, _)| spellings(parsed)) {
        let format = |format| PHONE_NUMBER_UTIL.format(&parsed, format).into_owned();
        let international = format(PhoneNumberFormat::International);
        let national = format(PhoneNumberFormat::National);
        forms.extend([
            format(PhoneNumberFormat::E164),
            digits(&international),
            format!("00{}", digits(&international)),
            digits(&national),
            significant(&parsed),
            international,
            national,
        ]);
    }
    let mut seen = std::collections::HashSet::new();
    forms.retain(|form| !form.is_empty() && seen.insert(form.clone()));
    forms
}

/// The digits that are dialled within the country, without the `0` that some countries put before them; for a number in
/// no known form, its digits. HubSpot's `hs_searchable_calculated_phone_number` holds a record's number so.
pub(crate) fn national_forms(number: &str) -> Vec<String> {
    let mut forms = match parse(number, None) {
        Some((parsed, _)) => spellings(&parsed).iter().map(significant).collect(),
        None => vec![digits(number)],
    };
    forms.retain(|form| !form.is_empty());
    forms
}

/// The number in one spelling, for telling whether two leads have the same.
pub(crate) fn canonical(number: &str) -> String {
    parse(number, None).map_or_else(
        || number.trim().to_owned(),
        |(parsed, _)| format!("+{}{}", parsed.country_code, plain(&parsed)),
    )
}

/// The national number without the digit that says that it is a mobile one, which not everybody writes: Mexico (+52 1, until
/// 2019), Argentina (+54 9) and Brazil (the 9 behind the area code, since 2012 to 2016; ITU, national numbering plans). No two
/// subscribers differ by it alone.
fn plain(number: &PhoneNumber) -> String {
    let national = significant(number);
    let without = match (number.country_code, national.len()) {
        (52, 11) => national.strip_prefix('1').map(str::to_owned),
        (54, 11) => national.strip_prefix('9').map(str::to_owned),
        (55, 11) => national.split_at_checked(2).and_then(|(area, local)| {
            let local = local.strip_prefix('9').filter(|local| had_no_nine(local))?;
            Some(format!("{area}{local}"))
        }),
        _ => None,
    };
    without.unwrap_or(national)
}

/// Brazil's mobile numbers had 6 to 9 as their first digit before they got the 9; landlines have others.
fn had_no_nine(local: &str) -> bool {
    local.starts_with(['6', '7', '8', '9'])
}

/// The number itself, and the same in its other spelling, if it has one.
fn spellings(number: &PhoneNumber) -> Vec<PhoneNumber> {
    let (country, national, plain) = (number.country_code, significant(number), plain(number));
    let other = match (country, plain.len()) {
        _ if plain != national => Some(plain),
        (52, 10) => Some(format!("1{plain}")),
        (54, 10) => Some(format!("9{plain}")),
        (55, 10) => plain
            .split_at_checked(2)
            .filter(|(_, local)| had_no_nine(local))
            .map(|(area, local)| format!("{area}9{local}")),
        _ => None,
    };
    let other = other.and_then(|other| parse(&format!("+{country}{other}"), None));
    let other = other
        .map(|(other, _)| other)
        .filter(|other| significant(other) != national);
    std::iter::once(number.clone()).chain(other).collect()
}

/// Whether a record's number is the lead's, however it is written. A record's number without a country is taken as one of
/// the lead's country.
pub(crate) fn same(lead: &str, record: &str) -> bool {
    let (lead, record) = (lead.trim(), record.trim());
    if lead.is_empty() || record.is_empty() {
        return false;
    }
    let Some((known, region)) = parse(lead, None) else {
        let plain = digits(lead);
        return !plain.is_empty() && plain == digits(record);
    };
    parse(record, region)
        .is_some_and(|(other, _)| known.country_code == other.country_code && plain(&known) == plain(&other))
}

/// A number and its country, if it can be read; `00` is read as `+`.
fn parse(text: &str, region: Option<Region>) -> Option<(PhoneNumber, Option<Region>)> {
    let text = text.trim();
    if text.len() > MAX_NUMBER_LENGTH {
        return None;
    }
    let international = text.strip_prefix("00").map(|rest| format!("+{rest}"));
    let number = PHONE_NUMBER_UTIL
        .parse(international.as_deref().unwrap_or(text), region)
        .ok()?;
    let region = PHONE_NUMBER_UTIL
        .get_region_for_number(&number)
        .or_else(|| PHONE_NUMBER_UTIL.get_region_for_country_code(number.country_code));
    Some((number, region))
}

fn significant(number: &PhoneNumber) -> String {
    digits(&number.get_national_significant_number())
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_looked_for_in_the_forms_that_people_type() {
        assert_eq!(
            forms("+16502530000"),
            [
                "+16502530000",
                "16502530000",
                "0016502530000",
                "6502530000",
                "+1 650-253-0000",
                "(650) 253-0000"
            ]
        );
        assert_eq!(
            forms("+4930901820"),
            [
                "+4930901820",
                "4930901820",
                "004930901820",
                "030901820",
                "30901820",
                "+49 30 901820",
                "030 901820"
            ]
        );
        assert_eq!(forms("ext 12"), ["ext 12"]);
        assert_eq!(national_forms("+4930901820"), ["30901820"]);
    }

    #[test]
    fn a_mobile_number_is_one_with_and_without_the_digit_that_says_so() {
        let pairs = [
            ("+5215512345678", "+525512345678"),
            ("+551187654321", "+5511987654321"),
            ("+5491112345678", "+541112345678"),
        ];
        for (one, other) in pairs {
            for (lead, record) in [(one, other), (other, one)] {
                assert!(same(lead, record), "{lead} {record}");
                assert_eq!(canonical(lead), canonical(record));
                let forms = forms(lead);
                assert!(
                    forms[0] == lead && forms.iter().any(|form| form == record),
                    "{lead}: {forms:?}"
                );
                assert_eq!(national_forms(lead).len(), 2, "{lead}");
            }
        }
        let strangers = [
            ("+551133334444", "+5511933334444"),
            ("+5215512345678", "+525512345679"),
            ("+4915112345678", "+49915112345678"),
        ];
        for (lead, record) in strangers {
            assert!(!same(lead, record), "{lead} {record}");
            assert_ne!(canonical(lead), canonical(record));
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let table = [
            ("+16502530000", "(650) 253-0000", true),
            ("+16502530000", "1-650-253-0000", true),
            ("+16502530000", "650.253.0000", true),
            ("+16502530000", "+1 (650) 253-0000", true),
            ("+16502530000", "(650) 253-0001", false),
            ("+16502530000", "+44 650 253 0000", false),
            ("+4930901820", "030 / 90 18 20", true),
            ("+4930901820", "0049 30 901820", true),
            ("+4930901820", "+49 (0)30 901820", true),
            ("+4930901820", "901820", false),
            ("+390612345678", "06 1234 5678", true),
            ("12-34", "1234", true),
            ("12-34", "123", false),
            ("", "", false),
            ("reception", "reception", false),
        ];
        for (lead, record, expected) in table {
            assert_eq!(same(lead, record), expected, "{lead} {record}");
        }
    }
}
