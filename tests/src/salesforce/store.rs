//! The leads, their index, and everything that was ever written to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::schema::Schema;

/// Which call wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// A new record.
    Create,
    /// A change of one.
    Update,
    /// Its removal.
    Delete,
}

/// One write.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// Grows with every write.
    pub seq: u64,
    /// The record.
    pub id: String,
    /// What was done.
    pub verb: Verb,
    /// Milliseconds since the simulator started.
    pub at: u64,
    /// The record's e-mail address after the write.
    pub email: String,
    /// What was sent.
    pub fields: Map<String, Value>,
    /// Whether assignment rules ran.
    pub assigned: bool,
}

/// Whether a record is a contact.
pub(super) fn is_contact(id: &str) -> bool {
    id.starts_with("003")
}

/// A lead as it stands, or a contact.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lead {
    /// Its id: 18 letters and digits.
    pub id: String,
    /// What it holds.
    pub fields: Map<String, Value>,
    /// Whether it was converted.
    pub converted: bool,
}

impl Lead {
    /// A field's text; empty if it has none.
    pub fn get(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

#[derive(Default)]
pub(super) struct Store {
    leads: BTreeMap<String, Lead>,
    deleted: BTreeSet<String>,
    /// Field -> value in lower case -> ids.
    index: HashMap<String, HashMap<String, BTreeSet<String>>>,
    log: Vec<Write>,
    created: u64,
}

impl Store {
    /// A record, by an id of 18 characters or its first 15.
    pub(super) fn get(&self, id: &str) -> Option<&Lead> {
        self.leads.get(id).or_else(|| {
            let (_, lead) = self.leads.range(id.to_owned()..).next()?;
            (id.len() == 15 && lead.id.starts_with(id)).then_some(lead)
        })
    }

    pub(super) fn was_deleted(&self, id: &str) -> bool {
        self.deleted.contains(id)
    }

    pub(super) fn leads(&self) -> impl Iterator<Item = &Lead> {
        self.leads.values().filter(|lead| !is_contact(&lead.id))
    }

    pub(super) fn contacts(&self) -> impl Iterator<Item = &Lead> {
        self.leads.values().filter(|lead| is_contact(&lead.id))
    }

    /// The records with this value of an indexed field, whatever its case.
    pub(super) fn with(&self, field: &str, value: &str) -> Vec<&Lead> {
        let ids = self
            .index
            .get(field)
            .and_then(|values| values.get(&value.to_lowercase()));
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.leads.get(id))
            .collect()
    }

    /// `prefix`: what the ids of its object begin with.
    pub(super) fn create(
        &mut self,
        prefix: &str,
        values: Map<String, Value>,
        schema: &Schema,
        since: Instant,
        assigned: bool,
    ) -> String {
        // Like real ones: digits and letters of both cases, 15 and a suffix that tells the cases.
        let id = format!("{prefix}Sim{:09}AAA", self.created);
        self.created += 1;
        let lead = Lead {
            id: id.clone(),
            fields: Map::new(),
            converted: false,
        };
        self.leads.insert(id.clone(), lead);
        self.write(&id, Verb::Create, values, schema, since, assigned);
        id
    }

    pub(super) fn update(
        &mut self,
        id: &str,
        values: Map<String, Value>,
        schema: &Schema,
        since: Instant,
        assigned: bool,
    ) {
        self.write(id, Verb::Update, values, schema, since, assigned);
    }

    fn write(
        &mut self,
        id: &str,
        verb: Verb,
        values: Map<String, Value>,
        schema: &Schema,
        since: Instant,
        assigned: bool,
    ) {
        let Some(lead) = self.leads.get_mut(id) else {
            return;
        };
        let now = json!(
            jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%S.000+0000")
                .to_string()
        );
        if verb == Verb::Create {
            lead.fields.insert("CreatedDate".to_owned(), now.clone());
        }
        lead.fields.insert("LastModifiedDate".to_owned(), now);
        for (name, value) in &values {
            if schema.is_indexed(name) {
                let values = self.index.entry(name.clone()).or_default();
                if let Some(old) = lead.fields.get(name).and_then(Value::as_str)
                    && let Some(ids) = values.get_mut(&old.to_lowercase())
                {
                    ids.remove(id);
                }
                if let Some(new) = value.as_str() {
                    values
                        .entry(new.to_lowercase())
                        .or_default()
                        .insert(id.to_owned());
                }
            }
            if value.is_null() {
                lead.fields.remove(name);
            } else {
                lead.fields.insert(name.clone(), value.clone());
            }
        }
        let email = lead.get("Email").to_owned();
        self.push(id, verb, email, values, since, assigned);
    }

    fn push(
        &mut self,
        id: &str,
        verb: Verb,
        email: String,
        fields: Map<String, Value>,
        since: Instant,
        assigned: bool,
    ) {
        self.log.push(Write {
            seq: self.log.len() as u64 + 1,
            id: id.to_owned(),
            verb,
            at: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
            email,
            fields,
            assigned,
        });
    }

    pub(super) fn delete(&mut self, id: &str, since: Instant) -> bool {
        let Some(lead) = self.leads.remove(id) else {
            return false;
        };
        for values in self.index.values_mut() {
            for ids in values.values_mut() {
                ids.remove(id);
            }
        }
        self.deleted.insert(id.to_owned());
        let email = lead.get("Email").to_owned();
        self.push(id, Verb::Delete, email, Map::new(), since, false);
        true
    }

    pub(super) fn convert(&mut self, id: &str, contacts: &Schema, since: Instant) -> bool {
        let Some(lead) = self.leads.get_mut(id) else {
            return false;
        };
        lead.converted = true;
        let person = lead
            .fields
            .iter()
            .filter(|(name, _)| contacts.get(name).is_some_and(|field| field.writable))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        self.create("003", person, contacts, since, false);
        true
    }

    pub(super) fn log(&self) -> &[Write] {
        &self.log
    }

    /// Counted from the records themselves, not from the index.
    pub(super) fn records_per_email(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for lead in self.leads().filter(|lead| !lead.get("Email").is_empty()) {
            *counts.entry(lead.get("Email").to_lowercase()).or_default() += 1;
        }
        counts
    }
}
