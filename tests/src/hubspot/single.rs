//! Calls about one contact, and about the properties.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Kind, PropertySpec, Sim, State,
    answers::{Answer, Handled, Refusal, refused},
    store::{Clash, Properties, Record},
};

/// Returned when the client names no properties.
const DEFAULT: [&str; 3] = ["email", "firstname", "lastname"];

/// A record as the API shows it: of `seen`, what was `wanted` (`None`: all), and the three that always come.
pub(super) fn show(record: &Record, seen: &Properties, wanted: Option<&[String]>) -> Value {
    let mut properties = Map::new();
    match wanted {
        None => properties.extend(seen.iter().map(|(name, value)| (name.clone(), json!(value)))),
        Some([]) => properties.extend(DEFAULT.map(|name| (name.to_owned(), json!(seen.get(name))))),
        Some(names) => properties.extend(names.iter().map(|name| (name.clone(), json!(seen.get(name))))),
    }
    let (created, updated) = (stamp(record.created_at), stamp(record.updated_at));
    properties.insert("createdate".into(), json!(created));
    properties.insert("lastmodifieddate".into(), json!(updated));
    properties.insert("hs_object_id".into(), json!(record.id.to_string()));
    json!({
        "id": record.id.to_string(),
        "properties": properties,
        "createdAt": created,
        "updatedAt": updated,
        "archived": false,
    })
}

/// Milliseconds and a `Z`, as HubSpot writes times.
pub(super) fn stamp(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `{"properties": {name: text}}`, strictly: a client that sends anything but texts has a bug.
pub(super) fn properties(body: &Value) -> Result<Properties, Answer> {
    let Some(fields) = body.get("properties").and_then(Value::as_object) else {
        return Err(Answer::validation(
            "Invalid input JSON on line 1, column 1: properties must be an object",
        ));
    };
    fields
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name.clone(), text.clone())),
            _ => Err(Answer::validation(&format!(
                "Invalid input JSON on line 1, column 1: Cannot deserialize value of {name} as a String"
            ))),
        })
        .collect()
}

/// Which record `id` means: its own id, or its value of a unique property.
pub(super) fn resolve(
    sim: &Sim,
    state: &State,
    id: &str,
    id_property: Option<&str>,
) -> Result<Option<u64>, Answer> {
    match id_property {
        None | Some("hs_object_id") => Ok(id.parse().ok().filter(|id| state.store.get(*id).is_some())),
        Some(property) if state.schema.is_key(property) => {
            let further = || {
                let address = property == "email" && sim.config.found_by_further_address;
                address.then(|| state.store.by_further_address(id)).flatten()
            };
            Ok(state.store.find(property, id).or_else(further))
        }
        Some(property) => Err(Answer::validation(&format!(
            "The property {property} does not have unique values and cannot be used as idProperty"
        ))),
    }
}

/// The two ways in which a value can be somebody else's.
pub(super) fn clash_answer(clash: &Clash, newer: bool) -> Answer {
    if clash.property == "email" {
        return Answer::conflict(clash.holder);
    }
    let Clash {
        property,
        value,
        holder,
    } = clash;
    let message = format!("Cannot set {property} to {value}. {holder} already has that value.");
    let refusal = Refusal {
        name: property.clone(),
        code: "CONFLICTING_UNIQUE_VALUE",
        message,
    };
    refused(&[refusal], newer)
}

/// POST: 201, or 409 with the id of the contact that has the e-mail.
pub(super) fn create(sim: &Sim, state: &mut State, body: &Value, newer: bool) -> Handled {
    let properties = properties(body)?;
    let id = insert(sim, state, properties, newer)?;
    answer(state, id, 201)
}

/// Creates, or says why not. Also used by the batches.
pub(super) fn insert(
    sim: &Sim,
    state: &mut State,
    properties: Properties,
    newer: bool,
) -> Result<u64, Answer> {
    let refusals = state.schema.refusals(&properties);
    if !refusals.is_empty() {
        return Err(refused(&refusals, newer));
    }
    if !DEFAULT
        .iter()
        .any(|name| properties.get(*name).is_some_and(|value| !value.is_empty()))
    {
        return Err(Answer::validation(
            "At least one of email, firstname or lastname is required.",
        ));
    }
    if let Some(clash) = state.store.clash(None, &properties, state.schema.unique()) {
        return Err(clash_answer(&clash, newer));
    }
    Ok(state.store.create(properties, state.schema.unique(), sim.started))
}

