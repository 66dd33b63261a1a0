//! A folder of manifests as the operator writes them: one JSON document a file, with uid and generation.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use leadgate_receiver::config::{Config, Folders, load};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Folder {
    folder: TempDir,
    /// What `--receiver` says.
    pub(crate) receiver: Option<String>,
}

impl Folder {
    /// With a sink and its Secret.
    pub(crate) fn new() -> Self {
        let folder = Self {
            folder: tempfile::tempdir().unwrap(),
            receiver: None,
        };
        folder.write("sink", &sink(1, "crm"));
        folder.secret("token", "t0ken-of-the-crm");
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, file: &str, object: &Value) {
        fs::write(self.path().join(format!("{file}.json")), object.to_string()).unwrap();
    }

    pub(crate) fn secret(&self, name: &str, value: &str) {
        let value = base64::engine::general_purpose::STANDARD.encode(value);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "shop"}, "data": {"key": value}});
        self.write(&format!("secret-{name}"), &secret);
    }

    pub(crate) fn load(&self, previous: Option<&Config>) -> Config {
        let folders = Folders {
            manifests: self.path().to_owned(),
            receiver: self.receiver.clone(),
            local_addresses: true,
            ..Folders::default()
        };
        load(&folders, previous)
    }
}

fn object(kind: &str, name: &str, generation: i64, spec: &Value) -> Value {
    let metadata =
        json!({"name": name, "namespace": "shop", "uid": format!("uid-of-{name}"), "generation": generation});
    json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

/// A webhook that anyone may post to; `more` is merged into its spec.
pub(crate) fn webhook(name: &str, generation: i64, more: &Value) -> Value {
    let mut spec = json!({"auth": {"none": {"allowUnauthenticated": true}}, "sinks": [{"name": "crm"}]});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    object("LeadWebhook", name, generation, &spec)
}

pub(crate) fn sink(generation: i64, name: &str) -> Value {
    let spec = json!({"hubspot": {"tokenSecretRef": {"name": "token", "key": "key"}}});
    object("CrmSink", name, generation, &spec)
}

pub(crate) fn receiver(name: &str, spec: &Value) -> Value {
    object("LeadReceiver", name, 1, spec)
}

/// Problems as people read them.
pub(crate) fn problems(config: &Config) -> Vec<String> {
    config.problems.iter().map(ToString::to_string).collect()
}
