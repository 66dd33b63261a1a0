//! How HubSpot is asked for e-mail addresses and phone numbers. Pure.
//!
//! HubSpot compares texts, so it is asked for each form in which a number may be typed; and by
//! `hs_searchable_calculated_phone_number` and `…_mobile_number`, which hold a contact's number as the digits of its area code and local number
//! (developers.hubspot.com/docs/api/crm/search, "phone numbers").

use serde_json::{Value, json};

use crate::crm::phone_forms::{forms, national_forms};

/// The properties that HubSpot makes of a contact's phone numbers.
const DIGITS_PROPERTIES: [&str; 2] = [
    "hs_searchable_calculated_phone_number",
    "hs_searchable_calculated_mobile_number",
];
/// HubSpot refuses a search whose body has more than 3,000 characters; the rest of the body needs some 600.
const MAX_BODY_LENGTH: usize = 2_400;
/// The most values of one filter.
const MAX_FILTER_VALUES: usize = 100;

/// One search.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    emails: Vec<String>,
    forms: Vec<String>,
    /// As the leads have them: mobile numbers in other forms are found by their digits.
    numbers: Vec<String>,
    digits: Vec<String>,
}

impl Query {
    /// The search's body. `by_digits`: with HubSpot's own properties of contacts.
    pub(super) fn body(&self, by_digits: bool, limit: usize) -> Value {
        let [phone, mobile] = DIGITS_PROPERTIES.map(|name| (name, &self.digits));
        let of_contacts = [("mobilephone", &self.numbers), phone, mobile];
        let groups: Vec<Value> = [("email", &self.emails), ("phone", &self.forms)]
        .into_iter()
        .chain(of_contacts.into_iter().filter(|_| by_digits))
        .filter(|(_, values)| !values.is_empty())
        .map(
            |(name, values)| json!({"filters": [{"propertyName": name, "operator": "IN", "values": values}]}),
        )
        .collect();
        json!({"filterGroups": groups, "properties": ["email", "phone", "mobilephone"], "limit": limit})
    }

    fn length(&self) -> usize {
        // Two quotes and a comma each.
        [
            &self.emails,
            &self.forms,
            &self.numbers,
            &self.digits,
            &self.digits,
        ]
        .into_iter()
        .flatten()
        .map(|value| value.len() + 3)
        .sum()
    }
}

/// As few searches as HubSpot's limits allow.
pub(super) fn queries(emails: &[String], phones: &[String]) -> Vec<Query> {
    let by_email = emails.iter().map(|email| Query {
        emails: vec![email.clone()],
        ..Query::default()
    });
    let by_phone = phones.iter().map(|phone| Query {
        forms: forms(phone),
        numbers: vec![phone.clone()],
        digits: national_forms(phone),
        ..Query::default()
    });
    let mut queries: Vec<Query> = Vec::new();
    for one in by_email.chain(by_phone).filter(|one| one.length() > 0) {
        let full = |query: &Query| {
            query.length() + one.length() > MAX_BODY_LENGTH
                || query.emails.len() + one.emails.len() > MAX_FILTER_VALUES
                || query.forms.len() + one.forms.len() > MAX_FILTER_VALUES
        };
        match queries.last_mut() {
            Some(query) if !full(query) => {
                query.emails.extend(one.emails);
                query.forms.extend(one.forms);
                query.numbers.extend(one.numbers);
                query.digits.extend(one.digits);
            }
            _ => queries.push(one),
        }
    }
    queries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_asked_for_in_every_form_and_as_digits() {
        let queries = queries(&[], &["+16502530000".to_owned()]);
        let [query] = queries.as_slice() else {
            panic!("{queries:?}")
        };
        let body = query.body(true, 200).to_string();
        for form in ["+16502530000", "(650) 253-0000", "6502530000"] {
            assert!(body.contains(form), "{form} {body}");
        }
        let plain = query.body(false, 200).to_string();
        for name in DIGITS_PROPERTIES {
            assert!(body.contains(name) && !plain.contains(name), "{name} {body}");
        }
        assert!(
            body.contains(r#"{"operator":"IN","propertyName":"mobilephone","values":["+16502530000"]}"#),
            "{body}"
        );
        assert!(body.contains(r#"["email","phone","mobilephone"]"#), "{body}");
    }

    #[test]
    fn a_batch_of_numbers_keeps_to_hubspot_s_limits() {
        let phones: Vec<String> = (0..100).map(|n| format!("+49309018{n:04}")).collect();
        // The one query with all kinds of keys is the longest.
        let email = format!("{}@example.com", "a".repeat(60));
        let queries = queries(&[email], &phones);
        assert!(queries.len() <= 10, "{}", queries.len());
        for query in &queries {
            assert!(query.body(true, 200).to_string().len() <= 3_000);
            assert!(query.forms.len() <= MAX_FILTER_VALUES);
        }
        let asked: Vec<&String> = queries.iter().flat_map(|query| &query.forms).collect();
        assert!(phones.iter().all(|phone| asked.contains(&phone)));
    }
}
