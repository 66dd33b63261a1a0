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
    if let Some((parsed, _)) = parse(number, None) {
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
pub(crate) fn national_digits(number: &str) -> String {
    parse(number, None).map_or_else(|| digits(number), |(parsed, _)| significant(&parsed))
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
    parse(record, region).is_some_and(|(other, _)| {
        known.country_code == other.country_code && significant(&known) == significant(&other)
    })
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
        assert_eq!(national_digits("+4930901820"), "30901820");
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
