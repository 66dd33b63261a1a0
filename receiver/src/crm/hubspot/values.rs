//! A lead's values as HubSpot gets them. Pure.

use serde_json::{Map, Value};

use crate::crm::Upsert;
use crate::expression::plain_text;

pub(super) fn property(lead: &Upsert, name: &str) -> Option<String> {
    let (_, value) = lead.properties.iter().find(|(known, _)| known == name)?;
    text(value).filter(|text| !text.is_empty())
}

/// The properties for a record that has the lead's e-mail address already.
pub(super) fn without_email(lead: &Upsert) -> Map<String, Value> {
    let mut properties = texts(&lead.properties);
    properties.remove("email");
    properties
}

/// HubSpot takes texts only: numbers and booleans as written, lists joined with `;` as for multiple checkboxes.
pub(super) fn texts<'a>(properties: impl IntoIterator<Item = &'a (String, Value)>) -> Map<String, Value> {
    properties
        .into_iter()
        .filter_map(|(name, value)| {
            // An empty text is HubSpot's way of clearing a property.
            let text = if value.is_null() {
                String::new()
            } else {
                text(value)?
            };
            Some((name.clone(), Value::String(text)))
        })
        .collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => Some(items.iter().filter_map(plain_text).collect::<Vec<_>>().join(";")),
        Value::Object(_) => Some(value.to_string()),
        other => plain_text(other),
    }
}

/// The same text, whatever its case.
pub(super) fn folded(value: Option<&Value>) -> Option<String> {
    Some(value?.as_str()?.to_lowercase())
}