/// PATCH: 200, or 404; never creates.
pub(super) fn update(
    sim: &Sim,
    state: &mut State,
    id: &str,
    id_property: Option<&str>,
    body: &Value,
    newer: bool,
) -> Handled {
    let properties = properties(body)?;
    let Some(id) = resolve(sim, state, id, id_property)? else {
        return Err(Answer::not_found());
    };
    change(sim, state, id, properties, newer)?;
    answer(state, id, 200)
}

/// Changes a record, or says why not. Also used by the batches.
pub(super) fn change(
    sim: &Sim,
    state: &mut State,
    id: u64,
    properties: Properties,
    newer: bool,
) -> Result<(), Answer> {
    let refusals = state.schema.refusals(&properties);
    if !refusals.is_empty() {
        return Err(refused(&refusals, newer));
    }
    if let Some(clash) = state.store.clash(Some(id), &properties, state.schema.unique()) {
        return Err(clash_answer(&clash, newer));
    }
    state
        .store
        .update(id, properties, state.schema.unique(), sim.started);
    Ok(())
}

fn answer(state: &State, id: u64, status: u16) -> Handled {
    let record = state.store.get(id).ok_or_else(Answer::not_found)?;
    Ok(Answer::json(status, show(record, &record.properties, None)))
}

/// GET: 200 or 404.
pub(super) fn read(
    sim: &Sim,
    state: &State,
    id: &str,
    id_property: Option<&str>,
    wanted: &[String],
) -> Handled {
    let found = resolve(sim, state, id, id_property)?.and_then(|id| state.store.get(id));
    let record = found.ok_or_else(Answer::not_found)?;
    Ok(Answer::json(200, show(record, &record.properties, Some(wanted))))
}

/// DELETE: 204, whether it was there or not.
pub(super) fn archive(sim: &Sim, state: &mut State, id: &str) -> Answer {
    if let Ok(id) = id.parse() {
        state.store.delete(id, sim.started);
    }
    Answer::empty(204)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Erase {
    object_id: String,
    id_property: Option<String>,
}

/// POST gdpr-delete: 204. An e-mail nobody has is blocked for the future, which is a success too.
pub(super) fn erase(sim: &Sim, state: &mut State, body: Value) -> Handled {
    let erase: Erase = serde_json::from_value(body)
        .map_err(|error| Answer::validation(&format!("Invalid input JSON: {error}")))?;
    let found = resolve(sim, state, &erase.object_id, erase.id_property.as_deref())?;
    match found {
        Some(id) => {
            state.store.delete(id, sim.started);
        }
        None if erase.id_property.is_some() => {}
        None => return Err(Answer::not_found()),
    }
    Ok(Answer::empty(204))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewProperty {
    name: String,
    r#type: Kind,
    #[serde(default)]
    options: Vec<NewOption>,
    #[serde(default)]
    has_unique_value: bool,
}

#[derive(Deserialize)]
struct NewOption {
    value: String,
}

/// POST properties: 201, or 409 if there is one of that name.
pub(super) fn create_property(state: &mut State, body: Value) -> Handled {
    let new: NewProperty = serde_json::from_value(body)
        .map_err(|error| Answer::validation(&format!("Invalid input JSON: {error}")))?;
    let spec = PropertySpec {
        options: new.options.into_iter().map(|option| option.value).collect(),
        unique: new.has_unique_value,
        ..PropertySpec::new(new.name, new.r#type)
    };
    if !state.schema.add(spec.clone()) {
        let message = format!("A property named '{}' already exists.", spec.name);
        return Err(Answer::error(409, "OBJECT_ALREADY_EXISTS", &message));
    }
    Ok(Answer::json(201, state.schema.describe(&spec)))
}
