//! What to know before the first lead: whether HubSpot answers, takes the token, and has the properties.

use leadgate_crds::reason::FailureReason;
use serde_json::{Value, json};

use super::answer::classify;
use super::api::Api;
use super::settings::Settings;
use crate::crm::answer::Answer;
use crate::crm::{Failure, PreflightReport, Throttle};
use crate::outbound::{NoAnswer, Reply};

pub(super) async fn preflight(
    api: &Api,
    settings: &Settings,
    properties: &[&str],
    throttle: &dyn Throttle,
) -> PreflightReport {
    let schema = match api.schema(throttle).await {
        Ok(reply) => reply,
        Err(no_answer) => return unreached(no_answer),
    };
    match classify(&schema) {
        Answer::Done(_) if schema.json().get("results").is_some_and(Value::is_array) => {
            let missing = judge(schema.json(), properties, &settings.unique_property);
            let problems = mend(api, settings, missing, throttle).await;
            PreflightReport {
                reachable: Some(Ok(())),
                credentials: Some(Ok(())),
                problems,
            }
        }
        Answer::Done(_) => PreflightReport {
            reachable: Some(Err(schema.foreign("HubSpot"))),
            ..PreflightReport::default()
        },
        // The token may lack crm.schemas.contacts.read and be good enough for leads.
        Answer::Suspect { own: true, .. } => match api.any_record(throttle).await {
            Ok(reply) => of_answer(&reply),
            Err(no_answer) => unreached(no_answer),
        },
        _ => of_answer(&schema),
    }
}

/// Makes what is missing, if the sink says so; what remains is told.
async fn mend(api: &Api, settings: &Settings, found: Vec<Problem>, throttle: &dyn Throttle) -> Vec<String> {
    let mut problems = Vec::new();
    for problem in found {
        match problem {
            Problem::Missing(name) if settings.ensure_properties => {
                match api.create_property(&definition(&name), throttle).await {
                    // 409: another replica was quicker.
                    Ok(reply) if matches!(reply.status, 200..=299 | 409) => {
                        tracing::info!(property = %name, "created a HubSpot property (hubspot.ensureProperties)");
                    }
                    Ok(reply) => problems.push(format!(
                        "property `{name}` is missing, and HubSpot did not let it be made ({}); give the token crm.schemas.contacts.write or make it in HubSpot",
                        reply.status
                    )),
                    Err(_) => problems.push(format!("property `{name}` is missing and could not be made yet")),
                }
            }
            Problem::Missing(name) => problems.push(format!(
                "HubSpot has no property `{name}`: make it there, set hubspot.ensureProperties, or take it out of properties"
            )),
            Problem::ReadOnly(name) => problems.push(format!(
                "HubSpot sets property `{name}` itself: take it out of properties"
            )),
            Problem::NotUnique(name) => problems.push(format!(
                "HubSpot's property `{name}` does not require unique values: hubspot.uniqueProperty needs one that does"
            )),
        }
    }
    problems
}

#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Missing(String),
    ReadOnly(String),
    NotUnique(String),
}

/// Holds the mapping against HubSpot's properties. Pure.
fn judge(schema: &Value, properties: &[&str], unique: &str) -> Vec<Problem> {
    let known = schema
        .get("results")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let find = |name: &str| {
        known
            .iter()
            .find(|property| property.get("name").and_then(Value::as_str) == Some(name))
    };
    let mut problems: Vec<Problem> = properties
        .iter()
        .filter_map(|name| match find(name) {
            None => Some(Problem::Missing((*name).to_owned())),
            Some(property) => {
                let read_only = property
                    .pointer("/modificationMetadata/readOnlyValue")
                    .and_then(Value::as_bool);
                (read_only == Some(true)).then(|| Problem::ReadOnly((*name).to_owned()))
            }
        })
        .collect();
    if unique != "email"
        && let Some(property) = find(unique)
        && property.get("hasUniqueValue").and_then(Value::as_bool) == Some(false)
    {
        problems.push(Problem::NotUnique(unique.to_owned()));
    }
    problems
}

/// A property of texts, in the group that every account has.
fn definition(name: &str) -> Value {
    json!({
        "name": name, "label": name.replace('_', " "), "type": "string", "fieldType": "text",
        "groupName": "contactinformation", "description": "Made by Leadgate (hubspot.ensureProperties)",
    })
}

fn of_answer(reply: &Reply) -> PreflightReport {
    let (reachable, credentials) = match classify(reply) {
        Answer::Done(_) => (Some(Ok(())), Some(Ok(()))),
        Answer::Pause(_, why) if why.reason == FailureReason::InvalidCredentials => {
            (Some(Ok(())), Some(Err(why)))
        }
        Answer::Suspect { why, own: true, .. } => (Some(Ok(())), Some(Err(why))),
        Answer::Suspect { why, .. } => (Some(Err(why)), None),
        Answer::Retry { why, .. } if why.reason == FailureReason::Unavailable => (Some(Err(why)), None),
        Answer::NotFound(why) => (
            Some(Err(Failure::new(
                FailureReason::UnknownObject,
                "the address answers 404; see hubspot.baseUrl, hubspot.apiVersion and hubspot.object",
            )
            .with_answer(&why.answer))),
            None,
        ),
        _ => (Some(Ok(())), None),
    };
    PreflightReport {
        reachable,
        credentials,
        problems: Vec::new(),
    }
}

fn unreached(no_answer: NoAnswer) -> PreflightReport {
    PreflightReport {
        reachable: match no_answer {
            NoAnswer::Throttled(_) => None,
            NoAnswer::Failed(why, _) => Some(Err(why)),
        },
        ..PreflightReport::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_read_only_and_not_unique_properties_are_found_before_a_lead_fails() {
        let schema = json!({"results": [
            {"name": "email", "modificationMetadata": {"readOnlyValue": false}, "hasUniqueValue": false},
            {"name": "createdate", "modificationMetadata": {"readOnlyValue": true}},
            {"name": "external_id", "hasUniqueValue": false},
            {"name": "submission", "hasUniqueValue": true},
        ]});
        assert_eq!(
            judge(&schema, &["email", "createdate", "budget"], "external_id"),
            [
                Problem::ReadOnly("createdate".to_owned()),
                Problem::Missing("budget".to_owned()),
                Problem::NotUnique("external_id".to_owned()),
            ]
        );
        assert_eq!(judge(&schema, &["email", "submission"], "submission"), []);
        assert_eq!(judge(&schema, &["email"], "email"), []);
    }
}
