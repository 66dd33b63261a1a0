//! The canonical lead: its fields, how they are normalised, and what makes one valid. Pure.

mod contact;
mod email;
mod judge;
mod named;
mod names;
mod normalise;
mod phone;
mod placeholder;
mod stored;
mod text;
mod validate;

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use contact::{contact, digest, email_identity, mapped, people, phone_identity, posted};
pub use email::email;
pub use judge::{Verdict, judge};
pub(crate) use named::first_named_in;
pub use named::{named_in, named_in_text};
pub use normalise::warm_up;
pub use phone::{Phone, phone};
pub use stored::StoredLead;
pub use validate::{Limits, Problem};

macro_rules! fields {
    ($($variant:ident $name:literal $longest:literal;)*) => {
        /// A standard field of a lead.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Field {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in manifests, expressions and answers.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The field of this name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// How many characters it may have, unless the webhook says otherwise.
            pub fn longest(self) -> usize {
                match self { $(Self::$variant => $longest,)* }
            }
        }
    };
}

fields! {
    Email "email" 254;
    Phone "phone" 64;
    PhoneExtension "phoneExtension" 16;
    FirstName "firstName" 100;
    LastName "lastName" 100;
    FullName "fullName" 100;
    Company "company" 1000;
    JobTitle "jobTitle" 1000;
    Website "website" 2048;
    Address "address" 1000;
    City "city" 1000;
    State "state" 1000;
    PostalCode "postalCode" 1000;
    Country "country" 1000;
    Message "message" 10_000;
    Source "source" 1000;
    SubmissionId "submissionId" 1000;
    CapturedAt "capturedAt" 1000;
}

/// The name under which custom fields stand in a lead.
const CUSTOM: &str = "custom";

/// A lead, as expressions see it: a JSON object of present fields; absent ones are not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lead(Map<String, Value>);

impl Lead {
    /// A lead without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a stored lead.
    pub fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self(map)),
            _ => None,
        }
    }

    /// A field's text, if it is given.
    pub fn get(&self, field: Field) -> Option<&str> {
        self.0.get(field.name()).and_then(Value::as_str)
    }

    /// Sets a field, without control characters and outer blanks, seen or not; a blank text leaves it absent.
    pub fn set(&mut self, field: Field, text: impl Into<String>) {
        let text: String = text.into();
        if text::is_clean(&text) {
            self.0.insert(field.name().to_owned(), Value::String(text));
            return;
        }
        let clean = text::without_controls(text::trim(&text));
        let clean = text::trim(&clean);
        if clean.is_empty() {
            self.0.remove(field.name());
            return;
        }
        let clean = if clean.len() == text.len() {
            text
        } else {
            clean.to_owned()
        };
        self.0.insert(field.name().to_owned(), Value::String(clean));
    }

    /// The fields that are given, with their texts.
    fn given(&self) -> impl Iterator<Item = (Field, &str)> {
        let texts = self.0.iter();
        texts.filter_map(|(name, value)| Some((Field::named(name)?, value.as_str()?)))
    }

    /// A custom field, if it is given.
    pub fn custom(&self, name: &str) -> Option<&Value> {
        self.0.get(CUSTOM).and_then(|custom| custom.get(name))
    }

    /// Sets a custom field; texts lose their control characters.
    pub fn set_custom(&mut self, name: &str, mut value: Value) {
        for text in texts(&mut value) {
            if let Cow::Owned(clean) = text::without_controls(text) {
                *text = clean;
            }
        }
        let custom = self.0.entry(CUSTOM).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(map) = custom {
            map.insert(name.to_owned(), value);
        }
    }

    /// All custom fields.
    pub fn customs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0
            .get(CUSTOM)
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|map| map.iter().map(|(name, value)| (name.as_str(), value)))
    }

    /// Whether `name` can name a part of a lead: a field or `custom.<name>`.
    pub fn is_field(name: &str) -> bool {
        name.starts_with("custom.") || Field::named(name).is_some()
    }

    /// The text of a field or of `custom.<name>`.
    fn text(&self, name: &str) -> Option<&str> {
        match name.strip_prefix("custom.") {
            Some(custom) => self.custom(custom),
            None => self.0.get(name),
        }
        .and_then(Value::as_str)
    }

    fn set_text(&mut self, name: &str, text: String) {
        match name.strip_prefix("custom.") {
            Some(custom) => self.set_custom(custom, Value::String(text)),
            None => {
                self.0.insert(name.to_owned(), Value::String(text));
            }
        }
    }

    /// Takes out a field or `custom.<name>`; an extension goes with its number.
    fn remove(&mut self, name: &str) {
        match (name.strip_prefix("custom."), self.0.get_mut(CUSTOM)) {
            (Some(custom), Some(Value::Object(map))) => {
                map.remove(custom);
            }
            (Some(_), _) => {}
            (None, _) => {
                self.0.remove(name);
            }
        }
        if name == Field::Phone.name() {
            self.0.remove(Field::PhoneExtension.name());
        }
    }

    /// Whether a field, or `custom.<name>`, is given.
    pub fn has(&self, name: &str) -> bool {
        match name.strip_prefix("custom.") {
            Some(custom) => self.custom(custom).is_some(),
            None => self.0.contains_key(name),
        }
    }

    /// The lead as JSON.
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// The text that a value is, or those that it lists.
fn texts(value: &mut Value) -> impl Iterator<Item = &mut String> {
    let values = match value {
        Value::Array(items) => items.as_mut_slice(),
        other => std::slice::from_mut(other),
    };
    values.iter_mut().filter_map(|value| match value {
        Value::String(text) => Some(text),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
