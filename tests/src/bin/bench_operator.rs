//! The operator with many LeadWebhooks on a real API server: how long until all are reconciled, how much memory, how
//! many writes at rest, how long until one change is through. `make bench-operator` runs it with the release build.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use axum::http::Request;
use clap::Parser;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use leadgate_crds::{CrmSink, LeadWebhook};
use leadgate_tests::cluster::{client, install_crds, kubeconfig};
use serde_json::json;

/// What a webhook's objects and the resources themselves are called in the API server's metrics.
const OURS: [&str; 15] = [
    "configmaps",
    "crmsinks",
    "deployments",
    "events",
    "horizontalpodautoscalers",
    "ingresses",
    "leadreceivers",
    "leadwebhooks",
    "networkpolicies",
    "poddisruptionbudgets",
    "pods",
    "secrets",
    "serviceaccounts",
    "services",
    "statefulsets",
];

#[derive(Parser)]
struct Cli {
    /// LeadWebhooks.
    #[arg(long, default_value_t = 1000)]
    webhooks: usize,
    /// Namespaces that they are spread over.
    #[arg(long, default_value_t = 20)]
    namespaces: usize,
    /// The size of a LeadWebhook's mapping in bytes, about.
    #[arg(long, default_value_t = 4000)]
    bytes: usize,
    /// Seconds at rest.
    #[arg(long, default_value_t = 60)]
    rest: u64,
    /// The operator; default: the binary beside this one.
    #[arg(long)]
    operator: Option<PathBuf>,
    /// Fail when a figure misses its target.
    #[arg(long)]
    strict: bool,
}

struct Operator(Child);

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let client = client().await?;
    install_crds(&client).await?;
    let names = prepare(&client, &cli).await?;
    println!("{} LeadWebhooks in {} namespaces", cli.webhooks, names.len());

    let begun = Instant::now();
    let operator = start(&cli)?;
    let mut peak = 0.0_f64;
    let deadline = Duration::from_mins(10);
    loop {
        peak = peak.max(resident(&operator)?);
        let done = reconciled(&client).await?;
        if done == cli.webhooks {
            break;
        }
        if begun.elapsed() > deadline {
            bail!("{done} of {} are reconciled after {deadline:?}", cli.webhooks);
        }
        // Listing them all costs the API server more than the operator does.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let all = begun.elapsed().as_secs_f64();

    // What was begun settles; sinks have counted their webhooks.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = writes(&client).await?;
    tokio::time::sleep(Duration::from_secs(cli.rest)).await;
    let at_rest = writes(&client).await? - before;

    let name = names.first().context("no namespace")?;
    let change = one_change(&client, name).await?;
    peak = peak.max(resident(&operator)?);
    let now = resident(&operator)?;

    println!("all reconciled      {all:8.1} s     target < 120");
    println!("resident            {now:8.1} MiB   target <= 50 (peak {peak:.1})");
    println!(
        "writes at rest      {at_rest:8.0}       target 0, in {} s",
        cli.rest
    );
    println!("one changed object  {change:8.2} s     target < 2");
    let missed = all >= 120.0 || now > 50.0 || at_rest > 0.0 || change >= 2.0;
    if cli.strict && missed {
        bail!("a target is missed");
    }
    Ok(())
}

/// Namespaces, Secrets, sinks and webhooks, before the operator starts.
async fn prepare(client: &Client, cli: &Cli) -> anyhow::Result<Vec<String>> {
    let post = PostParams::default();
    let mut names = Vec::new();
    for _ in 0..cli.namespaces {
        let namespace = serde_json::from_value(json!({"metadata": {"generateName": "leadgate-bench-"}}))?;
        let made = Api::<Namespace>::all(client.clone())
            .create(&post, &namespace)
            .await?;
        let name = made.name_any();
        let secret = json!({"metadata": {"name": "keys"}, "stringData": {"hmac": "k", "token": "t"}});
        Api::<Secret>::namespaced(client.clone(), &name)
            .create(&post, &serde_json::from_value(secret)?)
            .await?;
        let sink = json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "CrmSink", "metadata": {"name": "crm"},
            "spec": {"hubspot": {"tokenSecretRef": {"name": "keys", "key": "token"}}}});
        Api::<CrmSink>::namespaced(client.clone(), &name)
            .create(&post, &serde_json::from_value(sink)?)
            .await?;
        names.push(name);
    }
    let mapping = mapping(cli.bytes);
    let jobs = (0..cli.webhooks).filter_map(|n| Some((n, names.get(n % names.len())?.clone())));
    futures::stream::iter(jobs.collect::<Vec<_>>())
        .map(|(n, namespace)| {
            let api = Api::<LeadWebhook>::namespaced(client.clone(), &namespace);
            let mapping = mapping.clone();
            async move {
                let webhook = json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook",
                    "metadata": {"name": format!("webhook-{n}")},
                    "spec": {"auth": {"hmac": {"secretRefs": [{"name": "keys", "key": "hmac"}]}},
                        "payload": {"lead": {"custom": mapping}}, "sinks": [{"name": "crm"}]}});
                api.create(&PostParams::default(), &serde_json::from_value(webhook)?)
                    .await?;
                anyhow::Ok(())
            }
        })
        .buffer_unordered(8)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(names)
}

