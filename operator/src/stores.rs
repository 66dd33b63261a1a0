//! In which queue the leads of each receiver are. Pure.
//!
//! Order per person, one record and one rate limit hold only within one queue. So a namespace has one, which the
//! LeadReceiver that sets `queue` configures; another may have a queue of its own, and a sink that would be fed from both
//! is delivered from one of them at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use kube::ResourceExt as _;
use leadgate_crds::LeadReceiver;
use leadgate_crds::lead_receiver::{Queue, QueueMode};
use sha2::{Digest as _, Sha256};

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreKey {
    /// The Redis that the operator manages for the namespace.
    Managed,
    /// A Redis of the user's own: the Secret and key with its URL.
    Own { secret: String, key: String },
}

impl StoreKey {
    fn of(queue: &Queue) -> Self {
        match queue.mode() {
            QueueMode::Managed => Self::Managed,
            QueueMode::Own(url) => Self::Own {
                secret: url.name.clone(),
                key: url.key.clone(),
            },
        }
    }

    /// From the annotation of a Deployment.
    pub fn parse(text: &str) -> Self {
        match text.split_once('/') {
            Some((secret, key)) => Self::Own {
                secret: secret.to_owned(),
                key: key.to_owned(),
            },
            None => Self::Managed,
        }
    }

    /// The file in which a receiver's pods find its URL. Pods that still use another queue have a file of their own.
    pub fn file(&self) -> String {
        let digest = hex::encode(Sha256::digest(self.to_string()));
        format!("queue-{}.url", digest.get(..8).unwrap_or(&digest))
    }

    /// The file with the authorities that sign its servers' certificates.
    pub fn authorities_file(&self) -> String {
        self.file().replace(".url", ".crt")
    }

    /// For people.
    pub fn shown(&self) -> String {
        match self {
            Self::Managed => "Managed".to_owned(),
            Self::Own { secret, .. } => format!("Secret {secret}"),
        }
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Managed => f.write_str("managed"),
            Self::Own { secret, key } => write!(f, "{secret}/{key}"),
        }
    }
}

/// The queues of a namespace's receivers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stores {
    /// By the receiver's name.
    of: BTreeMap<String, StoreKey>,
    /// In order of age: the namespace's first.
    ages: Vec<StoreKey>,
    /// The settings of each that a receiver configures.
    settings: BTreeMap<StoreKey, Queue>,
    /// Receivers whose `queue` has no effect, because an older one, which is named, configures the same one.
    pub shadowed: BTreeMap<String, String>,
}

impl Stores {
    /// From all receivers of a namespace.
    pub fn of(receivers: &[Arc<LeadReceiver>]) -> Self {
        let mut setters: Vec<(&LeadReceiver, &Queue)> = receivers
            .iter()
            .filter_map(|receiver| Some((receiver.as_ref(), receiver.spec.queue.as_ref()?)))
            .collect();
        setters.sort_by_key(|(receiver, _)| {
            let created = receiver
                .creation_timestamp()
                .map(|time| time.0.as_second())
                .unwrap_or_default();
            (created, receiver.name_any())
        });
        let mut stores = Self::default();
        let mut owners: BTreeMap<StoreKey, String> = BTreeMap::new();
        for (receiver, queue) in setters {
            let (key, name) = (StoreKey::of(queue), receiver.name_any());
            if let Some(older) = owners.get(&key) {
                stores.shadowed.insert(name, older.clone());
                continue;
            }
            stores.settings.insert(key.clone(), queue.clone());
            stores.ages.push(key.clone());
            owners.insert(key, name);
        }
        let main = stores.ages.first().cloned().unwrap_or(StoreKey::Managed);
        if stores.ages.is_empty() {
            stores.ages.push(main.clone());
        }
        stores.of = receivers
            .iter()
            .map(|receiver| {
                let own = receiver.spec.queue.as_ref().map(StoreKey::of);
                (receiver.name_any(), own.unwrap_or_else(|| main.clone()))
            })
            .collect();
        stores
    }

    /// A receiver's queue; that of the namespace for one that does not exist.
    pub fn key(&self, receiver: &str) -> StoreKey {
        self.of
            .get(receiver)
            .or_else(|| self.ages.first())
            .cloned()
            .unwrap_or(StoreKey::Managed)
    }

    /// The settings of a queue.
    pub fn settings(&self, store: &StoreKey) -> Queue {
        self.settings.get(store).cloned().unwrap_or_default()
    }

