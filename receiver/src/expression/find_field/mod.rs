//! `findField(form, name)`: the answer to a question that every form builder, language and person names otherwise.
//!
//! A form is an object of answers by label or id, or a list of answers with their label, type or id, or holds one under a
//! usual name (`fields`, `answers`, …). What says best what it is wins: the whole label or id, then the type, then a part of
//! the label. Nothing is guessed from a value alone.

mod answers;
mod form;
mod labels;
mod question;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::budget::Meter;
use super::fault::Fault;
use super::plain::plain_text;
use super::value::ELEMENT;
use crate::lead::Field;
use answers::{Answer, collect, titles};
pub(super) use form::Form;
use form::{MAX_DEPTH, Place};
use labels::LABELS;
use question::Question;

/// So many forms of a scope are remembered.
const MAX_REMEMBERED: usize = 4;

/// The fields that can be found, by their names in a lead.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LABELS.iter().map(|(field, _)| field.name())
}

/// A field that has labels, by its name in a lead.
pub(super) fn named(name: &str) -> Option<Field> {
    let mut fields = LABELS.iter().map(|(field, _)| *field);
    fields.find(|field| field.name() == name)
}

/// What a form answers: of each field that it has a text, or what the sender sent in its place.
#[derive(Debug)]
pub(super) struct Found(Vec<(Field, Value)>);

