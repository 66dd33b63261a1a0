//! `status`: receivers, webhooks and sinks as a tree, with what is wrong first.

use std::collections::BTreeMap;

use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt as _};
use leadgate_crds::report::{Report, SinkReport};
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};
use serde::Serialize;

use crate::args::Global;
use crate::cluster::{Cluster, Place, list, told};
use crate::objects::{Health, Level, condition, health_of};
use crate::output::{Cell, Output, Paint, note};
use crate::receiver::{Call, Receiver};
use crate::{Usage, Verdict};

/// Changes that come together are shown together.
const SETTLE: std::time::Duration = std::time::Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Show the tree again after each change.
    #[arg(short, long)]
    watch: bool,
}

/// A line of the tree.
#[derive(Debug, Serialize)]
struct Node {
    kind: &'static str,
    name: String,
    #[serde(flatten)]
    health: Health,
    /// Figures, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    figures: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    children: Vec<Node>,
}

pub(crate) async fn run(global: &Global, output: Output, command: &Status) -> anyhow::Result<Verdict> {
    let place = Place::of(global).await?;
    loop {
        match &place {
            Place::Server(url) => {
                if command.watch {
                    return Err(Usage("-w needs a cluster".to_owned()).into());
                }
                let report: Report = Receiver::of(&place, global, None)
                    .await?
                    .call(Call::get("/status"))
                    .await?;
                return print(output, vec![of_server(url, &report)]);
            }
            Place::Cluster(cluster) => {
                let (tree, versions) = of_cluster(cluster).await?;
                let verdict = print(output, tree)?;
                if !command.watch {
                    return Ok(verdict);
                }
                changed(cluster, &versions).await?;
                tokio::time::sleep(SETTLE).await;
            }
        }
    }
}

fn print(output: Output, mut tree: Vec<Node>) -> anyhow::Result<Verdict> {
    tree.iter_mut().for_each(sort);
    tree.sort_by(order);
    if tree.is_empty() {
        note("No LeadReceivers, LeadWebhooks and CrmSinks found.");
        if output.is_for_people() {
            return Ok(Verdict::Fine);
        }
    }
    let mut names = Vec::new();
    for node in &tree {
        node.names(&mut names);
    }
    output.one(&serde_json::json!({"items": tree}), &names.join("\n"), || {
        let mut lines = Vec::new();
        for node in &tree {
            node.lines("", "", &mut lines);
        }
        output.columns(&lines)
    })?;
    let fine = tree.iter().all(|node| node.health.level >= Level::Warning);
    Ok(if fine { Verdict::Fine } else { Verdict::Wrong })
}

/// What is wrong first; and whatever holds something wrong is at least as bad.
fn sort(node: &mut Node) {
    node.children.iter_mut().for_each(sort);
    node.children.sort_by(order);
    if let Some(worst) = node.children.iter().map(|child| child.health.level).min()
        && worst < node.health.level
    {
        node.health.level = worst;
    }
}

fn order(a: &Node, b: &Node) -> std::cmp::Ordering {
    (a.health.level, a.kind != "Queue", &a.name).cmp(&(b.health.level, b.kind != "Queue", &b.name))
}

impl Node {
    fn new(kind: &'static str, name: impl Into<String>, health: Health) -> Self {
        Self {
            kind,
            name: name.into(),
            health,
            figures: String::new(),
            children: Vec::new(),
        }
    }

    fn figures(mut self, figures: String) -> Self {
        self.figures = figures;
        self
    }

    fn lines(&self, before: &str, below: &str, lines: &mut Vec<Vec<Cell>>) {
        lines.push(vec![
            format!("{before}{} {}", self.kind, self.name).trim_end().into(),
            self.health.cell(),
            self.figures.as_str().into(),
            Cell::new(
                &self.health.message,
                if self.health.level == Level::Wrong {
                    Paint::Bad
                } else {
                    Paint::Dim
                },
            ),
        ]);
        for (n, child) in self.children.iter().enumerate() {
            let (own, rest) = if n + 1 == self.children.len() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            child.lines(&format!("{below}{own}"), &format!("{below}{rest}"), lines);
        }
    }

    fn names(&self, names: &mut Vec<String>) {
        let resource = self.kind.to_lowercase();
        if matches!(self.kind, "LeadReceiver" | "LeadWebhook" | "CrmSink") {
            names.push(format!("{resource}.leadgate.dev/{}", self.name));
        }
        for child in &self.children {
            child.names(names);
        }
    }
}

