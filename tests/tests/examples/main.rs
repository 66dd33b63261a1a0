//! What people start from works: every manifest of ours in `examples/` is accepted by a real API server, and what is written
//! for Kustomize, Argo CD and Flux names what exists.

mod applied;
mod clusters;
mod gitops;
mod health;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// The documents of a text.
fn documents(what: &str, text: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{what}: {error}"));
    all.into_iter().filter(|object| !object.is_null()).collect()
}

/// All YAML files below a folder, with their documents.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<Value>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let all = documents(&path.display().to_string(), &text);
            found.push((path, all));
        }
    }
    found
}

/// `kubectl kustomize` of a folder.
fn kustomized(folder: &str) -> Vec<Value> {
    let folder = examples().join(folder).display().to_string();
    let text = leadgate_tests::node::run("kubectl", &["kustomize", &folder]).unwrap();
    documents(&folder, &text)
}
