//! A small part of SOQL, read strictly: `SELECT … FROM Lead [WHERE …] [ORDER BY …] [LIMIT n]`.

mod parse;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::State;
use super::answers::Fail;
use super::store::{Lead, Store, is_contact};
use parse::{Condition, Query, parse};

/// Records of one page.
const PAGE: usize = 2000;

fn text(lead: &Lead, field: &str) -> String {
    match field {
        "Id" => lead.id.to_lowercase(),
        "IsConverted" => lead.converted.to_string(),
        "IsDeleted" => "false".to_owned(),
        "Name" => format!("{} {}", lead.get("FirstName"), lead.get("LastName"))
            .trim()
            .to_lowercase(),
        _ => match lead.fields.get(field) {
            Some(Value::String(text)) => text.to_lowercase(),
            Some(other) => other.to_string(),
            None => String::new(),
        },
    }
}

impl Condition {
    fn holds(&self, lead: &Lead) -> bool {
        match self {
            Self::And(a, b) => a.holds(lead) && b.holds(lead),
            Self::Or(a, b) => a.holds(lead) || b.holds(lead),
            Self::Not(inner) => !inner.holds(lead),
            Self::In {
                field,
                values,
                negated,
            } => values.contains(&text(lead, field)) != *negated,
            Self::Like { field, pattern } => like(&text(lead, field), pattern),
        }
    }

    /// Ids among which all that it holds for are, if an index tells.
    fn candidates(&self, store: &Store, state: &State) -> Option<BTreeSet<String>> {
        match self {
            Self::And(a, b) => match (a.candidates(store, state), b.candidates(store, state)) {
                (Some(a), Some(b)) => Some(a.intersection(&b).cloned().collect()),
                (one, other) => one.or(other),
            },
            Self::Or(a, b) => {
                let mut both = a.candidates(store, state)?;
                both.extend(b.candidates(store, state)?);
                Some(both)
            }
            Self::In {
                field,
                values,
                negated: false,
            } if state.schema.is_indexed(field) && !values.contains("") => {
                let found = values.iter().flat_map(|value| store.with(field, value));
                Some(found.map(|lead| lead.id.clone()).collect())
            }
            _ => None,
        }
    }
}

/// `%` stands for anything: the parts come in order, the first at the start, the last at the end.
fn like(text: &str, parts: &[String]) -> bool {
    let [first, middle @ .., last] = parts else {
        return parts.first().is_some_and(|only| only == text);
    };
    let Some(mut rest) = text
        .strip_prefix(first.as_str())
        .and_then(|rest| rest.strip_suffix(last.as_str()))
    else {
        return false;
    };
    for part in middle {
        let Some(at) = rest.find(part.as_str()) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}

/// Runs a query: its first page.
pub(super) fn run(state: &State, query: &str, version: &str) -> Result<Value, Fail> {
    let Query {
        contacts,
        fields,
        condition,
        order,
        limit,
    } = parse(query, state)?;
    let store = &state.store;
    let candidates = condition
        .as_ref()
        .and_then(|condition| condition.candidates(store, state));
    let holds = |lead: &&Lead| {
        is_contact(&lead.id) == contacts && condition.as_ref().is_none_or(|condition| condition.holds(lead))
    };
    let mut found: Vec<&Lead> = match &candidates {
        Some(ids) => ids.iter().filter_map(|id| store.get(id)).filter(holds).collect(),
        None if contacts => store.contacts().filter(holds).collect(),
        None => store.leads().filter(holds).collect(),
    };
    if let Some((field, down)) = order {
        found.sort_by_key(|lead| text(lead, &field));
        if down {
            found.reverse();
        }
    }
    found.truncate(limit);
    let records: Vec<Value> = found
        .iter()
        .take(PAGE)
        .map(|lead| show(lead, &fields, version))
        .collect();
    let mut body = json!({"totalSize": found.len(), "done": found.len() <= PAGE, "records": records});
    if found.len() > PAGE {
        body["nextRecordsUrl"] = json!(format!("/services/data/{version}/query/01gSim-{PAGE}"));
    }
    Ok(body)
}

/// A lead as the API shows it, with these fields.
pub(super) fn show(lead: &Lead, fields: &[String], version: &str) -> Value {
    let mut shown = Map::new();
    let object = if is_contact(&lead.id) { "Contact" } else { "Lead" };
    shown.insert(
        "attributes".to_owned(),
        json!({"type": object, "url": format!("/services/data/{version}/sobjects/{object}/{}", lead.id)}),
    );
    for field in fields {
        let value = match field.as_str() {
            "Id" => json!(lead.id),
            "IsConverted" => json!(lead.converted),
            "IsDeleted" => json!(false),
            "Name" => json!(format!("{} {}", lead.get("FirstName"), lead.get("LastName")).trim()),
            name => lead.fields.get(name).cloned().unwrap_or(Value::Null),
        };
        shown.insert(field.clone(), value);
    }
    Value::Object(shown)
}