    /// Whether any receiver uses the managed Redis.
    pub fn uses_managed(&self) -> bool {
        self.of.values().any(|key| *key == StoreKey::Managed)
    }

    /// The queue from which a sink is delivered now, of those that feed it. A queue that no webhook fills any more comes
    /// first: what is in it is older. Then the oldest.
    pub fn active<'f>(&self, feeds: &'f BTreeMap<StoreKey, Feed>) -> Option<&'f StoreKey> {
        let age = |key: &StoreKey| self.ages.iter().position(|known| known == key);
        feeds
            .iter()
            .filter(|(_, feed)| !feed.webhooks.is_empty() || feed.pending > 0)
            .min_by_key(|(key, feed)| (!feed.webhooks.is_empty(), age(key).unwrap_or(usize::MAX)))
            .map(|(key, _)| key)
    }
}

/// What one queue holds for a sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feed {
    /// The webhooks that fill it.
    pub webhooks: BTreeSet<String>,
    /// Deliveries that are still to be made.
    pub pending: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn receiver(name: &str, created: &str, queue: serde_json::Value) -> Arc<LeadReceiver> {
        let mut spec = json!({});
        if !queue.is_null() {
            spec["queue"] = queue;
        }
        let object = json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadReceiver",
            "metadata": {"name": name, "creationTimestamp": format!("2026-11-23T{created}:00Z")}, "spec": spec});
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn own(secret: &str) -> serde_json::Value {
        json!({"redis": {"urlSecretRef": {"name": secret, "key": "url"}}})
    }

    #[test]
    fn a_namespace_has_one_queue_unless_a_receiver_names_its_own() {
        let none = serde_json::Value::Null;
        let managed = json!({"memory": "1Gi"});
        #[rustfmt::skip]
        let table = [
            ("nobody sets one", vec![receiver("a", "09:00", none.clone())], vec![("a", "managed")], None),
            ("one does, the others use it",
                vec![receiver("a", "09:00", none.clone()), receiver("b", "10:00", own("redis"))],
                vec![("a", "redis/url"), ("b", "redis/url")], None),
            ("a younger one has its own",
                vec![receiver("a", "09:00", managed.clone()), receiver("b", "10:00", own("redis")), receiver("c", "11:00", none.clone())],
                vec![("a", "managed"), ("b", "redis/url"), ("c", "managed")], None),
            ("two would configure the same",
                vec![receiver("b", "09:00", managed.clone()), receiver("a", "10:00", json!({"memory": "2Gi"}))],
                vec![("a", "managed"), ("b", "managed")], Some(("a", "b"))),
        ];
        for (case, receivers, keys, shadowed) in table {
            let stores = Stores::of(&receivers);
            for (name, key) in keys {
                assert_eq!(stores.key(name).to_string(), key, "{case}: {name}");
                assert_eq!(StoreKey::parse(key).to_string(), key);
            }
            let found = stores
                .shadowed
                .first_key_value()
                .map(|(a, b)| (a.as_str(), b.as_str()));
            assert_eq!(found, shadowed, "{case}");
            if shadowed.is_some() {
                assert_eq!(
                    stores.settings(&StoreKey::Managed).memory.0,
                    "1Gi",
                    "{case}: the older one's"
                );
            }
        }
    }

    #[test]
    fn a_sink_is_delivered_from_one_queue_at_a_time() {
        let stores = Stores::of(&[
            receiver("a", "09:00", json!({})),
            receiver("b", "10:00", own("redis")),
        ]);
        let (old, young) = (StoreKey::Managed, stores.key("b"));
        let feed = |webhooks: &[&str], pending| Feed {
            webhooks: webhooks.iter().map(|&w| w.to_owned()).collect(),
            pending,
        };
        for (in_old, in_young, active) in [
            (feed(&["w"], 0), feed(&["v"], 0), Some(&old)),
            (feed(&[], 0), feed(&["v"], 0), Some(&young)),
            (feed(&[], 3), feed(&["v"], 0), Some(&old)),
            (feed(&["w"], 0), feed(&[], 3), Some(&young)),
            (feed(&[], 0), feed(&[], 0), None),
        ] {
            let feeds = BTreeMap::from([(old.clone(), in_old), (young.clone(), in_young)]);
            assert_eq!(stores.active(&feeds), active, "{feeds:?}");
        }
    }
}
