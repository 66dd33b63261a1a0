//! The rules of the CRDs, off-cluster: what `kubectl apply` would refuse is refused here, in the same words.

use std::cell::{LazyCell, RefCell};
use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::field::{below, field, field_of};
use super::shape;
use crate::expression::{Names, Program, Scope};

/// A resource's schema, compiled.
pub(super) struct Schema {
    spec: Value,
    validator: Option<jsonschema::Validator>,
    /// The rules in it that were needed so far. All objects of a kind have the same.
    rules: RefCell<HashMap<String, Option<Program>>>,
}

/// A schema, compiled when the first object needs it. It is large and needed while manifests are read only, so it is not
/// kept.
pub(super) type LazySchema = LazyCell<Schema>;

/// The schema of a CrmSink.
pub(super) fn crm_sink() -> LazySchema {
    LazyCell::new(|| Schema::of(leadgate_crds::CRM_SINK_YAML))
}

/// The schema of a LeadReceiver.
pub(super) fn lead_receiver() -> LazySchema {
    LazyCell::new(|| Schema::of(leadgate_crds::LEAD_RECEIVER_YAML))
}

/// The schema of a LeadWebhook.
pub(super) fn lead_webhook() -> LazySchema {
    LazyCell::new(|| Schema::of(leadgate_crds::LEAD_WEBHOOK_YAML))
}

impl Schema {
    fn of(definition: &str) -> Self {
        let mut crd: Value = serde_saphyr::from_str(definition).unwrap_or(Value::Null);
        let spec = crd
            .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
            .map_or_else(|| json!({"type": "object"}), Value::take);
        drop(crd);
        // As Kubernetes reads them. (What checks schemas of the later drafts is large, and stays in memory.)
        let validator = jsonschema::draft4::new(&spec).ok();
        Self {
            spec,
            validator,
            rules: RefCell::default(),
        }
    }

    /// Whether a value keeps a rule. One that cannot be evaluated is not held against it.
    fn holds(&self, rule: &str, value: &Value) -> bool {
        let mut known = self.rules.borrow_mut();
        let program = known.entry(rule.to_owned()).or_insert_with(|| {
            Program::compile(rule, &Names::SCHEMA)
                .map_err(|error| tracing::debug!(%error, rule, "failed to compile a rule of the schema"))
                .ok()
        });
        let Some(program) = program else { return true };
        program
            .test(&Scope::new().with("self", value))
            .unwrap_or_else(|error| {
                tracing::debug!(%error, rule, "failed to evaluate a rule of the schema");
                true
            })
    }
}

/// An object as far as it can be read, with everything that is wrong with its form.
pub(super) struct Parsed<T> {
    object: Option<T>,
    errors: Vec<String>,
    /// Fields that were made up or taken out so that the rest could be read: what is said about them later is no news.
    void: Vec<String>,
}

impl<T> Parsed<T> {
    /// Compiles the object, also one of which parts could not be read: every error of every kind is told at once.
    pub(super) fn compile<C>(
        self,
        compile: impl FnOnce(&T) -> Result<C, Vec<String>>,
    ) -> Result<C, Vec<String>> {
        let mut errors = self.errors;
        match self.object.as_ref().map(compile) {
            Some(Ok(compiled)) if errors.is_empty() => return Ok(compiled),
            Some(Err(found)) => {
                let known = errors.clone();
                let is_news = |error: &String| {
                    !self.void.iter().any(|void| concerns(void, field_of(error)))
                        && !known.iter().any(|known| tells(known, field_of(error)))
                };
                errors.extend(found.into_iter().filter(is_news));
            }
            Some(Ok(_)) | None => {}
        }
        Err(errors)
    }
}

/// Whether an error tells already what is wrong with `field`: it is about the same, or about an object, and names the field
/// in it.
fn tells(error: &str, field: &str) -> bool {
    let known = field_of(error);
    let Some(rest) = field.strip_prefix(known).filter(|_| !known.is_empty()) else {
        return false;
    };
    let name = rest.rsplit('.').next().unwrap_or_default();
    let words = error.get(known.len()..).unwrap_or_default();
    let mut words = words.split(|c: char| !c.is_alphanumeric());
    rest.is_empty() || (rest.starts_with('.') && words.any(|word| word == name))
}

