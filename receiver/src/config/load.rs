//! Reads manifests and Secrets, and compiles what changed of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::field::field_of;
use super::files;
use super::locate::Lines;
use super::manifests::{self, Kind, Manifest, Specs};
use super::objects::Compiled;
use super::problem::Problem;
use super::running::{Config, Loaded, Served};
use super::schema;
use super::secrets::Secrets;
use crate::expression::with_room;
use crate::queue::{SinkId, WebhookId};
use crate::share::Share;

/// Where manifests and Secrets are, and whose they are.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// YAML files, read recursively.
    pub manifests: PathBuf,
    /// `<secret>/<key>` files, as Kubernetes mounts them.
    pub secrets: Option<PathBuf>,
    /// Whether manifests may name this machine's own and link-local addresses.
    pub local_addresses: bool,
    /// The LeadReceiver whose webhooks are served; the leads of others are delivered only. `None`: all are served.
    pub receiver: Option<String>,
}

/// Reads everything, and compiles what `previous` does not hold as it is now. `previous` also supplies what no longer
/// compiles. It reads files: call it off the async threads.
pub fn load(folders: &Folders, previous: Option<&Config>) -> Config {
    let work = || load_here(folders, previous);
    with_room(work).unwrap_or_else(work)
}

fn load_here(folders: &Folders, previous: Option<&Config>) -> Config {
    let empty = Config::default();
    let previous = previous.unwrap_or(&empty);
    let read = manifests::read(&folders.manifests, &previous.files);
    let secrets = Secrets::new(&read.objects, folders.secrets.as_deref());
    let mut loader = Loader {
        schema: schema::crm_sink(),
        previous,
        secrets,
        specs: read.specs,
        local_addresses: folders.local_addresses,
        config: Config {
            files: read.files,
            ..Config::default()
        },
        used: used(&read.objects, previous),
        seen: BTreeSet::new(),
    };
    for mut problem in read.unreadable {
        problem.previous_kept = loader.keep_all_of(&problem.file);
        loader.config.problems.push(problem);
    }
    let of = |kind| read.objects.iter().filter(move |manifest| manifest.kind == kind);
    for manifest in of(Kind::CrmSink) {
        let id = SinkId::new(manifest.id());
        loader.object(
            manifest,
            id,
            |config| &mut config.sinks,
            &previous.sinks,
            Loader::compile_sink,
        );
    }
    // One schema at a time: each is megabytes while it is compiled.
    loader.schema = schema::lead_receiver();
    for manifest in of(Kind::LeadReceiver) {
        loader.object(
            manifest,
            manifest.id(),
            |config| &mut config.receivers,
            &previous.receivers,
            Loader::compile_receiver,
        );
    }
    loader.schema = schema::lead_webhook();
    for manifest in of(Kind::LeadWebhook) {
        let id = WebhookId::new(manifest.id());
        loader.object(
            manifest,
            id,
            |config| &mut config.webhooks,
            &previous.webhooks,
            Loader::compile_webhook,
        );
    }
    let mut config = loader.finish(folders.receiver.as_deref());
    locate(&mut config.problems, &folders.manifests);
    locate(&mut config.warnings, &folders.manifests);
    config
}

/// Which of the definitions of each object is used: the one that runs, whatever the order of files, else the first.
fn used(objects: &[Arc<Manifest>], previous: &Config) -> HashMap<(Kind, String), Arc<Manifest>> {
    let mut used: HashMap<(Kind, String), Arc<Manifest>> = HashMap::new();
    for manifest in objects {
        let id = manifest.id();
        let runs = |manifest: &Arc<Manifest>| {
            previous.manifest(manifest.kind, &id).map(|running| {
                let same_place = running.file == manifest.file && running.place == manifest.place;
                (running.fingerprint == manifest.fingerprint, same_place)
            })
        };
        let known = used.get(&(manifest.kind, id.clone()));
        if known.is_none_or(|known| runs(manifest) > runs(known)) {
            used.insert((manifest.kind, id.clone()), Arc::clone(manifest));
        }
    }
    used
}

/// Finds the lines, and sorts the problems as their files are read: unreadable ones first, then from top to bottom.
fn locate(problems: &mut [Problem], folder: &Path) {
    let mut files: HashMap<String, Lines> = HashMap::new();
    for problem in problems.iter_mut() {
        let Some(place) = &problem.place else { continue };
        let lines = files
            .entry(problem.file.clone())
            .or_insert_with(|| Lines::of(&files::text_of(&folder.join(&problem.file)).unwrap_or_default()));
        problem.line = lines.find(place, field_of(&problem.message));
    }
    problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
}

pub(super) struct Loader<'a> {
    /// Of the kind that is being loaded.
    pub(super) schema: schema::LazySchema,
    previous: &'a Config,
    pub(super) secrets: Secrets,
    pub(super) specs: Specs,
    pub(super) local_addresses: bool,
    pub(super) config: Config,
    /// Of the definitions of each object, the one that counts.
    used: HashMap<(Kind, String), Arc<Manifest>>,
    pub(super) seen: BTreeSet<(Kind, String)>,
}

