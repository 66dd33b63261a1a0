//! Lead -> CRM properties, at delivery time: a corrected mapping repairs a replay.

use std::collections::BTreeMap;

use leadgate_crds::common::Expression;
use serde_json::Value;

use crate::expression::{Program, Scope};

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
    /// Compiles `spec.<field>`; every error names its property.
    pub fn compile(field: &str, properties: &BTreeMap<String, Expression>) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let compiled = properties
            .iter()
            .filter_map(|(name, expression)| match Program::compile(expression.as_str()) {
                Ok(program) => Some((name.clone(), program)),
                Err(error) => {
                    errors.push(format!("spec.{field}.{name}: {error}"));
                    None
                }
            })
            .collect();
        if errors.is_empty() {
            Ok(Self(compiled))
        } else {
            Err(errors)
        }
    }

    /// A mapping of property to expression that is known to compile.
    pub fn standard(properties: &[(&str, &str)]) -> Result<Self, Vec<String>> {
        properties
            .iter()
            .map(|(name, source)| {
                Program::compile(source)
                    .map(|p| ((*name).to_owned(), p))
                    .map_err(|e| vec![e.to_string()])
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The properties' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The properties of a lead; absent values are left out.
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
                Ok(Some(value)) => properties.push((name.clone(), value)),
                Ok(None) => {}
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
