//! What runs, and what a load changed about it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::manifests::{Fingerprint, Kind, Manifest, ParsedFiles};
use super::problem::{Problem, Severity};
use super::sink::Sink;
use super::warnings;
use crate::queue::{LedgerBound, LedgerBounds, SinkId, WebhookId};
use crate::share::{Allowance, Share, Usage};
use crate::source::{Kept, Webhook};

/// A compiled object with what it was compiled from.
#[derive(Debug)]
pub(super) struct Loaded<T> {
    pub(super) compiled: Arc<T>,
    /// Of the object and its Secrets.
    pub(super) fingerprint: Fingerprint,
    pub(super) manifest: Arc<Manifest>,
    /// What is odd about it.
    pub(super) warnings: Vec<String>,
}

impl<T> Loaded<T> {
    fn warning(&self, message: String) -> Problem {
        Problem {
            severity: Severity::Warning,
            ..self.manifest.problem(message)
        }
    }
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self {
            compiled: Arc::clone(&self.compiled),
            fingerprint: self.fingerprint,
            manifest: Arc::clone(&self.manifest),
            warnings: self.warnings.clone(),
        }
    }
}

/// Which form of an object runs, in the API server's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version<'c> {
    /// The object; empty when its manifest states none.
    pub uid: &'c str,
    /// Its generation; 0 when its manifest states none.
    pub generation: i64,
}

impl<'c> From<&'c Arc<Manifest>> for Version<'c> {
    fn from(manifest: &'c Arc<Manifest>) -> Self {
        Self {
            uid: &manifest.uid,
            generation: manifest.generation,
        }
    }
}

/// A webhook that this process answers for.
#[derive(Debug)]
pub struct Served {
    /// As it is compiled.
    pub webhook: Arc<Webhook>,
    /// What it may take of the process.
    pub share: Share,
    /// What of its payloads is stored.
    pub kept: Arc<Kept>,
}

/// Everything that runs.
#[derive(Debug, Default)]
pub struct Config {
    pub(super) webhooks: BTreeMap<WebhookId, Loaded<Webhook>>,
    pub(super) sinks: BTreeMap<SinkId, Loaded<Sink>>,
    /// By `namespace/name`.
    pub(super) receivers: BTreeMap<String, Loaded<Allowance>>,
    pub(super) paths: HashMap<String, Arc<Served>>,
    /// Webhooks whose path belongs to another one: no request reaches them.
    pub(super) displaced: HashSet<WebhookId>,
    /// The files that all this was read from.
    pub(super) files: ParsedFiles,
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
    pub fn route(&self, path: &str) -> Option<&Arc<Served>> {
        self.paths.get(path)
    }

    /// All webhooks that have a path here.
    pub fn served(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.paths.values()
    }

    /// Whether a webhook has its path here: another receiver may have it, or another webhook.
    pub fn serves(&self, webhook: &Webhook) -> bool {
        self.route(&webhook.path)
            .is_some_and(|served| served.webhook.id == webhook.id)
    }

    /// How many webhooks run: one whose path belongs to another does not.
    pub fn running_webhooks(&self) -> usize {
        self.webhooks.len() - self.displaced.len()
    }

    /// What an object that runs is defined by.
    pub(super) fn manifest(&self, kind: Kind, id: &str) -> Option<&Arc<Manifest>> {
        match kind {
            Kind::LeadWebhook => self
                .webhooks
                .get(&WebhookId::new(id))
                .map(|loaded| &loaded.manifest),
            Kind::CrmSink => self.sinks.get(&SinkId::new(id)).map(|loaded| &loaded.manifest),
            Kind::LeadReceiver => self.receivers.get(id).map(|loaded| &loaded.manifest),
            Kind::Secret => None,
        }
    }

    /// How many LeadReceivers are configured.
    pub fn receivers(&self) -> usize {
        self.receivers.len()
    }