/// Waits until an object changes. A watch that ends by itself is as good as a change.
async fn changed(cluster: &Cluster, versions: &[String; 3]) -> anyhow::Result<()> {
    async fn one<K>(api: Api<K>, version: &str) -> anyhow::Result<()>
    where
        K: Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + 'static,
    {
        let watch = api
            .watch(&WatchParams::default().timeout(290), version)
            .await
            .map_err(told)?;
        let mut changes = watch
            .try_filter(|event| futures::future::ready(!matches!(event, WatchEvent::Bookmark(_))))
            .boxed();
        changes.try_next().await.map_err(told)?;
        Ok(())
    }
    let [receivers, webhooks, sinks] = versions;
    tokio::select! {
        done = one::<LeadReceiver>(cluster.api(), receivers) => done,
        done = one::<LeadWebhook>(cluster.api(), webhooks) => done,
        done = one::<CrmSink>(cluster.api(), sinks) => done,
    }
}

/// Three lists, whatever the number of webhooks: the operator has asked the receivers already.
async fn of_cluster(cluster: &Cluster) -> anyhow::Result<(Vec<Node>, [String; 3])> {
    let (receiver_api, webhook_api, sink_api) = (cluster.api(), cluster.api(), cluster.api());
    let (receivers, webhooks, sinks) = tokio::try_join!(
        list::<LeadReceiver>(&receiver_api, ListParams::default()),
        list::<LeadWebhook>(&webhook_api, ListParams::default()),
        list::<CrmSink>(&sink_api, ListParams::default()),
    )?;
    let versions = [receivers.1, webhooks.1, sinks.1];
    Ok((tree(&receivers.0, &webhooks.0, &sinks.0), versions))
}

/// Pure: a tree for each namespace.
fn tree(receivers: &[LeadReceiver], webhooks: &[LeadWebhook], sinks: &[CrmSink]) -> Vec<Node> {
    let mut found: BTreeMap<(String, String), Node> = BTreeMap::new();
    let mut namespaces: BTreeMap<String, Node> = BTreeMap::new();
    for receiver in receivers {
        let key = (receiver.namespace().unwrap_or_default(), receiver.name_any());
        found.insert(key, of_receiver(receiver));
    }
    for webhook in webhooks {
        let status = webhook.status.clone().unwrap_or_default();
        let receiver = status
            .receiver
            .clone()
            .unwrap_or_else(|| webhook.spec.receiver_ref.name.clone());
        let key = (webhook.namespace().unwrap_or_default(), receiver);
        let implied = || Node::new("LeadReceiver", &key.1, Health::new(Level::Fine, "Implied", ""));
        let parent = found.entry(key.clone()).or_insert_with(implied);
        let counts = status.leads.deliveries;
        let mut figures = format!(
            "{} accepted, {}",
            status.leads.stored.accepted,
            deliveries(counts)
        );
        if webhook.spec.suspend {
            figures.push_str(", suspended");
        }
        let health = health_of(webhook, status.observed_generation, &status.conditions);
        parent
            .children
            .push(Node::new("LeadWebhook", webhook.name_any(), look(health, counts)).figures(figures));
    }
    let namespace = |name: &str| Node::new("Namespace", name, Health::fine());
    for ((name, _), node) in found {
        namespaces
            .entry(name.clone())
            .or_insert_with(|| namespace(&name))
            .children
            .push(node);
    }
    for sink in sinks {
        let status = sink.status.clone().unwrap_or_default();
        let counts = status.leads.deliveries;
        let mut figures = deliveries(counts);
        if status.paused {
            figures.push_str(", paused");
        }
        let health = health_of(sink, status.observed_generation, &status.conditions);
        let node = Node::new("CrmSink", sink.name_any(), look(health, counts)).figures(figures);
        let name = sink.namespace().unwrap_or_default();
        namespaces
            .entry(name.clone())
            .or_insert_with(|| namespace(&name))
            .children
            .push(node);
    }
    namespaces.into_values().collect()
}

fn of_receiver(receiver: &LeadReceiver) -> Node {
    let status = receiver.status.clone().unwrap_or_default();
    let health = health_of(receiver, status.observed_generation, &status.conditions);
    let figures = format!("{} pods, {} webhooks", status.replicas, status.webhooks);
    let mut node = Node::new("LeadReceiver", receiver.name_any(), health).figures(figures);
    if let Some(queue) = condition(&status.conditions, "QueueReady") {
        let health = if queue.status == "True" {
            Health::fine()
        } else {
            Health::new(Level::Wrong, &queue.reason, &queue.message)
        };
        let used = status
            .queue_used
            .map(|used| format!(", {used} used"))
            .unwrap_or_default();
        let store = status.store.unwrap_or_default();
        node.children.push(
            Node::new("Queue", "", health).figures(format!("{store}{used}, {} pending", status.pending)),
        );
    }
    node
}

fn deliveries(counts: leadgate_crds::counts::DeliveryCounts) -> String {
    format!(
        "{} delivered, {} pending, {} held, {} dead",
        counts.delivered, counts.pending, counts.held, counts.dead
    )
}

