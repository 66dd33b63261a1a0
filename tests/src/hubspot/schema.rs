//! The contact properties: which there are, and which values they take.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answers::Refusal;

/// What a property holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any text.
    String,
    /// Digits, as text.
    Number,
    /// ISO 8601 or milliseconds since the epoch, as text.
    Datetime,
    /// A day.
    Date,
    /// `true` or `false`, as text.
    Bool,
    /// One of the property's options.
    Enumeration,
}

/// A property of contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertySpec {
    /// Its name in the API.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Values of an enumeration.
    pub options: Vec<String>,
    /// No two contacts may share a value; usable as `idProperty`.
    pub unique: bool,
    /// Only HubSpot sets it.
    pub read_only: bool,
}

impl PropertySpec {
    /// A property of this kind.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            options: Vec::new(),
            unique: false,
            read_only: false,
        }
    }

    /// A text.
    pub fn text(name: impl Into<String>) -> Self {
        Self::new(name, Kind::String)
    }

    /// A text that no two contacts share.
    pub fn unique_text(name: impl Into<String>) -> Self {
        Self {
            unique: true,
            ..Self::text(name)
        }
    }

    /// One of these values.
    pub fn choice(name: impl Into<String>, options: &[&str]) -> Self {
        Self {
            options: options.iter().map(|&option| option.to_owned()).collect(),
            ..Self::new(name, Kind::Enumeration)
        }
    }

    fn read_only(name: &str, kind: Kind) -> Self {
        Self {
            read_only: true,
            ..Self::new(name, kind)
        }
    }
}

/// All properties, by name.
pub(super) struct Schema {
    properties: BTreeMap<String, PropertySpec>,
    standard: BTreeSet<String>,
}

impl Schema {
    pub(super) fn new(custom: &[PropertySpec]) -> Self {
        let texts = [
            "firstname",
            "lastname",
            "phone",
            "mobilephone",
            "company",
            "jobtitle",
            "website",
            "address",
            "city",
            "state",
            "zip",
            "country",
            "message",
            "salutation",
            "industry",
        ];
        let mut all: Vec<PropertySpec> = texts.into_iter().map(PropertySpec::text).collect();
        all.push(PropertySpec::unique_text("email"));
        all.push(PropertySpec::choice(
            "lifecyclestage",
            &[
                "subscriber",
                "lead",
                "marketingqualifiedlead",
                "salesqualifiedlead",
                "opportunity",
                "customer",
                "evangelist",
                "other",
            ],
        ));
        all.push(PropertySpec::choice(
            "hs_lead_status",
            &[
                "NEW",
                "OPEN",
                "IN_PROGRESS",
                "OPEN_DEAL",
                "UNQUALIFIED",
                "ATTEMPTED_TO_CONTACT",
                "CONNECTED",
                "BAD_TIMING",
            ],
        ));
        all.push(PropertySpec::text("hs_legal_basis"));
        all.push(PropertySpec::read_only("hs_object_id", Kind::Number));
        all.push(PropertySpec::read_only("createdate", Kind::Datetime));
        all.push(PropertySpec::read_only("lastmodifieddate", Kind::Datetime));
        all.push(PropertySpec::read_only("hs_email_domain", Kind::String));
        let standard = all.iter().map(|property| property.name.clone()).collect();
        let properties = all
            .into_iter()
            .chain(custom.iter().cloned())
            .map(|spec| (spec.name.clone(), spec))
            .collect();
        Self { properties, standard }
    }

    pub(super) fn get(&self, name: &str) -> Option<&PropertySpec> {
        self.properties.get(name)
    }

    /// `false`: there is one already.
    pub(super) fn add(&mut self, spec: PropertySpec) -> bool {
        if self.properties.contains_key(&spec.name) {
            return false;
        }
        self.properties.insert(spec.name.clone(), spec);
        true
    }

    /// Whether a record can be addressed by this property.
    pub(super) fn is_key(&self, name: &str) -> bool {
        self.get(name).is_some_and(|property| property.unique)
    }

