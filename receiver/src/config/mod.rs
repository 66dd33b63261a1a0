//! Manifests and Secrets -> what the others run on; reloaded without a restart.
//!
//! * [`load`] reads a folder of manifests and compiles it. An object that no longer compiles keeps its previous form
//!   running; the [`Problem`] says why.
//! * `manifests`: YAML files to objects. `secrets`: Secrets from manifests or mounted folders. `schema`: the rules of
//!   the CRDs, off-cluster. `sink`: a CrmSink compiled. `watch`: when to load again.

mod manifests;
mod schema;
mod secrets;
mod sink;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leadgate_crds::{CrmSink, LeadWebhook};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::queue::{SinkId, WebhookId};
use crate::source::Webhook;
use manifests::{Kind, Manifest};
use secrets::Secrets;

pub use sink::{CrmSettings, DeliverySettings, Sink};
pub use watch::{Reloads, watch};

/// Where manifests and Secrets are.
#[derive(Debug, Clone)]
pub struct Folders {
    /// YAML files, read recursively.
    pub manifests: PathBuf,
    /// `<secret>/<key>` files, as Kubernetes mounts them.
    pub secrets: Option<PathBuf>,
}

/// Something in the manifests that cannot run as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The file, relative to the manifests' folder.
    pub file: String,
    /// `LeadWebhook default/website`; empty when the file cannot be read at all.
    pub object: String,
    /// What is wrong, with the field and the remedy.
    pub message: String,
    /// Whether an earlier form of the object keeps running.
    pub previous_kept: bool,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.file)?;
        if !self.object.is_empty() {
            write!(f, "{}: ", self.object)?;
        }
        f.write_str(&self.message)?;
        if self.previous_kept {
            f.write_str(" (the previous version keeps running)")
        } else {
            Ok(())
        }
    }
}

/// A compiled object with what it was compiled from.
#[derive(Debug)]
struct Loaded<T> {
    compiled: Arc<T>,
    fingerprint: [u8; 32],
    file: String,
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self {
            compiled: Arc::clone(&self.compiled),
            fingerprint: self.fingerprint,
            file: self.file.clone(),
        }
    }
}

/// Everything that runs.
#[derive(Debug, Default)]
pub struct Config {
    webhooks: BTreeMap<WebhookId, Loaded<Webhook>>,
    sinks: BTreeMap<SinkId, Loaded<Sink>>,
    paths: HashMap<String, Arc<Webhook>>,
    /// Everything that does not run as it is written.
    pub problems: Vec<Problem>,
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

    /// A webhook by id.
    pub fn webhook(&self, id: &WebhookId) -> Option<&Arc<Webhook>> {
        self.webhooks.get(id).map(|loaded| &loaded.compiled)
    }
}

/// Reads and compiles everything. `previous` supplies what no longer compiles. It reads files: call it off the async
/// threads.
pub fn load(folders: &Folders, previous: Option<&Config>) -> Config {
    let empty = Config::default();
    let previous = previous.unwrap_or(&empty);
    let read = manifests::read(&folders.manifests);
    let secrets = Secrets::new(&read.objects, folders.secrets.as_deref());
    let mut loader = Loader {
        schema: schema::crm_sink(),
        previous,
        secrets,
        config: Config::default(),
        seen: BTreeSet::new(),
    };
    for (file, message) in read.unreadable {
        loader.keep_all_of(&file);
        loader.problem(&file, String::new(), message, false);
    }
    for manifest in &read.objects {
        if manifest.kind == Kind::CrmSink {
            loader.sink(manifest);
        }
    }
    // One at a time: each is megabytes while it is compiled.
    loader.schema = schema::lead_webhook();
    for manifest in &read.objects {
        if manifest.kind == Kind::LeadWebhook {
            loader.webhook(manifest);
        }
    }
    loader.finish()
}

struct Loader<'a> {
    /// Of the kind that is being loaded.
    schema: schema::LazySchema,
    previous: &'a Config,
    secrets: Secrets,
    config: Config,
    seen: BTreeSet<(Kind, String)>,
}

