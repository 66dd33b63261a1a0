//! Reads manifests and Secrets, and compiles them.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leadgate_crds::addresses::local_urls;
use leadgate_crds::{CrmSink, CrmSinkSpec, LeadWebhook, LeadWebhookSpec, SecretReference};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::field::field_of;
use super::locate::Lines;
use super::manifests::{self, Kind, Manifest};
use super::problem::Problem;
use super::running::{Config, Loaded};
use super::schema;
use super::secrets::{self, Secrets};
use super::sink::Sink;
use super::warnings;
use crate::nearest::did_you_mean;
use crate::queue::{SinkId, WebhookId};
use crate::source::Webhook;

/// Where manifests and Secrets are.
#[derive(Debug, Clone)]
pub struct Folders {
    /// YAML files, read recursively.
    pub manifests: PathBuf,
    /// `<secret>/<key>` files, as Kubernetes mounts them.
    pub secrets: Option<PathBuf>,
    /// Whether manifests may name this machine's own and link-local addresses.
    pub local_addresses: bool,
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
        local_addresses: folders.local_addresses,
        config: Config::default(),
        seen: BTreeSet::new(),
    };
    for problem in read.unreadable {
        loader.keep_all_of(&problem.file);
        loader.config.problems.push(problem);
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
    let mut config = loader.finish();
    locate(&mut config.problems, &folders.manifests);
    locate(&mut config.warnings, &folders.manifests);
    config
}

/// Finds the lines, and sorts the problems as their files are read: unreadable ones first, then from top to bottom.
fn locate(problems: &mut [Problem], folder: &Path) {
    let mut files: HashMap<String, Lines> = HashMap::new();
    for problem in problems.iter_mut() {
        let Some(place) = &problem.place else { continue };
        let lines = files.entry(problem.file.clone()).or_insert_with(|| {
            Lines::of(&manifests::text_of(&folder.join(&problem.file)).unwrap_or_default())
        });
        problem.line = lines.find(place, field_of(&problem.message));
    }
    problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
}

struct Loader<'a> {
    /// Of the kind that is being loaded.
    schema: schema::LazySchema,
    previous: &'a Config,
    secrets: Secrets,
    local_addresses: bool,
    config: Config,
    seen: BTreeSet<(Kind, String)>,
}

