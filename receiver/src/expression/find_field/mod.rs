//! `findField(form, name)`: the answer to a question that every form builder, language and person names otherwise.
//!
//! A form is an object of answers by label or id, or a list of answers with their label, type or id, or holds one under a
//! usual name (`fields`, `answers`, …). What says best what it is wins: the whole label or id, then the type, then a part of
//! the label. Nothing is guessed from a value alone, but the only e-mail address in a form without any other contact.

mod answers;
mod form;
mod labels;
mod parts;
mod question;
mod words;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::budget::Meter;
use super::fault::Fault;
use super::plain::plain_text;
use super::value::ELEMENT;
use crate::lead::{Field, with_dial_code};
use answers::{Answer, Rank, collect, titles};
pub(super) use form::Form;
use form::Place;
use labels::LABELS;
use parts::{is_choice, lines_of_parts, part, scalar, whole};
use question::{Class, Question, is_of_another};
use words::is_dial_code;

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
        collect(form, &titles(form), 0, &mut answers);
        let asked: Vec<(&Answer<'_>, Question)> = answers
            .iter()
            .filter_map(|answer| Question::of(answer).map(|question| (answer, question)))
            .collect();
        let mut found: Vec<(Field, Class, Value)> = LABELS
            .iter()
            .filter_map(|(field, _)| best(&asked, *field).map(|(class, value)| (*field, class, value)))
            .collect();
        drop_others_names(&mut found);
        let mut found: Vec<_> = found
            .into_iter()
            .map(|(field, _, value)| (field, value))
            .collect();
        if !found
            .iter()
            .any(|(field, _)| matches!(field, Field::Email | Field::Phone))
        {
            found.extend(lone_address(&answers).map(|address| (Field::Email, Value::from(address))));
        }
        part_names(&mut found);
        join_dial_code(&mut found, &answers);
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

/// A part of a name that stands in a longer label, and not in the full name, is another person's. "Name" alone may be what is
/// left beside it.
fn drop_others_names(found: &mut Vec<(Field, Class, Value)>) {
    let full = found.iter().find(|(field, ..)| *field == Field::FullName);
    let Some((_, class, Value::String(full))) = full.cloned() else {
        return;
    };
    let is_part = |field: Field| matches!(field, Field::FirstName | Field::LastName);
    let is_foreign = |(field, of, value): &(Field, Class, Value)| {
        let text = value.as_str().unwrap_or_default();
        is_part(*field) && *of < class && *of <= Class::Type && !full.contains(text)
    };
    let is_left = found.iter().filter(|(field, ..)| is_part(*field)).count() == 1
        && !full.trim().contains(char::is_whitespace);
    found.retain(|answer| !is_foreign(answer) || is_left && answer.1 == Class::Part);
}

/// Whether an e-mail address stands anywhere in an event, but those of a mail and of the sender's own people.
pub(crate) fn has_address(event: &Value) -> bool {
    fn look(value: &Value, left: &mut usize) -> bool {
        *left = left.saturating_sub(1);
        match value {
            _ if *left == 0 => false,
            Value::String(text) => is_address(text.trim()),
            Value::Array(items) => items.iter().any(|item| look(item, left)),
            Value::Object(map) => map
                .iter()
                .any(|(name, value)| !is_of_another(name) && look(value, left)),
            _ => false,
        }
    }
    look(event, &mut MAX_LOOKED_AT.clone())
}

/// So many values of an event are looked at.
const MAX_LOOKED_AT: usize = 2000;

/// The only e-mail address in the answers of a form that has no other contact.
fn lone_address<'f>(answers: &[Answer<'f>]) -> Option<&'f str> {
    let text = |answer: &Answer<'f>| match answer.value {
        Value::Array(items) => items.first().and_then(Value::as_str),
        value => value.as_str(),
    };
    let own = answers.iter().filter(|answer| Question::is_own(answer));
    let mut addresses = own
        .filter_map(text)
        .map(str::trim)
        .filter(|text| is_address(text));
    let first = addresses.next()?;
    addresses.all(|other| other == first).then_some(first)
}

/// Whether a text is an e-mail address and nothing else.
fn is_address(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "@,;:<>()/".contains(c))
    };
    text.split_once('@')
        .is_some_and(|(local, domain)| is_part(local) && is_part(domain) && domain.contains('.'))
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

