//! YAML files -> objects. One bad document does not spoil the others of the folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::locate::{self, Place};
use super::problem::Problem;
use crate::nearest::did_you_mean;
use leadgate_crds::{GROUP, VERSION};

/// More than any folder of manifests holds.
const LARGEST_FILE: u64 = 16 << 20;
const MAX_DEPTH: usize = 8;
/// The kinds of Leadgate's own group.
const OWN_KINDS: [&str; 2] = ["LeadWebhook", "CrmSink"];
/// The longest names that Kubernetes takes (RFC 1123): of an object, and of a namespace.
const LONGEST_NAME: usize = 253;
const LONGEST_NAMESPACE: usize = 63;

/// The kinds that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    LeadWebhook,
    CrmSink,
    Secret,
}

/// An object as it is written.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    pub(super) file: String,
    /// Where in the file it stands.
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) value: Value,
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

    /// Something that is wrong with it.
    pub(super) fn problem(&self, message: String) -> Problem {
        Problem {
            object: self.title(),
            place: Some(self.place.clone()),
            ..Problem::of_file(&self.file, message)
        }
    }
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) objects: Vec<Manifest>,
    /// Folders, files, or documents in them, that cannot be read. The path is relative: empty for the folder itself.
    pub(super) unreadable: Vec<Problem>,
}

/// Reads all `*.yaml`, `*.yml` and `*.json` below a folder, in the order of their names. Other groups' kinds are
/// passed over, so that a folder may hold a whole application.
pub(super) fn read(folder: &Path) -> Read {
    let mut read = Read::default();
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    collect(
        folder,
        folder,
        &mut files,
        &mut read.unreadable,
        &mut seen,
        MAX_DEPTH,
    );
    files.sort();
    for path in &files {
        let file = shown(path, folder);
        match text_of(path).and_then(|text| documents(&text)) {
            Ok(documents) => {
                for (document, value) in documents.into_iter().enumerate() {
                    read.document(&file, Place::document(document), value);
                }
            }
            Err((line, message)) => read.unreadable.push(Problem {
                line,
                ..Problem::of_file(&file, message)
            }),
        }
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

impl Read {
    /// A document, or an item of a List.
    fn document(&mut self, file: &str, place: Place, mut value: Value) {
        let is_list = value.get("apiVersion").and_then(Value::as_str) == Some("v1")
            && value.get("kind").and_then(Value::as_str) == Some("List");
        if is_list {
            let items = value.get_mut("items").map(Value::take);
            for (n, item) in items
                .as_ref()
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .enumerate()
            {
                self.document(file, place.item(n), item.clone());
            }
            return;
        }
        match object(file, &place, value) {
            Ok(Some(manifest)) => self.objects.push(manifest),
            Ok(None) => {}
            Err(message) => self.unreadable.push(Problem {
                place: Some(place),
                ..Problem::of_file(file, message)
            }),
        }
    }
}

fn collect(
    folder: &Path,
    root: &Path,
    files: &mut Vec<PathBuf>,
    unreadable: &mut Vec<Problem>,
    seen: &mut BTreeSet<PathBuf>,
    depth: usize,
) {
    let mut cannot = |path: &Path, message: String| {
        unreadable.push(Problem::of_file(&shown(path, root), message));
    };
    let entries = fs::canonicalize(folder).and_then(|real| {
        // A link to a folder that was read already, its own parent for example, brings nothing new.
        if seen.insert(real) {
            fs::read_dir(folder)?.collect()
        } else {
            Ok(Vec::new())
        }
    });
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            cannot(
                folder,
                format!("the directory {} cannot be read: {error}", folder.display()),
            );
            return;
        }
    };
    for entry in entries {
        let path = entry.path();
        // `..data` and the like are how Kubernetes swaps mounted volumes; the links beside them are read.
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() && depth > 0 => {
                collect(&path, root, files, unreadable, seen, depth - 1);
            }
            Ok(found) if found.is_dir() => {
                let message = format!("directories are read {MAX_DEPTH} levels deep; move it up");
                unreadable.push(Problem::of_file(&shown(&path, root), message));
            }
            Ok(found) if is_manifest(&path) && !found.is_file() => {
                let message =
                    "it is neither a file nor a directory; remove it, or rename it to another extension"
                        .to_owned();
                unreadable.push(Problem::of_file(&shown(&path, root), message));
            }
            // What cannot be looked at is told when it is read.
            _ if is_manifest(&path) => files.push(path),
            _ => {}
        }
    }
}

/// By its name.
pub(super) fn is_manifest(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e == "yaml" || e == "yml" || e == "json")
}

/// A message, and the line that it is about where that is known.
type Unreadable = (Option<u64>, String);

pub(super) fn text_of(path: &Path) -> Result<String, Unreadable> {
    let cannot = |error: std::io::Error| (None, format!("the file cannot be read: {error}"));
    let size = fs::metadata(path).map_err(cannot)?.len();
    if size > LARGEST_FILE {
        return Err((None, format!("the file is larger than {LARGEST_FILE} bytes")));
    }
    let bytes = fs::read(path).map_err(cannot)?;
    String::from_utf8(bytes).map_err(|error| {
        let utf16 = matches!(error.as_bytes(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        let what = if utf16 {
            "it is written in UTF-16"
        } else {
            "it is not valid UTF-8"
        };
        (None, format!("{what}; save it as UTF-8"))
    })
}

fn documents(text: &str) -> Result<Vec<Value>, Unreadable> {
    serde_saphyr::from_multiple_with_options::<Value>(text, locate::options()).map_err(|error| {
        let line = error.location().map(|location| location.line());
        (line, format!("it is not valid YAML: {error}"))
    })
}

fn object(file: &str, place: &Place, value: Value) -> Result<Option<Manifest>, String> {
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
    let Some(name) = text("/metadata/name").map(str::to_owned) else {
        return Err(format!("{kind:?}: metadata.name is missing"));
    };
    let namespace = text("/metadata/namespace").unwrap_or("default").to_owned();
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
    Ok(Some(Manifest {
        file: file.to_owned(),
        place: place.clone(),
        kind,
        namespace,
        name,
        value,
    }))
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

/// A path as it is shown in problems.
fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
