//! `payload.schema`: what is wrong with a payload, in the schema's own words. A sender chooses the values and names of a
//! payload, which may be personal data, and may be made to mislead whoever reads a log.

mod cost;

use std::collections::BTreeSet;

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::lead::Problem;
use crate::nearest::did_you_mean;

/// More would not be read.
const MOST_PROBLEMS: usize = 32;
/// Stands for a member that the schema does not name.
const UNNAMED: &str = "*";
/// What JSON Schema calls the kinds of values.
const TYPES: [&str; 7] = [
    "string", "number", "integer", "boolean", "object", "array", "null",
];

/// A compiled `payload.schema`.
#[derive(Debug)]
pub(super) struct PayloadSchema {
    validator: Validator,
    /// Every member that the schema names.
    names: BTreeSet<String>,
}

impl PayloadSchema {
    pub(super) fn compile(schema: &Value) -> Result<Self, String> {
        cost::check(schema).map_err(|why| format!(": {why}"))?;
        let mut names = BTreeSet::new();
        collect(schema, &mut names);
        let validator = jsonschema::draft202012::new(schema).map_err(|error| mistake(schema, &error))?;
        Ok(Self { validator, names })
    }

    /// Everything that is wrong with a payload.
    pub(super) fn problems(&self, payload: &Value) -> Vec<Problem> {
        let errors = self.validator.iter_errors(payload).take(MOST_PROBLEMS);
        errors
            .map(|error| Problem::new(self.pointer(&error), "Schema", words(&error)))
            .collect()
    }

    /// Where it is wrong, as a JSON pointer.
    fn pointer(&self, error: &ValidationError<'_>) -> String {
        let mut pointer = String::new();
        for segment in error.instance_path() {
            pointer.push('/');
            match segment {
                LocationSegment::Index(n) => pointer.push_str(&n.to_string()),
                LocationSegment::Property(name) => match self.names.get(&*name) {
                    Some(name) => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
                    None => pointer.push_str(UNNAMED),
                },
            }
        }
        pointer
    }
}

/// What is wrong with a schema itself, behind where that is: `.properties.age.type: …`.
fn mistake(schema: &Value, error: &ValidationError<'_>) -> String {
    let mut place = String::new();
    for segment in error.instance_path() {
        match segment {
            LocationSegment::Index(n) => place.push_str(&format!("[{n}]")),
            LocationSegment::Property(name) => {
                place.push('.');
                place.push_str(&name);
            }
        }
    }
    let words = match error.kind() {
        ValidationErrorKind::Referencing(_) => {
            let outside = outside(schema, "");
            place = outside.unwrap_or(place);
            "a reference must lead to a part of this schema, as in #/$defs/person; other documents are not fetched"
                .to_owned()
        }
        ValidationErrorKind::AnyOf { .. } if place.rsplit('.').next() == Some("type") => {
            let hint = error
                .instance()
                .as_str()
                .and_then(|name| did_you_mean(name, TYPES));
            format!("write one of {}{}", TYPES.join(", "), hint.unwrap_or_default())
        }
        _ => error.masked_with("the value").to_string(),
    };
    format!("{place}: {words}")
}

/// The first reference to another document.
fn outside(schema: &Value, place: &str) -> Option<String> {
    match schema {
        Value::Object(keywords) => keywords.iter().find_map(|(name, below)| match below {
            Value::String(target) if name == "$ref" && !target.starts_with('#') => {
                Some(format!("{place}.$ref"))
            }
            below => outside(below, &format!("{place}.{name}")),
        }),
        Value::Array(all) => {
            let mut all = all.iter().enumerate();
            all.find_map(|(n, below)| outside(below, &format!("{place}[{n}]")))
        }
        _ => None,
    }
}

fn words(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { .. }
        | ValidationErrorKind::UnevaluatedProperties { .. } => {
            "it has a property that the schema does not list".to_owned()
        }
        ValidationErrorKind::PropertyNames { .. } => {
            "the schema does not allow the name of a property (propertyNames)".to_owned()
        }
        ValidationErrorKind::FalseSchema => "the schema allows no value or property here".to_owned(),
        _ => error.masked_with("the value").to_string(),
    }
}