    /// What the LeadReceiver of a webhook allows it.
    pub fn allowance(&self, webhook: &Webhook) -> Allowance {
        let name = format!("{}/{}", webhook.id.namespace(), webhook.receiver);
        self.receivers
            .get(&name)
            .map_or_else(Allowance::default, |loaded| *loaded.compiled)
    }

    /// What of a webhook's payloads is stored: what it and its sinks read. Nobody knows what a sink reads that does not run.
    pub fn kept(&self, webhook: &Webhook) -> Kept {
        webhook.sinks.iter().fold(webhook.reads(), |kept, route| {
            let Some(sink) = self.sinks.get(&route.sink) else {
                return Kept::Whole;
            };
            let programs = sink.compiled.programs();
            programs.fold(kept, |kept, program| kept.and_read_by(program, &["payload"]))
        })
    }

    /// How long the entries of each webhook are kept, and how many bytes of them.
    pub fn ledger_bounds(&self) -> LedgerBounds {
        let bound = |webhook: &Webhook| LedgerBound {
            keep: webhook.keep_entries,
            bytes: self.allowance(webhook).ledger,
        };
        LedgerBounds {
            webhooks: self
                .webhooks()
                .map(|webhook| (webhook.id.clone(), bound(webhook)))
                .collect(),
        }
    }

    /// What runs of each webhook, in the order of [`Config::webhooks`].
    pub fn webhook_versions(&self) -> impl Iterator<Item = Version<'_>> {
        self.webhooks.values().map(|loaded| (&loaded.manifest).into())
    }

    /// What runs of each sink, in the order of [`Config::sinks`].
    pub fn sink_versions(&self) -> impl Iterator<Item = Version<'_>> {
        self.sinks.values().map(|loaded| (&loaded.manifest).into())
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
        let webhooks = self.webhooks.values().flat_map(|loaded| {
            let found = loaded.warnings.iter().cloned();
            found.map(|message| loaded.warning(message))
        });
        let sinks = self.sinks.values().flat_map(|loaded| {
            let found = warnings::of_sink(&loaded.compiled, self.webhooks().map(AsRef::as_ref));
            found.into_iter().map(|message| loaded.warning(message))
        });
        webhooks.chain(sinks).collect()
    }

    /// What each webhook uses, for the configuration that follows this one.
    pub(super) fn usages(&self) -> HashMap<&WebhookId, &Arc<Usage>> {
        self.paths
            .values()
            .map(|served| (&served.webhook.id, served.share.usage()))
            .collect()
    }

    /// What runs otherwise than in `previous`.
    pub fn changes_since(&self, previous: &Self) -> Changes {
        let mut changes = Changes::default();
        let (then, now) = (&previous.displaced, &self.displaced);
        let shown = |id: &WebhookId, displaced: &HashSet<WebhookId>| !displaced.contains(id);
        changes.between(
            "LeadWebhook",
            previous.webhooks.iter().filter(|(id, _)| shown(id, then)),
            self.webhooks.iter().filter(|(id, _)| shown(id, now)),
        );
        changes.between("CrmSink", &previous.sinks, &self.sinks);
        changes.between("LeadReceiver", &previous.receivers, &self.receivers);
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

    fn between<'c, K: Ord + std::fmt::Display + 'c, T: 'c>(
        &mut self,
        kind: &str,
        before: impl IntoIterator<Item = (&'c K, &'c Loaded<T>)>,
        now: impl IntoIterator<Item = (&'c K, &'c Loaded<T>)>,
    ) {
        let mut before: BTreeMap<_, _> = before.into_iter().collect();
        for (id, loaded) in now {
            match before.remove(id) {
                None => self.added.push(format!("{kind} {id}")),
                Some(old) if old.fingerprint != loaded.fingerprint => {
                    self.changed.push(format!("{kind} {id}"));
                }
                Some(_) => {}
            }
        }
        self.removed
            .extend(before.keys().map(|id| format!("{kind} {id}")));
    }
}
