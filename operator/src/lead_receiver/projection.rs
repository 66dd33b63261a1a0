//! What the pods of a receiver read: the manifests of its webhooks and sinks in a fixed number of ConfigMaps, and the named
//! keys of Secrets in one Secret. Pure.
//!
//! The number is fixed because the volume of a pod names its sources: another one would replace the pods. An object
//! stands in the ConfigMap that a hash of its name gives, so a change of one writes one.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use leadgate_crds::{CrmSink, GROUP, LeadReceiver, LeadWebhook, SecretPurpose, SecretReference, VERSION};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::names;
use crate::secrets::{Found, Seen};

/// The ConfigMaps of a receiver.
pub const SHARDS: usize = 8;
/// What one of them, or the Secret, may hold in bytes: the API server takes 1 MiB, and some of it is metadata.
pub const SHARD_BYTES: usize = 1_000_000;

/// A webhook as the pods are to run it.
#[derive(Clone, Debug)]
pub struct WebhookForm {
    pub object: Arc<LeadWebhook>,
    /// Whether the pods answer at its path, or only deliver its leads.
    pub served: bool,
    /// Whether it is being deleted and takes no new leads.
    pub draining: bool,
}

/// A sink as the pods are to run it.
#[derive(Clone, Debug)]
pub struct SinkForm {
    pub object: Arc<CrmSink>,
    /// Whether its leads wait because another queue is delivered first.
    pub waits: bool,
}

/// Everything that the pods of a receiver are to run.
#[derive(Clone, Debug, Default)]
pub struct Forms {
    pub namespace: String,
    /// The receiver's name.
    pub receiver: String,
    pub webhooks: Vec<WebhookForm>,
    pub sinks: Vec<SinkForm>,
    /// The receivers of the namespace: their limits are those of their webhooks.
    pub receivers: Vec<Arc<LeadReceiver>>,
    /// The Secrets that the webhooks and sinks name.
    pub secrets: Found,
    /// What the pods read now: the values of Secrets that were deleted are still needed while the webhooks and sinks that name
    /// them run.
    pub projected: Option<Arc<Seen>>,
    /// The files with the URLs of the queues.
    pub queue: BTreeMap<String, ByteString>,
}

/// The contents of the ConfigMaps and of the Secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    /// File name -> JSON, by ConfigMap.
    pub shards: Vec<BTreeMap<String, String>>,
    /// File name -> a Secret's manifest.
    pub secrets: BTreeMap<String, ByteString>,
    /// `Kind name` of what did not fit.
    pub too_large: Vec<String>,
}

/// What is remembered of a projection that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projected {
    /// Changes with every content.
    pub digest: String,
    /// `Kind name` of what did not fit.
    pub too_large: Vec<String>,
    /// How often the pods were told to look, for this content.
    pub told: u32,
}

/// The keys of Secrets that a webhook's receivers read.
pub fn secrets_of(webhook: &LeadWebhook) -> Vec<SecretReference> {
    let mut found = webhook.spec.secret_refs();
    found.retain(|reference| reference.purpose != SecretPurpose::Infrastructure);
    found
}

/// Fills the ConfigMaps and the Secret. What does not fit is left out, the newest first: what runs goes on.
pub fn project(forms: &Forms) -> Projection {
    let mut entries = Vec::new();
    for receiver in &forms.receivers {
        let spec = json!({"limits": receiver.spec.limits});
        entries.push(Entry::of("LeadReceiver", receiver.as_ref(), &spec, Vec::new()));
    }
    for form in &forms.sinks {
        let mut spec = json!(form.object.spec);
        if form.waits {
            set(&mut spec, "suspend", Value::Bool(true));
        }
        let references = form.object.spec.secret_refs();
        entries.push(Entry::of("CrmSink", form.object.as_ref(), &spec, references));
    }
    for form in &forms.webhooks {
        let mut spec = json!(form.object.spec);
        if form.draining {
            set(&mut spec, "suspend", Value::Bool(true));
        }
        if form.served {
            set(&mut spec, "receiverRef", json!({"name": forms.receiver}));
        }
        let references = secrets_of(&form.object);
        entries.push(Entry::of("LeadWebhook", form.object.as_ref(), &spec, references));
    }
    // Webhooks after what they need, then by age.
    entries.sort_by(|a, b| {
        (a.kind == "LeadWebhook", a.created, &a.name).cmp(&(b.kind == "LeadWebhook", b.created, &b.name))
    });
    fill(entries, forms)
}

struct Entry {
    kind: &'static str,
    name: String,
    created: i64,
    text: String,
    references: Vec<SecretReference>,
}

impl Entry {
    fn of<K: kube::Resource>(
        kind: &'static str,
        object: &K,
        spec: &Value,
        references: Vec<SecretReference>,
    ) -> Self {
        let meta = object.meta();
        let name = object.name_any();
        // Of its metadata only what says which object it is, and which form of it.
        let manifest = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": object.namespace().unwrap_or_default(),
                "uid": meta.uid.clone().unwrap_or_default(),
                "generation": meta.generation.unwrap_or_default(),
            },
            "spec": spec,
        });
        let created = object.creation_timestamp();
        Self {
            kind,
            name,
            created: created.map_or(0, |time| time.0.as_second()),
            text: manifest.to_string(),
            references,
        }
    }
}

