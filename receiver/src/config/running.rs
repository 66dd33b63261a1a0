//! What runs, and what a load changed about it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::locate::Place;
use super::problem::{Problem, Severity};
use super::sink::Sink;
use super::warnings;
use crate::queue::{SinkId, WebhookId};
use crate::source::Webhook;

/// A compiled object with what it was compiled from.
#[derive(Debug)]
pub(super) struct Loaded<T> {
    pub(super) compiled: Arc<T>,
    pub(super) fingerprint: [u8; 32],
    pub(super) file: String,
    pub(super) place: Place,
    /// What is odd about its Secrets.
    pub(super) warnings: Vec<String>,
}

impl<T> Loaded<T> {
    fn warning(&self, object: String, message: String) -> Problem {
        Problem {
            severity: Severity::Warning,
            object,
            place: Some(self.place.clone()),
            ..Problem::of_file(&self.file, message)
        }
    }
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self {
            compiled: Arc::clone(&self.compiled),
            fingerprint: self.fingerprint,
            file: self.file.clone(),
            place: self.place.clone(),
            warnings: self.warnings.clone(),
        }
    }
}

/// Everything that runs.
#[derive(Debug, Default)]
pub struct Config {
    pub(super) webhooks: BTreeMap<WebhookId, Loaded<Webhook>>,
    pub(super) sinks: BTreeMap<SinkId, Loaded<Sink>>,
    pub(super) paths: HashMap<String, Arc<Webhook>>,
    /// Everything that does not run as it is written.
    pub problems: Vec<Problem>,
    /// What runs, and that a person should look at.
    pub warnings: Vec<Problem>,
    /// Whether a webhook is missing because of a problem, so that an unknown path may be its.
    pub incomplete: bool,
}

impl Config {
    /// Before the manifests were read: any path may be a webhook's.
    pub fn not_read_yet() -> Self {
        Self {
            incomplete: true,
            ..Self::default()
        }
    }

    /// The webhook of a path.
    pub fn route(&self, path: &str) -> Option<&Arc<Webhook>> {
        self.paths.get(path)
    }

    /// All webhooks.
    pub fn webhooks(&self) -> impl Iterator<Item = &Arc<Webhook>> {
        self.webhooks.values().map(|loaded| &loaded.compiled)
    }

    /// All sinks.
    pub fn sinks(&self) -> impl Iterator<Item = &Arc<Sink>> {
        self.sinks.values().map(|loaded| &loaded.compiled)
    }

    /// What is odd about objects that run.
    pub(super) fn look_around(&self) -> Vec<Problem> {
        let webhooks = self.webhooks.iter().flat_map(|(id, loaded)| {
            let found = warnings::of_webhook(&loaded.compiled);
            let all = loaded.warnings.iter().cloned().chain(found);
            all.map(move |message| loaded.warning(format!("LeadWebhook {id}"), message))
        });
        let sinks = self.sinks.iter().flat_map(|(id, loaded)| {
            let found = warnings::of_sink(&loaded.compiled, self.webhooks().map(AsRef::as_ref));
            found
                .into_iter()
                .map(move |message| loaded.warning(format!("CrmSink {id}"), message))
        });
        webhooks.chain(sinks).collect()
    }

    /// What runs otherwise than in `previous`.
    pub fn changes_since(&self, previous: &Self) -> Changes {
        let mut changes = Changes::default();
        changes.between("LeadWebhook", &previous.webhooks, &self.webhooks);
        changes.between("CrmSink", &previous.sinks, &self.sinks);
        changes
    }

    /// A webhook by id.
    pub fn webhook(&self, id: &WebhookId) -> Option<&Arc<Webhook>> {
        self.webhooks.get(id).map(|loaded| &loaded.compiled)
    }
}

/// What a load changed: objects by kind and name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// They did not run before.
    pub added: Vec<String>,
    /// They run in another form than before, or with another Secret.
    pub changed: Vec<String>,
    /// They do not run any more.
    pub removed: Vec<String>,
}

impl Changes {
    /// Whether everything runs as it did.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn between<K: Ord + std::fmt::Display, T>(
        &mut self,
        kind: &str,
        before: &BTreeMap<K, Loaded<T>>,
        now: &BTreeMap<K, Loaded<T>>,
    ) {
        for (id, loaded) in now {
            match before.get(id) {
                None => self.added.push(format!("{kind} {id}")),
                Some(old) if old.fingerprint != loaded.fingerprint => {
                    self.changed.push(format!("{kind} {id}"));
                }
                Some(_) => {}
            }
        }
        let gone = before.keys().filter(|id| !now.contains_key(id));
        self.removed.extend(gone.map(|id| format!("{kind} {id}")));
    }
}