/// The dial code of a phone number, where a question of its own asks for it.
fn join_dial_code(found: &mut [(Field, Value)], answers: &[Answer<'_>]) {
    let is_code = |answer: &&Answer<'_>| answer.names.iter().any(|name| is_dial_code(name));
    let Some((_, phone)) = found.iter_mut().find(|(field, _)| *field == Field::Phone) else {
        return;
    };
    let mut codes = answers
        .iter()
        .filter(is_code)
        .filter_map(|answer| plain_text(&scalar(answer.value)?));
    let Some(code) = codes.next().filter(|code| codes.all(|other| other == *code)) else {
        return;
    };
    if let Some(joined) = plain_text(phone).and_then(|typed| with_dial_code(&typed, &code)) {
        *phone = Value::from(joined);
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
type Fit = (Class, Reverse<usize>, Rank);

fn best(asked: &[(&Answer<'_>, Question)], field: Field) -> Option<(Class, Value)> {
    let fitting = asked
        .iter()
        .filter_map(|(answer, question)| answer.fit(question, field));
    let best = fitting.max_by_key(|(fit, _)| *fit);
    best.map(|((class, ..), value)| (class, value))
}

impl Answer<'_> {
    fn fit(&self, question: &Question, field: Field) -> Option<(Fit, Value)> {
        let fit = |class, more| (class, Reverse(more), self.rank());
        let in_parts = |parts: &Map<String, Value>| {
            let (class, more) = question.class(whole(field)?)?;
            Some((fit(class, more), Value::String(part(field, parts)?)))
        };
        if let Value::Object(parts) = self.value
            && !is_choice(parts)
        {
            return in_parts(parts);
        }
        let lines = lines_of_parts(self.value);
        if let Some(parts) = lines.as_ref().filter(|parts| !parts.contains_key("value")) {
            return in_parts(parts);
        }
        let (class, more) = question.class(field)?;
        let value = match lines.and_then(|mut parts| parts.remove("value")) {
            Some(value) => value,
            None => scalar(self.value)?,
        };
        let text = plain_text(&value)?;
        let is_whole = class > Class::Part;
        if is_plausible(field, &text, is_whole) {
            return Some((fit(class, more), value));
        }
        // Called so, but a consent or a typing error: only if there is nothing better, and then the lead says so.
        (is_whole && !is_something_else(field, &text)).then(|| (fit(Class::Implausible, more), value))
    }
}

/// Whether a text may be the answer. Of a question that is called so in part only, a phone number has all of its digits.
fn is_plausible(field: Field, text: &str, is_whole: bool) -> bool {
    let has_letter = || text.chars().any(char::is_alphabetic);
    match field {
        Field::Email => text.contains('@'),
        Field::Phone => !text.contains('@') && (is_whole || is_typed_number(text)) && digits(text) >= 3,
        Field::Country => text.chars().filter(|c| c.is_alphabetic()).count() >= 2,
        Field::Website => text.contains('.'),
        Field::PostalCode | Field::Message | Field::Address | Field::Company => true,
        _ => !text.contains('@') && has_letter(),
    }
}

fn digits(text: &str) -> usize {
    text.chars().filter(|c| c.is_numeric()).count()
}

/// Whether a number looks like one that is dialled: a question that is called "mobile" in part may count visitors.
fn is_typed_number(text: &str) -> bool {
    let is_long = match digits(text) {
        0..6 => false,
        6..10 => {
            let text = text.trim();
            text.starts_with(['+', '0', '(']) || text.contains([' ', '-', '/', '(', '.'])
        }
        _ => true,
    };
    is_long && !has_other_words(text)
}

/// Whether a number stands among words that are none of its own: the answer to several questions.
fn has_other_words(text: &str) -> bool {
    const OWN: [&str; 14] = [
        "x",
        "ext",
        "extension",
        "tel",
        "phone",
        "mobile",
        "mobil",
        "cell",
        "home",
        "work",
        "office",
        "durchwahl",
        "poste",
        "p",
    ];
    let mut words = text
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty());
    words.any(|word| !OWN.contains(&word.to_lowercase().as_str()))
}

/// Whether it is something else that is called like the field, and no typing error: the id of a mail (`email_id`), the dial code
/// of a country.
fn is_something_else(field: Field, text: &str) -> bool {
    let text = text.trim();
    let is_hexadecimal = || text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    match field {
        Field::Email => text.chars().all(|c| c.is_ascii_digit()) || text.len() >= 24 && is_hexadecimal(),
        Field::Country => !text.chars().any(char::is_alphabetic),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
