//! `batch/...`: up to 100 contacts a call, each with its own outcome.

use std::{collections::HashSet, time::SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Sim, State,
    answers::{Answer, Handled},
    single::{change, insert, properties, resolve, show, stamp},
    store::Properties,
};

/// Which batch call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Batch {
    Create,
    Read,
    Update,
    Upsert,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    inputs: Vec<Value>,
    /// Of a read: for all inputs.
    #[serde(default)]
    id_property: Option<String>,
    /// Of a read.
    #[serde(default)]
    properties: Vec<String>,
}

struct Input {
    id: Option<String>,
    id_property: Option<String>,
    trace: Option<String>,
    properties: Properties,
}

/// HubSpot's bound on the inputs of one call.
const MOST: usize = 100;

pub(super) fn run(sim: &Sim, state: &mut State, batch: Batch, body: Value, newer: bool) -> Handled {
    let envelope: Envelope = serde_json::from_value(body)
        .map_err(|error| Answer::validation(&format!("Invalid input JSON: {error}")))?;
    if envelope.inputs.is_empty() || envelope.inputs.len() > MOST {
        let message = format!("A batch takes 1 to {MOST} inputs, not {}.", envelope.inputs.len());
        return Err(Answer::validation(&message));
    }
    let inputs = envelope
        .inputs
        .iter()
        .map(|input| parse(input, batch, envelope.id_property.as_deref()))
        .collect::<Result<Vec<_>, _>>()?;
    let targets = targets(sim, state, batch, &inputs)?;
    if sim.config.invalid_input_fails_batch {
        for input in &inputs {
            let refusals = state.schema.refusals(&input.properties);
            if !refusals.is_empty() {
                return Err(super::answers::refused(&refusals, newer));
            }
        }
    }

    let started = jiff::Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    let (mut results, mut errors, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for (input, target) in inputs.into_iter().zip(targets) {
        let Input {
            id,
            id_property,
            trace,
            mut properties,
        } = input;
        if let (Batch::Upsert, None, Some(property), Some(id)) = (batch, target, &id_property, &id) {
            // What a new record is addressed by is also what it gets.
            properties.entry(property.clone()).or_insert_with(|| id.clone());
        }
        let outcome = match (batch, target) {
            (Batch::Read, Some(record)) => Ok((record, false)),
            (Batch::Create, _) | (Batch::Upsert, None) => {
                insert(sim, state, properties, newer).map(|record| (record, true))
            }
            (_, Some(record)) => change(sim, state, record, properties, newer).map(|()| (record, false)),
            (Batch::Read | Batch::Update, None) => {
                missing.extend(id);
                continue;
            }
        };
        match outcome {
            Ok((record, new)) => {
                let Some(record) = state.store.get(record) else {
                    continue;
                };
                let wanted = (batch == Batch::Read).then_some(envelope.properties.as_slice());
                let mut result = show(record, &record.properties, wanted);
                if batch == Batch::Upsert {
                    result["new"] = json!(new);
                }
                if let Some(trace) = trace {
                    result["objectWriteTraceId"] = json!(trace);
                }
                results.push(result);
            }
            Err(answer) => errors.push(item_error(answer, id, trace)),
        }
    }
    if !missing.is_empty() {
        errors.push(json!({
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "message": "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.",
            "context": {"ids": missing},
            "errors": [],
            "links": {},
        }));
    }
    Ok(report(batch, &results, &errors, started, newer))
}

/// 201 for creates, 200 for the rest; 207 if anything failed, except in newer versions, where the errors stand
/// in the body of the 200.
fn report(
    batch: Batch,
    results: &[Value],
    errors: &[Value],
    started: jiff::Timestamp,
    newer: bool,
) -> Answer {
    let mut body = json!({
        "status": "COMPLETE",
        "results": results,
        "startedAt": stamp(started),
        "completedAt": stamp(jiff::Timestamp::now()),
    });
    let fine = if batch == Batch::Create { 201 } else { 200 };
    if errors.is_empty() {
        return Answer::json(fine, body);
    }
    body["numErrors"] = json!(errors.len());
    body["errors"] = json!(errors);
    Answer::json(
        if newer && batch == Batch::Upsert {
            fine
        } else {
            207
        },
        body,
    )
}

fn parse(input: &Value, batch: Batch, shared_property: Option<&str>) -> Result<Input, Answer> {
    let text = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = text("id");
    if batch != Batch::Create && id.is_none() {
        return Err(Answer::validation("Some required fields were not set: [id]"));
    }
    let id_property = text("idProperty").or_else(|| shared_property.map(str::to_owned));
    let properties = if batch == Batch::Read {
        Properties::new()
    } else {
        properties(input)?
    };
    Ok(Input {
        id,
        id_property,
        trace: text("objectWriteTraceId"),
        properties,
    })
}

/// Which record each input means; refuses the batch if two mean the same contact.
fn targets(sim: &Sim, state: &State, batch: Batch, inputs: &[Input]) -> Result<Vec<Option<u64>>, Answer> {
    let mut seen = HashSet::new();
    let mut targets = Vec::with_capacity(inputs.len());
    for input in inputs {
        let property = input.id_property.as_deref();
        if batch == Batch::Upsert && property == Some("email") && !sim.config.upsert_by_email {
            return Err(Answer::validation(
                "email is not supported as idProperty of a partial upsert",
            ));
        }
        let target = match &input.id {
            Some(id) => resolve(sim, state, id, property)?,
            None => None,
        };
        let mut names = Vec::new();
        if let Some(record) = target {
            names.push(format!("id {record}"));
        }
        if let Some(id) = &input.id {
            names.push(format!("{} {}", property.unwrap_or("id"), id.to_lowercase()));
        }
        if let Some(email) = input.properties.get("email").filter(|email| !email.is_empty()) {
            names.push(format!("email {}", email.to_lowercase()));
            names.extend(
                state
                    .store
                    .find("email", email)
                    .map(|record| format!("id {record}")),
            );
        }
        names.sort();
        names.dedup();
        for name in names {
            if !seen.insert(name.clone()) && batch != Batch::Read {
                return Err(Answer::validation(&format!(
                    "Duplicate IDs found in batch input: [{name}]"
                )));
            }
        }
        targets.push(target);
    }
    Ok(targets)
}

/// An error body as an item of `errors`.
fn item_error(answer: Answer, id: Option<String>, trace: Option<String>) -> Value {
    let mut error = answer.body.unwrap_or_default();
    let mut context = json!({});
    if let Some(id) = id {
        context["ids"] = json!([id]);
    }
    if let Some(trace) = trace {
        context["objectWriteTraceId"] = json!([trace]);
    }
    if let Some(fields) = error.as_object_mut() {
        fields.remove("correlationId");
        fields.entry("errors").or_insert_with(|| json!([]));
        fields.insert("links".into(), json!({}));
        fields.insert("context".into(), context);
    }
    error
}
