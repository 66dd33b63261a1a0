//! Files -> objects. One bad document does not spoil the others of the folder, and a file that did not change is not
//! parsed again.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leadgate_crds::{CrmSinkSpec, GROUP, LeadWebhookSpec, SecretReference, VERSION};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::files::{self, Unreadable, shown, text_of};
use super::locate::{self, Place};
use super::problem::Problem;
use super::secrets::{self, Keys};
use super::yaml;
use crate::nearest::did_you_mean;
use crate::source::strict_json;

/// The kinds of Leadgate's own group.
const OWN_KINDS: [&str; 3] = ["LeadWebhook", "CrmSink", "LeadReceiver"];
/// The longest names that Kubernetes takes (RFC 1123): of an object, and of a namespace.
const LONGEST_NAME: usize = 253;
const LONGEST_NAMESPACE: usize = 63;

/// A digest of what something was made of: while it is the same, it need not be made again.
pub(super) type Fingerprint = [u8; 32];

/// The kinds that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    LeadWebhook,
    CrmSink,
    LeadReceiver,
    Secret,
}

/// An object, without its spec, which is needed only when it is compiled: see [`Specs`].
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) file: String,
    /// Where in the file it stands.
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
    /// What the API server calls it; empty in a file that a person wrote.
    pub(super) uid: String,
    /// The API server's count of its specs; 0 in a file that a person wrote.
    pub(super) generation: i64,
    /// Of all that is configuration in it.
    pub(super) fingerprint: Fingerprint,
    /// The keys of Secrets that it refers to.
    pub(super) references: Vec<SecretReference>,
    /// What a Secret holds.
    pub(super) keys: Keys,
}

impl Manifest {
    /// `namespace/name`.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// For problems.
    pub(super) fn title(&self) -> String {
        format!("{:?} {}", self.kind, self.id())
    }

    /// Where it stands, for somebody who looks at another file.
    pub(super) fn place_for(&self, file: &str) -> String {
        if self.file == file {
            "another place of this file".to_owned()
        } else {
            self.file.clone()
        }
    }

    /// Something that is wrong with it.
    pub(super) fn problem(&self, message: String) -> Problem {
        Problem {
            object: self.title(),
            place: Some(self.place.clone()),
            ..Problem::of_file(&self.file, message)
        }
    }
}

/// A file as it was parsed.
#[derive(Debug)]
pub(super) struct Parsed {
    text: Fingerprint,
    objects: Vec<Arc<Manifest>>,
    unreadable: Vec<Problem>,
}

/// The files of a folder, by their paths in it.
pub(super) type ParsedFiles = HashMap<String, Arc<Parsed>>;

/// What a folder holds.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) objects: Vec<Arc<Manifest>>,
    /// Folders, files, or documents in them, that cannot be read. The path is relative: empty for the folder itself.
    pub(super) unreadable: Vec<Problem>,
    pub(super) files: ParsedFiles,
    pub(super) specs: Specs,
}

/// Reads all manifests below a folder. Other groups' kinds are passed over, so that a folder may hold a whole application.
/// `known` are the files as they were parsed the last time.
pub(super) fn read(folder: &Path, known: &ParsedFiles) -> Read {
    let (paths, unreadable) = files::of(folder);
    let mut read = Read {
        objects: Vec::new(),
        unreadable,
        files: HashMap::with_capacity(paths.len()),
        specs: Specs {
            folder: folder.to_owned(),
            values: HashMap::new(),
        },
    };
    for path in &paths {
        let file = shown(path, folder);
        let parsed = match text_of(path) {
            Ok(text) => {
                let fingerprint: Fingerprint = Sha256::digest(&text).into();
                match known.get(&file).filter(|known| known.text == fingerprint) {
                    Some(known) => Arc::clone(known),
                    None => Arc::new(read.specs.parse(&file, &text, fingerprint)),
                }
            }
            Err((line, message)) => {
                read.unreadable.push(Problem {
                    line,
                    ..Problem::of_file(&file, message)
                });
                continue;
            }
        };
        read.objects.extend(parsed.objects.iter().map(Arc::clone));
        read.unreadable.extend(parsed.unreadable.iter().cloned());
        read.files.insert(file, parsed);
    }
    if read.unreadable.is_empty() && read.objects.iter().all(|object| object.kind == Kind::Secret) {
        let message = format!(
            "no LeadWebhook and no CrmSink was found in {}: manifests are files named *.yaml, *.yml or *.json",
            folder.display()
        );
        read.unreadable.push(Problem::of_file("", message));
    }
    read
}

