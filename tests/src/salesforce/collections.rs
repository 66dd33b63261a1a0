//! `composite/sobjects`: up to 200 records a call, each with its own result.

use serde_json::{Map, Value, json};

use super::answers::{Answer, Fail};
use super::rows::{Wishes, change, insert, upsert};
use super::{Sim, State};

/// Which collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Collection {
    Create,
    Update,
    /// By this field.
    Upsert(String),
}

/// The bound on the records of one call.
const MOST: usize = 200;

pub(super) fn run(
    sim: &Sim,
    state: &mut State,
    collection: &Collection,
    body: &Value,
    wishes: Wishes,
    failing: Option<&str>,
) -> Result<Answer, Fail> {
    let records = body.get("records").and_then(Value::as_array);
    let records = records.ok_or_else(|| Fail::malformed("records is missing"))?;
    if records.is_empty() || records.len() > MOST {
        let message = format!("record limit reached. cannot submit more than {MOST} records in this call");
        return Err(Fail::new(400, "EXCEEDED_ID_LIMIT", message));
    }
    if body.get("allOrNone").and_then(Value::as_bool) == Some(true) {
        return Err(Fail::malformed("allOrNone is not simulated"));
    }
    let records = records.iter().map(record).collect::<Result<Vec<_>, _>>()?;
    if let Collection::Upsert(field) = collection
        && state.schema.external(field).is_none()
    {
        return Err(Fail::not_found());
    }
    if sim.config.unknown_field_fails_collection {
        for record in &records {
            let schema = state.schema_of(record.get("id").and_then(Value::as_str).unwrap_or_default());
            if let Some(name) = record.keys().find(|name| schema.get(name).is_none()) {
                let message = format!("No such column '{name}' on sobject of type {}", schema.object);
                return Err(Fail::new(400, "INVALID_FIELD", message));
            }
        }
    }
    state.stats.collections.push(records.len());
    let too_many = sim.config.trigger_limit.is_some_and(|most| records.len() > most);
    let mut seen = Vec::new();
    let mut results = Vec::with_capacity(records.len());
    for (place, record) in records.into_iter().enumerate() {
        let result = match failing {
            _ if too_many => Err(Fail::new(
                400,
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                "LeadTrigger: System.LimitException: Too many SOQL queries: 101",
            )),
            Some(code) if place == 0 => Err(Fail::scripted(400, code)),
            _ => one(sim, state, collection, record, wishes, &mut seen),
        };
        results.push(match result {
            Ok((id, created)) => {
                let mut result = json!({"id": id, "success": true, "errors": []});
                if let Some(created) = created {
                    result["created"] = json!(created);
                }
                result
            }
            Err(fail) => fail.into_item(sim.config.duplicates_named_in_collections),
        });
    }
    Ok(Answer::json(200, json!(results)))
}

/// A record without its attributes, which must say what it is.
fn record(record: &Value) -> Result<Map<String, Value>, Fail> {
    let mut fields = record
        .as_object()
        .cloned()
        .ok_or_else(|| Fail::malformed("a record is no object"))?;
    match fields
        .remove("attributes")
        .and_then(|a| a.get("type").and_then(Value::as_str).map(str::to_owned))
    {
        Some(kind) if kind.eq_ignore_ascii_case("Lead") => Ok(fields),
        Some(kind) if kind.eq_ignore_ascii_case("Contact") && fields.contains_key("id") => Ok(fields),
        Some(kind) => Err(Fail::new(
            400,
            "INVALID_TYPE",
            format!("sObject type '{kind}' is not supported."),
        )),
        None => Err(Fail::new(400, "INVALID_INPUT", "The type attribute is missing")),
    }
}

fn take(record: &mut Map<String, Value>, name: &str) -> Option<String> {
    let key = record.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    record.remove(&key)?.as_str().map(str::to_owned)
}

fn one(
    sim: &Sim,
    state: &mut State,
    collection: &Collection,
    mut record: Map<String, Value>,
    wishes: Wishes,
    seen: &mut Vec<String>,
) -> Result<(String, Option<bool>), Fail> {
    let twice = |key: &str, seen: &mut Vec<String>| {
        let key = key.to_lowercase();
        if seen.contains(&key) {
            state_twice(&key)
        } else {
            seen.push(key);
            Ok(())
        }
    };
    match collection {
        Collection::Create => insert(sim, state, &record, wishes).map(|id| (id, None)),
        Collection::Update => {
            let id = take(&mut record, "id")
                .ok_or_else(|| Fail::new(400, "MISSING_ARGUMENT", "Id not specified in an update call"))?;
            twice(&id, seen)?;
            let changed = change(sim, state, &id, &record, wishes);
            changed
                .map(|id| (id, None))
                .map_err(|fail| match fail.code.as_str() {
                    "NOT_FOUND" => {
                        Fail::new(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
                    }
                    _ => fail,
                })
        }
        Collection::Upsert(field) => {
            let value = take(&mut record, field).ok_or_else(|| {
                Fail::new(400, "MISSING_ARGUMENT", format!("{field} not specified")).fields([field.as_str()])
            })?;
            twice(&value, seen)?;
            upsert(sim, state, field, &value, &record, wishes, false).map(|(id, created)| (id, Some(created)))
        }
    }
}

fn state_twice(key: &str) -> Result<(), Fail> {
    Err(Fail::new(
        400,
        "DUPLICATE_VALUE",
        format!("Duplicate external id or id specified: {key}"),
    ))
}
