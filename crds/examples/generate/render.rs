//! The definitions as files, and as a JSON Schema for editors.

use std::error::Error;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value, json};

/// The folder of the files.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/yaml");
/// The JSON Schema for editors.
pub(crate) const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/yaml/leadgate.schema.json");
/// The chart's copy.
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/leadgate/files/crds");

const HEADER: &str = "# Made from the types in crds/src by: cargo run -p leadgate-crds --example generate\n";

/// File name and content, the same each time.
pub(crate) fn files() -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    Ok(vec![
        ("leadwebhooks.yaml", render(&leadgate_crds::lead_webhook_crd())?),
        ("leadreceivers.yaml", render(&leadgate_crds::lead_receiver_crd())?),
        ("crmsinks.yaml", render(&leadgate_crds::crm_sink_crd())?),
    ])
}

/// One schema for all manifests of a folder: it judges a document by its kind, and lets other kinds pass.
pub(crate) fn schema() -> Result<String, Box<dyn Error>> {
    let kinds = [
        leadgate_crds::lead_webhook_crd(),
        leadgate_crds::lead_receiver_crd(),
        leadgate_crds::crm_sink_crd(),
    ];
    let rules: Vec<Value> = kinds
        .iter()
        .map(|crd| {
            let kind = &crd.spec.names.kind;
            let version = crd.spec.versions.first().ok_or("a definition has a version")?;
            let schema = version
                .schema
                .as_ref()
                .and_then(|s| s.open_api_v3_schema.as_ref());
            let mut schema = serde_json::to_value(schema.ok_or("a version has a schema")?)?;
            for_editors(&mut schema);
            if let Some(Value::Object(properties)) = schema.get_mut("properties") {
                let api = format!("{}/{}", crd.spec.group, version.name);
                properties.insert("apiVersion".into(), json!({"const": api}));
                properties.insert("kind".into(), json!({"const": kind}));
                properties.insert("metadata".into(), json!({"type": "object"}));
                properties.insert("status".into(), json!({}));
            }
            Ok(json!({
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": schema,
            }))
        })
        .collect::<Result<_, Box<dyn Error>>>()?;
    let whole = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Leadgate: LeadWebhook and CrmSink",
        "description": "Made from the types in crds/src by: cargo run -p leadgate-crds --example generate",
        "allOf": rules,
    });
    Ok(format!("{:#}\n", sorted(whole)))
}

/// Kubernetes' own words go, and a field that is not named is a mistake.
fn for_editors(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    let is_free = map.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    map.retain(|name, _| !name.starts_with("x-kubernetes-"));
    if map.contains_key("properties") && !is_free {
        map.insert("additionalProperties".into(), Value::Bool(false));
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(for_editors);
    }
    for below in ["items", "additionalProperties"] {
        if let Some(schema) = map.get_mut(below) {
            for_editors(schema);
        }
    }
}

fn render(crd: &CustomResourceDefinition) -> Result<String, Box<dyn Error>> {
    let value = sorted(serde_json::to_value(crd)?);
    Ok(format!("{HEADER}{}", serde_saphyr::to_string(&value)?))
}

/// The order of keys must not depend on the features with which serde_json is built.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(k, v)| (k, sorted(v)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}
