//! The canonical lead: its fields, how they are normalised, and what makes one valid. Pure.

mod addresses;
mod contact;
mod decoded;
mod dial_code;
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

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

pub use contact::{
    contact, digest, email_identity, mapped, people, phone_identities, phone_identity, posted,
};
pub use dial_code::with_dial_code;
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

/// All fields, as the members of a JSON object stand.
const BY_NAME: [Field; 18] = [
    Field::Address,
    Field::CapturedAt,
    Field::City,
    Field::Company,
    Field::Country,
    Field::Email,
    Field::FirstName,
    Field::FullName,
    Field::JobTitle,
    Field::LastName,
    Field::Message,
    Field::Phone,
    Field::PhoneExtension,
    Field::PostalCode,
    Field::Source,
    Field::State,
    Field::SubmissionId,
    Field::Website,
];

/// The name under which custom fields stand in a lead.
const CUSTOM: &str = "custom";

/// A lead, as expressions see it: a JSON object of present fields; absent ones are not there.
///
/// The standard fields have places of their own: as members of an object each would cost an allocation for its name, and
/// comparisons with the names of others each time it is looked at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lead {
    /// In the order of [`Field::ALL`].
    texts: Box<[Option<String>; BY_NAME.len()]>,
    /// `custom`, and what else a stored lead may have.
    others: Map<String, Value>,
}

/// The value of a member of a lead.
enum Member<'l> {
    Text(&'l str),
    Other(&'l Value),
}

impl Lead {
    /// A lead without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a stored lead.
    pub fn from_value(value: Value) -> Option<Self> {
        let Value::Object(map) = value else {
            return None;
        };
        let mut lead = Self::new();
        for (name, value) in map {
            match (Field::named(&name), value) {
                (Some(field), Value::String(text)) => lead.put(field, text),
                (_, value) => {
                    lead.others.insert(name, value);
                }
            }
        }
        Some(lead)
    }

    /// A field's text, if it is given.
    pub fn get(&self, field: Field) -> Option<&str> {
        self.texts.get(field as usize)?.as_deref()
    }

    /// Sets a field, without control characters and outer blanks, seen or not; a blank text leaves it absent.
    pub fn set(&mut self, field: Field, text: impl Into<String>) {
        let text: String = text.into();
        if text::is_clean(&text) {
            self.put(field, text);
            return;
        }
        let clean = text::without_controls(text::trim(&text));
        let clean = text::trim(&clean);
        if clean.is_empty() {
            self.take(field);
            return;
        }
        let clean = if clean.len() == text.len() {
            text
        } else {
            clean.to_owned()
        };
        self.put(field, clean);
    }

    fn put(&mut self, field: Field, text: String) {
        self.take(field);
        if let Some(place) = self.texts.get_mut(field as usize) {
            *place = Some(text);
        }
    }

    fn take(&mut self, field: Field) {
        if let Some(place) = self.texts.get_mut(field as usize) {
            *place = None;
        }
        if !self.others.is_empty() {
            self.others.remove(field.name());
        }
    }

    /// The fields that are given, with their texts, in the order of their names.
    fn given(&self) -> impl Iterator<Item = (Field, &str)> {
        let fields = BY_NAME.iter();
        fields.filter_map(|field| Some((*field, self.get(*field)?)))
    }

    /// All that is given, in the order of the names.
    fn members(&self) -> impl Iterator<Item = (&str, Member<'_>)> {
        let texts = self
            .given()
            .map(|(field, text)| (field.name(), Member::Text(text)));
        let others = self.others.iter();
        let others = others.map(|(name, value)| (name.as_str(), Member::Other(value)));
        let (mut texts, mut others) = (texts.peekable(), others.peekable());
        std::iter::from_fn(move || match (texts.peek(), others.peek()) {
            (Some((text, _)), Some((other, _))) if other < text => others.next(),
            (Some(_), _) => texts.next(),
            (None, _) => others.next(),
        })
    }

    /// A custom field, if it is given.
    pub fn custom(&self, name: &str) -> Option<&Value> {
        self.others.get(CUSTOM).and_then(|custom| custom.get(name))
    }

    /// Sets a custom field; texts lose their control characters.
    pub fn set_custom(&mut self, name: &str, mut value: Value) {
        for text in texts(&mut value) {
            if let Cow::Owned(clean) = text::without_controls(text) {
                *text = clean;
            }
        }
        let custom = self
            .others
            .entry(CUSTOM)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(map) = custom {
            map.insert(name.to_owned(), value);
        }
    }

    /// All custom fields.
    pub fn customs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.others
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
        match (name.strip_prefix("custom."), Field::named(name)) {
            (Some(custom), _) => self.custom(custom).and_then(Value::as_str),
            (None, Some(field)) => self.get(field),
            (None, None) => self.others.get(name).and_then(Value::as_str),
        }
    }

    fn set_text(&mut self, name: &str, text: String) {
        match (name.strip_prefix("custom."), Field::named(name)) {
            (Some(custom), _) => self.set_custom(custom, Value::String(text)),
            (None, Some(field)) => self.put(field, text),
            (None, None) => {
                self.others.insert(name.to_owned(), Value::String(text));
            }
        }
    }

    /// Takes out a field or `custom.<name>`; an extension goes with its number.
    fn remove(&mut self, name: &str) {
        match (name.strip_prefix("custom."), Field::named(name)) {
            (Some(custom), _) => {
                if let Some(Value::Object(map)) = self.others.get_mut(CUSTOM) {
                    map.remove(custom);
                }
            }
            (None, Some(field)) => self.take(field),
            (None, None) => {
                self.others.remove(name);
            }
        }
        if name == Field::Phone.name() {
            self.take(Field::PhoneExtension);
        }
    }

    /// Whether a field, or `custom.<name>`, is given.
    pub fn has(&self, name: &str) -> bool {
        match name.strip_prefix("custom.") {
            Some(custom) => self.custom(custom).is_some(),
            None => {
                Field::named(name).is_some_and(|field| self.get(field).is_some())
                    || self.others.contains_key(name)
            }
        }
    }

    /// The lead as JSON.
    pub fn into_value(self) -> Value {
        let mut map = self.others;
        for (field, text) in Field::ALL.iter().zip(*self.texts) {
            if let Some(text) = text {
                map.insert(field.name().to_owned(), Value::String(text));
            }
        }
        Value::Object(map)
    }
}

impl Serialize for Lead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.members() {
            match value {
                Member::Text(text) => map.serialize_entry(name, text)?,
                Member::Other(value) => map.serialize_entry(name, value)?,
            }
        }
        map.end()
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
