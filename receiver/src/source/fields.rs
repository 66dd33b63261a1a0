//! A lead mapping, compiled: field -> expression.

use std::collections::BTreeMap;

use leadgate_crds::common::Expression;
use leadgate_crds::lead_webhook::LeadMapping;
use serde_json::Value;

use crate::expression::{Names, Program, Scope, is_blank, plain_text};
use crate::lead::{Field, Lead, Problem};

/// The expressions of a mapping.
#[derive(Debug, Default)]
pub(super) struct Fields {
    standard: Vec<(Field, Program)>,
    custom: Vec<(String, Program)>,
    /// The names of those that are not the preset's.
    own: Vec<String>,
}

impl Fields {
    /// Compiles `own` over `preset`; each error starts with the path of its field below `at`.
    pub(super) fn compile(
        own: &LeadMapping,
        preset: &LeadMapping,
        at: &str,
        names: &Names,
        errors: &mut Vec<String>,
    ) -> Self {
        let mut compile = |name: &str, expression: &Expression| {
            Program::compile(expression.as_str(), names)
                .map_err(|e| errors.push(format!("{at}.{name}: {e}")))
                .ok()
        };
        let standard = Field::ALL
            .iter()
            .filter_map(|field| {
                let expression = mapped(own, *field).or(mapped(preset, *field))?;
                Some((*field, compile(field.name(), expression)?))
            })
            .collect();
        let mut names: BTreeMap<&String, &Expression> = preset.custom.iter().collect();
        names.extend(own.custom.iter());
        let custom = names
            .into_iter()
            .filter_map(|(name, expression)| {
                Some((name.clone(), compile(&format!("custom.{name}"), expression)?))
            })
            .collect();
        let own_fields = Field::ALL.iter().filter(|field| mapped(own, **field).is_some());
        let own = own_fields
            .map(|field| field.name().to_owned())
            .chain(own.custom.keys().map(|name| format!("custom.{name}")))
            .collect();
        Self {
            standard,
            custom,
            own,
        }
    }

    /// The fields that the webhook itself maps, not its preset.
    pub(super) fn own(&self) -> impl Iterator<Item = &str> {
        self.own.iter().map(String::as_str)
    }

    /// The fields that it fills, such as `email` and `custom.budget`.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let custom = self.custom.iter().map(|(name, _)| format!("custom.{name}"));
        self.standard
            .iter()
            .map(|(field, _)| field.name().to_owned())
            .chain(custom)
    }

    /// All expressions.
    pub(super) fn programs(&self) -> impl Iterator<Item = &Program> {
        self.standard
            .iter()
            .map(|(_, program)| program)
            .chain(self.custom.iter().map(|(_, program)| program))
    }

    /// The names of the fields of its own.
    pub(super) fn custom_fields(&self) -> impl Iterator<Item = &str> {
        self.custom.iter().map(|(name, _)| name.as_str())
    }

    /// Sets every field that the scope gives, and tells what could not be read.
    pub(super) fn fill(&self, lead: &mut Lead, scope: &Scope<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (field, program) in &self.standard {
            match program.evaluate(scope) {
                Ok(None) => {}
                Ok(Some(Value::String(text))) => lead.set(*field, text),
                Ok(Some(value)) => match first_text(&value) {
                    Some(_) if *field == Field::Phone && is_fraction(&value) => problems.push(Problem::new(
                        field.name(),
                        "InvalidPhone",
                        "a phone number cannot be a fraction; send it as a string",
                    )),
                    Some(text) => lead.set(*field, text),
                    None if is_blank(&value) => {}
                    None => problems.push(Problem::new(
                        field.name(),
                        "NotText",
                        "the mapping returns an object or list where a string is needed",
                    )),
                },
                Err(error) => problems.push(error.problem(field.name(), "MappingFailed")),
            }
        }
        for (name, program) in &self.custom {
            match program.evaluate(scope) {
                Ok(Some(value)) if !is_blank(&value) => lead.set_custom(name, value),
                Ok(_) => {}
                Err(error) => problems.push(error.problem(format!("custom.{name}"), "MappingFailed")),
            }
        }
        problems
    }
}

fn mapped(mapping: &LeadMapping, field: Field) -> Option<&Expression> {
    match field {
        Field::Email => &mapping.email,
        Field::Phone => &mapping.phone,
        Field::PhoneExtension => &mapping.phone_extension,
        Field::FirstName => &mapping.first_name,
        Field::LastName => &mapping.last_name,
        Field::FullName => &mapping.full_name,
        Field::Company => &mapping.company,
        Field::JobTitle => &mapping.job_title,
        Field::Website => &mapping.website,
        Field::Address => &mapping.address,
        Field::City => &mapping.city,
        Field::State => &mapping.state,
        Field::PostalCode => &mapping.postal_code,
        Field::Country => &mapping.country,
        Field::Message => &mapping.message,
        Field::Source => &mapping.source,
        Field::SubmissionId => &mapping.submission_id,
        Field::CapturedAt => &mapping.captured_at,
    }
    .as_ref()
}

/// A scalar as text; of a list its first one that is not blank, since form builders wrap single answers in lists.
fn first_text(value: &Value) -> Option<String> {
    plain_text(first(value))
}

fn first(value: &Value) -> &Value {
    match value {
        Value::Array(items) => items.iter().find(|item| !is_blank(item)).unwrap_or(value),
        other => other,
    }
}

/// Whether a value is, or lists first, a number that is not whole.
fn is_fraction(value: &Value) -> bool {
    first(value).as_f64().is_some_and(|number| number.fract() != 0.0)
}