/// What works, and waits for a person nevertheless.
fn look(health: Health, counts: leadgate_crds::counts::DeliveryCounts) -> Health {
    match (health.level, counts.held, counts.dead) {
        (Level::Fine, 1.., _) => Health::new(
            Level::Warning,
            "Held",
            "see kubectl leadgate leads list --set held",
        ),
        (Level::Fine, _, 1..) => Health::new(
            Level::Warning,
            "Dead",
            "see kubectl leadgate leads list --set dead",
        ),
        _ => health,
    }
}

/// What a receiver without Kubernetes says of itself.
fn of_server(url: &str, report: &Report) -> Node {
    let mut root = Node::new("Receiver", url, Health::fine());
    for (problems, level) in [
        (&report.problems, Level::Wrong),
        (&report.warnings, Level::Warning),
    ] {
        for problem in problems {
            let name = if problem.object.is_empty() {
                &problem.file
            } else {
                &problem.object
            };
            root.children.push(Node::new(
                "Problem",
                name,
                Health::new(level, "Manifest", &problem.message),
            ));
        }
    }
    let queue = &report.queue;
    let health = if queue.ready && queue.problems.is_empty() {
        Health::fine()
    } else {
        Health::new(
            if queue.ready { Level::Warning } else { Level::Wrong },
            "Queue",
            &queue.problems.join("; "),
        )
    };
    root.children
        .push(Node::new("Queue", "", health).figures(queue.durability.clone().unwrap_or_default()));
    for webhook in &report.webhooks {
        let routes = webhook.sinks.iter().map(|route| route.deliveries);
        let counts: leadgate_crds::counts::DeliveryCounts = routes.sum();
        let figures = format!(
            "{} accepted, {}",
            webhook.leads.stored.accepted,
            deliveries(counts)
        );
        root.children
            .push(Node::new("LeadWebhook", &webhook.name, look(Health::fine(), counts)).figures(figures));
    }
    for sink in &report.sinks {
        let counts = sink.leads.deliveries;
        root.children.push(
            Node::new("CrmSink", &sink.name, look(from_report(sink), counts)).figures(deliveries(counts)),
        );
    }
    root
}

/// How a sink fares, as a receiver says it.
pub(crate) fn from_report(sink: &SinkReport) -> Health {
    let checks = sink
        .preflight
        .iter()
        .flat_map(|found| [&found.reachable, &found.credentials])
        .flatten();
    if let Some(failed) = checks.into_iter().find(|check| !check.ok) {
        return Health::new(Level::Wrong, &failed.reason, &failed.message);
    }
    if let Some(problem) = &sink.problem {
        return Health::new(Level::Wrong, "Orphaned", problem);
    }
    if sink.paused_until.is_some() {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        return Health::new(
            Level::Warning,
            &text(&sink.paused_reason),
            &text(&sink.paused_message),
        );
    }
    let problems = sink
        .preflight
        .as_ref()
        .map(|found| found.problems.join("; "))
        .unwrap_or_default();
    if problems.is_empty() {
        return Health::fine();
    }
    Health::new(Level::Warning, "Properties", &problems)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object<K: serde::de::DeserializeOwned>(kind: &str, name: &str, spec: &str, ready: &str) -> K {
        let spec: serde_json::Value = serde_json::from_str(spec).unwrap();
        serde_json::from_value(json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": kind,
            "metadata": {"namespace": "n", "name": name, "generation": 1}, "spec": spec,
            "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": ready, "reason": "SecretMissing",
                "message": "create it", "lastTransitionTime": "2026-11-01T00:00:00Z"}]}}))
        .unwrap()
    }

    #[test]
    fn what_is_wrong_comes_first_and_reddens_what_it_is_in() {
        let spec = r#"{"auth": {"none": {"allowUnauthenticated": true}}, "sinks": [{"name": "crm"}]}"#;
        let webhooks = [
            object("LeadWebhook", "a", spec, "True"),
            object("LeadWebhook", "z", spec, "False"),
        ];
        let sinks = [object(
            "CrmSink",
            "crm",
            r#"{"hubspot": {"tokenSecretRef": {"name": "t", "key": "t"}}}"#,
            "True",
        )];
        let mut nodes = tree(&[], &webhooks, &sinks);
        nodes.iter_mut().for_each(sort);
        let mut lines = Vec::new();
        for node in &nodes {
            node.lines("", "", &mut lines);
        }
        let text = Output::new(crate::output::Format::Table).columns(&lines);
        let names: Vec<&str> = text
            .lines()
            .map(|line| line.split("   ").next().unwrap_or(line))
            .collect();
        let expected = [
            "Namespace n",
            "├─ LeadReceiver default",
            "│  ├─ LeadWebhook z",
            "│  └─ LeadWebhook a",
            "└─ CrmSink crm",
        ];
        assert_eq!(names.len(), expected.len(), "{text}");
        for (line, expected) in text.lines().zip(expected) {
            assert!(line.starts_with(expected), "{text}");
        }
        assert!(text.contains("SecretMissing") && text.contains("create it"));
        assert_eq!(nodes[0].health.level, Level::Wrong);
    }
}
