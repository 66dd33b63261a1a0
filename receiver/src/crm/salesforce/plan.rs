//! Which record is a lead's, what is sent to it, and which leads must wait for others. Pure.

use std::collections::HashSet;

use leadgate_crds::crm_sink::{ContactMatch, Fallbacks, MatchingKey};
use leadgate_crds::reason::FailureReason;
use serde_json::{Map, Value};

use super::contact;
use super::external::external_value;
use super::settings::Settings;
use super::soql::{Found, Keys, Shape};
use crate::crm::{
    Candidate, Failure, Known, Matching, Outcome, RefusedProperty, Upsert, Verdict, chosen_is_gone,
    phone_forms,
};
use crate::expression::{Scope, plain_text};

/// A lead with its external id.
pub(super) struct Lead {
    pub(super) upsert: Upsert,
    pub(super) external: Option<String>,
}

impl Lead {
    /// Evaluates the external id.
    pub(super) fn new(upsert: Upsert, settings: &Settings) -> Result<Self, Failure> {
        let external = match &settings.external_id {
            None => None,
            Some(external) => {
                let scope = Scope::new()
                    .with("lead", &upsert.lead)
                    .with("payload", &upsert.payload)
                    .with("webhook", &upsert.webhook);
                let value = external.value.evaluate(&scope).map_err(|error| {
                    Failure::new(
                        FailureReason::MappingFailed,
                        format!("salesforce.externalId.value: {error}; correct it and replay the lead"),
                    )
                })?;
                value
                    .map(|value| plain_text(&value).unwrap_or_else(|| value.to_string()))
                    .and_then(|text| external_value(&text))
            }
        };
        Ok(Self { upsert, external })
    }

    /// The record that an earlier lead of the contact went to.
    pub(super) fn known(&self) -> Option<&str> {
        match &self.upsert.record {
            Some(Known::Record(id)) => super::answer::record_id(id).is_some().then_some(id.as_str()),
            _ => None,
        }
    }

    /// The record that a person chose for it, whatever that is.
    fn chosen(&self) -> Option<&str> {
        match &self.upsert.record {
            Some(Known::Record(id)) if self.upsert.chosen => Some(id),
            _ => None,
        }
    }

    /// By what its record may be found.
    pub(super) fn keys(&self, shape: &Shape, forget: bool) -> Keys {
        let phones = match (&shape.phone, self.upsert.phone()) {
            (Some(field), Some(phone)) => {
                let mut phones = phone_forms::forms(phone);
                for field in [Some(field), shape.mobile.as_ref()].into_iter().flatten() {
                    let written = self.property(field);
                    phones.extend(written.filter(|written| !phones.contains(written)));
                }
                phones
            }
            _ => Vec::new(),
        };
        Keys {
            id: self.known().filter(|_| !forget).map(str::to_owned),
            email: self
                .upsert
                .email()
                .filter(|_| shape.email.is_some())
                .map(str::to_owned),
            phones,
            external: self.external.clone().filter(|_| shape.external.is_some()),
        }
    }

    fn property(&self, name: &str) -> Option<String> {
        let (_, value) = self
            .upsert
            .properties
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        plain_text(value).filter(|text| !text.trim().is_empty())
    }
}

/// What becomes of a lead in sight of the contacts that a query found; `None`: it is nobody's, and becomes a lead.
pub(super) fn contact_target(
    lead: &Lead,
    found: &[Found],
    matching: &Matching,
    forget: bool,
) -> Option<Target> {
    if let Some(known) = lead.known().filter(|_| !forget)
        && found.iter().any(|record| record.candidate.id == known)
    {
        return Some(Target::Update(known.to_owned()));
    }
    if let Some(chosen) = lead.chosen() {
        // It may be a lead.
        return contact::is_contact(chosen).then(|| Target::chosen_is_gone(chosen));
    }
    if matching.contacts == ContactMatch::Create || lead.upsert.record == Some(Known::New) {
        return None;
    }
    let candidates: Vec<Candidate> = found.iter().map(|record| record.candidate.clone()).collect();
    match matching.judge(lead.upsert.email(), lead.upsert.phone(), &candidates) {
        Verdict::Create => None,
        Verdict::Update(id) if matching.contacts == ContactMatch::Update => Some(Target::Update(id)),
        Verdict::Update(id) => Some(Target::Hold {
            why: Failure::new(
                FailureReason::ContactExists,
                format!(
                    "contact {id} has the lead's e-mail address or phone number; decide whether it is the same person, or set matching.contacts"
                ),
            ),
            candidates: vec![id],
        }),
        Verdict::Hold { why, candidates } => Some(Target::Hold { why, candidates }),
    }
}