fn fill(entries: Vec<Entry>, forms: &Forms) -> Projection {
    let mut projection = Projection {
        shards: vec![BTreeMap::new(); SHARDS],
        ..Projection::default()
    };
    let mut used = [0; SHARDS];
    let mut named: BTreeMap<String, BTreeMap<String, ByteString>> = BTreeMap::new();
    let mut secret_bytes = 0;
    for entry in entries {
        let file = file(entry.kind, &entry.name);
        let shard = shard(&file);
        let size = file.len() + entry.text.len();
        let (more, new_bytes) = keys(&entry.references, forms, &named);
        let (Some(files), Some(taken)) = (projection.shards.get_mut(shard), used.get_mut(shard)) else {
            continue;
        };
        if *taken + size > SHARD_BYTES || secret_bytes + new_bytes > SHARD_BYTES {
            let what = format!("{} {}", entry.kind, entry.name);
            projection.too_large.push(what);
            continue;
        }
        *taken += size;
        secret_bytes += new_bytes;
        files.insert(file, entry.text);
        for (secret, key, value) in more {
            named.entry(secret).or_default().insert(key, value);
        }
    }
    projection.secrets = named
        .into_iter()
        .map(|(name, data)| {
            let metadata = json!({"name": name, "namespace": forms.namespace});
            let manifest = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data});
            (
                file("Secret", &name),
                ByteString(manifest.to_string().into_bytes()),
            )
        })
        .chain(forms.queue.clone())
        .collect();
    projection
}

type Keys = Vec<(String, String, ByteString)>;

/// The values that are not there yet, and about how many bytes they take: they are encoded twice.
fn keys(
    references: &[SecretReference],
    forms: &Forms,
    named: &BTreeMap<String, BTreeMap<String, ByteString>>,
) -> (Keys, usize) {
    const MANIFEST: usize = 200;
    let mut size = 0;
    let mut keys = Vec::new();
    for SecretReference { name, key, .. } in references {
        let is_there = named.get(name).is_some_and(|keys| keys.contains_key(key));
        if is_there {
            continue;
        }
        let secret = forms.secrets.get(name).and_then(Option::as_deref);
        let now = secret.and_then(|secret| secret.keys.get(key));
        let value = now.map(|value| ByteString(value.bytes().to_vec()));
        if let Some(value) = value.or_else(|| former(forms.projected.as_deref()?, name, key)) {
            size += MANIFEST + (key.len() + value.0.len() * 4 / 3) * 4 / 3;
            keys.push((name.clone(), key.clone(), value));
        }
    }
    (keys, size)
}

/// The value that the pods have of a key.
fn former(projected: &Seen, name: &str, key: &str) -> Option<ByteString> {
    let manifest = projected.keys.get(&file("Secret", name))?;
    let mut secret: Secret = serde_json::from_slice(manifest.bytes()).ok()?;
    secret.data.as_mut()?.remove(key)
}

/// The name of an object's file: a key of a ConfigMap has at most 253 characters.
fn file(kind: &str, name: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    let name = if name.len() <= 200 {
        name.to_owned()
    } else {
        names::instance(name)
    };
    format!("{kind}.{name}.json")
}

fn shard(file: &str) -> usize {
    let digest = Sha256::digest(file);
    digest.first().map_or(0, |byte| usize::from(*byte) % SHARDS)
}

fn set(object: &mut Value, field: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(field.to_owned(), value);
    }
}

impl Projection {
    /// Changes with every content.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        for (name, text) in self.shards.iter().flatten() {
            add(name.as_bytes());
            add(text.as_bytes());
        }
        for (name, value) in &self.secrets {
            add(name.as_bytes());
            add(&value.0);
        }
        let digest = hex::encode(hash.finalize());
        digest.get(..16).unwrap_or(&digest).to_owned()
    }
}

/// What an earlier operator wrote of an object: for one that is invalid now, and whose last valid form nobody else knows.
#[derive(Default)]
pub struct Earlier {
    pub webhooks: Vec<LeadWebhook>,
    pub sinks: Vec<CrmSink>,
}

impl Earlier {
    /// Adds what a ConfigMap holds. What cannot be read was not written by an operator.
    pub fn read<'t>(&mut self, files: impl Iterator<Item = &'t String>) {
        for text in files {
            let Ok(object) = serde_json::from_str::<Value>(text) else {
                continue;
            };
            match object.get("kind").and_then(Value::as_str) {
                Some("LeadWebhook") => self.webhooks.extend(serde_json::from_value(object)),
                Some("CrmSink") => self.sinks.extend(serde_json::from_value(object)),
                _ => {}
            }
        }
    }
}
