//! Which of the records that a CRM found is the lead's. Pure.

use std::collections::BTreeMap;

use leadgate_crds::crm_sink::{self, ContactMatch, MatchingKey, Overwrite, PartialMatch};
use leadgate_crds::reason::FailureReason;

use super::{Failure, phone_forms};

/// A sink's `matching`.
#[derive(Debug, Clone, PartialEq)]
pub struct Matching {
    /// In this order.
    pub keys: Vec<MatchingKey>,
    /// The phone matches, the e-mail address does not.
    pub on_partial: PartialMatch,
    /// Somebody is a contact already, where leads and contacts are two things.
    pub contacts: ContactMatch,
    /// Whether values that stand are replaced.
    pub overwrite: Overwrite,
    /// The same for single properties.
    pub overwrite_properties: BTreeMap<String, Overwrite>,
}

impl From<&crm_sink::Matching> for Matching {
    fn from(spec: &crm_sink::Matching) -> Self {
        Self {
            keys: spec.keys.clone(),
            on_partial: spec.on_partial_match,
            contacts: spec.contacts,
            overwrite: spec.overwrite,
            overwrite_properties: spec.overwrite_properties.clone(),
        }
    }
}

/// A record that a CRM found for one of the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// Its e-mail address, if it has one.
    pub email: Option<String>,
    /// Its phone numbers: people are known by their mobile one as well.
    pub phones: Vec<String>,
}

/// What to do with the records found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This one is the lead's.
    Update(String),
    /// None is.
    Create,
    /// A person must say which.
    Hold {
        /// Why.
        why: Failure,
        /// Ids of the records.
        candidates: Vec<String>,
    },
}

impl Matching {
    /// Whether `key` is compared.
    pub fn compares(&self, key: MatchingKey) -> bool {
        self.keys.contains(&key)
    }

    /// Whether a value of `property` that stands in the CRM is left alone.
    pub fn keeps(&self, property: &str) -> bool {
        let overwrite = self.overwrite_properties.get(property).unwrap_or(&self.overwrite);
        *overwrite == Overwrite::IfEmpty
    }

    /// Whether any of the properties is left alone when it stands: the record must then be read before it is written.
    pub fn keeps_any<'a>(&self, mut properties: impl Iterator<Item = &'a str>) -> bool {
        properties.any(|property| self.keeps(property))
    }

    /// Judges the records that were found by the lead's e-mail address or phone number (each is compared again: many
    /// searches find more than was asked for). Keys are asked in order; the first that finds something decides.
    pub fn judge(&self, email: Option<&str>, phone: Option<&str>, found: &[Candidate]) -> Verdict {
        for key in &self.keys {
            let mut matched: Vec<&Candidate> = match key {
                MatchingKey::Email => found
                    .iter()
                    .filter(|c| same_email(email, c.email.as_deref()))
                    .collect(),
                MatchingKey::Phone => found.iter().filter(|c| same_phone(phone, &c.phones)).collect(),
            };
            matched.sort_by(|a, b| a.id.cmp(&b.id));
            matched.dedup_by(|a, b| a.id == b.id);
            match (key, matched.as_slice()) {
                (_, []) => {}
                (MatchingKey::Email, [one]) => return Verdict::Update(one.id.clone()),
                (MatchingKey::Email, many) => return several("e-mail address", many),
                (MatchingKey::Phone, one_or_more) => return self.by_phone(email, one_or_more),
            }
        }
        Verdict::Create
    }

    /// The phone number matches; is it the same person?
    fn by_phone(&self, email: Option<&str>, matched: &[&Candidate]) -> Verdict {
        // Without an e-mail address on either side nothing speaks against it.
        let other = |c: &&&Candidate| {
            email.is_some()
                && c.email.as_deref().is_some_and(|e| !e.is_empty())
                && !same_email(email, c.email.as_deref())
        };
        let agreeing: Vec<&Candidate> = matched.iter().filter(|c| !other(c)).copied().collect();
        match (agreeing.as_slice(), matched) {
            ([one], _) => Verdict::Update(one.id.clone()),
            ([], [one]) => match self.on_partial {
                PartialMatch::Update => Verdict::Update(one.id.clone()),
                PartialMatch::Create => Verdict::Create,
                PartialMatch::Hold => Verdict::Hold {
                    why: Failure::new(
                        FailureReason::PartialMatch,
                        format!(
                            "record {} has the lead's phone number but another e-mail address; decide whether it is the same person, or set matching.onPartialMatch",
                            one.id
                        ),
                    ),
                    candidates: vec![one.id.clone()],
                },
            },
            ([], _) if self.on_partial == PartialMatch::Create => Verdict::Create,
            (_, many) => several("phone number", many),
        }
    }
}

fn several(what: &str, records: &[&Candidate]) -> Verdict {
    let candidates: Vec<String> = records.iter().map(|c| c.id.clone()).collect();
    Verdict::Hold {
        why: Failure::new(
            FailureReason::SeveralRecords,
            format!(
                "records {} have the lead's {what}; merge them in the CRM, or decide which one it is",
                candidates.join(", ")
            ),
        ),
        candidates,
    }
}

pub(super) fn same_email(lead: Option<&str>, record: Option<&str>) -> bool {
    matches!((lead, record), (Some(a), Some(b)) if !a.is_empty() && a.trim().to_lowercase() == b.trim().to_lowercase())
}

