//! The files in `yaml/` and in the chart are what the types say.

#[path = "../examples/generate/render.rs"]
mod render;

use std::{fs, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

#[test]
fn the_files_are_in_step_with_the_types() {
    for folder in [render::FOLDER, render::CHART] {
        for (name, content) in render::files().unwrap() {
            let path = Path::new(folder).join(name);
            let written = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                written == content,
                "{} is out of step with the types; run: make generate",
                path.display()
            );
        }
    }
}

#[test]
fn the_schema_for_editors_is_in_step_with_the_types() {
    let written = fs::read_to_string(render::SCHEMA).unwrap_or_default();
    assert!(
        written == render::schema().unwrap(),
        "{} is out of step with the types; run: make generate",
        render::SCHEMA
    );
}

#[test]
fn the_files_say_the_same_as_the_definitions() {
    for (name, content) in render::files().unwrap() {
        let read: CustomResourceDefinition = serde_saphyr::from_str(&content).unwrap();
        let made = match name {
            "leadwebhooks.yaml" => leadgate_crds::lead_webhook_crd(),
            "leadreceivers.yaml" => leadgate_crds::lead_receiver_crd(),
            _ => leadgate_crds::crm_sink_crd(),
        };
        assert_eq!(read, made);
    }
}

/// Every field is described, nothing is nullable, every list and map of the spec is bounded.
fn check(path: &str, schema: &JSONSchemaProps, problems: &mut Vec<String>) {
    // Kubernetes' own types are as they are.
    if path.contains(".resources")
        || path.contains(".tolerations")
        || path.contains(".networkPolicy.")
        || path.contains("conditions")
    {
        return;
    }
    let mut problem = |text: &str| problems.push(format!("{path}: {text}"));
    if schema.nullable.is_some() {
        problem("is nullable");
    }
    if schema.type_.as_deref() == Some("array") && schema.max_items.is_none() {
        problem("has no maxItems");
    }
    for (name, inner) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        if inner.description.is_none() && path.contains(".spec.") {
            problems.push(format!("{path}: has no description"));
        }
        check(&path, inner, problems);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(inner)) = &schema.items {
        check(&format!("{path}[]"), inner, problems);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(inner)) = &schema.additional_properties {
        if schema.max_properties.is_none() {
            problems.push(format!("{path}: has no maxProperties"));
        }
        check(&format!("{path}{{}}"), inner, problems);
    }
}

#[test]
fn every_field_is_described_and_bounded() {
    let mut problems = Vec::new();
    for crd in [leadgate_crds::lead_webhook_crd(), leadgate_crds::crm_sink_crd()] {
        let root = crd.spec.versions[0].schema.as_ref().unwrap();
        check(
            &crd.spec.names.kind,
            root.open_api_v3_schema.as_ref().unwrap(),
            &mut problems,
        );
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