    pub(super) fn unique(&self) -> impl Iterator<Item = &str> {
        self.properties
            .values()
            .filter(|property| property.unique)
            .map(|property| property.name.as_str())
    }

    pub(super) fn describe_all(&self) -> Value {
        self.properties.values().map(|spec| self.describe(spec)).collect()
    }

    /// A property as the properties API shows it.
    pub(super) fn describe(&self, spec: &PropertySpec) -> Value {
        let standard = self.standard.contains(&spec.name);
        let field = match spec.kind {
            Kind::String => "text",
            Kind::Number => "number",
            Kind::Datetime | Kind::Date => "date",
            Kind::Bool => "booleancheckbox",
            Kind::Enumeration => "select",
        };
        let options: Vec<Value> = spec
            .options
            .iter()
            .enumerate()
            .map(|(order, option)| {
                json!({"label": option, "value": option, "displayOrder": order, "hidden": false})
            })
            .collect();
        json!({
            "name": spec.name,
            "label": spec.name,
            "type": spec.kind,
            "fieldType": field,
            "description": "",
            "groupName": "contactinformation",
            "options": options,
            "displayOrder": -1,
            "calculated": false,
            "externalOptions": false,
            "hasUniqueValue": spec.unique && !standard,
            "hidden": false,
            "hubspotDefined": standard,
            "formField": !spec.read_only,
            "archived": false,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "updatedAt": "2026-01-01T00:00:00.000Z",
            "modificationMetadata": {
                "archivable": !standard,
                "readOnlyDefinition": standard,
                "readOnlyValue": spec.read_only,
            },
        })
    }

    /// Everything that is wrong with these values, all at once.
    pub(super) fn refusals(&self, properties: &BTreeMap<String, String>) -> Vec<Refusal> {
        properties
            .iter()
            .filter_map(|(name, value)| self.refusal(name, value))
            .collect()
    }

    fn refusal(&self, name: &str, value: &str) -> Option<Refusal> {
        let refuse = |code, message| {
            Some(Refusal {
                name: name.to_owned(),
                code,
                message,
            })
        };
        let Some(spec) = self.get(name) else {
            return refuse(
                "PROPERTY_DOESNT_EXIST",
                format!("Property \"{name}\" does not exist"),
            );
        };
        if spec.read_only {
            let message = format!(
                "\"{name}\" is a read only property; its value cannot be set by the given source type: API"
            );
            return refuse("READ_ONLY_VALUE", message);
        }
        if value.is_empty() {
            return None; // clears the value
        }
        if name == "email" && !is_email(value) {
            return refuse("INVALID_EMAIL", format!("Email address {value} is invalid"));
        }
        match spec.kind {
            Kind::Number if value.parse::<f64>().is_err() => {
                refuse("INVALID_INTEGER", format!("{value} was not a valid number."))
            }
            Kind::Bool if !matches!(value, "true" | "false") => refuse(
                "INVALID_OPTION",
                format!("{value} was not one of the allowed options: [true, false]"),
            ),
            Kind::Datetime if value.parse::<i64>().is_err() && value.parse::<jiff::Timestamp>().is_err() => {
                refuse("INVALID_DATE", format!("{value} was not a valid long."))
            }
            Kind::Date if value.parse::<i64>().is_err() && value.parse::<jiff::civil::Date>().is_err() => {
                refuse("INVALID_DATE", format!("{value} was not a valid date."))
            }
            Kind::Enumeration if !spec.options.iter().any(|option| option == value) => refuse(
                "INVALID_OPTION",
                format!(
                    "{value} was not one of the allowed options: [{}]",
                    spec.options.join(", ")
                ),
            ),
            _ => None,
        }
    }
}

/// HubSpot's own rule is not published; this refuses what no mail server would take.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@');
    plain(local)
        && local.len() <= 64
        && plain(domain)
        && domain.contains('.')
        && domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
        && domain.rsplit('.').next().is_some_and(|tld| tld.len() >= 2)
}