/// What becomes of a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// This record is the lead's.
    Update(String),
    /// None is.
    Create {
        /// By its external id, so that it is made once whatever happens to the answer.
        external: bool,
        /// A person has said that the duplicates found are other people.
        allow_save: bool,
    },
    /// A person must decide.
    Hold { why: Failure, candidates: Vec<String> },
}

impl Target {
    fn chosen_is_gone(id: &str) -> Self {
        Self::Hold {
            why: chosen_is_gone(id),
            candidates: Vec::new(),
        }
    }
}

/// Judges what a query found (also for other leads of the batch). `forget`: the record known before is gone.
pub(super) fn target(lead: &Lead, found: &[Found], matching: &Matching, forget: bool) -> Target {
    let living = || found.iter().filter(|record| !record.converted);
    if let Some(known) = lead.known().filter(|_| !forget)
        && living().any(|record| record.candidate.id == known)
    {
        return Target::Update(known.to_owned());
    }
    if let Some(chosen) = lead.chosen() {
        return Target::chosen_is_gone(chosen);
    }
    let ours: Vec<&Found> = match &lead.external {
        Some(value) => found
            .iter()
            .filter(|record| {
                record
                    .external
                    .as_deref()
                    .is_some_and(|other| other.eq_ignore_ascii_case(value))
            })
            .collect(),
        None => Vec::new(),
    };
    let email = lead.upsert.email();
    let taken = match ours.as_slice() {
        [] => None,
        [one] if another_person(email, &one.candidate) => Some(*one),
        [one] if one.converted => {
            return Target::Hold {
                why: Failure::new(
                    FailureReason::ConvertedLead,
                    format!(
                        "lead {} has the lead's external id and was converted; it cannot be changed any more",
                        one.candidate.id
                    ),
                ),
                candidates: Vec::new(),
            };
        }
        [one] => return Target::Update(one.candidate.id.clone()),
        many => {
            let candidates = ids(many.iter().map(|record| &record.candidate));
            let why = Failure::new(
                FailureReason::SeveralRecords,
                format!(
                    "records {} have the lead's external id; merge them, or decide which one it is",
                    candidates.join(", ")
                ),
            );
            return Target::Hold { why, candidates };
        }
    };
    let candidates: Vec<Candidate> = living().map(|record| record.candidate.clone()).collect();
    let verdict = matching.judge(email, lead.upsert.phone(), &candidates);
    let new = lead.upsert.record == Some(Known::New);
    match verdict {
        Verdict::Update(id) if !new => Target::Update(id),
        Verdict::Hold { why, candidates } if !new => Target::Hold { why, candidates },
        verdict => create(lead, taken, verdict, new, matching),
    }
}

fn create(lead: &Lead, taken: Option<&Found>, verdict: Verdict, new: bool, matching: &Matching) -> Target {
    if let (Some(other), false) = (taken, new) {
        return Target::Hold {
            why: Failure::new(
                FailureReason::ExternalIdTaken,
                format!(
                    "record {} has the lead's external id but another e-mail address; make salesforce.externalId.value differ between senders, for example webhook.name + '-' + lead.submissionId",
                    other.candidate.id
                ),
            ),
            candidates: vec![other.candidate.id.clone()],
        };
    }
    let external = lead.external.is_some() && taken.is_none();
    // Whether a record that an earlier attempt made would have been found.
    let found_again = external
        || !new
            && (lead.upsert.email().is_some() && matching.compares(MatchingKey::Email)
                || lead.upsert.phone().is_some() && matching.compares(MatchingKey::Phone));
    if lead.upsert.in_doubt.is_some() && !found_again {
        return Target::Hold {
            why: Failure::new(
                FailureReason::LostAnswer,
                "the answer to an earlier attempt was lost, and the lead has nothing by which its record would be found; look whether it was created, or set salesforce.externalId",
            ),
            candidates: match verdict {
                Verdict::Update(id) => vec![id],
                Verdict::Hold { candidates, .. } => candidates,
                Verdict::Create => Vec::new(),
            },
        };
    }
    Target::Create {
        external,
        allow_save: new,
    }
}

/// Both have an e-mail address, and they differ.
fn another_person(email: Option<&str>, record: &Candidate) -> bool {
    let normal = |text: &str| text.trim().to_lowercase();
    match (email, record.email.as_deref().filter(|email| !email.is_empty())) {
        (Some(lead), Some(record)) => normal(lead) != normal(record),
        _ => false,
    }
}

fn ids<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Vec<String> {
    let mut ids: Vec<String> = candidates.map(|candidate| candidate.id.clone()).collect();
    ids.sort();
    ids
}

