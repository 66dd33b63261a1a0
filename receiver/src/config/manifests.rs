//! YAML files -> objects. One bad document does not spoil the others of the folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::shown;
use leadgate_crds::{GROUP, VERSION};

/// More than any folder of manifests holds.
const LARGEST_FILE: u64 = 16 << 20;
const DEEPEST: usize = 8;

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
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) objects: Vec<Manifest>,
    /// Folders, files, or documents in them, that cannot be read, each with its reason. The path is relative: empty
    /// for the folder itself.
    pub(super) unreadable: Vec<(String, String)>,
}

/// Reads all `*.yaml`, `*.yml` and `*.json` below a folder, in the order of their names. Other kinds of object are
/// passed over, so that a folder may hold a whole application.
pub(super) fn read(folder: &Path) -> Read {
    let mut read = Read::default();
    let mut files = Vec::new();
    collect(folder, folder, &mut files, &mut read.unreadable, DEEPEST);
    files.sort();
    for path in &files {
        let file = shown(path, folder);
        match text_of(path).and_then(|text| documents(&text)) {
            Ok(documents) => {
                for document in documents {
                    match object(&file, document) {
                        Ok(Some(manifest)) => read.objects.push(manifest),
                        Ok(None) => {}
                        Err(message) => read.unreadable.push((file.clone(), message)),
                    }
                }
            }
            Err(message) => read.unreadable.push((file, message)),
        }
    }
    read
}

fn collect(
    folder: &Path,
    root: &Path,
    files: &mut Vec<PathBuf>,
    unreadable: &mut Vec<(String, String)>,
    depth: usize,
) {
    let entries = match fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("the folder {} cannot be read: {error}", folder.display());
            unreadable.push((shown(folder, root), message));
            return;
        }
    };
    for entry in entries {
        let path = entry.path();
        // `..data` and the like are how Kubernetes swaps mounted volumes; the links beside them are read.
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                collect(&path, root, files, unreadable, depth - 1);
            }
        } else if is_manifest(&path) {
            files.push(path);
        }
    }
}

/// By its name.
pub(super) fn is_manifest(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e == "yaml" || e == "yml" || e == "json")
}

fn text_of(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path)
        .map_err(|e| format!("the file cannot be read: {e}"))?
        .len();
    if size > LARGEST_FILE {
        return Err(format!("the file is larger than {LARGEST_FILE} bytes"));
    }
    fs::read_to_string(path).map_err(|e| format!("the file cannot be read: {e}"))
}

fn documents(text: &str) -> Result<Vec<Value>, String> {
    // Snippets would quote Secrets into logs; aliases can grow a small file without end.
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_documents: 10_000, max_aliases: 0 },
    };
    serde_saphyr::from_multiple_with_options::<Value>(text, options)
        .map_err(|e| format!("it is not valid YAML: {e}"))
}

fn object(file: &str, value: Value) -> Result<Option<Manifest>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let (Some(api), Some(kind)) = (text("/apiVersion"), text("/kind")) else {
        return Err("apiVersion and kind: a document without them is no manifest".to_owned());
    };
    let ours = format!("{GROUP}/{VERSION}");
    let kind = match (api, kind) {
        ("v1", "Secret") => Kind::Secret,
        (api, "LeadWebhook") if api == ours => Kind::LeadWebhook,
        (api, "CrmSink") if api == ours => Kind::CrmSink,
        (api, "LeadWebhook" | "CrmSink") => {
            return Err(format!("apiVersion: `{api}` is not known; write {ours}"));
        }
        _ => return Ok(None),
    };
    let Some(name) = text("/metadata/name").map(str::to_owned) else {
        return Err(format!("{kind:?}: metadata.name is missing"));
    };
    let namespace = text("/metadata/namespace").unwrap_or("default").to_owned();
    Ok(Some(Manifest {
        file: file.to_owned(),
        kind,
        namespace,
        name,
        value,
    }))
}