impl<'a> Loader<'a> {
    /// A file or folder that cannot be read takes nothing away that ran. Whether there was anything.
    fn keep_all_of(&mut self, file: &str) -> bool {
        self.config.incomplete = true;
        let kept = [
            keep(file, &self.previous.sinks, &mut self.config.sinks),
            keep(file, &self.previous.receivers, &mut self.config.receivers),
            keep(file, &self.previous.webhooks, &mut self.config.webhooks),
        ];
        kept.contains(&true)
    }

    /// The same object twice would mean that the order of files decides.
    fn is_used(&mut self, manifest: &Arc<Manifest>) -> bool {
        let name = (manifest.kind, manifest.id());
        let other = self.used.get(&name).filter(|used| !Arc::ptr_eq(used, manifest));
        if let Some(used) = other {
            let running = self.previous.manifest(manifest.kind, &name.1);
            let message = format!(
                "it is defined twice, here and in {}, whose definition is used; remove one of them",
                used.place_for(&manifest.file)
            );
            self.config.problems.push(Problem {
                previous_kept: running.is_some_and(|running| running.fingerprint == used.fingerprint),
                ..manifest.problem(message)
            });
        }
        let is_used = other.is_none();
        self.seen.insert(name);
        is_used
    }

    /// Compiles an object; if that fails, what ran of it before goes on.
    fn object<I: Ord, T>(
        &mut self,
        manifest: &Arc<Manifest>,
        id: I,
        into: fn(&mut Config) -> &mut BTreeMap<I, Loaded<T>>,
        before: &'a BTreeMap<I, Loaded<T>>,
        compile: impl FnOnce(&mut Self, &Arc<Manifest>, Option<&Loaded<T>>) -> Compiled<T>,
    ) {
        if !self.is_used(manifest) {
            return;
        }
        let before = before.get(&id);
        let errors = match compile(self, manifest, before) {
            Ok(loaded) => {
                into(&mut self.config).insert(id, loaded);
                return;
            }
            Err(errors) => errors,
        };
        let problems = errors.into_iter().map(|message| Problem {
            previous_kept: before.is_some(),
            ..manifest.problem(message)
        });
        self.config.problems.extend(problems);
        match before {
            Some(loaded) => {
                into(&mut self.config).insert(id, loaded.clone());
            }
            // Its path may be one that is asked for.
            None if manifest.kind == Kind::LeadWebhook => self.config.incomplete = true,
            None => {}
        }
    }

    /// Gives the webhooks of `receiver` their paths.
    fn finish(mut self, receiver: Option<&str>) -> Config {
        let mut clashes = Vec::new();
        let mut displaced = HashSet::new();
        let mut paths = HashMap::new();
        let usages = self.previous.usages();
        let mut webhooks: Vec<_> = self.config.webhooks.values().collect();
        webhooks.retain(|loaded| receiver.is_none_or(|own| loaded.compiled.receiver == own));
        // Who has a path keeps it: a newcomer does not take another's leads because of its name.
        webhooks.sort_by_key(|loaded| !self.previous.serves(&loaded.compiled));
        for loaded in webhooks {
            let webhook = &loaded.compiled;
            if let Some(first) = paths.get(&webhook.path) {
                let first: &Arc<Served> = first;
                clashes.push(loaded.manifest.problem(format!(
                    "spec.path: {} belongs to LeadWebhook {} already; give each webhook a path of its own",
                    webhook.path, first.webhook.id
                )));
                displaced.insert(webhook.id.clone());
                continue;
            }
            let usage = usages.get(&webhook.id).map(|usage| Arc::clone(usage));
            let served = Served {
                webhook: Arc::clone(webhook),
                share: Share::new(self.config.allowance(webhook), usage.unwrap_or_default()),
                kept: Arc::new(self.config.kept(webhook)),
            };
            paths.insert(webhook.path.clone(), Arc::new(served));
        }
        self.config.paths = paths;
        self.config.displaced = displaced;
        self.config.problems.extend(clashes);
        self.config.warnings = self.secrets.odd();
        self.config.warnings.extend(self.config.look_around());
        self.config
    }
}

/// Keeps what ran of a file; whether there was anything.
fn keep<I: Ord + Clone, T>(
    file: &str,
    from: &BTreeMap<I, Loaded<T>>,
    into: &mut BTreeMap<I, Loaded<T>>,
) -> bool {
    let kept = from
        .iter()
        .filter(|(_, loaded)| Path::new(&loaded.manifest.file).starts_with(file));
    let mut kept = kept.map(|(id, loaded)| (id.clone(), loaded.clone())).peekable();
    let any = kept.peek().is_some();
    into.extend(kept);
    any
}