fn collect(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(keywords) => {
            if let Some(Value::Object(properties)) = keywords.get("properties") {
                names.extend(properties.keys().cloned());
            }
            keywords.values().for_each(|below| collect(below, names));
        }
        Value::Array(all) => all.iter().for_each(|below| collect(below, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CANARY: &str = "jane.doe@private.example\n2026-01-01 INFO forged \u{1b}[31m";

    /// Every keyword whose error could quote a name or a value, with a payload that it refuses.
    #[test]
    fn neither_names_nor_values_of_the_payload_are_told() {
        let named = json!({CANARY: 1});
        for (schema, payload, field, message) in [
            (
                json!({"additionalProperties": false}),
                &named,
                "",
                "no value or property",
            ),
            (
                json!({"properties": {"a": {}}, "additionalProperties": false}),
                &named,
                "",
                "a property that the schema does not list",
            ),
            (
                json!({"unevaluatedProperties": false}),
                &named,
                "",
                "a property that the schema does not list",
            ),
            (
                json!({"propertyNames": {"maxLength": 3}}),
                &named,
                "",
                "propertyNames",
            ),
            (
                json!({"propertyNames": {"pattern": "^[a-z]$"}}),
                &named,
                "",
                "propertyNames",
            ),
            (
                json!({"patternProperties": {".": false}}),
                &named,
                "/*",
                "no value or property",
            ),
            (
                json!({"patternProperties": {".": {"type": "string"}}}),
                &named,
                "/*",
                "\"string\"",
            ),
            (
                json!({"additionalProperties": {"type": "string"}}),
                &named,
                "/*",
                "\"string\"",
            ),
            (
                json!({"properties": {"a": {"const": 1}}}),
                &json!({"a": CANARY}),
                "/a",
                "1 was expected",
            ),
            (
                json!({"properties": {"a/b~": {"enum": [1]}}}),
                &json!({"a/b~": CANARY}),
                "/a~1b~0",
                "1",
            ),
            (
                json!({"properties": {"a": {"pattern": "^x"}}}),
                &json!({"a": CANARY}),
                "/a",
                "^x",
            ),
            (
                json!({"properties": {"a": {"not": {"type": "string"}}}}),
                &json!({"a": CANARY}),
                "/a",
                "not allowed",
            ),
            (
                json!({"properties": {"a": {"anyOf": [{"type": "null"}]}}}),
                &json!({"a": CANARY}),
                "/a",
                "anyOf",
            ),
            (
                json!({"properties": {"a": {"oneOf": [{"additionalProperties": false}, {"type": "null"}]}}}),
                &json!({"a": {CANARY: 1}}),
                "/a",
                "oneOf",
            ),
            (
                json!({"properties": {"a": {"maxItems": 0}}}),
                &json!({"a": [CANARY]}),
                "/a",
                "0 items",
            ),
            (
                json!({"properties": {"a": {"prefixItems": [true], "unevaluatedItems": false}}}),
                &json!({"a": [1, CANARY]}),
                "/a",
                "Unevaluated items",
            ),
            (
                json!({"properties": {"a": {"uniqueItems": true}}}),
                &json!({"a": [CANARY, CANARY]}),
                "/a",
                "non-unique",
            ),
            (
                json!({"dependentRequired": {"a": ["b"]}}),
                &json!({"a": CANARY}),
                "",
                "\"b\" is a required",
            ),
            (
                json!({"additionalProperties": {"properties": {"inner": {"type": "null"}}}}),
                &json!({CANARY: {"inner": CANARY}}),
                "/*/inner",
                "\"null\"",
            ),
        ] {
            let problems = PayloadSchema::compile(&schema).unwrap().problems(payload);
            let problem = problems.first().unwrap();
            assert_eq!(problem.field, field, "{schema}");
            assert!(problem.message.contains(message), "{schema}: {}", problem.message);
            let all = format!("{problems:?}");
            for part in ["jane", "forged", "\u{1b}"] {
                assert!(!all.contains(part), "{schema}: {all}");
            }
        }
    }
}
