//! What stands in a form: questions, as form builders call them, and their answers.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::form::{Form, MAX_DEPTH};
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
    /// How deep it lies.
    depth: usize,
    /// How long its shortest name is where the order is not that of the form, else 0.
    length: usize,
    /// Which comes first.
    place: usize,
}

impl<'f> Answer<'f> {
    fn new(names: Vec<&'f str>, kind: &'f str, value: &'f Value) -> Self {
        let is_numbered = names.first().is_some_and(|key| number(key).is_some());
        let shortest = names
            .iter()
            .filter(|name| !name.is_empty())
            .map(|name| name.len());
        Self {
            length: if is_numbered {
                0
            } else {
                shortest.min().unwrap_or(0)
            },
            names,
            kind,
            value,
            depth: 0,
            place: 0,
        }
    }

    /// What decides between answers whose questions fit equally: the greater, the better.
    pub(super) fn rank(&self) -> Rank {
        Reverse((self.depth, self.length, self.place))
    }
}

/// How near an answer stands.
pub(super) type Rank = Reverse<(usize, usize, usize)>;

/// The titles of questions by their id, where a form brings its definition along (Typeform).
pub(super) fn titles<'f>(form: Form<'f>) -> BTreeMap<&'f str, &'f str> {
    let Form::Object(form) = form else {
        return BTreeMap::new();
    };
    let fields = form
        .get("definition")
        .and_then(|own| own.get("fields")?.as_array());
    // A question in parts has questions of its own.
    let of_parts = |field: &'f Value| {
        field
            .get("properties")
            .and_then(|own| own.get("fields")?.as_array())
    };
    let all = fields.into_iter().flatten();
    all.flat_map(|field| std::iter::once(field).chain(of_parts(field).into_iter().flatten()))
        .filter_map(title)
        .collect()
}

fn title(field: &Value) -> Option<(&str, &str)> {
    Some((field.get("id")?.as_str()?, field.get("title")?.as_str()?))
}

/// Collects the answers of a form, and of what it holds, `depth` deep.
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
                    let answer = of_record(record, "", titles);
                    answers.extend(answer.map(|answer| Answer {
                        depth,
                        length: 0,
                        place: answers.len(),
                        ..answer
                    }));
                }
            }
        }
        Form::Object(map) => {
            let mut grouped: BTreeMap<&str, Group<'f>> = BTreeMap::new();
            let mut add = |answer: Answer<'f>| {
                let place = answers.len();
                answers.push(Answer {
                    depth,
                    place: answer.names.first().and_then(|key| number(key)).unwrap_or(place),
                    ..answer
                });
            };
            for (key, value) in map {
                match (in_brackets(key), value) {
                    (Some((id, member)), _) => grouped.entry(id).or_default().add(member, value),
                    (None, Value::Object(record)) if is_record(record) => {
                        of_record(record, key, titles).into_iter().for_each(&mut add);
                    }
                    (None, _) => add(Answer::new(vec![key], "", value)),
                }
            }
            for (id, group) in grouped {
                group.answer(id).into_iter().for_each(&mut add);
            }
            for (key, value) in map {
                let is_inner = match value {
                    Value::Array(items) => items.iter().any(Value::is_object),
                    other => other.is_object(),
                };
                if is_inner
                    && depth < MAX_DEPTH
                    && CONTAINERS.contains(&key.as_str())
                    && let Some(form) = Form::of(value)
                {
                    collect(form, titles, depth + 1, answers);
                }
            }
        }
    }
}

/// Where builders number their questions (`q10_`), their order is not that of the alphabet.
fn number(key: &str) -> Option<usize> {
    key.strip_prefix('q')?.split_once('_')?.0.parse().ok()
}

fn is_record(record: &Map<String, Value>) -> bool {
    VALUES.iter().any(|name| record.contains_key(*name))
}

fn of_record<'f>(
    record: &'f Map<String, Value>,
    key: &'f str,
    titles: &BTreeMap<&'f str, &'f str>,
) -> Option<Answer<'f>> {
    let (mut field, mut own, mut other, mut value, mut options) = (None, None, None, None, None);
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
            "options" => options = held.as_array(),
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
    let value = match options {
        Some(options) => chosen(options, value)?,
        None => value,
    };
    names.extend(text("id").and_then(|id| titles.get(id).copied()));
    let of_field = field.into_iter().flatten();
    names.extend(of_field.filter_map(|(member, held)| held.as_str().filter(|_| is_name(member))));
    let kind = own.or(other).or_else(|| text("type")).unwrap_or_default();
    Some(Answer::new(names, kind, value))
}

/// The text of the first option whose id was given; what was given where the options have no ids.
fn chosen<'f>(options: &'f [Value], given: &'f Value) -> Option<&'f Value> {
    let id = |option: &'f Value| option.get("id").or_else(|| option.get("value"));
    if !options.iter().any(|option| id(option).is_some()) {
        return Some(given);
    }
    let text = |option: &'f Value| {
        ["text", "label", "name"]
            .iter()
            .find_map(|member| option.get(*member))
    };
    let text_of = |given: &Value| {
        let mut fitting = options
            .iter()
            .filter(|option| id(option) == Some(given) || text(option) == Some(given));
        fitting.find_map(text)
    };
    match given {
        Value::Array(items) => items.iter().find_map(text_of),
        other => text_of(other),
    }
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

    fn answer(self, id: &'f str) -> Option<Answer<'f>> {
        let names = [id].into_iter().chain(self.names).collect();
        Some(Answer::new(names, self.kind, self.value?))
    }
}