impl Found {
    /// Reads a form, once for all fields.
    pub(super) fn of(form: Form<'_>) -> Self {
        let mut answers = Vec::new();
        collect(form, &titles(form), MAX_DEPTH, &mut answers);
        let asked: Vec<(Answer<'_>, Question)> = answers
            .into_iter()
            .filter_map(|answer| Question::of(&answer).map(|question| (answer, question)))
            .collect();
        let mut found: Vec<(Field, Value)> = LABELS
            .iter()
            .filter_map(|(field, _)| best(&asked, *field).map(|value| (*field, value)))
            .collect();
        part_names(&mut found);
        Self(found)
    }

    /// The answer that is this field, if the form has one.
    pub(super) fn get(&self, field: Field) -> Option<&Value> {
        value_of(&self.0, field)
    }

    /// What it takes, in bytes.
    fn bytes(&self) -> usize {
        let text = |value: &Value| value.as_str().map_or(0, str::len);
        self.0.iter().map(|(_, value)| ELEMENT + text(value)).sum()
    }
}

fn value_of(found: &[(Field, Value)], field: Field) -> Option<&Value> {
    found.iter().find(|(of, _)| *of == field).map(|(_, value)| value)
}

/// "Name" is what is left: "Vorname" beside it makes it the last name, "Apellidos" the first.
fn part_names(found: &mut [(Field, Value)]) {
    let text = |field| value_of(found, field).map(|value| value.as_str().unwrap_or_default());
    let holds = |full: &str, part: Option<&str>| part.is_some_and(|part| full.contains(part));
    let (first, last) = (text(Field::FirstName), text(Field::LastName));
    let missing = match (first, last) {
        (Some(_), None) => Field::LastName,
        (None, Some(_)) => Field::FirstName,
        _ => return,
    };
    if text(Field::FullName).is_none_or(|full| holds(full, first) || holds(full, last)) {
        return;
    }
    if let Some((field, _)) = found.iter_mut().find(|(of, _)| *of == Field::FullName) {
        *field = missing;
    }
}

/// The forms that the expressions of one scope have looked at last, by where they lie: what a scope lends stays there.
#[derive(Debug, Default)]
pub(super) struct Forms(RefCell<Vec<(Place, Rc<Found>)>>);

impl Forms {
    /// Reads a form, or remembers what it answers.
    pub(super) fn find(&self, form: Form<'_>, meter: &Meter) -> Result<Rc<Found>, Fault> {
        let place = form.place();
        let known = self
            .0
            .borrow()
            .iter()
            .find(|(at, _)| *at == place)
            .map(|(_, found)| Rc::clone(found));
        if let Some(known) = known {
            return Ok(known);
        }
        let found = read(form, meter)?;
        let mut forms = self.0.borrow_mut();
        if forms.len() == MAX_REMEMBERED {
            forms.remove(0);
        }
        forms.push((place, Rc::clone(&found)));
        Ok(found)
    }
}

/// Reads a form, counting what that takes.
pub(super) fn read(form: Form<'_>, meter: &Meter) -> Result<Rc<Found>, Fault> {
    form.count(meter)?;
    let found = Found::of(form);
    meter.make(found.bytes())?;
    Ok(Rc::new(found))
}

/// How well an answer's question fits: the greater, the better.
type Fit = (u8, Reverse<usize>, Reverse<usize>);

fn best(asked: &[(Answer<'_>, Question)], field: Field) -> Option<Value> {
    let fitting = asked
        .iter()
        .filter_map(|(answer, question)| answer.fit(question, field));
    fitting.max_by_key(|(fit, _)| *fit).map(|(_, value)| value)
}

impl Answer<'_> {
    fn fit(&self, question: &Question, field: Field) -> Option<(Fit, Value)> {
        let rank = |class, more| (class, Reverse(more), Reverse(self.place));
        if let Value::Object(parts) = self.value
            && !parts.contains_key("label")
        {
            let whole = whole(field)?;
            let (class, more) = question.class(whole)?;
            return Some((rank(class, more), Value::String(part(field, parts)?)));
        }
        let (class, more) = question.class(field)?;
        let value = scalar(self.value)?;
        let text = plain_text(&value)?;
        // Called so, but a consent or a typing error: only if there is nothing better, and then the lead says so.
        let class = if is_plausible(field, &text) { class } else { 0 };
        Some((rank(class, more), value)).filter(|_| class > 0 || more == 0)
    }
}

fn is_plausible(field: Field, text: &str) -> bool {
    let has_letter = || text.chars().any(char::is_alphabetic);
    match field {
        Field::Email => text.contains('@'),
        Field::Phone => !text.contains('@') && text.chars().filter(|c| c.is_numeric()).count() > 2,
        Field::Website => text.contains('.'),
        Field::PostalCode | Field::Message | Field::Address | Field::Company => true,
        _ => !text.contains('@') && has_letter(),
    }
}

/// A text or number; of a list the first; of a choice its label.
fn scalar(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(_) | Value::Number(_) => Some(value.clone()),
        Value::Array(items) => items.iter().find_map(scalar),
        Value::Object(map) => map.get("label").and_then(scalar),
        Value::Null | Value::Bool(_) => None,
    }
}

/// Which question an answer in parts (a name, a phone number, an address) belongs to that this field is a part of.
fn whole(field: Field) -> Option<Field> {
    Some(match field {
        Field::FirstName | Field::LastName | Field::FullName => Field::FullName,
        Field::Phone => Field::Phone,
        Field::Address | Field::City | Field::State | Field::PostalCode | Field::Country => Field::Address,
        _ => return None,
    })
}

/// A field that is a part of an answer in parts.
fn part(field: Field, parts: &Map<String, Value>) -> Option<String> {
    let one = |names: &[&str]| {
        let mut texts = names.iter().filter_map(|name| parts.get(*name).and_then(scalar));
        texts.find_map(|value| plain_text(&value))
    };
    let all = |names: &[&[&str]]| {
        let texts: Vec<String> = names.iter().filter_map(|names| one(names)).collect();
        (!texts.is_empty()).then(|| texts.join(" "))
    };
    match field {
        Field::FirstName => one(&[
            "first",
            "firstName",
            "first_name",
            "firstname",
            "given",
            "given_name",
        ]),
        Field::LastName => one(&[
            "last",
            "lastName",
            "last_name",
            "lastname",
            "family",
            "family_name",
            "surname",
        ]),
        Field::FullName => one(&["full", "fullName", "full_name"]),
        Field::Phone => {
            let code = one(&["country"]).filter(|code| code.chars().any(|c| c.is_ascii_digit()));
            let code = code.map(|code| format!("+{}", code.trim_start_matches(['+', '0'])));
            let local = || all(&[&["area"], &["phone", "number", "phoneNumber"]]);
            let joined = || Some(code.into_iter().chain(local()).collect::<Vec<_>>().join(" "));
            one(&["full"]).or_else(|| local().and_then(|_| joined()))
        }
        Field::Address => all(&[
            &[
                "addr_line1",
                "address_line1",
                "addressLine1",
                "address1",
                "line1",
                "street",
                "address",
            ],
            &["addr_line2", "address_line2", "addressLine2", "address2", "line2"],
        ]),
        Field::City => one(&["city", "town"]),
        Field::State => one(&["state", "region", "province"]),
        Field::PostalCode => one(&[
            "postal",
            "postalCode",
            "postal_code",
            "zip",
            "zipCode",
            "zip_code",
        ]),
        Field::Country => one(&["country"]),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
