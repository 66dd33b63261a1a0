//! What a describe says about the sink's settings. Pure.

use std::collections::HashMap;

use serde_json::Value;

use super::Settings;
use super::soql::Shape;

/// What is wrong, each with its remedy. `properties`, `create_only`: the names that the sink has there.
pub(super) fn problems(
    describe: &Value,
    properties: &[&str],
    create_only: &[&str],
    settings: &Settings,
    shape: &Shape,
) -> Vec<String> {
    let object = &settings.object;
    let fields: HashMap<String, &Value> = describe
        .get("fields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|field| Some((field.get("name")?.as_str()?.to_lowercase(), field)))
        .collect();
    if fields.is_empty() {
        return vec![format!(
            "Salesforce's description of {object} could not be read; its fields are not checked"
        )];
    }
    let get = |name: &str| fields.get(&name.to_lowercase()).copied();
    let is = |field: &Value, flag: &str| field.get(flag).and_then(Value::as_bool).unwrap_or(false);
    let mut problems = Vec::new();
    for (may, what) in [("createable", "create"), ("updateable", "edit")] {
        if describe.get(may).and_then(Value::as_bool) == Some(false) {
            problems.push(format!(
                "salesforce.object: the integration user may not {what} {object} records; give its permission set the right"
            ));
        }
    }
    let named = properties.iter().map(|name| ("properties", name));
    for (at, name) in named.chain(create_only.iter().map(|name| ("createOnly", name))) {
        let Some(field) = get(name) else {
            problems.push(format!(
                "{at}.{name}: {object} has no field {name} that the integration user can see; correct the name, or make the field visible in the user's permission set"
            ));
            continue;
        };
        match (is(field, "createable"), is(field, "updateable")) {
            (false, false) => problems.push(format!(
                "{at}.{name}: {object}.{name} is read-only for the integration user; take it out, or give the permission set edit access"
            )),
            (false, true) => problems.push(format!(
                "{at}.{name}: {object}.{name} cannot be set when a record is created; take it out"
            )),
            (true, false) if at == "properties" => problems.push(format!(
                "{at}.{name}: {object}.{name} cannot be changed after a record was created; move it to createOnly"
            )),
            (true, _) => {}
        }
    }
    if let Some(external) = &settings.external_id {
        let name = &external.field;
        match get(name) {
            None => problems.push(format!(
                "salesforce.externalId.field: {object} has no field {name} that the integration user can see; create it as Text(255), External ID, Unique, or make it visible"
            )),
            Some(field) => {
                for (flag, label) in [("externalId", "External ID"), ("unique", "Unique")] {
                    if !is(field, flag) {
                        problems.push(format!(
                            "salesforce.externalId.field: {object}.{name} is not marked \"{label}\"; mark it so in Setup, Object Manager"
                        ));
                    }
                }
                if !is(field, "createable") {
                    problems.push(format!(
                        "salesforce.externalId.field: {object}.{name} is read-only for the integration user; give its permission set edit access"
                    ));
                }
                if field.get("length").and_then(Value::as_u64).is_some_and(|length| length > 0 && length < 64) {
                    problems.push(format!(
                        "salesforce.externalId.field: {object}.{name} is shorter than 64 characters, the length of a hashed value; make it Text(255)"
                    ));
                }
            }
        }
    }
    for (key, field) in [("Email", &shape.email), ("Phone", &shape.phone)] {
        if let Some(name) = field
            && get(name).is_none()
        {
            problems.push(format!(
                "matching.keys: {object} has no field {name} that the integration user can see; take {key} out of matching.keys"
            ));
        }
    }
    problems.extend(missing(&fields, &[properties, create_only].concat(), settings));
    problems
}

/// Fields without which Salesforce makes no record, and which the sink never sends.
fn missing(fields: &HashMap<String, &Value>, properties: &[&str], settings: &Settings) -> Vec<String> {
    let mut missing: Vec<String> = fields
        .values()
        .filter(|field| {
            let is = |flag: &str| field.get(flag).and_then(Value::as_bool);
            let boolean = field.get("type").and_then(Value::as_str) == Some("boolean");
            is("createable") == Some(true)
                && is("nillable") == Some(false)
                && is("defaultedOnCreate") != Some(true)
                && !boolean
        })
        .filter_map(|field| field.get("name")?.as_str())
        .filter(|name| {
            let fallback = match *name {
                "LastName" => settings.fallbacks.last_name.is_some(),
                "Company" => settings.fallbacks.company.is_some(),
                _ => false,
            };
            let external = settings
                .external_id
                .as_ref()
                .is_some_and(|e| e.field.eq_ignore_ascii_case(name));
            !fallback && !external && !properties.iter().any(|known| known.eq_ignore_ascii_case(name))
        })
        .map(|name| {
            let fallback = match name {
                "LastName" => ", or set salesforce.fallbacks.lastName",
                "Company" => ", or set salesforce.fallbacks.company",
                _ => "",
            };
            format!(
                "properties: {}.{name} is required and the sink never sends it; map it, or give createOnly a value for it{fallback}",
                settings.object
            )
        })
        .collect();
    missing.sort();
    missing
}

#[cfg(test)]
mod tests;
