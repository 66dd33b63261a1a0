//! `processing`: a record of processing activities (GDPR, article 30), as Markdown, from the resources.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use kube::ResourceExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::try_::read;
use crate::args::Global;
use crate::cluster::{Cluster, Place, resources};
use crate::output::{Output, note};
use crate::text::plain;
use crate::{Usage, Verdict};

mod document;

use document::{Resources, document};

#[derive(Debug, Args)]
pub(crate) struct Processing {
    /// File or directory with manifests, instead of the cluster; - for standard input. Can be repeated.
    #[arg(short, long = "manifests", value_name = "FILE")]
    manifests: Vec<PathBuf>,
}

pub(crate) async fn run(global: &Global, output: Output, command: &Processing) -> anyhow::Result<Verdict> {
    if !output.is_for_people() {
        return Err(Usage("processing prints Markdown: leave -o out".to_owned()).into());
    }
    let mut resources = if command.manifests.is_empty() {
        of_cluster(&Place::cluster(global, "processing without --manifests").await?).await?
    } else {
        of_files(&command.manifests)?
    };
    if resources.webhooks.is_empty() {
        note("There is no LeadWebhook: nobody's leads are processed.");
        return Ok(Verdict::Wrong);
    }
    resources.sort();
    output.line(plain(&document(&resources)).trim_end())?;
    Ok(Verdict::Fine)
}

async fn of_cluster(cluster: &Cluster) -> anyhow::Result<Resources> {
    Ok(Resources {
        receivers: resources(cluster).await?.0,
        webhooks: resources(cluster).await?.0,
        sinks: resources(cluster).await?.0,
    })
}

fn of_files(paths: &[PathBuf]) -> anyhow::Result<Resources> {
    let mut resources = Resources::default();
    for path in paths {
        let files = if path.is_dir() {
            manifests_of(path)?
        } else {
            vec![path.clone()]
        };
        for file in files {
            let text = String::from_utf8_lossy(&read(&file)?).into_owned();
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
                .map_err(|error| Usage(format!("{}: {error}", file.display())))?;
            for document in documents {
                resources
                    .add(document)
                    .with_context(|| format!("{}: it is no manifest of a resource", file.display()))?;
            }
        }
    }
    Ok(resources)
}

/// The manifests of a directory, by name.
fn manifests_of(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_manifest = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json");
        if is_manifest && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

impl Resources {
    /// Takes one of Leadgate's; others are of no interest.
    fn add(&mut self, document: Value) -> anyhow::Result<()> {
        let is_ours = document
            .get("apiVersion")
            .and_then(Value::as_str)
            .is_some_and(|version| version.starts_with("leadgate.dev/"));
        let kind = document
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        match (is_ours, kind.as_str()) {
            (true, "LeadReceiver") => self.receivers.push(object(document)?),
            (true, "LeadWebhook") => self.webhooks.push(object(document)?),
            (true, "CrmSink") => self.sinks.push(object(document)?),
            _ => {}
        }
        Ok(())
    }

    fn sort(&mut self) {
        self.receivers
            .sort_by_key(|object| (object.namespace(), object.name_any()));
        self.webhooks
            .sort_by_key(|object| (object.namespace(), object.name_any()));
        self.sinks
            .sort_by_key(|object| (object.namespace(), object.name_any()));
    }
}

fn object<K: DeserializeOwned>(document: Value) -> anyhow::Result<K> {
    Ok(serde_json::from_value(document)?)
}
