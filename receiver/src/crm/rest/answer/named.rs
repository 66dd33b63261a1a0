//! Which properties an answer is about. Pure.

use std::collections::BTreeSet;

use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use super::{Answers, Seen};
use crate::crm::RefusedProperty;

/// How much of an answer is searched for the names of properties.
const MAX_SEARCHED_VALUES: usize = 2000;

/// The properties that the CRM does not take, in its own words; none if it names one that was not sent.
pub(super) fn refused(named: &[Value], sent: &[&str]) -> Vec<RefusedProperty> {
    let known = |name: &Value| sent.iter().find(|known| name.as_str() == Some(**known)).copied();
    let properties: Option<BTreeSet<&str>> = named.iter().map(known).collect();
    properties
        .unwrap_or_default()
        .into_iter()
        .map(|name| RefusedProperty::whole(name, FailureReason::InvalidProperty))
        .collect()
}

/// What `answers.refused` finds.
pub(super) fn found_refused(answers: &Answers, seen: &Seen) -> Vec<Value> {
    // An expression that fails on this answer makes it no other one.
    let found = answers
        .refused
        .as_ref()
        .and_then(|part| part.value(&seen.scope()).ok().flatten());
    match found {
        Some(Value::Array(names)) => names,
        Some(name) => vec![name],
        None => Vec::new(),
    }
}

/// Names of properties that were not sent and that the CRM wants.
pub(super) fn missing(found: &[Value]) -> String {
    let is_name = |name: &&str| {
        (1..=64).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let names: Vec<&str> = found.iter().filter_map(Value::as_str).filter(is_name).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("; it names {}", names.join(", "))
    }
}

/// Which of the sent properties an error body names, as keys or as texts (`"field": "Email"`, a JSON pointer's end).
/// Only names that the sink itself uses are repeated: an answer may quote the lead.
pub(super) fn named(body: &Value, sent: &[&str]) -> String {
    let mut found = BTreeSet::new();
    let mut left = MAX_SEARCHED_VALUES;
    collect(body, sent, &mut found, &mut left);
    if found.is_empty() {
        String::new()
    } else {
        format!("; it names {}", found.into_iter().collect::<Vec<_>>().join(", "))
    }
}

fn collect<'s>(value: &Value, sent: &[&'s str], found: &mut BTreeSet<&'s str>, left: &mut usize) {
    *left = left.saturating_sub(1);
    if *left == 0 {
        return;
    }
    let mut note = |text: &str| {
        let end = text.rsplit(['/', '.']).next().unwrap_or(text);
        found.extend(sent.iter().filter(|name| **name == text || **name == end));
    };
    match value {
        Value::String(text) => note(text),
        Value::Array(items) => {
            for item in items {
                collect(item, sent, found, left);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                // `"source": {"pointer": …}` is JSON:API's own word, not a property.
                if name != "source" || value.get("pointer").is_none() {
                    note(name);
                }
            }
            for value in fields.values() {
                collect(value, sent, found, left);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
