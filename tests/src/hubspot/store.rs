//! The contacts, their keys, and everything that was ever written to them.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use serde::Serialize;

/// Property values by name: always texts.
pub(super) type Properties = BTreeMap<String, String>;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Write {
    /// Grows with every write to the CRM.
    pub seq: u64,
    /// The record.
    pub id: u64,
    /// What was done.
    pub verb: Verb,
    /// Milliseconds since the simulator started.
    pub at: u64,
    /// The record's e-mail after the write.
    pub email: String,
    /// What was sent, not what the record became.
    pub properties: Properties,
}

/// A record as it stands, with its past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contact {
    /// Its id.
    pub id: u64,
    /// What it holds.
    pub properties: Properties,
    /// Its writes, oldest first.
    pub history: Vec<Write>,
}

impl Contact {
    /// A property's value; empty if it has none.
    pub fn get(&self, name: &str) -> &str {
        self.properties.get(name).map_or("", String::as_str)
    }
}

/// A record.
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) properties: Properties,
    pub(super) created_at: jiff::Timestamp,
    pub(super) updated_at: jiff::Timestamp,
    /// When each write happened, with the index into the log.
    writes: Vec<(Instant, usize)>,
}

impl Record {
    pub(super) fn email(&self) -> &str {
        self.properties.get("email").map_or("", String::as_str)
    }
}

/// A value that another record holds.
pub(super) struct Clash {
    pub(super) property: String,
    pub(super) value: String,
    pub(super) holder: u64,
}

/// Ids look like HubSpot's: no client may squeeze them into 32 bits.
const FIRST_ID: u64 = 37_765_128_953;

#[derive(Default)]
pub(super) struct Store {
    records: BTreeMap<u64, Record>,
    /// Unique property -> value -> record.
    keys: HashMap<String, HashMap<String, u64>>,
    /// Further e-mail address -> record: unique together with the primary ones.
    further: HashMap<String, u64>,
    log: Vec<Write>,
    created: u64,
}

impl Store {
    pub(super) fn get(&self, id: u64) -> Option<&Record> {
        self.records.get(&id)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// The record that holds a value of a unique property.
    pub(super) fn find(&self, property: &str, value: &str) -> Option<u64> {
        self.keys.get(property)?.get(&normal(property, value)).copied()
    }

    /// The record that has this as one of its further e-mail addresses.
    pub(super) fn by_further_address(&self, address: &str) -> Option<u64> {
        self.further.get(&normal("email", address)).copied()
    }

    pub(super) fn add_address(&mut self, id: u64, address: &str) {
        self.further.insert(normal("email", address), id);
    }

    /// The first value in `properties` that a record other than `own` holds.
    pub(super) fn clash<'a>(
        &self,
        own: Option<u64>,
        properties: &Properties,
        mut unique: impl Iterator<Item = &'a str>,
    ) -> Option<Clash> {
        unique.find_map(|property| {
            let value = properties.get(property).filter(|value| !value.is_empty())?;
            let further = || self.by_further_address(value).filter(|_| property == "email");
            let holder = self.find(property, value).or_else(further);
            let holder = holder.filter(|holder| Some(*holder) != own)?;
            Some(Clash {
                property: property.to_owned(),
                value: value.clone(),
                holder,
            })
        })
    }

