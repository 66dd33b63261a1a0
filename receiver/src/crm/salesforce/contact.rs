//! People who are contacts already: customers, and leads that were converted. Pure.

use serde_json::{Map, Value};

/// Where they stand.
pub(super) const OBJECT: &str = "Contact";

/// Whether a record's id is that of a contact (Salesforce Help, "Standard Field Record ID Prefix Decoder").
pub(super) fn is_contact(id: &str) -> bool {
    id.starts_with("003")
}

/// A contact's name of a lead's field; `None`: a contact has nothing like it. Fields of one's own have one name in both, as
/// Salesforce's own conversion expects.
pub(super) fn field(of_lead: &str) -> Option<&str> {
    const OTHER: &[(&str, Option<&str>)] = &[
        ("Street", Some("MailingStreet")),
        ("City", Some("MailingCity")),
        ("State", Some("MailingState")),
        ("StateCode", Some("MailingStateCode")),
        ("PostalCode", Some("MailingPostalCode")),
        ("Country", Some("MailingCountry")),
        ("CountryCode", Some("MailingCountryCode")),
        // The account's, or the lead's own story.
        ("Company", None),
        ("Website", None),
        ("Industry", None),
        ("AnnualRevenue", None),
        ("NumberOfEmployees", None),
        ("Status", None),
        ("Rating", None),
    ];
    OTHER
        .iter()
        .find(|(lead, _)| lead.eq_ignore_ascii_case(of_lead))
        .map_or(Some(of_lead), |(_, contact)| *contact)
}

/// A lead's fields as a contact has them.
pub(super) fn fields(of_lead: Map<String, Value>) -> Map<String, Value> {
    of_lead
        .into_iter()
        .filter_map(|(name, value)| Some((field(&name)?.to_owned(), value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_contact_gets_what_it_has_a_field_for() {
        let lead = json!({"Email": "a@x.de", "street": "1 Main St", "Company": "X", "Note__c": "n"});
        let contact = json!({"Email": "a@x.de", "MailingStreet": "1 Main St", "Note__c": "n"});
        assert_eq!(
            lead.as_object().cloned().map(fields),
            contact.as_object().cloned()
        );
        assert!(is_contact("0035g00000AbCdEEAV") && !is_contact("00Q5g00000AbCdEEAV"));
    }
}