/// Fields as forms have them, until there are so many bytes.
fn mapping(bytes: usize) -> serde_json::Map<String, serde_json::Value> {
    let mut fields = serde_json::Map::new();
    for n in 0..bytes / 80 {
        let expression =
            format!("payload.answers.question_{n:03} != null ? payload.answers.question_{n:03} : ''");
        fields.insert(format!("q{n:03}"), json!(expression));
    }
    fields
}

fn start(cli: &Cli) -> anyhow::Result<Operator> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("leadgate-operator"));
    let path = cli.operator.clone().or_else(beside).context("which operator?")?;
    let child = Command::new(&path)
        .env("KUBECONFIG", kubeconfig()?)
        .args([
            "--receiver-image",
            "leadgate:bench",
            "--health-listen",
            "127.0.0.1:0",
            "--log",
            "warn",
        ])
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("{}: build it with cargo build --release", path.display()))?;
    Ok(Operator(child))
}

/// Resident memory in MiB.
fn resident(operator: &Operator) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", operator.0.id()))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok())
        .context("no VmRSS: the operator has ended")?;
    Ok(kib / 1024.0)
}

/// Webhooks whose objects were made.
async fn reconciled(client: &Client) -> anyhow::Result<usize> {
    let api: Api<LeadWebhook> = Api::all(client.clone());
    let mut done = 0;
    let mut page = ListParams::default().limit(500);
    loop {
        let list = api.list(&page).await?;
        done += list.items.iter().filter(|webhook| is_made(webhook)).count();
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(done),
        }
    }
}

fn is_made(webhook: &LeadWebhook) -> bool {
    webhook.status.as_ref().is_some_and(|status| {
        Some(status.observed_generation) == webhook.metadata.generation
            && status
                .conditions
                .iter()
                .any(|c| c.type_ == "Programmed" && c.reason == "Starting")
    })
}

/// Writes of our kinds that the API server has counted.
async fn writes(client: &Client) -> anyhow::Result<f64> {
    let request = Request::get("/metrics").body(Vec::new())?;
    let text = client.request_text(request).await?;
    let is_write = |line: &str| {
        ["POST", "PUT", "PATCH", "APPLY", "DELETE"]
            .iter()
            .any(|verb| line.contains(&format!("verb=\"{verb}\"")))
    };
    let is_ours = |line: &str| {
        OURS.iter()
            .any(|kind| line.contains(&format!("resource=\"{kind}\"")))
    };
    Ok(text
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total{") && is_write(line) && is_ours(line))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum())
}

/// Seconds until a change is in the ConfigMap and in the status.
async fn one_change(client: &Client, namespace: &str) -> anyhow::Result<f64> {
    let api: Api<LeadWebhook> = Api::namespaced(client.clone(), namespace);
    let list = api.list(&ListParams::default().limit(1)).await?;
    let name = list.items.first().context("no webhook")?.name_any();
    let begun = Instant::now();
    let patch = json!({"spec": {"payload": {"maxBytes": 4096}}});
    api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    loop {
        let webhook = api.get(&name).await?;
        if webhook.status.as_ref().map(|s| s.observed_generation) == webhook.metadata.generation {
            return Ok(begun.elapsed().as_secs_f64());
        }
        if begun.elapsed() > Duration::from_mins(1) {
            bail!("the change is not through after 60 s");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
