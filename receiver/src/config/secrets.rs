//! Secrets: mounted folders as Kubernetes makes them, or Secret manifests for local use.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leadgate_crds::secret::is_placeholder;
use leadgate_crds::{SecretPurpose, SecretReference};
use serde_json::Value;

use super::manifests::{Kind, Manifest};
use super::problem::{Problem, Severity};
use crate::nearest::did_you_mean;

/// What a Secret's manifest holds.
#[derive(Default)]
pub(super) struct Keys {
    /// The value of each key, or what is wrong with it.
    values: BTreeMap<String, Result<Vec<u8>, String>>,
    /// Fields that no Secret has.
    unknown: Vec<String>,
}

/// The fields of a Secret.
const FIELDS: [&str; 7] = [
    "apiVersion",
    "kind",
    "metadata",
    "data",
    "stringData",
    "type",
    "immutable",
];

// No value is ever shown.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// Reads a Secret.
pub(super) fn keys(name: &str, secret: &Value) -> Keys {
    let mut keys = BTreeMap::new();
    for (key, value) in entries(secret, "data") {
        let value = match value.as_str() {
            Some(value) => {
                // Kubernetes allows line breaks in base64.
                let compact: String = value.split_ascii_whitespace().collect();
                STANDARD.decode(compact).map_err(|_| {
                    format!("Secret {name}: data.{key} is not base64; write plain text under stringData")
                })
            }
            None => Err(no_text(name, "data", key)),
        };
        keys.insert(key.to_owned(), value);
    }
    // stringData wins over data, as in Kubernetes.
    for (key, value) in entries(secret, "stringData") {
        let text = value.as_str().map(|text| text.as_bytes().to_vec());
        keys.insert(
            key.to_owned(),
            text.ok_or_else(|| no_text(name, "stringData", key)),
        );
    }
    let members = secret.as_object().into_iter().flat_map(|members| members.keys());
    Keys {
        values: keys,
        unknown: members
            .filter(|name| !FIELDS.contains(&name.as_str()))
            .cloned()
            .collect(),
    }
}

/// What can be looked up.
pub(super) struct Secrets {
    /// By namespace and name; a Secret in several files has the keys of all of them, and the last one wins.
    manifests: HashMap<(String, String), Vec<Arc<Manifest>>>,
    folder: Option<PathBuf>,
}

/// The Secrets of one namespace.
pub(super) struct Reader<'a> {
    secrets: &'a Secrets,
    namespace: &'a str,
}

impl Secrets {
    pub(super) fn new(manifests: &[Arc<Manifest>], folder: Option<&Path>) -> Self {
        let mut known: HashMap<_, Vec<_>> = HashMap::new();
        for manifest in manifests.iter().filter(|manifest| manifest.kind == Kind::Secret) {
            let name = (manifest.namespace.clone(), manifest.name.clone());
            known.entry(name).or_default().push(Arc::clone(manifest));
        }
        Self {
            manifests: known,
            folder: folder.map(Path::to_owned),
        }
    }

    /// What is odd about them: fields that no Secret has, and keys of which one value hides another.
    pub(super) fn odd(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        for manifests in self.manifests.values() {
            for (n, manifest) in manifests.iter().enumerate() {
                let mut warn = |message: String| {
                    found.push(Problem {
                        severity: Severity::Warning,
                        ..manifest.problem(message)
                    });
                };
                for name in &manifest.keys.unknown {
                    let hint = did_you_mean(name, FIELDS).unwrap_or_else(|| {
                        "; the keys of a Secret stand under stringData or data".to_owned()
                    });
                    warn(format!("{name}: unknown field{hint}"));
                }
                let earlier = manifests.get(..n).unwrap_or_default();
                for (key, value) in &manifest.keys.values {
                    let other = |other: &&Arc<Manifest>| {
                        other.keys.values.get(key).is_some_and(|hidden| hidden != value)
                    };
                    if let Some(hidden) = earlier.iter().find(other) {
                        warn(format!(
                            "the key {key} is defined twice, with another value in {}; the value here is used; remove one of them",
                            hidden.place_for(&manifest.file)
                        ));
                    }
                }
            }
        }
        found
    }

    pub(super) fn reader<'a>(&'a self, namespace: &'a str) -> Reader<'a> {
        Reader {
            secrets: self,
            namespace,
        }
    }
}

impl Reader<'_> {
    /// A key's value; the error names Secret and key, and what to do.
    pub(super) fn get(&self, name: &str, key: &str) -> Result<Vec<u8>, String> {
        let value = self.value(name, key)?;
        if is_placeholder(&value) {
            return Err(format!(
                "Secret {name} still contains a placeholder in {key}; replace it with the real value"
            ));
        }
        Ok(value)
    }

    fn value(&self, name: &str, key: &str) -> Result<Vec<u8>, String> {
        let known = (self.namespace.to_owned(), name.to_owned());
        let manifests = self.secrets.manifests.get(&known);
        let mut values = manifests.into_iter().flatten().rev();
        if let Some(value) = values.find_map(|manifest| manifest.keys.values.get(key)) {
            return value.clone();
        }
        let plain = |part: &str| !part.is_empty() && !part.contains('/') && part != "." && part != "..";
        match &self.secrets.folder {
            Some(folder) if plain(name) && plain(key) => {
                fs::read(folder.join(name).join(key)).map_err(|error| {
                    format!(
                        "Secret {name} has no readable key {key} ({}); create it in namespace {}",
                        error.kind(),
                        self.namespace
                    )
                })
            }
            _ => Err(self.missing(name, key, manifests.map_or(&[], Vec::as_slice))),
        }
    }

    fn missing(&self, name: &str, key: &str, manifests: &[Arc<Manifest>]) -> String {
        let Some(manifest) = manifests.first() else {
            return format!(
                "there is no Secret {name} with the key {key} in namespace {}; add it",
                self.namespace
            );
        };
        let keys = manifests.iter().flat_map(|manifest| manifest.keys.values.keys());
        let hint = did_you_mean(key, keys.map(String::as_str)).unwrap_or_else(|| "; add it".to_owned());
        format!("Secret {name} in {} has no key {key}{hint}", manifest.file)
    }

    /// The values of all keys that an object refers to, to tell whether one changed. Those that a receiver starts with are
    /// not read with manifests.
    pub(super) fn all_of(&self, references: &[SecretReference]) -> Vec<Vec<u8>> {
        references
            .iter()
            .filter(|reference| reference.purpose != SecretPurpose::Infrastructure)
            .map(|SecretReference { name, key, .. }| self.get(name, key).unwrap_or_default())
            .collect()
    }
}

fn entries<'a>(secret: &'a Value, part: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    secret
        .get(part)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value))
}

/// YAML reads `12345` and `true` as a number and a boolean.
fn no_text(secret: &str, part: &str, key: &str) -> String {
    format!("Secret {secret}: {part}.{key} is not a text; put it in quotes")
}