/// Objects as they are written, for as long as a load lasts: those of the files that were parsed, and of others once they are
/// asked for.
pub(super) struct Specs {
    folder: PathBuf,
    values: HashMap<String, HashMap<Place, Value>>,
}

impl fmt::Debug for Specs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Specs")
    }
}

impl Specs {
    /// The object of a manifest. It is handed out once: whoever compiles it is the only one who needs it.
    pub(super) fn take(&mut self, manifest: &Manifest) -> Option<Value> {
        if !self.values.contains_key(&manifest.file) {
            // Read just now, and parsed in an earlier load. If it has changed since, another load will follow.
            let text = text_of(&self.folder.join(&manifest.file)).ok()?;
            self.parse(&manifest.file, &text, Fingerprint::default());
        }
        self.values.get_mut(&manifest.file)?.remove(&manifest.place)
    }

    fn parse(&mut self, file: &str, text: &str, fingerprint: Fingerprint) -> Parsed {
        let mut parsed = Parsed {
            text: fingerprint,
            objects: Vec::new(),
            unreadable: Vec::new(),
        };
        let values = self.values.entry(file.to_owned()).or_default();
        match documents(text) {
            Ok(documents) => {
                for (document, value) in documents.into_iter().enumerate() {
                    parsed.document(file, Place::document(document), value, values);
                }
            }
            Err((line, message)) => parsed.unreadable.push(Problem {
                line,
                ..Problem::of_file(file, message)
            }),
        }
        parsed
    }
}

impl Parsed {
    /// A document, or an item of a List.
    fn document(&mut self, file: &str, place: Place, mut value: Value, values: &mut HashMap<Place, Value>) {
        let is_list = value.get("apiVersion").and_then(Value::as_str) == Some("v1")
            && value.get("kind").and_then(Value::as_str) == Some("List");
        if is_list {
            let items = value.get_mut("items").map(Value::take);
            let Some(Value::Array(items)) = items else { return };
            for (n, item) in items.into_iter().enumerate() {
                self.document(file, place.item(n), item, values);
            }
            return;
        }
        match object(file, &place, &value) {
            Ok(Some(manifest)) => {
                if manifest.kind != Kind::Secret {
                    values.insert(place, value);
                }
                self.objects.push(Arc::new(manifest));
            }
            Ok(None) => {}
            Err(message) => self.unreadable.push(Problem {
                place: Some(place),
                ..Problem::of_file(file, message)
            }),
        }
    }
}

fn documents(text: &str) -> Result<Vec<Value>, Unreadable> {
    // All JSON is YAML too, and is read faster as what it is. What is wrong with it is told by the parser of YAML.
    if text.starts_with('{')
        && let Some(value) = strict_json(text)
    {
        return Ok(vec![value]);
    }
    serde_saphyr::from_multiple_with_options::<Value>(text, locate::options())
        .map_err(|error| yaml::unreadable(text, &error))
}