    /// Creates a record. The caller made sure that nothing clashes.
    pub(super) fn create<'a>(
        &mut self,
        properties: Properties,
        unique: impl Iterator<Item = &'a str>,
        started: Instant,
    ) -> u64 {
        let id = FIRST_ID + self.created;
        self.created += 1;
        let now = jiff::Timestamp::now();
        let record = Record {
            id,
            properties: Properties::new(),
            created_at: now,
            updated_at: now,
            writes: Vec::new(),
        };
        self.records.insert(id, record);
        self.write(id, Verb::Create, properties, unique, started);
        id
    }

    /// Changes a record that exists. The caller made sure that nothing clashes.
    pub(super) fn update<'a>(
        &mut self,
        id: u64,
        properties: Properties,
        unique: impl Iterator<Item = &'a str>,
        started: Instant,
    ) {
        self.write(id, Verb::Update, properties, unique, started);
    }

    fn write<'a>(
        &mut self,
        id: u64,
        verb: Verb,
        properties: Properties,
        unique: impl Iterator<Item = &'a str>,
        started: Instant,
    ) {
        let Some(record) = self.records.get_mut(&id) else {
            return;
        };
        for property in unique {
            let Some(value) = properties.get(property) else {
                continue;
            };
            let keys = self.keys.entry(property.to_owned()).or_default();
            if let Some(old) = record.properties.get(property) {
                keys.remove(&normal(property, old));
            }
            if !value.is_empty() {
                keys.insert(normal(property, value), id);
            }
            // A further address that is written becomes the primary one, and the old one a further address.
            if property == "email"
                && self.further.remove(&normal(property, value)).is_some()
                && let Some(old) = record.properties.get(property)
            {
                self.further.insert(normal(property, old), id);
            }
        }
        apply(&mut record.properties, &properties);
        record.updated_at = jiff::Timestamp::now();
        record.writes.push((Instant::now(), self.log.len()));
        let email = record.email().to_owned();
        self.push(id, verb, email, properties, started);
    }

    fn push(&mut self, id: u64, verb: Verb, email: String, properties: Properties, started: Instant) {
        let seq = u64::try_from(self.log.len()).unwrap_or(u64::MAX) + 1;
        let at = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.log.push(Write {
            seq,
            id,
            verb,
            at,
            email,
            properties,
        });
    }

    pub(super) fn delete(&mut self, id: u64, started: Instant) -> bool {
        let Some(record) = self.records.remove(&id) else {
            return false;
        };
        for keys in self.keys.values_mut() {
            keys.retain(|_, holder| *holder != id);
        }
        self.further.retain(|_, holder| *holder != id);
        self.push(
            id,
            Verb::Delete,
            record.email().to_owned(),
            Properties::new(),
            started,
        );
        true
    }

    /// The record as the search sees it: without what was written during the last `lag`.
    pub(super) fn indexed(&self, record: &Record, lag: Duration, now: Instant) -> Option<Properties> {
        let seen = |at: Instant| now.duration_since(at) >= lag;
        if record.writes.last().is_some_and(|(at, _)| seen(*at)) {
            return Some(record.properties.clone());
        }
        let mut properties = None;
        for (_, index) in record.writes.iter().take_while(|(at, _)| seen(*at)) {
            apply(
                properties.get_or_insert_default(),
                &self.log.get(*index)?.properties,
            );
        }
        properties
    }

    pub(super) fn log(&self) -> &[Write] {
        &self.log
    }

    pub(super) fn contacts(&self) -> Vec<Contact> {
        self.records.values().map(|record| self.contact(record)).collect()
    }

    pub(super) fn by_email(&self, email: &str) -> Option<Contact> {
        self.find("email", email)
            .and_then(|id| self.get(id))
            .map(|record| self.contact(record))
    }

    fn contact(&self, record: &Record) -> Contact {
        let history = record
            .writes
            .iter()
            .filter_map(|(_, index)| self.log.get(*index).cloned())
            .collect();
        Contact {
            id: record.id,
            properties: record.properties.clone(),
            history,
        }
    }

    /// Counted from the records themselves, not from the index that keeps them apart.
    pub(super) fn records_per_email(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for record in self.records.values().filter(|record| !record.email().is_empty()) {
            *counts.entry(record.email().to_lowercase()).or_default() += 1;
        }
        counts
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }
}

/// Sets values; an empty one clears. E-mails are kept in lower case.
fn apply(properties: &mut Properties, changes: &Properties) {
    for (name, value) in changes {
        if value.is_empty() {
            properties.remove(name);
        } else if name == "email" {
            properties.insert(name.clone(), value.to_lowercase());
        } else {
            properties.insert(name.clone(), value.clone());
        }
    }
}

fn normal(property: &str, value: &str) -> String {
    if property == "email" {
        value.to_lowercase()
    } else {
        value.to_owned()
    }
}