/// Whether an error about `field` may come from the loss of `void`: it is about the same, a part of it, or the object
/// that holds it.
fn concerns(void: &str, field: &str) -> bool {
    let within = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let parent = void.rfind(['.', '[']).and_then(|end| void.get(..end));
    within(void, field) || parent == Some(field)
}

/// Reads an object; every error names the field, and what to write instead. Unknown fields come first: what is missing
/// is often only misspelt.
pub(super) fn parse<T: DeserializeOwned>(mut value: Value, schema: &Schema) -> Parsed<T> {
    if let Value::Object(map) = &mut value {
        map.remove("status");
    }
    drop_nulls(&mut value);
    let mut errors = Vec::new();
    let mut void = Vec::new();
    shape::outside_spec(&mut value, &schema.spec, &mut errors);
    let spec = value.get_mut("spec").map(Value::take);
    let has_spec = spec.is_some();
    let mut spec = spec.unwrap_or_else(|| json!({}));
    shape::unknown_fields(&mut spec, &schema.spec, "/spec", &mut errors, &mut void);
    set_defaults(&mut spec, &schema.spec);
    if let Some(validator) = &schema.validator {
        shape::check(&mut spec, &schema.spec, validator, &mut errors, &mut void);
    }
    let mut broken = Vec::new();
    rules(schema, &spec, &schema.spec, "/spec", &mut broken);
    errors.extend(
        broken
            .into_iter()
            .filter(|error| !void.iter().any(|void| concerns(void, field_of(error)))),
    );
    if let Value::Object(map) = &mut value {
        map.insert("spec".to_owned(), spec);
    }
    if !has_spec && errors.is_empty() {
        errors.push("spec is missing; a manifest without any fields needs spec: {}".to_owned());
    }
    let object = serde_path_to_error::deserialize(value)
        .map_err(|error| {
            if errors.is_empty() {
                errors.push(format!("{}: {}", error.path(), error.inner()));
            }
        })
        .ok();
    Parsed { object, errors, void }
}

/// A null field is an absent one, as for the API server.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// The API server fills in defaults before it looks at rules.
fn set_defaults(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten() {
                if let Some(default) = property.get("default") {
                    map.entry(name.as_str()).or_insert_with(|| default.clone());
                }
            }
            for (name, value) in map {
                if let Some(below) = below(schema, name) {
                    set_defaults(value, below);
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = schema.get("items") {
                for item in items {
                    set_defaults(item, below);
                }
            }
        }
        _ => {}
    }
}

/// Items that stand twice in a list of type `set`, or twice with the same keys in one of type `map`.
fn duplicates(items: &[Value], schema: &Value, path: &str, errors: &mut Vec<String>) {
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
    let identity = |item: &Value| match text("x-kubernetes-list-type") {
        Some("set") => Some(vec![item.clone()]),
        Some("map") => keys.map(|keys| {
            let of_item = |key: &Value| item.get(key.as_str().unwrap_or_default()).cloned();
            keys.iter().map(|key| of_item(key).unwrap_or_default()).collect()
        }),
        _ => None,
    };
    let mut seen = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let Some(identity) = identity(item) else {
            return;
        };
        if seen.contains(&identity) {
            errors.push(format!("{}: Duplicate value", field(&format!("{path}/{n}"))));
        }
        seen.push(identity);
    }
}

/// Evaluates `x-kubernetes-validations` on a value and everything in it.
fn rules(known: &Schema, value: &Value, schema: &Value, path: &str, errors: &mut Vec<String>) {
    for rule in schema
        .get("x-kubernetes-validations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
        // Transition rules compare with an older object, which a folder of files does not have.
        if text("rule").contains("oldSelf") {
            continue;
        }
        if !known.holds(text("rule"), value) {
            errors.push(format!(
                "{}: {}",
                field(&format!("{path}{}", text("fieldPath").replace('.', "/"))),
                text("message")
            ));
        }
    }
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if let Some(below) = below(schema, name) {
                    rules(known, value, below, &format!("{path}/{name}"), errors);
                }
            }
        }
        Value::Array(items) => {
            duplicates(items, schema, path, errors);
            if let Some(below) = schema.get("items") {
                for (n, item) in items.iter().enumerate() {
                    rules(known, item, below, &format!("{path}/{n}"), errors);
                }
            }
        }
        _ => {}
    }
}