impl Loader<'_> {
    fn problem(&mut self, file: &str, object: String, message: String, previous_kept: bool) {
        self.config.problems.push(Problem {
            file: file.to_owned(),
            object,
            message,
            previous_kept,
        });
    }

    /// A file or folder that cannot be read takes nothing away that ran.
    fn keep_all_of(&mut self, file: &str) {
        let sinks = self
            .previous
            .sinks
            .iter()
            .filter(|(_, loaded)| Path::new(&loaded.file).starts_with(file));
        self.config
            .sinks
            .extend(sinks.map(|(id, loaded)| (id.clone(), loaded.clone())));
        let webhooks = self
            .previous
            .webhooks
            .iter()
            .filter(|(_, loaded)| Path::new(&loaded.file).starts_with(file));
        self.config
            .webhooks
            .extend(webhooks.map(|(id, loaded)| (id.clone(), loaded.clone())));
        self.config.incomplete = true;
    }

    /// The same object twice would mean that the order of files decides.
    fn first_of_its_name(&mut self, manifest: &Manifest) -> bool {
        let is_first = self.seen.insert((manifest.kind, manifest.id()));
        if !is_first {
            self.problem(
                &manifest.file,
                manifest.title(),
                "it is defined twice; the first one counts".to_owned(),
                false,
            );
        }
        is_first
    }

    fn sink(&mut self, manifest: &Manifest) {
        if !self.first_of_its_name(manifest) {
            return;
        }
        let id = SinkId::new(manifest.id());
        let before = self.previous.sinks.get(&id);
        match self.compile_sink(manifest, before) {
            Ok(loaded) => {
                self.config.sinks.insert(id, loaded);
            }
            Err(errors) => {
                self.report(manifest, errors, before.is_some());
                if let Some(loaded) = before {
                    self.config.sinks.insert(id, loaded.clone());
                }
            }
        }
    }

    fn compile_sink(
        &self,
        manifest: &Manifest,
        before: Option<&Loaded<Sink>>,
    ) -> Result<Loaded<Sink>, Vec<String>> {
        let read = self.secrets.reader(&manifest.namespace);
        let fingerprint = fingerprint(&manifest.value, &read.all_of(&manifest.value));
        let compiled = match before {
            Some(before) if before.fingerprint == fingerprint => Arc::clone(&before.compiled),
            _ => {
                let object: CrmSink = schema::parse(&manifest.value, &self.schema)?;
                Arc::new(Sink::compile(&object, &|name, key| read.get(name, key))?)
            }
        };
        Ok(Loaded {
            compiled,
            fingerprint,
            file: manifest.file.clone(),
        })
    }

    fn webhook(&mut self, manifest: &Manifest) {
        if !self.first_of_its_name(manifest) {
            return;
        }
        let id = WebhookId::new(manifest.id());
        let before = self.previous.webhooks.get(&id);
        match self.compile_webhook(manifest, before) {
            Ok(loaded) => {
                self.config.webhooks.insert(id, loaded);
            }
            Err(errors) => {
                self.report(manifest, errors, before.is_some());
                match before {
                    Some(loaded) => {
                        self.config.webhooks.insert(id, loaded.clone());
                    }
                    None => self.config.incomplete = true,
                }
            }
        }
    }

    fn compile_webhook(
        &self,
        manifest: &Manifest,
        before: Option<&Loaded<Webhook>>,
    ) -> Result<Loaded<Webhook>, Vec<String>> {
        let read = self.secrets.reader(&manifest.namespace);
        let fingerprint = fingerprint(&manifest.value, &read.all_of(&manifest.value));
        let compiled = match before {
            Some(before) if before.fingerprint == fingerprint => Arc::clone(&before.compiled),
            _ => {
                let object: LeadWebhook = schema::parse(&manifest.value, &self.schema)?;
                Arc::new(Webhook::compile(&object, &|name, key| read.get(name, key))?)
            }
        };
        let missing: Vec<String> = compiled
            .sinks
            .iter()
            .filter(|route| !self.config.sinks.contains_key(&route.sink))
            .map(|route| {
                format!(
                    "spec.sinks: there is no CrmSink {} (or it has a problem of its own); add its manifest",
                    route.sink
                )
            })
            .collect();
        if missing.is_empty() {
            Ok(Loaded {
                compiled,
                fingerprint,
                file: manifest.file.clone(),
            })
        } else {
            Err(missing)
        }
    }

    fn report(&mut self, manifest: &Manifest, errors: Vec<String>, previous_kept: bool) {
        for message in errors {
            self.problem(&manifest.file, manifest.title(), message, previous_kept);
        }
    }

    fn finish(mut self) -> Config {
        let mut clashes = Vec::new();
        let mut webhooks: Vec<_> = self.config.webhooks.iter().collect();
        // Who has a path keeps it: a newcomer does not take another's leads because of its name.
        webhooks.sort_by_key(|(id, loaded)| {
            let owner = self.previous.route(&loaded.compiled.path);
            owner.is_none_or(|owner| owner.id != **id)
        });
        for (id, loaded) in webhooks {
            let webhook = &loaded.compiled;
            if let Some(first) = self.config.paths.get(&webhook.path) {
                clashes.push((loaded.file.clone(), format!("LeadWebhook {id}"), format!(
                    "spec.path: {} belongs to LeadWebhook {} already; give each webhook a path of its own",
                    webhook.path, first.id
                )));
            } else {
                self.config
                    .paths
                    .insert(webhook.path.clone(), Arc::clone(webhook));
            }
        }
        for (file, object, message) in clashes {
            self.problem(&file, object, message, false);
        }
        self.config
    }
}

/// Changes when the object or a Secret it names changes.
fn fingerprint(value: &serde_json::Value, secrets: &[Vec<u8>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    // Of the rest (status, labels, what the API server counts) nothing is configuration.
    for part in ["/metadata/namespace", "/metadata/name", "/spec"] {
        let text = value.pointer(part).map(ToString::to_string).unwrap_or_default();
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    for secret in secrets {
        hash.update((secret.len() as u64).to_be_bytes());
        hash.update(secret);
    }
    hash.finalize().into()
}

/// A path as it is shown in problems.
fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests;
