//! Lead -> CRM properties, at delivery time: a corrected mapping repairs a replay.

use std::collections::{BTreeMap, BTreeSet};

use leadgate_crds::common::Expression;
use serde_json::Value;

use crate::expression::{Names, Program, Scope, is_blank};

/// The phone number as people in the CRM dial it, for sinks without a property of its own for the extension.
pub(super) const PHONE: &str =
    "has(lead.phoneExtension) ? lead.phone + ' ext. ' + lead.phoneExtension : lead.phone";

/// A sink's compiled `properties`.
#[derive(Debug)]
pub struct Mapping(Vec<(String, Program)>);

/// A property's expression failed on this lead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{property}: {reason}")]
pub struct MappingError {
    /// The property.
    pub property: String,
    /// Why, without values.
    pub reason: String,
}

impl Mapping {
    /// Compiles `spec.<field>` on top of a CRM's standard properties; null leaves one out. Every error names its property.
    pub fn compile<'e>(
        field: &str,
        own: impl IntoIterator<Item = (&'e str, Option<&'e Expression>)>,
        standard: &[(&'e str, &'e str)],
    ) -> Result<Self, Vec<String>> {
        let mut sources: BTreeMap<&str, &str> = standard.iter().copied().collect();
        for (name, expression) in own {
            // Salesforce's names have no case.
            sources.retain(|standard, _| !standard.eq_ignore_ascii_case(name));
            sources.extend(expression.map(|own| (name, own.as_str())));
        }
        let mut errors = Vec::new();
        let mut compiled = Vec::with_capacity(sources.len());
        for (name, source) in sources {
            match Program::compile(source, &Names::PROPERTIES) {
                Ok(program) if program.is_null() => {}
                Ok(program) => compiled.push((name.to_owned(), program)),
                Err(error) => errors.push(format!("spec.{field}.{name}: {error}")),
            }
        }
        if errors.is_empty() {
            Ok(Self(compiled))
        } else {
            Err(errors)
        }
    }

    /// The expressions.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &Program> {
        self.0.iter().map(|(_, program)| program)
    }

    /// The properties' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The properties whose expressions look where any name may stand: in the payload and in `lead.custom`.
    pub fn looking_at_free_names(&self) -> impl Iterator<Item = &str> {
        let looks =
            |program: &Program| program.refers_to("payload") || program.custom_fields().next().is_some();
        self.0
            .iter()
            .filter(move |(_, program)| looks(program))
            .map(|(name, _)| name.as_str())
    }

    /// The fields of `lead.custom` that the properties are made of.
    pub fn custom_fields(&self) -> BTreeSet<&str> {
        self.0
            .iter()
            .flat_map(|(_, program)| program.custom_fields())
            .collect()
    }

    /// The properties of a lead. Absent and blank values are left out: an empty answer must not empty what sales typed.
    /// Null is what `clear()` gives: the CRM's own way of emptying a property.
    pub fn apply(
        &self,
        lead: &Value,
        payload: &Value,
        webhook: &Value,
    ) -> Result<Vec<(String, Value)>, MappingError> {
        let scope = Scope::new()
            .with("lead", lead)
            .with("payload", payload)
            .with("webhook", webhook);
        let mut properties = Vec::with_capacity(self.0.len());
        for (name, program) in &self.0 {
            match program.evaluate(&scope) {
                Ok(Some(value)) if value.is_null() || !is_blank(&value) => {
                    properties.push((name.clone(), value));
                }
                Ok(_) => {}
                Err(error) => {
                    return Err(MappingError {
                        property: name.clone(),
                        reason: error.to_string(),
                    });
                }
            }
        }
        Ok(properties)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapping(own: &Value) -> Result<Mapping, Vec<String>> {
        let own: BTreeMap<String, Option<Expression>> = serde_json::from_value(own.clone()).unwrap();
        let own = own.iter().map(|(name, own)| (name.as_str(), own.as_ref()));
        Mapping::compile(
            "properties",
            own,
            &[
                ("Email", "lead.email"),
                ("City", "lead.city"),
                ("Title", "lead.jobTitle"),
            ],
        )
    }

    #[test]
    fn own_properties_come_on_top_of_the_standard_ones_and_null_leaves_one_out() {
        let names =
            |own: Value| -> Vec<String> { mapping(&own).unwrap().names().map(str::to_owned).collect() };
        assert_eq!(names(json!({})), ["City", "Email", "Title"]);
        assert_eq!(
            names(json!({"Budget": "lead.custom.budget"})),
            ["Budget", "City", "Email", "Title"]
        );
        assert_eq!(names(json!({"City": null, "Title": "null"})), ["Email"]);
        // Salesforce's names have no case.
        assert_eq!(names(json!({"CITY": "'Bonn'"})), ["CITY", "Email", "Title"]);
        let errors = mapping(&json!({"A": "lead.emial", "B": "nope"})).unwrap_err();
        let starts = ["spec.properties.A: `lead.emial`", "spec.properties.B: `nope`"];
        assert_eq!(errors.len(), starts.len(), "{errors:?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn blank_values_are_not_sent_and_clear_sends_a_null() {
        let mapping = mapping(&json!({
            "Title": "clear()", "City": "has(lead.city) ? lead.city : clear()", "a": "payload.a", "b": "payload.b", "c": "payload.c",
            "d": "payload.d", "e": "payload.e", "f": "payload.f", "g": "payload.g", "zero": "payload.zero", "no": "payload.no",
            "some": "payload.some"
        }));
        let payload = json!({
            "a": "", "b": " \t", "c": [], "d": {}, "e": null, "f": ["", null, " "], "g": {"x": ""},
            "zero": 0, "no": false, "some": ["", "x"]
        });
        let lead = json!({"email": "ada@example.com"});
        let sent = mapping.unwrap().apply(&lead, &payload, &Value::Null).unwrap();
        let expected = [
            ("City", Value::Null),
            ("Email", json!("ada@example.com")),
            ("Title", Value::Null),
            ("no", json!(false)),
            ("some", json!(["", "x"])),
            ("zero", json!(0)),
        ];
        assert_eq!(sent, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn the_fields_of_ones_own_that_are_mapped_are_known() {
        let mapping =
            mapping(&json!({"a": "lead.custom.budget", "b": "lead.?custom.?plan.orValue('')"})).unwrap();
        assert_eq!(
            mapping.custom_fields().into_iter().collect::<Vec<_>>(),
            ["budget", "plan"]
        );
    }
}
