//! Whether an object has the form that its schema describes, in words; and what is left when the wrong parts are taken out,
//! so that the rest can be judged in the same pass.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value, json};

use super::field::{below, field};
use super::patterns;
use crate::nearest::{did_you_mean, nearest};
use crate::source::preset;

/// More errors of one object help nobody.
const MAX_PROBLEMS: usize = 20;
/// How many known names are listed beside an unknown one.
const MAX_NAMES_LISTED: usize = 12;
/// What an object has at its top.
const TOP: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// Fields beside `spec` that do not belong there; they are taken out.
pub(super) fn outside_spec(object: &mut Value, schema: &Value, errors: &mut Vec<String>) {
    let Value::Object(members) = object else { return };
    members.retain(|name, _| {
        let known = TOP.contains(&name.as_str());
        if !known {
            let hint = if names(schema).any(|own| own == name) {
                "; it belongs under spec".to_owned()
            } else {
                did_you_mean(name, TOP).unwrap_or_default()
            };
            errors.push(format!("{name}: unknown field{hint}"));
        }
        known
    });
}

/// Fields that the schema does not know; they are taken out, and the field that was probably meant counts as read.
pub(super) fn unknown_fields(
    value: &mut Value,
    schema: &Value,
    path: &str,
    errors: &mut Vec<String>,
    void: &mut Vec<String>,
) {
    match value {
        Value::Object(members) => {
            let closed = schema.get("properties").is_some()
                && schema.get("x-kubernetes-preserve-unknown-fields") != Some(&Value::Bool(true));
            if closed {
                let siblings: Vec<String> = members.keys().cloned().collect();
                members.retain(|name, _| {
                    let known = below(schema, name).is_some();
                    if !known {
                        let here = field(&format!("{path}/{name}"));
                        let free = names(schema).filter(|own| !siblings.iter().any(|sibling| sibling == own));
                        let meant = nearest(name, free);
                        let owner = owner(name, schema).filter(|_| meant.is_none());
                        errors.push(format!("{here}: unknown field{}", hint(meant, owner, schema)));
                        void.push(here);
                        void.extend(meant.or(owner).map(|own| field(&format!("{path}/{own}"))));
                    }
                    known
                });
            }
            for (name, value) in members {
                if let Some(schema) = below(schema, name) {
                    unknown_fields(value, schema, &format!("{path}/{name}"), errors, void);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (n, item) in items.iter_mut().enumerate() {
                    unknown_fields(item, schema, &format!("{path}/{n}"), errors, void);
                }
            }
        }
        _ => {}
    }
}

/// What to write instead of an unknown field: the name that is meant, or where it belongs, or what there is.
fn hint(meant: Option<&str>, owner: Option<&str>, schema: &Value) -> String {
    match (meant, owner) {
        (Some(meant), _) => format!("; did you mean {meant}?"),
        (None, Some(owner)) => format!("; it belongs under {owner}"),
        (None, None) => {
            let known: Vec<&str> = names(schema).take(MAX_NAMES_LISTED).collect();
            let more = if names(schema).count() > MAX_NAMES_LISTED {
                " …"
            } else {
                ""
            };
            format!("; known fields: {}{more}", known.join(", "))
        }
    }
}

/// The member that has a field of this name.
fn owner<'s>(name: &str, schema: &'s Value) -> Option<&'s str> {
    names(schema)
        .find(|member| below(schema, member).is_some_and(|inner| names(inner).any(|inner| inner == name)))
}

/// Compares with the schema. What does not fit is taken out, and what is missing is made up where that is possible.
pub(super) fn check(
    spec: &mut Value,
    schema: &Value,
    validator: &Validator,
    errors: &mut Vec<String>,
    void: &mut Vec<String>,
) {
    let mut misfits = Vec::new();
    for error in validator.iter_errors(spec).take(MAX_PROBLEMS) {
        let pointer = error.instance_path().to_string();
        let missing = match error.kind() {
            ValidationErrorKind::Required { property } => property.as_str(),
            _ => None,
        };
        let here = field(&format!("/spec{pointer}"));
        let concerned = missing.map_or_else(|| here.clone(), |name| format!("{here}.{name}"));
        // The unknown field that was said to be this one already tells it.
        if !void.contains(&concerned) {
            errors.push(format!("{here}: {}", words(&error, at(schema, &pointer))));
            void.push(concerned);
        }
        if missing.is_none() {
            misfits.push(pointer);
        }
    }
    if void.is_empty() {
        return;
    }
    for pointer in misfits {
        void.push(field(&format!("/spec{}", take_out(spec, &pointer))));
    }
    make_up(spec, schema, "/spec", void);
}

/// Why a value does not fit, without the value: a key put in the wrong place must not reach a log.
fn words(error: &ValidationError<'_>, schema: Option<&Value>) -> String {
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!("{} is missing", property.as_str().unwrap_or("a field"))
        }
        ValidationErrorKind::Enum { options } => {
            let options: Vec<&str> = options
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let hint = error
                .instance()
                .as_str()
                .and_then(|text| did_you_mean(text, options.iter().copied()))
                .unwrap_or_default();
            format!("write one of {}{hint}", options.join(", "))
        }
        ValidationErrorKind::Type { kind } => {
            let place = error.instance_path().to_string();
            let name = place.rsplit('/').next().unwrap_or_default();
            wrong_type(kind, error.instance(), name, schema)
        }
        ValidationErrorKind::Pattern { .. } if error.instance_path().to_string() == "/source" => {
            preset::unknown(error.instance().as_str().unwrap_or_default())
        }
        ValidationErrorKind::Pattern { pattern } => {
            patterns::words(pattern).map_or_else(|| error.masked_with("the value").to_string(), str::to_owned)
        }
        _ => error.masked_with("the value").to_string(),
    }
}

