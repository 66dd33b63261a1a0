//! The fields of Lead: what a describe says, and which values are refused.

use serde_json::{Map, Value, json};

use super::answers::Fail;
use super::{Config, FieldSpec};

/// The fields of an object.
pub(super) struct Schema {
    pub(super) object: &'static str,
    fields: Vec<FieldSpec>,
}

impl Schema {
    /// Of Contact: the person's part of a Lead, an address under other names, and nothing of the company.
    pub(super) fn contact(lead: &Self) -> Self {
        const ADDRESS: [&str; 5] = ["Street", "City", "State", "PostalCode", "Country"];
        let fields = lead
            .fields
            .iter()
            .filter(|field| !matches!(field.name.as_str(), "IsConverted" | "Company" | "Website"))
            .filter(|field| !field.external)
            .cloned()
            .map(|mut field| {
                if ADDRESS.contains(&field.name.as_str()) {
                    field.name = format!("Mailing{}", field.name);
                }
                field
            })
            .collect();
        Self {
            object: "Contact",
            fields,
        }
    }

    pub(super) fn new(config: &Config) -> Self {
        let kind = |name: &str, kind, length| FieldSpec {
            kind,
            length,
            ..FieldSpec::text(name)
        };
        let read_only = |name: &str, kind| FieldSpec {
            kind,
            nillable: false,
            writable: false,
            ..FieldSpec::text(name)
        };
        let mut fields = vec![
            read_only("Id", "id"),
            read_only("IsDeleted", "boolean"),
            read_only("IsConverted", "boolean"),
            read_only("CreatedDate", "datetime"),
            read_only("LastModifiedDate", "datetime"),
            read_only("Name", "string"),
            FieldSpec {
                nillable: false,
                ..kind("LastName", "string", 80)
            },
            FieldSpec {
                nillable: !config.company_required,
                ..kind("Company", "string", 255)
            },
            kind("FirstName", "string", 40),
            kind("Email", "email", 80),
            kind("Phone", "phone", 40),
            kind("MobilePhone", "phone", 40),
            kind("Title", "string", 128),
            kind("Website", "url", 255),
            kind("Street", "textarea", 255),
            kind("City", "string", 40),
            kind("State", "string", 80),
            kind("PostalCode", "string", 20),
            kind("Country", "string", 80),
            kind("Description", "textarea", 32_000),
            FieldSpec::text("LeadSource").picklist(&["Web", "Phone Inquiry", "Partner Referral", "Other"]),
        ];
        fields.extend(config.custom.iter().cloned());
        Self {
            object: "Lead",
            fields,
        }
    }

    /// A field, whatever the case of its name.
    pub(super) fn get(&self, name: &str) -> Option<&FieldSpec> {
        self.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn external(&self, name: &str) -> Option<&FieldSpec> {
        self.get(name).filter(|field| field.external)
    }

    pub(super) fn unique(&self) -> impl Iterator<Item = &FieldSpec> {
        self.fields.iter().filter(|field| field.unique)
    }

    /// Fields that have an index: what is asked for often.
    pub(super) fn is_indexed(&self, name: &str) -> bool {
        name == "Email"
            || name == "Phone"
            || name == "MobilePhone"
            || self.get(name).is_some_and(|field| field.external || field.unique)
    }

    /// Values by the fields' own names, or the first refusal. Null and blank texts clear.
    pub(super) fn check(&self, sent: &Map<String, Value>) -> Result<Map<String, Value>, Fail> {
        let mut values = Map::new();
        let mut locked = Vec::new();
        for (name, value) in sent {
            if name == "attributes" {
                continue;
            }
            let field = self.get(name).ok_or_else(|| {
                Fail::new(
                    400,
                    "INVALID_FIELD",
                    format!("No such column '{name}' on sobject of type {}", self.object),
                )
            })?;
            if !field.writable {
                locked.push(field.name.clone());
                continue;
            }
            values.insert(field.name.clone(), refuse(field, value)?);
        }
        if locked.is_empty() {
            return Ok(values);
        }
        let message = format!(
            "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is \
             read/write for your profile or permission set.",
            locked.join(", ")
        );
        Err(Fail::new(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message).fields(locked))
    }

    /// A record without one of these is refused.
    pub(super) fn required(&self, record: &Map<String, Value>) -> Result<(), Fail> {
        let missing: Vec<String> = self
            .fields
            .iter()
            .filter(|field| field.writable && !field.nillable)
            .filter(|field| record.get(&field.name).is_none_or(Value::is_null))
            .map(|field| field.name.clone())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("Required fields are missing: [{}]", missing.join(", "));
        Err(Fail::new(400, "REQUIRED_FIELD_MISSING", message).fields(missing))
    }

    /// GET describe.
    pub(super) fn describe(&self) -> Value {
        let fields: Vec<Value> = self
            .fields
            .iter()
            .map(|field| {
                json!({
                    "name": field.name, "label": field.name.trim_end_matches("__c").replace('_', " "),
                    "type": field.kind, "length": field.length,
                    "createable": field.writable, "updateable": field.writable, "nillable": field.nillable,
                    "defaultedOnCreate": !field.writable, "custom": field.name.ends_with("__c"),
                    "externalId": field.external, "unique": field.unique, "idLookup": field.external || field.name == "Id",
                    "caseSensitive": false, "filterable": true,
                    "picklistValues": field.options.iter().map(|o| json!({"value": o, "label": o, "active": true})).collect::<Vec<_>>(),
                    "restrictedPicklist": !field.options.is_empty(),
                })
            })
            .collect();
        json!({
            "name": "Lead", "label": "Lead", "keyPrefix": "00Q", "createable": true, "updateable": true, "deletable": true,
            "queryable": true, "fields": fields, "childRelationships": [], "recordTypeInfos": [],
            "urls": {"sobject": "/services/data/v62.0/sobjects/Lead"},
        })
    }
}

/// The value as it is kept, or why it is not.
fn refuse(field: &FieldSpec, value: &Value) -> Result<Value, Fail> {
    let text = match value {
        Value::Null => return Ok(Value::Null),
        Value::String(text) if text.trim().is_empty() => return Ok(Value::Null),
        Value::String(text) => text,
        Value::Bool(_) | Value::Number(_) if field.kind == "boolean" || field.kind == "double" => {
            return Ok(value.clone());
        }
        other => {
            return Err(Fail::malformed(format!(
                "Cannot deserialize instance of {} from {} value",
                field.kind,
                if other.is_object() {
                    "START_OBJECT"
                } else {
                    "VALUE"
                }
            )));
        }
    };
    let label = &field.name;
    if text.chars().count() > field.length {
        let message = format!(
            "{label}: data value too large: {text} (max length={})",
            field.length
        );
        return Err(Fail::new(400, "STRING_TOO_LONG", message).fields([label]));
    }
    if field.kind == "email" && !is_email(text) {
        let message = format!("{label}: invalid email address: {text}");
        return Err(Fail::new(400, "INVALID_EMAIL_ADDRESS", message).fields([label]));
    }
    if !field.options.is_empty() && !field.options.contains(text) {
        let message = format!("{label}: bad value for restricted picklist field: {text}");
        return Err(Fail::new(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message).fields([label]));
    }
    Ok(json!(text.trim()))
}

/// Salesforce is stricter than the standard: no top-level domain, no address.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    !local.is_empty()
        && local.is_ascii()
        && !domain.contains('@')
        && domain.split('.').count() > 1
        && domain.split('.').all(|label| !label.is_empty())
        && !text.contains(char::is_whitespace)
}
