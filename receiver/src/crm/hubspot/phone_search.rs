//! How HubSpot is asked for phone numbers. Pure.
//!
//! HubSpot compares texts, so it is asked for each form in which a number may be typed; and by
//! `hs_searchable_calculated_phone_number`, which holds a contact's number as the digits of its area code and local number
//! (developers.hubspot.com/docs/api/crm/search, "phone numbers").

use serde_json::{Value, json};

use crate::crm::phone_forms::{forms, national_digits};

/// The property that HubSpot makes of a contact's phone number.
const DIGITS_PROPERTY: &str = "hs_searchable_calculated_phone_number";
/// HubSpot refuses a search whose body has more than 3,000 characters; the rest of the body needs some 400.
const MAX_BODY_LENGTH: usize = 2_500;
/// The most values of one filter.
const MAX_FILTER_VALUES: usize = 100;

/// One search.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    forms: Vec<String>,
    digits: Vec<String>,
}

impl Query {
    /// The search's body. `by_digits`: with HubSpot's own property.
    pub(super) fn body(&self, by_digits: bool, limit: usize) -> Value {
        let mut groups =
            vec![json!({"filters": [{"propertyName": "phone", "operator": "IN", "values": self.forms}]})];
        if by_digits && !self.digits.is_empty() {
            groups.push(
                json!({"filters": [{"propertyName": DIGITS_PROPERTY, "operator": "IN", "values": self.digits}]}),
            );
        }
        json!({"filterGroups": groups, "properties": ["email", "phone"], "limit": limit})
    }

    fn length(&self) -> usize {
        // Two quotes and a comma each.
        self.forms
            .iter()
            .chain(&self.digits)
            .map(|value| value.len() + 3)
            .sum()
    }
}

/// As few searches as HubSpot's limits allow.
pub(super) fn queries(phones: &[String]) -> Vec<Query> {
    let mut queries: Vec<Query> = Vec::new();
    for phone in phones {
        let (forms, digits) = (forms(phone), national_digits(phone));
        let more = forms.iter().map(|form| form.len() + 3).sum::<usize>() + digits.len() + 3;
        let full = |query: &Query| {
            query.length() + more > MAX_BODY_LENGTH || query.forms.len() + forms.len() > MAX_FILTER_VALUES
        };
        if queries.last().is_none_or(full) {
            queries.push(Query::default());
        }
        if let Some(query) = queries.last_mut() {
            query.forms.extend(forms);
            query.digits.extend((!digits.is_empty()).then_some(digits));
        }
    }
    queries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_asked_for_in_every_form_and_as_digits() {
        let queries = queries(&["+16502530000".to_owned()]);
        let [query] = queries.as_slice() else {
            panic!("{queries:?}")
        };
        let body = query.body(true, 200).to_string();
        for form in ["+16502530000", "(650) 253-0000", "6502530000"] {
            assert!(body.contains(form), "{form} {body}");
        }
        assert!(body.contains(DIGITS_PROPERTY));
        assert!(!query.body(false, 200).to_string().contains(DIGITS_PROPERTY));
    }

    #[test]
    fn a_batch_of_numbers_keeps_to_hubspot_s_limits() {
        let phones: Vec<String> = (0..100).map(|n| format!("+49309018{n:04}")).collect();
        let queries = queries(&phones);
        assert!(queries.len() <= 10, "{}", queries.len());
        for query in &queries {
            assert!(query.body(true, 200).to_string().len() <= 3_000);
            assert!(query.forms.len() <= MAX_FILTER_VALUES);
        }
        let asked: Vec<&String> = queries.iter().flat_map(|query| &query.forms).collect();
        assert!(phones.iter().all(|phone| asked.contains(&phone)));
    }
}