fn wrong_type(expected: &TypeKind, value: &Value, name: &str, schema: Option<&Value>) -> String {
    let expected = match expected {
        TypeKind::Single(kind) => kind.to_string(),
        TypeKind::Multiple(_) => return "the value has a type that does not fit here".to_owned(),
    };
    let member = |name: &str| schema.and_then(|schema| schema.get(name));
    let remedy = match (expected.as_str(), value) {
        ("string", Value::Number(_) | Value::Bool(_)) => match member("pattern").and_then(Value::as_str) {
            Some(patterns::DURATION) => ": write it with its unit, for example 3600s".to_owned(),
            _ => ": put it in quotes".to_owned(),
        },
        ("integer" | "number", Value::String(text)) => in_digits(text, name),
        ("integer", Value::Number(_)) => {
            ": write it in digits alone, without point and exponent, for example 1000000".to_owned()
        }
        ("boolean", Value::String(text)) => true_or_false(text),
        ("array", _) => match member("items").and_then(first_name) {
            Some(name) => format!(": write a list, as in [{{{name}: …}}]"),
            None => ": write a list, as in [a, b]".to_owned(),
        },
        ("object", _) => schema
            .and_then(first_name)
            .map(|name| format!(": write {{{name}: …}}"))
            .unwrap_or_default(),
        _ => String::new(),
    };
    format!(
        "this must be {}, and is {}{remedy}",
        named(&expected),
        kind_of(value)
    )
}

/// How a text that stands for a number is written as one.
fn in_digits(text: &str, name: &str) -> String {
    let remedy = if text.trim().parse::<f64>().is_ok() {
        "write it without quotes"
    } else if name.ends_with("Seconds") {
        "write the number of seconds in digits, for example 300"
    } else if name.to_lowercase().contains("bytes") {
        "write the number of bytes in digits, for example 1048576"
    } else {
        "write it in digits, for example 2"
    };
    format!(": {remedy}")
}

/// What other languages, and YAML of before, have for true and false.
fn true_or_false(text: &str) -> String {
    let remedy = match text.to_lowercase().as_str() {
        "true" | "false" => "write it without quotes",
        "yes" | "y" | "on" | "1" => "write true",
        "no" | "n" | "off" | "0" => "write false",
        _ => "write true or false",
    };
    format!(": {remedy}")
}

/// The member that an object of this schema needs first, or its first one.
fn first_name(schema: &Value) -> Option<&str> {
    let required = schema.get("required").and_then(Value::as_array);
    let required = required.and_then(|names| names.first()?.as_str());
    required.or_else(|| names(schema).next())
}

fn named(kind: &str) -> &str {
    match kind {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The schema of what a JSON pointer names.
fn at<'s>(schema: &'s Value, pointer: &str) -> Option<&'s Value> {
    pointer
        .split('/')
        .filter(|part| !part.is_empty())
        .try_fold(schema, |schema, part| {
            let name = part.replace("~1", "/").replace("~0", "~");
            if part.bytes().all(|b| b.is_ascii_digit()) && schema.get("items").is_some() {
                schema.get("items")
            } else {
                below(schema, &name)
            }
        })
}

/// Removes what a pointer names, or the list that it is an item of; returns what was removed.
fn take_out<'p>(spec: &mut Value, pointer: &'p str) -> &'p str {
    let mut pointer = pointer;
    while let Some((parent, name)) = pointer.rsplit_once('/') {
        if let Some(Value::Object(members)) = spec.pointer_mut(parent) {
            members.remove(&name.replace("~1", "/").replace("~0", "~"));
            return pointer;
        }
        pointer = parent;
    }
    pointer
}

/// Fills in required fields with the smallest value of their type, so that the object can be read.
fn make_up(value: &mut Value, schema: &Value, path: &str, void: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let required = schema.get("required").and_then(Value::as_array);
            for name in required.into_iter().flatten().filter_map(Value::as_str) {
                if !members.contains_key(name)
                    && let Some(smallest) = below(schema, name).map(smallest)
                {
                    members.insert(name.to_owned(), smallest);
                    void.push(field(&format!("{path}/{name}")));
                }
            }
            for (name, value) in members {
                if let Some(schema) = below(schema, name) {
                    make_up(value, schema, &format!("{path}/{name}"), void);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (n, item) in items.iter_mut().enumerate() {
                    make_up(item, schema, &format!("{path}/{n}"), void);
                }
            }
        }
        _ => {}
    }
}

fn smallest(schema: &Value) -> Value {
    if let Some(option) = schema.pointer("/enum/0") {
        return option.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => json!([]),
        Some("object") => Value::Object(Map::new()),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        _ => json!("x"),
    }
}

fn names(schema: &Value) -> impl Iterator<Item = &str> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
}
