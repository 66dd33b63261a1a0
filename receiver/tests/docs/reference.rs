//! `docs/reference.md` from the schemas of the resources.

use std::fmt::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use super::{cell, in_step};

const HEAD: &str = "<!-- Made from the types in crds/src by `make generate`. -->
# Reference: LeadWebhook, LeadReceiver and CrmSink

Group `leadgate.dev`, version `v1alpha1`. The same manifests serve `kubectl apply` and `--manifests`. *Expression* is
[CEL](expressions.md); *duration* is a string such as `30s`, `15m` or `72h`. A field in **bold** is required.

The operator evaluates `spec.ingress`, `spec.gateway`, `spec.objectives` and `auth.hmac.generateSecret` of a LeadWebhook and
all of a LeadReceiver, and writes `status`. A receiver that runs without the operator ignores them, except `spec.limits` of a
LeadReceiver.
[REST CRMs](crms/rest.md) explains `spec.rest` step by step.
";

#[test]
fn the_reference_is_in_step_with_the_types() {
    let mut page = HEAD.to_owned();
    for crd in [
        leadgate_crds::lead_webhook_crd(),
        leadgate_crds::lead_receiver_crd(),
        leadgate_crds::crm_sink_crd(),
    ] {
        resource(&mut page, &crd);
    }
    in_step("docs/reference.md", &page);
}

fn resource(page: &mut String, crd: &CustomResourceDefinition) {
    let names = &crd.spec.names;
    let root = crd.spec.versions[0].schema.as_ref().unwrap();
    let root = root.open_api_v3_schema.as_ref().unwrap();
    let short = names
        .short_names
        .iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join("`, `");
    write!(
        page,
        "\n## {}\n\n{} Short name `{short}`.\n",
        names.kind,
        root.description.as_deref().unwrap_or_default()
    )
    .unwrap();
    for part in ["spec", "status"] {
        object(page, &names.kind, part, &root.properties.as_ref().unwrap()[part]);
    }
}

/// A table for an object, then one for each object in it.
fn object(page: &mut String, kind: &str, path: &str, schema: &JSONSchemaProps) {
    write!(page, "\n### {kind} {path}\n\n").unwrap();
    // The fields' tables say the rest; a root's own description is above.
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        if let Some(message) = &rule.message {
            writeln!(page, "- {message}.").unwrap();
        }
    }
    if schema
        .x_kubernetes_validations
        .iter()
        .flatten()
        .any(|rule| rule.message.is_some())
    {
        page.push('\n');
    }
    page.push_str("| Field | Type | Meaning |\n|---|---|---|\n");
    let required = schema.required.clone().unwrap_or_default();
    let mut inner = Vec::new();
    for (name, field) in schema.properties.iter().flatten() {
        let (kind_of, below) = described(field);
        let below_path = format!("{path}.{name}{}", below.map_or("", |(suffix, _)| suffix));
        let kind_of = match below {
            Some(_) => format!("[{kind_of}](#{})", anchor(kind, &below_path)),
            None => kind_of,
        };
        let shown = if required.contains(name) {
            format!("**`{name}`**")
        } else {
            format!("`{name}`")
        };
        writeln!(page, "| {shown} | {kind_of} | {} |", meaning(field)).unwrap();
        inner.extend(below.map(|(_, schema)| (below_path, schema)));
    }
    for (path, schema) in inner {
        object(page, kind, &path, schema);
    }
}

/// A type in words, and the object it holds, if it should be shown.
fn described(schema: &JSONSchemaProps) -> (String, Option<(&'static str, &JSONSchemaProps)>) {
    let is_object = |schema: &JSONSchemaProps| schema.properties.as_ref().is_some_and(|p| !p.is_empty());
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        let below = is_object(items).then_some(("[]", items.as_ref()));
        return (format!("array of {}", plural(&described(items).0)), below);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        return (format!("map to {}", described(values).0), None);
    }
    if let Some(values) = &schema.enum_ {
        let values: Vec<String> = values
            .iter()
            .map(|v| format!("`{}`", v.0.as_str().unwrap_or_default()))
            .collect();
        return (values.join(", "), None);
    }
    let name = match schema.type_.as_deref() {
        Some("object") => return ("object".to_owned(), is_object(schema).then_some(("", schema))),
        Some("string") if is_duration(schema) => "duration",
        Some("string") if schema.format.as_deref() == Some("date-time") => "time",
        Some("string") => "string",
        Some(other) => other,
        None => "any",
    };
    (name.to_owned(), None)
}

fn is_duration(schema: &JSONSchemaProps) -> bool {
    schema
        .pattern
        .as_deref()
        .is_some_and(|pattern| pattern.contains("(h|m|s|ms)"))
}

fn plural(kind: &str) -> String {
    match kind {
        "object" | "string" | "integer" | "duration" => format!("{kind}s"),
        other => other.to_owned(),
    }
}

fn meaning(field: &JSONSchemaProps) -> String {
    let mut text = cell(field.description.as_deref().unwrap_or_default());
    let default = field
        .default
        .as_ref()
        .filter(|d| !d.0.is_object() && !d.0.is_array());
    if let Some(default) = default.filter(|_| !text.to_lowercase().contains("default")) {
        write!(text, " Default: `{}`.", default.0).unwrap();
    }
    for rule in field.x_kubernetes_validations.iter().flatten() {
        // Objects list their rules above their table.
        if let (Some(message), None) = (&rule.message, &field.properties)
            && !is_duration(field)
        {
            write!(text, " Rule: {}.", cell(message)).unwrap();
        }
    }
    text
}

/// As GitHub makes them: lower case, blanks to dashes, punctuation gone.
fn anchor(kind: &str, path: &str) -> String {
    let path: String = path.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{kind}-{path}").to_lowercase()
}
