//! What becomes of a lead of which not everything can be read: all of it is refused, or what is optional is left out.

use leadgate_crds::lead_webhook::OnInvalid;

use super::names::has_comma;
use super::normalise::{normalise, split_full_name};
use super::validate::{Limits, Problem, longer_than, longest, validate};
use super::{Field, Lead, placeholder};
use crate::time::instant;

/// What stands at the end of a text that was cut.
const CUT: char = '…';

/// What has another text once a lead is normalised.
const NORMALISED: &[Field] = &[
    Field::Email,
    Field::Phone,
    Field::PhoneExtension,
    Field::FirstName,
    Field::LastName,
];

/// What was found about a lead.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What was left out or cut. The lead goes on without it.
    pub notes: Vec<Problem>,
    /// Why it cannot go on; empty: it is valid.
    pub problems: Vec<Problem>,
}

/// Brings a lead to its canonical form and judges it. `unread` is what the mapping could not read; `region` is the
/// country of phone numbers that name none.
pub fn judge(lead: &mut Lead, unread: Vec<Problem>, region: Option<&str>, limits: &Limits) -> Verdict {
    let required = |name: &str| limits.required.iter().any(|known| known == name);
    clear(lead, Field::ALL, &required);
    let typed = lead.get(Field::Email).map_or(0, |text| text.matches('@').count());
    normalise(lead, region);
    let has_others = typed > 1
        && lead
            .get(Field::Email)
            .is_some_and(|text| text.matches('@').count() == 1);
    // `- Lovelace` was split into a name and nothing.
    clear(lead, NORMALISED, &required);
    name_again(lead, &required, limits);
    let mut notes = cut(lead, limits);
    if has_others {
        notes.push(Problem::new(
            Field::Email.name(),
            "OtherAddresses",
            "it holds several addresses, of which the first is used; send one",
        ));
    }
    let unreadable = lead
        .get(Field::CapturedAt)
        .is_some_and(|text| instant(text).is_none());
    if unreadable && !required(Field::CapturedAt.name()) {
        lead.remove(Field::CapturedAt.name());
        notes.push(Problem::new(
            Field::CapturedAt.name(),
            "InvalidTime",
            "the time cannot be read and was replaced by the time of acceptance; write it as RFC 3339 (2026-11-23T09:00:00Z)",
        ));
    }
    let mut problems = unread;
    for problem in validate(lead, limits) {
        if !problems.iter().any(|known| known.field == problem.field) {
            problems.push(problem);
        }
    }
    if limits.on_invalid == OnInvalid::DropField {
        leave_out(lead, &required, &mut problems, &mut notes);
        name_again(lead, &required, limits);
    }
    Verdict { notes, problems }
}

/// Takes out answers that say nothing; a required one is kept, whatever it says.
fn clear(lead: &mut Lead, fields: &[Field], required: &dyn Fn(&str) -> bool) {
    let empty = |(field, text): &(Field, &str)| {
        fields.contains(field) && placeholder::says_nothing(*field, text) && !required(field.name())
    };
    let empty: Vec<Field> = lead.given().filter(empty).map(|(field, _)| field).collect();
    for field in empty {
        lead.remove(field.name());
    }
}

/// What stood in the place of a name's part said nothing, or was left out: the full name tells the parts, or the only
/// part that is left is one.
fn name_again(lead: &mut Lead, required: &dyn Fn(&str) -> bool, limits: &Limits) {
    let parts = [Field::FirstName, Field::LastName];
    let is_whole = match parts.map(|part| lead.get(part)) {
        [None, None] => lead.get(Field::FullName).is_some(),
        [Some(only), None] | [None, Some(only)] => has_comma(only),
        [Some(_), Some(_)] => false,
    };
    if !is_whole {
        return;
    }
    split_full_name(lead);
    clear(lead, &parts, required);
    for problem in validate(lead, limits) {
        if parts.iter().any(|part| part.name() == problem.field) {
            lead.remove(&problem.field);
        }
    }
}

/// Moves what concerns an optional field from the problems to the notes, and takes the field out. The last way to reach
/// the person is not optional.
fn leave_out(
    lead: &mut Lead,
    required: &dyn Fn(&str) -> bool,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Problem>,
) {
    let reachable = [Field::Email, Field::Phone]
        .iter()
        .any(|field| lead.get(*field).is_some() && !problems.iter().any(|p| p.field == field.name()));
    let optional = |problem: &mut Problem| {
        let name = problem.field.as_str();
        let contact = [Field::Email, Field::Phone]
            .iter()
            .any(|field| field.name() == name);
        Lead::is_field(name) && !required(name) && (reachable || !contact)
    };
    for problem in problems.extract_if(.., optional) {
        lead.remove(&problem.field);
        notes.push(problem);
    }
}

/// Cuts what is too long where the webhook says so, and a message that would be left out: its beginning says more than
/// nothing.
fn cut(lead: &mut Lead, limits: &Limits) -> Vec<Problem> {
    let mut notes = Vec::new();
    let would_be_left_out = limits.on_invalid == OnInvalid::DropField;
    let named = limits.truncate.iter().map(String::as_str);
    let message = Some(Field::Message.name())
        .filter(|name| would_be_left_out && !limits.truncate.iter().any(|known| known == name));
    for name in named.chain(message) {
        let most = longest(name, limits);
        let Some(text) = lead.text(name).filter(|text| longer_than(text, most)) else {
            continue;
        };
        let kept: String = text.chars().take(most.saturating_sub(1)).chain([CUT]).collect();
        lead.set_text(name, kept);
        notes.push(Problem::new(
            name,
            "Truncated",
            format!("it was truncated to {most} characters (payload.truncate, payload.onInvalid)"),
        ));
    }
    notes
}
