//! `findField(form, name)`: the answer to a question that every form builder, language and person names otherwise.
//!
//! A form is an object of answers by label or id, or a list of answers with their label, type or id, or holds one under a
//! usual name (`fields`, `answers`, …). What says best what it is wins: the whole label or id, then the type, then a part of
//! the label. Nothing is guessed from a value alone.

mod answers;
mod labels;

use serde_json::{Map, Value};

use super::budget::Meter;
use super::functions::plain_text;
use super::value::Fault;
use crate::lead::Field;
use answers::{Answer, collect, titles};
use labels::{
    LABELS, field_of, field_of_type, holds_label, is_other, is_other_type, is_small, without_accent,
};

/// The longest label, in bytes; more is no label, and not looked at.
const LONGEST: usize = 200;
/// How deep forms are looked into.
const DEEPEST: usize = 4;

/// The fields that can be found, by their names in a lead.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LABELS.iter().map(|(field, _)| field.name())
}

/// A field that has labels, by its name in a lead.
pub(super) fn named(name: &str) -> Option<Field> {
    let mut fields = LABELS.iter().map(|(field, _)| *field);
    fields.find(|field| field.name() == name)
}

/// What holds answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'f> {
    /// One after the other, each with its label.
    List(&'f [Value]),
    /// By label or id.
    Object(&'f Map<String, Value>),
}

impl<'f> Form<'f> {
    /// What JSON holds answers.
    pub(super) fn of(value: &'f Value) -> Option<Self> {
        match value {
            Value::Array(items) => Some(Self::List(items)),
            Value::Object(map) => Some(Self::Object(map)),
            _ => None,
        }
    }

    /// Counts what a search takes: each name and each short text may be the label.
    pub(super) fn count(self, meter: &Meter) -> Result<(), Fault> {
        self.count_to(DEEPEST + 2, meter)
    }

    fn count_to(self, depth: usize, meter: &Meter) -> Result<(), Fault> {
        let each = |name: &str, value: &'f Value| {
            let text = value.as_str().unwrap_or_default();
            meter.steps(100 + 8 * (name.len().min(LONGEST) + text.len().min(LONGEST)) as u64)?;
            match Self::of(value) {
                Some(inner) if depth > 0 => inner.count_to(depth - 1, meter),
                _ => Ok(()),
            }
        };
        match self {
            Self::List(items) => items.iter().try_for_each(|item| each("", item)),
            Self::Object(map) => map.iter().try_for_each(|(name, value)| each(name, value)),
        }
    }
}

/// The answer that is this field, if the form has one: a text, or what the sender sent in its place.
pub(super) fn find(form: Form<'_>, field: Field) -> Option<Value> {
    let mut answers = Vec::new();
    collect(form, &titles(form), DEEPEST, &mut answers);
    if !matches!(field, Field::FirstName | Field::LastName | Field::FullName) {
        return best(&answers, field);
    }
    let (first, last, full) = (
        best(&answers, Field::FirstName),
        best(&answers, Field::LastName),
        best(&answers, Field::FullName),
    );
    // "Name" is what is left: "Vorname" beside it makes it the last name, "Apellidos" the first.
    let rest = full.clone().filter(|full| {
        let full = full.as_str().unwrap_or_default();
        let holds = |part: &Option<Value>| {
            part.as_ref()
                .and_then(Value::as_str)
                .is_some_and(|p| full.contains(p))
        };
        first.is_some() != last.is_some() && !holds(&first) && !holds(&last)
    });
    match field {
        Field::FirstName => first.or(rest),
        Field::LastName => last.or(rest),
        _ => full.filter(|_| rest.is_none()),
    }
}

/// How well an answer's question fits: the greater, the better.
type Fit = (u8, std::cmp::Reverse<usize>, std::cmp::Reverse<usize>);

fn best(answers: &[Answer<'_>], field: Field) -> Option<Value> {
    let fitting = answers.iter().filter_map(|answer| answer.fit(field));
    fitting.max_by_key(|(fit, _)| *fit).map(|(_, value)| value)
}

impl Answer<'_> {
    fn fit(&self, field: Field) -> Option<(Fit, Value)> {
        if is_other_type(&self.kind) {
            return None;
        }
        if let Value::Object(parts) = self.value
            && !parts.contains_key("label")
        {
            let (whole, text) = part(field, parts)?;
            let (class, more) = self.class(whole)?;
            return Some((self.rank(class, more), Value::String(text)));
        }
        let (class, more) = self.class(field)?;
        let value = scalar(self.value)?;
        let text = plain_text(&value)?;
        // Called so, but a consent or a typing error: only if there is nothing better, and then the lead says so.
        let class = if is_plausible(field, &text) { class } else { 0 };
        Some((self.rank(class, more), value)).filter(|_| class > 0 || more == 0)
    }

    fn rank(&self, class: u8, more: usize) -> Fit {
        (class, std::cmp::Reverse(more), std::cmp::Reverse(self.place))
    }

    /// How much says that it is this field, and how many words say something else.
    fn class(&self, field: Field) -> Option<(u8, usize)> {
        if self.names.iter().any(|words| is_label(words, field)) {
            return Some((3, 0));
        }
        if self.names.iter().flatten().any(|word| is_other(word)) {
            return None;
        }
        if field_of_type(&self.kind) == Some(field) {
            return Some((2, 0));
        }
        let within = self
            .names
            .iter()
            .filter_map(|words| words_beside(words, field))
            .min();
        within.map(|more| (1, more))
    }
}

