//! What a folder of manifests tells before a lead comes: mistakes, surprises, and nothing of what is fine beside them.

mod mistakes;
mod running;

use std::fs;
use std::path::Path;

use super::{Config, Folders, Problem, load};

const SINK: &str = "
{apiVersion: leadgate.dev/v1alpha1, kind: CrmSink, metadata: {name: crm}, spec: {hubspot: {tokenSecretRef: {name: s, key: k}}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: '0123456789abcdef'}}
";

fn read(folder: &Path, previous: Option<&Config>) -> Config {
    let folders = Folders {
        manifests: folder.to_owned(),
        local_addresses: true,
        ..Folders::default()
    };
    load(&folders, previous)
}

/// A folder with a sink, its Secret, and these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sink.yaml"), SINK).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// A LeadWebhook with more in its spec.
fn webhook(more: &str) -> String {
    format!(
        "apiVersion: leadgate.dev/v1alpha1\nkind: LeadWebhook\nmetadata: {{name: web}}\nspec:\n  auth: {{token: {{secretRefs: [{{name: \
         s, key: k}}]}}}}\n  sinks: [{{name: crm}}]\n  {more}\n"
    )
}

/// A CrmSink of any CRM.
fn sink(rest: &str) -> String {
    format!(
        "apiVersion: leadgate.dev/v1alpha1\nkind: CrmSink\nmetadata: {{name: other}}\nspec:\n  rest:\n    baseUrl: \
         https://crm.example.com\n    auth: {{bearer: {{token: {{name: s, key: k}}}}}}\n    {rest}\n"
    )
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// Errors and warnings of a folder with this file.
fn told_of(text: &str) -> (Vec<String>, Vec<String>) {
    let folder = folder(&[("a.yaml", text)]);
    let config = read(folder.path(), None);
    (texts(&config.problems), texts(&config.warnings))
}