/// Records hold numbers as people typed them.
pub(super) fn same_phone(lead: Option<&str>, record: &[String]) -> bool {
    lead.is_some_and(|lead| record.iter().any(|number| phone_forms::same(lead, number)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::type_complexity)] // a table of facts
    use super::*;

    fn matching(keys: &[MatchingKey], on_partial: PartialMatch) -> Matching {
        Matching {
            keys: keys.to_vec(),
            on_partial,
            contacts: ContactMatch::Create,
            overwrite: Overwrite::Always,
            overwrite_properties: BTreeMap::new(),
        }
    }

    fn record(id: &str, email: &str, phone: &str) -> Candidate {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Candidate {
            id: id.to_owned(),
            email: given(email),
            phones: given(phone).into_iter().collect(),
        }
    }

    #[test]
    fn a_lead_finds_its_record_or_none_or_waits_for_a_person() {
        use MatchingKey::{Email, Phone};
        use PartialMatch::{Create, Hold, Update};
        let (ada, number) = ("ada@example.com", "+4930123456");
        let table: &[(&str, &[MatchingKey], PartialMatch, &[Candidate], &str)] = &[
            ("nothing found", &[Email, Phone], Hold, &[], "create"),
            (
                "e-mail",
                &[Email, Phone],
                Hold,
                &[record("1", "Ada@Example.com", "")],
                "update 1",
            ),
            (
                "e-mail before phone",
                &[Email, Phone],
                Hold,
                &[record("2", "", number), record("1", ada, "")],
                "update 1",
            ),
            (
                "phone, record without e-mail",
                &[Email, Phone],
                Hold,
                &[record("2", "", "030 / 123-456")],
                "update 2",
            ),
            (
                "phone, other e-mail",
                &[Email, Phone],
                Hold,
                &[record("2", "bob@example.com", number)],
                "hold PartialMatch 2",
            ),
            (
                "the same, to be updated",
                &[Email, Phone],
                Update,
                &[record("2", "bob@example.com", number)],
                "update 2",
            ),
            (
                "the same, to be created",
                &[Email, Phone],
                Create,
                &[record("2", "bob@example.com", number)],
                "create",
            ),
            (
                "phone is not compared",
                &[Email],
                Hold,
                &[record("2", "bob@example.com", number)],
                "create",
            ),
            (
                "two have the e-mail",
                &[Email, Phone],
                Update,
                &[record("2", ada, ""), record("1", ada, "")],
                "hold SeveralRecords 1,2",
            ),
            (
                "two have the phone, one agrees",
                &[Email, Phone],
                Hold,
                &[record("2", "", number), record("3", "bob@example.com", number)],
                "update 2",
            ),
            (
                "two have the phone, none agrees",
                &[Email, Phone],
                Hold,
                &[
                    record("2", "eve@example.com", number),
                    record("3", "bob@example.com", number),
                ],
                "hold SeveralRecords 2,3",
            ),
            (
                "the same, to be created anyway",
                &[Email, Phone],
                Create,
                &[
                    record("2", "eve@example.com", number),
                    record("3", "bob@example.com", number),
                ],
                "create",
            ),
            (
                "a search found a lookalike",
                &[Email, Phone],
                Hold,
                &[record("4", "xada@example.com", "+493012345")],
                "create",
            ),
            (
                "one record twice",
                &[Email, Phone],
                Hold,
                &[record("1", ada, ""), record("1", ada, number)],
                "update 1",
            ),
        ];
        for (case, keys, on_partial, found, expected) in table {
            let verdict = match matching(keys, *on_partial).judge(Some(ada), Some(number), found) {
                Verdict::Update(id) => format!("update {id}"),
                Verdict::Create => "create".to_owned(),
                Verdict::Hold { why, candidates } => format!("hold {} {}", why.reason, candidates.join(",")),
            };
            assert_eq!(verdict, *expected, "{case}");
        }
    }

    #[test]
    fn a_lead_without_an_e_mail_address_is_found_by_its_phone() {
        let both = [MatchingKey::Email, MatchingKey::Phone];
        let judge =
            |found: &[Candidate]| matching(&both, PartialMatch::Hold).judge(None, Some("+4930123456"), found);
        assert_eq!(
            judge(&[record("1", "ada@example.com", "+4930123456")]),
            Verdict::Update("1".to_owned())
        );
        let two = [
            record("1", "a@example.com", "+4930123456"),
            record("2", "", "+4930123456"),
        ];
        assert!(matches!(judge(&two), Verdict::Hold { candidates, .. } if candidates == ["1", "2"]));
    }

    #[test]
    fn a_property_is_kept_as_its_own_rule_says_else_as_the_general_one() {
        let mut rules = matching(&[MatchingKey::Email], PartialMatch::Hold);
        assert!(!rules.keeps_any(["phone", "company"].into_iter()));
        rules
            .overwrite_properties
            .insert("company".to_owned(), Overwrite::IfEmpty);
        assert!(rules.keeps("company") && !rules.keeps("phone"));
        rules.overwrite = Overwrite::IfEmpty;
        rules
            .overwrite_properties
            .insert("phone".to_owned(), Overwrite::Always);
        assert!(rules.keeps("city") && !rules.keeps("phone"));
    }
}
