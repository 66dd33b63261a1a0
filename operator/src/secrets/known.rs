//! What is known of Secrets that resources name, for as long as the Secret's resource version stays. Their values are kept,
//! because receivers get copies of the named keys, and shown nowhere.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt as _};
use leadgate_crds::secret::{is_placeholder, is_short};

use crate::names::{COMPONENT, GENERATED, MANAGED_BY, MANAGER, REMADE, USE};

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Something.
    Good,
    /// Less than what cannot be guessed.
    Short,
    /// The text of an example.
    Placeholder,
}

impl Content {
    fn of(value: &[u8]) -> Self {
        if is_placeholder(value) {
            Self::Placeholder
        } else if is_short(value) {
            Self::Short
        } else {
            Self::Good
        }
    }
}

/// The value of a key, which no log and no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Vec<u8>);

impl Value {
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(value.into())
    }

    /// What is copied to receivers.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What the value is worth.
    pub fn content(&self) -> Content {
        Content::of(&self.0)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What is kept of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its type, for example `Opaque`.
    pub type_: String,
    /// Whether it carries the label `leadgate.dev/use: "true"`.
    pub labelled: bool,
    /// Whether it was generated again, after it had been deleted.
    pub remade: bool,
    /// Whether the operator made it for a webhook with `generateSecret`.
    pub generated: bool,
    /// The keys that hold something.
    pub keys: BTreeMap<String, Value>,
}

impl From<&Secret> for Seen {
    fn from(secret: &Secret) -> Self {
        let labels = secret.labels();
        let is = |label: &str, value: &str| labels.get(label).is_some_and(|found| found == value);
        Self {
            type_: secret.type_.clone().unwrap_or_default(),
            labelled: is(USE, "true"),
            generated: is(MANAGED_BY, MANAGER) && is(COMPONENT, GENERATED),
            remade: secret.annotations().contains_key(REMADE),
            keys: secret
                .data
                .iter()
                .flatten()
                .filter(|(_, value)| !value.0.is_empty())
                .map(|(key, value)| (key.clone(), Value(value.0.clone())))
                .collect(),
        }
    }
}

/// The named Secrets; `None`: there is no such Secret.
pub type Found = BTreeMap<String, Option<Arc<Seen>>>;

#[derive(Debug, Clone)]
struct Known {
    version: String,
    seen: Option<Arc<Seen>>,
}

/// Which Secrets exist, from a watch of their metadata; and their keys, asked for when somebody wants to know.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<HashMap<(String, String), Known>>);

impl Secrets {
    fn known(&self) -> MutexGuard<'_, HashMap<(String, String), Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watch shows a Secret. Says whether that is news.
    pub fn seen(&self, namespace: &str, name: &str, version: &str) -> bool {
        let mut known = self.known();
        let key = (namespace.to_owned(), name.to_owned());
        if known.get(&key).is_some_and(|secret| secret.version == version) {
            return false;
        }
        let version = version.to_owned();
        known.insert(key, Known { version, seen: None });
        true
    }

    /// A Secret is gone.
    pub fn gone(&self, namespace: &str, name: &str) {
        self.known().remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// The watch starts over. Gives what is gone.
    pub fn keep_only(&self, seen: &HashSet<(String, String)>) -> Vec<(String, String)> {
        let mut known = self.known();
        let gone: Vec<_> = known.keys().filter(|key| !seen.contains(*key)).cloned().collect();
        for key in &gone {
            known.remove(key);
        }
        gone
    }

    /// Whether there is a Secret, whatever it holds.
    pub fn exists(&self, namespace: &str, name: &str) -> bool {
        self.known()
            .contains_key(&(namespace.to_owned(), name.to_owned()))
    }

    /// The named Secrets.
    pub async fn find(
        &self,
        client: &Client,
        namespace: &str,
        names: BTreeSet<String>,
    ) -> kube::Result<Found> {
        let mut found = Found::new();
        for name in names {
            let secret = self.find_one(client, namespace, &name).await?;
            found.insert(name, secret);
        }
        Ok(found)
    }

    async fn find_one(
        &self,
        client: &Client,
        namespace: &str,
        name: &str,
    ) -> kube::Result<Option<Arc<Seen>>> {
        let key = (namespace.to_owned(), name.to_owned());
        let known = self.known().get(&key).cloned();
        // What the watch does not show does not exist: no call, and the watch tells when it comes.
        let Some(known) = known else { return Ok(None) };
        if known.seen.is_some() {
            return Ok(known.seen);
        }
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let Some(secret) = api.get_opt(name).await? else {
            return Ok(None);
        };
        let seen = Some(Arc::new(Seen::from(&secret)));
        let version = secret.metadata.resource_version.unwrap_or_default();
        self.known().insert(
            key,
            Known {
                version,
                seen: seen.clone(),
            },
        );
        Ok(seen)
    }
}