fn object(file: &str, place: &Place, value: &Value) -> Result<Option<Manifest>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let (Some(api), Some(kind)) = (text("/apiVersion"), text("/kind")) else {
        return Err("apiVersion and kind: a manifest must have both".to_owned());
    };
    let ours = format!("{GROUP}/{VERSION}");
    let is_ours = api == GROUP || api.strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('/'));
    let kind = match (api, kind) {
        ("v1", "Secret") => Kind::Secret,
        (api, "LeadWebhook") if api == ours => Kind::LeadWebhook,
        (api, "CrmSink") if api == ours => Kind::CrmSink,
        (api, "LeadReceiver") if api == ours => Kind::LeadReceiver,
        (_, kind) if OWN_KINDS.contains(&kind) => {
            return Err(format!("apiVersion: unknown version; write {ours}"));
        }
        (_, kind) if is_ours => {
            let hint = did_you_mean(kind, OWN_KINDS)
                .unwrap_or_else(|| format!("; known kinds: {}", OWN_KINDS.join(", ")));
            return Err(format!("kind: {GROUP} has no kind of this name{hint}"));
        }
        _ => return Ok(None),
    };
    let part_of_name = |pointer: &str, field: &str| match value.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        // YAML reads `123` and `on` as a number and a boolean.
        Some(_) => Err(format!(
            "{kind:?}: {field}: this must be a text; put it in quotes"
        )),
    };
    let Some(name) = part_of_name("/metadata/name", "metadata.name")? else {
        return Err(format!("{kind:?}: metadata.name is missing"));
    };
    let namespace = part_of_name("/metadata/namespace", "metadata.namespace")?;
    let namespace = namespace.unwrap_or_else(|| "default".to_owned());
    if !is_dns_name(&name, LONGEST_NAME, true) {
        return Err(format!(
            "{kind:?}: metadata.name: this is not a valid Kubernetes name; write up to {LONGEST_NAME} lower-case letters, \
             digits, hyphens and dots, with a letter or digit at both ends"
        ));
    }
    if !is_dns_name(&namespace, LONGEST_NAMESPACE, false) {
        return Err(format!(
            "{kind:?} {name}: metadata.namespace: this is not a valid Kubernetes name; write up to {LONGEST_NAMESPACE} \
             lower-case letters, digits and hyphens, with a letter or digit at both ends"
        ));
    }
    let (references, keys) = match kind {
        Kind::LeadWebhook => (references(value, LeadWebhookSpec::secret_refs), Keys::default()),
        Kind::CrmSink => (references(value, CrmSinkSpec::secret_refs), Keys::default()),
        Kind::LeadReceiver => (Vec::new(), Keys::default()),
        Kind::Secret => (Vec::new(), secrets::keys(&name, value)),
    };
    Ok(Some(Manifest {
        file: file.to_owned(),
        place: place.clone(),
        kind,
        namespace,
        name,
        uid: text("/metadata/uid").unwrap_or_default().to_owned(),
        generation: value
            .pointer("/metadata/generation")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
        fingerprint: fingerprint(value),
        references,
        keys,
    }))
}

/// The keys of Secrets that an object refers to. One that cannot be read does not run, whatever its Secrets hold.
fn references<S: DeserializeOwned>(
    value: &Value,
    of: fn(&S) -> Vec<SecretReference>,
) -> Vec<SecretReference> {
    let spec = value.get("spec").map(S::deserialize);
    spec.and_then(Result::ok).map_or_else(Vec::new, |spec| of(&spec))
}

/// Changes when the object does. Of the rest (status, labels, what the API server counts) nothing is configuration.
fn fingerprint(value: &Value) -> Fingerprint {
    let mut hash = Sha256::new();
    for part in ["/metadata/namespace", "/metadata/name", "/spec"] {
        let text = value.pointer(part).map(ToString::to_string).unwrap_or_default();
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// A name as RFC 1123 has them; `dots`: of several labels.
fn is_dns_name(name: &str, longest: usize, dots: bool) -> bool {
    let label = |label: &str| {
        let alphanumeric = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        alphanumeric(bytes.first())
            && alphanumeric(bytes.last())
            && bytes
                .iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    name.len() <= longest
        && if dots {
            name.split('.').all(label)
        } else {
            label(name)
        }
}
