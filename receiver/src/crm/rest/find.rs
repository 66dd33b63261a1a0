//! Which of the records that a lookup found is the lead's, and which of its values stand. Pure.

use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use super::answer::{Seen, usable_id};
use super::description::Lookup;
use crate::crm::{Failure, Matching, Outcome, Upsert};
use crate::expression::plain_text;

/// A record of a lookup's answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) id: String,
    /// `lookup.match` says that it is the lead's.
    pub(super) matches: bool,
    pub(super) fields: Value,
}

/// What the records say about a lead.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict<'r> {
    /// This one is the lead's.
    One(&'r Record),
    /// None is.
    None,
    /// A person must say which.
    Several(Vec<String>),
}

/// Reads a lookup's answer, which the CRM gave without an error.
pub(super) fn records(lookup: &Lookup, seen: &Seen, lead: &Upsert) -> Result<Vec<Record>, Outcome> {
    let found = match lookup.records.value(&seen.scope().with("lead", &lead.lead)) {
        Ok(Some(Value::Array(found))) => found,
        // "No content" and, where `answers.delivered` accepts it, 404 are how some APIs say that there is none.
        Ok(None) if matches!(seen.status(), 204 | 404) => Vec::new(),
        // Taken for "none found", a wrong path, or an answer that is not the CRM's, would make a record of every lead.
        Ok(None) => {
            return Err(unreadable(
                lookup,
                seen,
                "it finds no list in the CRM's answer; where the API leaves out an empty list, write body.?results.orValue([])",
            ));
        }
        Ok(Some(_)) => return Err(unreadable(lookup, seen, "it must give a list of records")),
        Err(why) => return Err(unreadable(lookup, seen, &why.message)),
    };
    let mut records = Vec::with_capacity(found.len());
    for fields in found {
        let (matches, id) = {
            let scope = seen
                .scope()
                .with("lead", &lead.lead)
                .with("payload", &lead.payload)
                .with("webhook", &lead.webhook)
                .with("record", &fields);
            (
                lookup.matches.test(&scope).map_err(Outcome::Reject)?,
                lookup.id.value(&scope).map_err(Outcome::Reject)?,
            )
        };
        match id.as_ref().and_then(plain_text).filter(|id| usable_id(id)) {
            Some(id) => records.push(Record { id, matches, fields }),
            None if matches => {
                let why = lookup.id.failure("it gives no id for a record that matches");
                return Err(Outcome::Reject(why));
            }
            None => {}
        }
    }
    Ok(records)
}

/// The next answer may be the CRM's own; a path that is wrong is corrected without a replay.
fn unreadable(lookup: &Lookup, seen: &Seen, reason: &str) -> Outcome {
    Outcome::Retry {
        after: None,
        why: Failure::new(
            FailureReason::AnswerNotUnderstood,
            format!("{} ({}): {reason}", lookup.records.field, seen.status()),
        )
        .with_answer(seen.text()),
        in_doubt: false,
    }
}

/// Which record is the lead's.
pub(super) fn judge(records: &[Record]) -> Verdict<'_> {
    let mut matched: Vec<&Record> = records.iter().filter(|record| record.matches).collect();
    matched.sort_by(|a, b| a.id.cmp(&b.id));
    matched.dedup_by(|a, b| a.id == b.id);
    match matched.as_slice() {
        [] => Verdict::None,
        [one] => Verdict::One(one),
        many => Verdict::Several(many.iter().map(|record| record.id.clone()).collect()),
    }
}

/// The properties that may be written into a record that stands.
pub(super) fn writable(
    matching: &Matching,
    properties: &[(String, Value)],
    record: &Value,
) -> Result<Vec<(String, Value)>, Failure> {
    let mut writable = Vec::with_capacity(properties.len());
    for (name, value) in properties {
        if matching.keeps(name) {
            match record.get(name) {
                Some(standing) if !is_empty(standing) => continue,
                Some(_) => {}
                // Taken for empty, it would replace what sales typed; taken for full, it would lose the lead's value.
                None => {
                    return Err(Failure::new(
                        FailureReason::MappingFailed,
                        format!(
                            "matching.overwrite of {name} is IfEmpty, but the records of rest.lookup do not show {name}; let rest.lookup.records give it (null when it is empty), and replay the lead"
                        ),
                    ));
                }
            }
        }
        writable.push((name.clone(), value.clone()));
    }
    Ok(writable)
}

/// Nobody typed this.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;
