//! What to know before the first lead: whether Salesforce answers, takes the credentials, and has what the sink names.

use std::collections::HashMap;

use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use super::answer::Answer;
use super::api::Api;
use super::settings::Settings;
use super::soql::Shape;
use crate::crm::{PreflightReport, Throttle};
use crate::outbound::NoAnswer;

/// Asks; changes nothing.
pub(super) async fn preflight(
    api: &Api,
    settings: &Settings,
    properties: &[&str],
    create_only: &[&str],
    throttle: &dyn Throttle,
) -> PreflightReport {
    match api.describe(throttle).await {
        Ok(reply) => {
            let shape = Shape::of(settings, properties.iter().copied());
            PreflightReport {
                reachable: Some(Ok(())),
                credentials: Some(Ok(())),
                problems: problems(reply.json(), properties, create_only, settings, &shape),
            }
        }
        Err(answer) => not_described(answer, &settings.object),
    }
}

/// What it means for the sink that there is no description.
fn not_described(answer: Answer, object: &str) -> PreflightReport {
    let reached = |credentials, problems| PreflightReport {
        reachable: Some(Ok(())),
        credentials,
        problems,
    };
    match answer {
        Answer::None(NoAnswer::Throttled(_)) => PreflightReport::default(),
        Answer::None(NoAnswer::Failed(why, _))
        | Answer::Retry { why, .. }
        | Answer::Suspect { why, own: false } => PreflightReport {
            reachable: Some(Err(why)),
            ..PreflightReport::default()
        },
        Answer::NotFound(_) => reached(
            Some(Ok(())),
            vec![format!(
                "salesforce.object: Salesforce has no object {object} that the integration user can see; correct the name or salesforce.apiVersion, or give the user's permission set read access"
            )],
        ),
        Answer::Expired(why) | Answer::Suspect { why, own: true } => reached(Some(Err(why)), Vec::new()),
        Answer::Pause(_, why)
            if matches!(
                why.reason,
                FailureReason::InvalidCredentials
                    | FailureReason::MissingPermission
                    | FailureReason::ApiDisabled
            ) =>
        {
            reached(Some(Err(why)), Vec::new())
        }
        // A limit that is used up was told to somebody who had signed in.
        Answer::Pause(_, why) => reached(Some(Ok(())), vec![why.message]),
        _ => reached(Some(Ok(())), Vec::new()),
    }
}

/// What is wrong, each with its remedy. `properties`, `create_only`: the names that the sink has there. Pure.
fn problems(
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
