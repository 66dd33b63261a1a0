//! `report`: a zip file for a bug report, without Secrets and personal data.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt as _};
use leadgate_crds::lenient::Definition;
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};
use rawzip::{CompressionMethod, ZipArchiveWriter};
use serde_json::{Value, json};

use super::{check, events, version};
use crate::Verdict;
use crate::args::Global;
use crate::cluster::{Cluster, Place, list, resources, told};
use crate::output::note;
use crate::pods::PODS;
use crate::receiver::{Call, Receiver};
use crate::redact::Redactor;
use crate::text::yaml;

/// The last lines of each log.
const LINES: i64 = 2_000;

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// File to write. Default: leadgate-report-TIME.zip.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// The files of the report.
struct Files {
    redactor: Redactor,
    found: Vec<(String, String)>,
    /// What could not be had, and why.
    missing: Vec<String>,
}

impl Files {
    fn add(&mut self, name: &str, text: anyhow::Result<String>) {
        match text {
            Ok(text) => self.found.push((name.to_owned(), self.redactor.text(&text))),
            Err(error) => self
                .missing
                .push(self.redactor.text(&format!("{name}: {error:#}\n"))),
        }
    }

    fn add_objects<T: serde::Serialize>(&mut self, name: &str, objects: anyhow::Result<T>) {
        let text = objects.and_then(|objects| {
            let mut value = serde_json::to_value(objects)?;
            self.redactor.object(&mut value);
            yaml(&value)
        });
        self.add(name, text);
    }
}

pub(crate) async fn run(global: &Global, command: &ReportArgs) -> anyhow::Result<Verdict> {
    let now = Timestamp::now();
    let path = command
        .file
        .clone()
        .unwrap_or_else(|| format!("leadgate-report-{}.zip", now.strftime("%Y%m%d-%H%M%S")).into());
    let mut files = Files {
        redactor: Redactor::new()?,
        found: Vec::new(),
        missing: Vec::new(),
    };
    files.add(
        "versions.yaml",
        yaml(&json!({"client": env!("CARGO_PKG_VERSION"), "time": now})),
    );
    let place = Place::of(global).await?;
    match &place {
        Place::Server(_) => {
            let findings = check::of_server(&place, global).await;
            files.add("check.yaml", findings.and_then(|findings| yaml(&findings)));
            receiver(&mut files, "receiver", Receiver::of(&place, global, None).await).await;
            let why = "resources, Events, pods and logs: they are of a cluster, which --server does not name; add the receiver's log by \
                       hand\n";
            files.missing.push(why.to_owned());
        }
        Place::Cluster(cluster) => of_cluster(&mut files, cluster, global).await,
    }
    let missing = files.missing.concat();
    if !missing.is_empty() {
        note(missing.trim_end());
    }
    files.add("missing.txt", Ok(missing));
    let file = File::create_new(&path).with_context(|| format!("cannot write {}", path.display()))?;
    archive(file, &files.found).with_context(|| format!("cannot write {}", path.display()))?;
    note(&format!(
        "{} has {} files. Secrets are not in it, and what looks like personal data was taken out; look at it before you pass it on.",
        path.display(),
        files.found.len()
    ));
    Ok(Verdict::Fine)
}

async fn of_cluster(files: &mut Files, cluster: &Cluster, global: &Global) {
    let operators = version::operators(cluster, global).await;
    files.add_objects("operator/deployments.yaml", operators);
    let findings = check::of_cluster(cluster, global).await;
    files.add("check.yaml", yaml(&findings));
    files.add_objects("objects/leadreceivers.yaml", all::<LeadReceiver>(cluster).await);
    files.add_objects("objects/leadwebhooks.yaml", all::<LeadWebhook>(cluster).await);
    files.add_objects("objects/crmsinks.yaml", all::<CrmSink>(cluster).await);
    files.add_objects(
        "events.yaml",
        events::recent(cluster).await.map(|(events, _)| events),
    );
    let operator_pods: Api<Pod> = cluster.within(&global.operator_namespace);
    pods(files, cluster, &operator_pods, version::OPERATOR, "operator").await;
    let namespaces = pods(files, cluster, &cluster.api(), PODS, "receivers").await;
    for namespace in namespaces {
        let alone = Global {
            all_namespaces: false,
            ..global.clone()
        };
        let place = Place::Cluster(cluster.clone());
        let opened = Receiver::of(&place, &alone, Some(&namespace)).await;
        receiver(files, &format!("receivers/{namespace}"), opened).await;
    }
}

async fn all<K>(cluster: &Cluster) -> anyhow::Result<Vec<K>>
where
    K: Definition<Scope = NamespaceResourceScope> + Clone + std::fmt::Debug,
{
    Ok(resources(cluster).await?.0)
}

/// Pods with their logs; gives their namespaces.
async fn pods(
    files: &mut Files,
    cluster: &Cluster,
    api: &Api<Pod>,
    labels: &str,
    folder: &str,
) -> Vec<String> {
    let found = match list(api, ListParams::default().labels(labels)).await {
        Ok((found, _)) => found,
        Err(error) => {
            files.add(&format!("{folder}/pods.yaml"), Err(error));
            return Vec::new();
        }
    };
    let mut namespaces = Vec::new();
    for pod in &found {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let api: Api<Pod> = cluster.within(&namespace);
        let params = LogParams {
            tail_lines: Some(LINES),
            timestamps: true,
            ..LogParams::default()
        };
        let log = api.logs(&name, &params).await.map_err(told);
        files.add(&format!("{folder}/logs/{namespace}-{name}.log"), log);
        namespaces.push(namespace);
    }
    files.add_objects(&format!("{folder}/pods.yaml"), Ok(found));
    namespaces.sort();
    namespaces.dedup();
    namespaces
}

/// What a receiver says of itself.
async fn receiver(files: &mut Files, folder: &str, opened: anyhow::Result<Receiver>) {
    let mut receiver = match opened {
        Ok(receiver) => receiver,
        Err(error) => return files.add(&format!("{folder}/status.yaml"), Err(error)),
    };
    let status = receiver.call::<Value>(Call::get("/status")).await;
    files.add_objects(&format!("{folder}/status.yaml"), status);
    let metrics = receiver.bytes(Call::get("/metrics")).await;
    files.add(
        &format!("{folder}/metrics.txt"),
        metrics.map(|text| String::from_utf8_lossy(&text).into_owned()),
    );
}

fn archive(file: File, files: &[(String, String)]) -> anyhow::Result<()> {
    let mut archive = ZipArchiveWriter::new(file);
    for (name, text) in files {
        let (mut entry, config) = archive
            .new_file(name)
            .compression_method(CompressionMethod::DEFLATE)
            .start()?;
        let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
        writer.write_all(text.as_bytes())?;
        let (encoder, descriptor) = writer.finish()?;
        encoder.finish()?;
        entry.finish(descriptor)?;
    }
    archive.finish()?;
    Ok(())
}