impl Loader<'_> {
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
            let message = "it is defined twice; the first definition is used".to_owned();
            self.config.problems.push(manifest.problem(message));
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
        let fingerprint = fingerprint(
            &manifest.value,
            &read.all_of(references(manifest, CrmSinkSpec::secret_refs)),
        );
        let compiled = match before {
            Some(before) if before.fingerprint == fingerprint => Arc::clone(&before.compiled),
            _ => {
                let object = schema::parse::<CrmSink>(&manifest.value, &self.schema);
                Arc::new(object.compile(|object| {
                    let sink = Sink::compile(object, &|name, key| read.get(name, key));
                    and_also(self.local_addresses_of(manifest), sink)
                })?)
            }
        };
        Ok(Loaded {
            compiled,
            fingerprint,
            file: manifest.file.clone(),
            place: manifest.place.clone(),
            warnings: Vec::new(),
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
        let fingerprint = fingerprint(
            &manifest.value,
            &read.all_of(references(manifest, LeadWebhookSpec::secret_refs)),
        );
        let mut warnings = Vec::new();
        let compiled = match before {
            Some(before) if before.fingerprint == fingerprint => {
                warnings.clone_from(&before.warnings);
                let compiled = Arc::clone(&before.compiled);
                let missing = self.missing_sinks(
                    &manifest.namespace,
                    compiled.sinks.iter().map(|route| &route.sink),
                );
                if !missing.is_empty() {
                    return Err(missing);
                }
                compiled
            }
            _ => {
                let object = schema::parse::<LeadWebhook>(&manifest.value, &self.schema);
                Arc::new(object.compile(|object| {
                    warnings = warnings::short_secrets(object, |name, key| read.get(name, key).ok());
                    let webhook = self.webhook_of(object, &manifest.namespace, &read);
                    and_also(self.local_addresses_of(manifest), webhook)
                })?)
            }
        };
        Ok(Loaded {
            compiled,
            fingerprint,
            file: manifest.file.clone(),
            place: manifest.place.clone(),
            warnings,
        })
    }

    /// Compiles a webhook and looks for its sinks; the errors of both are told.
    fn webhook_of(
        &self,
        object: &LeadWebhook,
        namespace: &str,
        read: &secrets::Reader<'_>,
    ) -> Result<Webhook, Vec<String>> {
        let named: Vec<SinkId> = object
            .spec
            .sinks
            .iter()
            .map(|sink| SinkId::new(format!("{namespace}/{}", sink.name)))
            .collect();
        let missing = self.missing_sinks(namespace, named.iter());
        and_also(
            missing,
            Webhook::compile(object, &|name, key| read.get(name, key)),
        )
    }

    /// A manifest must not make the receiver call itself or its neighbours, unless that was allowed.
    fn local_addresses_of(&self, manifest: &Manifest) -> Vec<String> {
        if self.local_addresses {
            return Vec::new();
        }
        let mut fields = manifest.value.get("spec").map_or_else(Vec::new, local_urls);
        for field in &mut fields {
            field.push_str(
                ": the host is this machine or a link-local address; write the CRM's address, or start the receiver \
                 with --allow-local-addresses for a simulator",
            );
        }
        fields
    }

    /// Named sinks that do not run. One that has a problem of its own is told of there, so it is not told again.
    fn missing_sinks<'s>(&self, namespace: &str, named: impl Iterator<Item = &'s SinkId>) -> Vec<String> {
        let mut missing = Vec::new();
        for (n, sink) in named.enumerate() {
            let is_there = self.config.sinks.contains_key(sink)
                || self.seen.contains(&(Kind::CrmSink, sink.to_string()));
            if !is_there {
                let sinks = self.seen.iter().filter(|(kind, _)| *kind == Kind::CrmSink);
                let here = sinks.filter_map(|(_, id)| id.strip_prefix(namespace)?.strip_prefix('/'));
                let own = sink.name();
                let hint = did_you_mean(own, here).unwrap_or_else(|| "; add its manifest".to_owned());
                missing.push(format!("spec.sinks[{n}].name: there is no CrmSink {sink}{hint}"));
            }
        }
        missing
    }

    fn report(&mut self, manifest: &Manifest, errors: Vec<String>, previous_kept: bool) {
        let problems = errors.into_iter().map(|message| Problem {
            previous_kept,
            ..manifest.problem(message)
        });
        self.config.problems.extend(problems);
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
                let message = format!(
                    "spec.path: {} belongs to LeadWebhook {} already; give each webhook a path of its own",
                    webhook.path, first.id
                );
                clashes.push(Problem {
                    object: format!("LeadWebhook {id}"),
                    place: Some(loaded.place.clone()),
                    ..Problem::of_file(&loaded.file, message)
                });
            } else {
                self.config
                    .paths
                    .insert(webhook.path.clone(), Arc::clone(webhook));
            }
        }
        self.config.problems.extend(clashes);
        self.config.warnings = self.config.look_around();
        self.config
    }
}

/// A result, with errors found elsewhere.
fn and_also<T>(errors: Vec<String>, result: Result<T, Vec<String>>) -> Result<T, Vec<String>> {
    match result {
        Ok(value) if errors.is_empty() => Ok(value),
        Ok(_) => Err(errors),
        Err(own) => Err(own.into_iter().chain(errors).collect()),
    }
}

/// The keys of Secrets that an object refers to. One that cannot be read does not run, whatever its Secrets hold.
fn references<S: DeserializeOwned>(
    manifest: &Manifest,
    of: fn(&S) -> Vec<SecretReference>,
) -> Vec<SecretReference> {
    let spec = manifest.value.get("spec").map(S::deserialize);
    spec.and_then(Result::ok).map_or_else(Vec::new, |spec| of(&spec))
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
