//! What is known of objects in the cluster without asking: filled by watches, a few words for each object.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::Value;

use crate::kinds::Kind;
use crate::names::{CONTESTED, GENERATOR, INSTALLATION, INSTANCE, MANAGED_BY, MANAGER};

/// Kind, namespace, name.
pub(crate) type Key = (Kind, String, String);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    pub kind: String,
    pub name: String,
    pub uid: String,
}

impl From<&OwnerReference> for Owner {
    fn from(owner: &OwnerReference) -> Self {
        Self {
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        }
    }
}

/// What is kept of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    pub uid: String,
    /// Its resource version; 0 when it is not a number.
    pub version: u64,
    /// Changes when anything but the status changes.
    pub stamp: u64,
    pub owners: Vec<Owner>,
    /// Whether it carries the operator's label.
    pub labelled: bool,
    /// The resource that its labels name.
    pub instance: Option<String>,
    /// Whether an operator is the manager of some of its fields: it made or applied the object, whatever became of its labels.
    pub managed: bool,
    /// Which installation of the operator made it.
    pub installation: Option<String>,
    /// Of the ConfigMap that names the installation of a namespace: which other one would like to work there.
    pub contested: Option<String>,
}

impl Live {
    /// From an object's metadata.
    pub fn of(kind: Kind, meta: &ObjectMeta) -> Self {
        let owners: Vec<Owner> = meta.owner_references.iter().flatten().map(Owner::from).collect();
        let version = version(meta.resource_version.as_deref());
        let mut hash = DefaultHasher::new();
        meta.uid.hash(&mut hash);
        meta.labels.hash(&mut hash);
        meta.annotations.hash(&mut hash);
        owners.hash(&mut hash);
        meta.deletion_timestamp.is_some().hash(&mut hash);
        if kind.has_generation() {
            meta.generation.hash(&mut hash);
        } else {
            version.hash(&mut hash);
        }
        let label = |name: &str| meta.labels.as_ref().and_then(|labels| labels.get(name));
        let annotation = |name: &str| meta.annotations.as_ref().and_then(|all| all.get(name));
        let managers = meta.managed_fields.iter().flatten();
        let managed = managers
            .filter_map(|entry| entry.manager.as_deref())
            .any(|manager| manager == MANAGER || manager == GENERATOR);
        Self {
            managed,
            uid: meta.uid.clone().unwrap_or_default(),
            version,
            stamp: hash.finish(),
            owners,
            labelled: label(MANAGED_BY).is_some_and(|by| by == MANAGER),
            instance: label(INSTANCE).cloned(),
            installation: annotation(INSTALLATION).cloned(),
            contested: annotation(CONTESTED).cloned(),
        }
    }

    /// The same of an object whose generation does not tell a change of its specification.
    pub fn with_spec(mut self, spec: &Value) -> Self {
        let mut hash = DefaultHasher::new();
        (self.stamp, spec.to_string()).hash(&mut hash);
        self.stamp = hash.finish();
        self
    }

    /// Whether an operator made it. A label alone, which anybody may write or copy, does not say so.
    pub fn is_made(&self) -> bool {
        self.labelled && self.installation.is_some() || self.managed
    }
}

/// A resource version as a number, which it is for every API server in use.
pub(crate) fn version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// What was applied last, and what the object looked like afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Applied {
    desired: u64,
    stamp: u64,
}

#[derive(Debug, Default)]
struct State {
    live: HashMap<Key, Live>,
    applied: HashMap<Key, Applied>,
}

/// All objects of the operator.
#[derive(Debug, Default)]
pub struct Index(Mutex<State>);

impl Index {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object as it was last seen.
    pub fn get(&self, key: &Key) -> Option<Live> {
        self.state().live.get(key).cloned()
    }

    /// The namespaces that have an object of a kind.
    pub fn namespaces(&self, kind: Kind) -> Vec<String> {
        let state = self.state();
        let keys = state.live.keys().filter(|(of, ..)| *of == kind);
        keys.map(|(_, namespace, _)| namespace.clone()).collect()
    }

    /// A watch, or an answer, shows an object. What is older than what is known changes nothing.
    pub fn seen(&self, key: Key, live: Live) {
        let mut state = self.state();
        let newer = state
            .live
            .get(&key)
            .is_none_or(|known| known.uid != live.uid || known.version <= live.version);
        if newer {
            state.live.insert(key, live);
        }
    }

    /// An object is gone. What was applied stays known: if it is made again, somebody else has deleted it.
    pub fn gone(&self, key: &Key) {
        self.state().live.remove(key);
    }

    /// An object is not wanted any more.
    pub fn removed(&self, key: &Key) {
        let mut state = self.state();
        state.live.remove(key);
        state.applied.remove(key);
    }

    /// Whether `desired` was what was applied last.
    pub fn was_applied(&self, key: &Key, desired: u64) -> bool {
        let state = self.state();
        state
            .applied
            .get(key)
            .is_some_and(|applied| applied.desired == desired)
    }

    /// A watch starts over: what it does not show again is gone.
    pub fn keep_only(&self, kind: Kind, seen: &HashSet<(String, String)>) {
        let mut state = self.state();
        let stays = |key: &Key| key.0 != kind || seen.contains(&(key.1.clone(), key.2.clone()));
        state.live.retain(|key, _| stays(key));
    }

    /// Whether an object still is as it was after `desired` was applied.
    pub fn is_settled(&self, key: &Key, desired: u64) -> bool {
        let state = self.state();
        match (state.live.get(key), state.applied.get(key)) {
            (Some(live), Some(applied)) => applied.desired == desired && applied.stamp == live.stamp,
            _ => false,
        }
    }

    /// `desired` was applied, and this is the answer.
    pub fn applied(&self, key: Key, desired: u64, live: Live) {
        let applied = Applied {
            desired,
            stamp: live.stamp,
        };
        self.seen(key.clone(), live);
        self.state().applied.insert(key, applied);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(version: u64, stamp: u64) -> Live {
        Live {
            uid: "u".to_owned(),
            version,
            stamp,
            owners: Vec::new(),
            labelled: true,
            managed: false,
            instance: None,
            installation: None,
            contested: None,
        }
    }

    #[test]
    fn settled_until_somebody_changes_the_object_or_something_else_is_desired() {
        let index = Index::default();
        let key = (Kind::Service, "n".to_owned(), "a".to_owned());
        assert!(!index.is_settled(&key, 1));
        index.applied(key.clone(), 1, live(10, 100));
        assert!(index.is_settled(&key, 1));
        assert!(!index.is_settled(&key, 2));
        index.seen(key.clone(), live(9, 99));
        assert!(index.is_settled(&key, 1), "an older observed changes nothing");
        index.seen(key.clone(), live(11, 101));
        assert!(!index.is_settled(&key, 1));
        index.applied(key.clone(), 1, live(12, 102));
        index.gone(&key);
        assert!(!index.is_settled(&key, 1));
    }
}
