//! Which records are of the same person, for audits. Pure.

use leadgate_crds::crm_sink::{MatchingKey, PartialMatch};

use super::matching::{same_email, same_phone};
use super::{Candidate, Matching, Twins};

/// By what the twins of some records are looked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TwinKeys {
    pub(super) emails: Vec<String>,
    pub(super) phones: Vec<String>,
}

impl Matching {
    /// What `keys` compares of these records.
    pub(super) fn twin_keys(&self, records: &[Candidate]) -> TwinKeys {
        let of = |key, fields: fn(&Candidate) -> &[String]| {
            let values = records.iter().flat_map(fields);
            let values = values.map(|value| value.trim().to_lowercase());
            let mut values: Vec<String> = values.filter(|v| !v.is_empty() && self.compares(key)).collect();
            values.sort();
            values.dedup();
            values
        };
        TwinKeys {
            emails: of(MatchingKey::Email, |record| record.email.as_slice()),
            phones: of(MatchingKey::Phone, |record| &record.phones),
        }
    }

    /// For each id, in their order, which of the records `found` are twins of its record, which is among `own` if it is there.
    pub(super) fn twins(&self, ids: &[String], own: &[Candidate], found: &[Candidate]) -> Vec<Twins> {
        let twins = |id: &String| {
            let record = own.iter().find(|record| record.id == *id)?;
            if self.twin_keys(std::slice::from_ref(record)) == TwinKeys::default() {
                return None;
            }
            let twins = found.iter().filter(|other| self.is_twin(record, other));
            let mut twins: Vec<String> = twins.map(|other| other.id.clone()).collect();
            twins.sort();
            twins.dedup();
            Some(twins)
        };
        ids.iter().map(twins).collect()
    }

    fn is_twin(&self, record: &Candidate, other: &Candidate) -> bool {
        let [email, its_email] = [&record.email, &other.email].map(|own| own.as_deref());
        let by_email = same_email(email, its_email);
        // Where a sink makes a record for each address of a number, these are different people.
        let may_share = self.on_partial == PartialMatch::Create && email.is_some() && its_email.is_some();
        let share = |some: &[String], others: &[String]| some.iter().any(|one| same_phone(Some(one), others));
        let by_phone = share(&record.phones, &other.phones) || share(&other.phones, &record.phones);
        record.id != other.id
            && ((self.compares(MatchingKey::Email) && by_email)
                || (self.compares(MatchingKey::Phone) && by_phone && (by_email || !may_share)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, email: &str, phone: &str) -> Candidate {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Candidate {
            id: id.to_owned(),
            email: given(email),
            phones: given(phone).into_iter().collect(),
        }
    }

    fn twins(matching: &str, own: &[Candidate], found: &[Candidate]) -> Vec<Twins> {
        let matching: leadgate_crds::crm_sink::Matching = serde_json::from_str(matching).unwrap();
        Matching::from(&matching).twins(&["1".to_owned()], own, found)
    }

    #[test]
    fn a_twin_has_the_address_or_the_number_however_they_are_written() {
        let own = [record("1", "ada@example.com", "+4930123456")];
        let found = [
            record("1", "ada@example.com", "+4930123456"),
            record("2", " Ada@Example.com", ""),
            record("3", "", "030 / 123-456"),
            record("4", "bob@example.com", "+4930123456"),
            record("5", "xada@example.com", "+4930123457"),
            record("2", " Ada@Example.com", ""),
        ];
        for (matching, expected) in [
            ("{}", &["2", "3", "4"][..]),
            (r#"{"onPartialMatch": "Create"}"#, &["2", "3"]),
            (r#"{"keys": ["Email"]}"#, &["2"]),
            (r#"{"keys": ["Phone"]}"#, &["3", "4"]),
        ] {
            let expected = expected.iter().map(|id| (*id).to_owned()).collect();
            assert_eq!(twins(matching, &own, &found), [Some(expected)], "{matching}");
        }
    }

    #[test]
    fn a_record_that_is_gone_or_tells_nothing_is_not_compared() {
        let found = [record("2", "", "")];
        assert_eq!(twins("{}", &[record("9", "ada@example.com", "")], &found), [None]);
        assert_eq!(twins("{}", &[record("1", "", " ")], &found), [None]);
        assert_eq!(
            twins(
                r#"{"keys": ["Phone"]}"#,
                &[record("1", "ada@example.com", "")],
                &found
            ),
            [None]
        );
        assert_eq!(
            twins("{}", &[record("1", "ada@example.com", "")], &found),
            [Some(Vec::new())]
        );
    }
}