fn is_label(words: &[String], field: Field) -> bool {
    let plain = || -> String {
        words
            .iter()
            .map(String::as_str)
            .filter(|word| !is_small(word))
            .collect()
    };
    field_of(&words.concat()) == Some(field) || field_of(&plain()) == Some(field)
}

/// The number of words beside a label that stands within a longer one, for fields whose values show what they are.
fn words_beside(words: &[String], field: Field) -> Option<usize> {
    if !matches!(
        field,
        Field::Email | Field::Phone | Field::FirstName | Field::LastName
    ) {
        return None;
    }
    let fits = |(from, to): &(usize, usize)| {
        let text = words.get(*from..*to).unwrap_or_default().concat();
        field_of(&text) == Some(field) || holds_label(&text, field)
    };
    let windows =
        (0..words.len()).flat_map(|from| (from + 1..=words.len().min(from + 4)).map(move |to| (from, to)));
    windows
        .filter(fits)
        .map(|(from, to)| words.len() - (to - from))
        .min()
}

/// A label in folded words; numbers, and what form builders number their fields with (`q4_`, `email-2`), left out.
fn words(label: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for letter in label.chars().take(LONGEST) {
        let starts = letter.is_uppercase() && after_small;
        after_small = letter.is_lowercase();
        if (starts || !letter.is_alphanumeric()) && !matches!(letter, '\u{300}'..='\u{36F}') {
            words.push(String::new());
        }
        let Some(word) = words.last_mut() else { continue };
        for small in letter.to_lowercase().filter(|small| small.is_alphanumeric()) {
            match without_accent(small) {
                None => word.push(small),
                Some(plain) => word.push_str(plain),
            }
        }
    }
    let is_number = |word: &str| word.is_empty() || word == "q";
    words
        .into_iter()
        .map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned())
        .filter(|word| !is_number(word))
        .collect()
}

fn folded(text: &str) -> String {
    words(text).concat()
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

/// A field that is a part of an answer in parts (a name, a phone number, an address), and which question that answers.
fn part(field: Field, parts: &Map<String, Value>) -> Option<(Field, String)> {
    let one = |names: &[&str]| {
        let mut texts = names.iter().filter_map(|name| parts.get(*name).and_then(scalar));
        texts.find_map(|value| plain_text(&value))
    };
    let all = |names: &[&[&str]]| {
        let texts: Vec<String> = names.iter().filter_map(|names| one(names)).collect();
        (!texts.is_empty()).then(|| texts.join(" "))
    };
    Some(match field {
        Field::FirstName => (
            Field::FullName,
            one(&[
                "first",
                "firstName",
                "first_name",
                "firstname",
                "given",
                "given_name",
            ])?,
        ),
        Field::LastName => (
            Field::FullName,
            one(&[
                "last",
                "lastName",
                "last_name",
                "lastname",
                "family",
                "family_name",
                "surname",
            ])?,
        ),
        Field::FullName => (Field::FullName, one(&["full", "fullName", "full_name"])?),
        Field::Phone => {
            let code = one(&["country"]).filter(|code| code.chars().any(|c| c.is_ascii_digit()));
            let code = code.map(|code| format!("+{}", code.trim_start_matches(['+', '0'])));
            let local = || all(&[&["area"], &["phone", "number", "phoneNumber"]]);
            let joined = || Some(code.into_iter().chain(local()).collect::<Vec<_>>().join(" "));
            let text = one(&["full"]).or_else(|| local().and_then(|_| joined()));
            (Field::Phone, text?)
        }
        Field::Address => (
            Field::Address,
            all(&[
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
            ])?,
        ),
        Field::City => (Field::Address, one(&["city", "town"])?),
        Field::State => (Field::Address, one(&["state", "region", "province"])?),
        Field::PostalCode => (
            Field::Address,
            one(&[
                "postal",
                "postalCode",
                "postal_code",
                "zip",
                "zipCode",
                "zip_code",
            ])?,
        ),
        Field::Country => (Field::Address, one(&["country"])?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