/// The fields that are sent; never the id or the external id, which are in the URL or beside them.
fn body<'a>(
    properties: impl Iterator<Item = &'a (String, Value)>,
    settings: &Settings,
) -> Map<String, Value> {
    let external = settings
        .external_id
        .as_ref()
        .map_or("Id", |external| &external.field);
    properties
        .filter(|(name, _)| !name.eq_ignore_ascii_case("Id") && !name.eq_ignore_ascii_case(external))
        .map(|(name, value)| (name.clone(), field_value(value)))
        .collect()
}

/// A multi-select picklist has its values joined by `;`.
fn field_value(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            Value::String(items.iter().filter_map(plain_text).collect::<Vec<_>>().join(";"))
        }
        other => other.clone(),
    }
}

/// For a record that is there: without what stands and is left alone. `record`: what was read of it, if anything.
pub(super) fn update_body(
    lead: &Lead,
    settings: &Settings,
    id: &str,
    record: Option<&Found>,
) -> Map<String, Value> {
    let contact = contact::is_contact(id);
    let stands = |name: &str| {
        let name = if contact { contact::field(name)? } else { name };
        let fields = record.map(|record| &record.fields)?;
        let (_, value) = fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            _ => true,
        })
    };
    let mut body = body(lead.upsert.properties.iter(), settings);
    body.retain(|name, _| !(settings.matching.keeps(name) && stands(name) == Some(true)));
    if contact { contact::fields(body) } else { body }
}

/// What becomes of a lead of whose fields Salesforce refuses some: it goes without them, unless there is no telling then
/// whose record it is.
pub(super) fn refused(
    lead: &Upsert,
    matching: &Matching,
    why: Failure,
    refused: Vec<RefusedProperty>,
) -> Outcome {
    // Who has a phone number as well is found again by that.
    let is_refused = |name: &str| {
        refused
            .iter()
            .any(|refused| refused.property.eq_ignore_ascii_case(name))
    };
    let has_other_key = matching.compares(MatchingKey::Phone)
        && lead.email().is_some()
        && lead
            .phone()
            .is_some_and(|phone| lead.holders(phone).any(|name| !is_refused(name)));
    // As the sink spells them; a contact has other names for some.
    let sent = |refused: &RefusedProperty| {
        let field = refused.property.as_str();
        let spared = has_other_key && refused.reason == FailureReason::InvalidEmail;
        lead.for_create()
            .map(|(name, _)| name)
            .find(|name| {
                name.eq_ignore_ascii_case(field)
                    || contact::field(name).is_some_and(|name| name.eq_ignore_ascii_case(field))
            })
            .filter(|name| spared || !lead.identifies(name))
    };
    let properties: Option<Vec<RefusedProperty>> = refused
        .into_iter()
        .map(|refused| {
            Some(RefusedProperty {
                property: sent(&refused)?.clone(),
                ..refused
            })
        })
        .collect();
    match properties {
        Some(properties) => Outcome::Refused { why, properties },
        None => Outcome::Reject(why),
    }
}

/// For a new record: with what stands in for a name or company that the lead lacks.
pub(super) fn create_body(lead: &Lead, settings: &Settings) -> Map<String, Value> {
    let mut body = body(lead.upsert.for_create(), settings);
    let Fallbacks { last_name, company } = &settings.fallbacks;
    for (field, fallback) in [("LastName", last_name), ("Company", company)] {
        let given = body.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case(field) && plain_text(value).is_some_and(|text| !text.trim().is_empty())
        });
        if let Some(fallback) = fallback
            && !given
        {
            body.retain(|name, _| !name.eq_ignore_ascii_case(field));
            body.insert(field.to_owned(), Value::String(fallback.clone()));
        }
    }
    body
}

/// The leads that may go together, and those that wait for them: two that may mean one record are judged one after the
/// other, the second in sight of what the first made.
pub(super) fn pass(leads: &[(usize, Lead)], waiting: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut seen = HashSet::new();
    waiting.iter().copied().partition(|index| {
        let Some((_, lead)) = leads.get(*index) else {
            return false;
        };
        let names: Vec<String> = [
            lead.known().map(|id| format!("id {id}")),
            lead.external.as_ref().map(|value| format!("external {value}")),
            lead.upsert
                .email()
                .map(|email| format!("email {}", email.to_lowercase())),
            lead.upsert
                .phone()
                .map(|phone| format!("phone {}", phone_forms::canonical(phone))),
        ]
        .into_iter()
        .flatten()
        .collect();
        // One that waits holds its names too: a third must not overtake it.
        let free = !names.iter().any(|name| seen.contains(name));
        seen.extend(names);
        free
    })
}

#[cfg(test)]
mod tests;
