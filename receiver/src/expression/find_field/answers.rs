//! What stands in a form: questions, as form builders call them, and their answers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::form::Form;
use super::labels::CONTAINERS;

/// Whether a member says how an answer's question is called.
fn is_name(member: &str) -> bool {
    matches!(
        member,
        "label"
            | "title"
            | "question"
            | "name"
            | "column_name"
            | "column_id"
            | "field"
            | "key"
            | "id"
            | "ref"
    )
}

/// Members that hold an answer.
const VALUES: &[&str] = &["value", "string_value", "values", "answer", "raw_value"];

/// A question and its answer.
pub(super) struct Answer<'f> {
    /// Label and id.
    pub(super) names: Vec<&'f str>,
    /// The type of the question, or nothing.
    pub(super) kind: &'f str,
    pub(super) value: &'f Value,
    /// Which comes first.
    pub(super) place: usize,
}

/// The titles of questions by their id, where a form brings its definition along (Typeform).
pub(super) fn titles(form: Form<'_>) -> BTreeMap<&str, &str> {
    let Form::Object(form) = form else {
        return BTreeMap::new();
    };
    let fields = form
        .get("definition")
        .and_then(|own| own.get("fields")?.as_array());
    fields.into_iter().flatten().filter_map(title).collect()
}

fn title(field: &Value) -> Option<(&str, &str)> {
    Some((field.get("id")?.as_str()?, field.get("title")?.as_str()?))
}

pub(super) fn collect<'f>(
    form: Form<'f>,
    titles: &BTreeMap<&'f str, &'f str>,
    depth: usize,
    answers: &mut Vec<Answer<'f>>,
) {
    match form {
        Form::List(items) => {
            for item in items {
                if let Value::Object(record) = item {
                    answers.extend(of_record(record, "", titles, answers.len()));
                }
            }
        }
        Form::Object(map) => {
            let mut grouped: BTreeMap<&str, Group<'f>> = BTreeMap::new();
            for (key, value) in map {
                let inner = matches!(value, Value::Array(items) if items.iter().any(Value::is_object))
                    || matches!(value, Value::Object(_));
                if inner
                    && depth > 0
                    && CONTAINERS.contains(&key.as_str())
                    && let Some(form) = Form::of(value)
                {
                    collect(form, titles, depth - 1, answers);
                }
                match (in_brackets(key), value) {
                    (Some((id, member)), _) => grouped.entry(id).or_default().add(member, value),
                    (None, Value::Object(record)) if is_record(record) => {
                        answers.extend(of_record(record, key, titles, answers.len()));
                    }
                    (None, _) => answers.push(Answer {
                        names: vec![key],
                        kind: "",
                        value,
                        place: place(key, answers.len()),
                    }),
                }
            }
            for (id, group) in grouped {
                answers.extend(group.answer(id, answers.len()));
            }
        }
    }
}

/// Where builders number their questions (`q10_`), their order is not that of the alphabet.
fn place(key: &str, otherwise: usize) -> usize {
    let number = key.strip_prefix('q').and_then(|rest| rest.split('_').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

fn is_record(record: &Map<String, Value>) -> bool {
    VALUES.iter().any(|name| record.contains_key(*name))
}

fn of_record<'f>(
    record: &'f Map<String, Value>,
    key: &'f str,
    titles: &BTreeMap<&'f str, &'f str>,
    place: usize,
) -> Option<Answer<'f>> {
    let (mut field, mut own, mut other, mut value) = (None, None, None, None);
    let mut names = Vec::with_capacity(4);
    names.extend(Some(key).filter(|key| !key.is_empty()));
    // Once over its members: a look for each that it may have would cost three times as much.
    for (member, held) in record {
        if is_name(member) {
            names.extend(held.as_str());
        }
        match member.as_str() {
            "type" => own = held.as_str(),
            "fieldType" => other = held.as_str(),
            // A name at some, an object with id and type at others.
            "field" => field = held.as_object(),
            name => {
                if let Some(rank) = VALUES.iter().position(|known| *known == name)
                    && value.is_none_or(|(best, _)| rank < best)
                {
                    value = Some((rank, held));
                }
            }
        }
    }
    let text = |name: &str| field.and_then(|of| of.get(name)).and_then(Value::as_str);
    let by_type = || {
        let value = own.and_then(|own| record.get(own));
        value.filter(|value| !value.is_null())
    };
    let value = value.map(|(_, value)| value).or_else(by_type)?;
    names.extend(text("id").and_then(|id| titles.get(id).copied()));
    let of_field = field.into_iter().flatten();
    names.extend(of_field.filter_map(|(member, held)| held.as_str().filter(|_| is_name(member))));
    Some(Answer {
        names,
        kind: own.or(other).or_else(|| text("type")).unwrap_or_default(),
        value,
        place,
    })
}

/// `fields[email][value]` is the member `value` of the field `email`; `data[email]` is the field itself.
fn in_brackets(key: &str) -> Option<(&str, &str)> {
    let (container, rest) = key.split_once('[')?;
    if !CONTAINERS.contains(&container) {
        return None;
    }
    let rest = rest.strip_suffix(']')?;
    match rest.split_once("][") {
        Some((outer, id)) if CONTAINERS.contains(&outer) => Some((id, "value")),
        Some(parts) => Some(parts),
        None => Some((rest, "value")),
    }
}

/// The members of a field that came one by one.
#[derive(Default)]
struct Group<'f> {
    names: Vec<&'f str>,
    kind: &'f str,
    value: Option<&'f Value>,
}

impl<'f> Group<'f> {
    fn add(&mut self, member: &str, value: &'f Value) {
        let text = value.as_str().unwrap_or_default();
        match member {
            "value" => self.value = Some(value),
            "raw_value" => self.value = self.value.or(Some(value)),
            "type" => self.kind = text,
            "title" | "label" | "id" | "name" => self.names.push(text),
            _ => {}
        }
    }

    fn answer(self, id: &'f str, place: usize) -> Option<Answer<'f>> {
        Some(Answer {
            names: [id].into_iter().chain(self.names).collect(),
            kind: self.kind,
            value: self.value?,
            place,
        })
    }
}
