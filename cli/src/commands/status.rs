//! `status`: receivers, webhooks and sinks as a tree, with what is wrong first.

mod tree;

use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use leadgate_crds::counts::DeliveryCounts;
use leadgate_crds::lead_webhook::Latency;
use leadgate_crds::lenient::Lenient;
use leadgate_crds::report::{Report, SinkReport};
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};
use serde::Serialize;

use crate::args::Global;
use crate::cluster::{Cluster, Place, resources, told};
use crate::objects::{Health, Level};
use crate::output::{Cell, Output, Paint, note};
use crate::receiver::{Call, Receiver};
use crate::{Usage, Verdict};
use tree::{look, of_sink, of_webhook, tree};

/// Changes that come together are shown together.
const SETTLE: std::time::Duration = std::time::Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Show the tree again after each change.
    #[arg(short, long)]
    watch: bool,
}

/// In this order, if all is well.
const KINDS: [&str; 7] = [
    "Problem",
    "Queue",
    "Namespace",
    "Receiver",
    "LeadReceiver",
    "LeadWebhook",
    "CrmSink",
];

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
    sort(&mut tree);
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
    let fine = tree.iter().all(|node| node.worst() >= Level::Warning);
    Ok(if fine { Verdict::Fine } else { Verdict::Wrong })
}

/// What is wrong first.
fn sort(nodes: &mut [Node]) {
    for node in nodes.iter_mut() {
        sort(&mut node.children);
    }
    nodes.sort_by(|a, b| {
        let kind = |node: &Node| KINDS.iter().position(|kind| *kind == node.kind);
        let key = |node: &Node| (node.worst(), kind(node));
        (key(a), &a.name).cmp(&(key(b), &b.name))
    });
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

    /// How the worst fares of all that it holds.
    fn worst(&self) -> Level {
        let children = self.children.iter().map(Self::worst);
        children.fold(self.health.level, Level::min)
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
        done = one::<Lenient<LeadReceiver>>(cluster.api(), receivers) => done,
        done = one::<Lenient<LeadWebhook>>(cluster.api(), webhooks) => done,
        done = one::<Lenient<CrmSink>>(cluster.api(), sinks) => done,
    }
}

/// Three lists, whatever the number of webhooks: the operator has asked the receivers already.
async fn of_cluster(cluster: &Cluster) -> anyhow::Result<(Vec<Node>, [String; 3])> {
    let (receivers, webhooks, sinks) = tokio::try_join!(
        resources::<LeadReceiver>(cluster),
        resources::<LeadWebhook>(cluster),
        resources::<CrmSink>(cluster),
    )?;
    let versions = [receivers.1, webhooks.1, sinks.1];
    Ok((tree(&receivers.0, &webhooks.0, &sinks.0), versions))
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
        let counts: DeliveryCounts = routes.sum();
        let discarded = webhook.sinks.iter().map(|route| route.discarded).sum();
        let success_rate = counts.success_rate(discarded);
        let latencies = webhook.sinks.iter().filter_map(|route| route.latency.as_ref());
        let p99 = Latency::slowest(latencies).p99;
        let rates = [success_rate.as_deref(), p99.as_deref()];
        let figures = of_webhook(&webhook.leads.stored, counts, rates);
        let health = if webhook.suspended {
            let message = "spec.suspend is true: requests are answered with 503";
            Health::new(Level::Warning, "Suspended", message)
        } else {
            look(Health::fine(), counts)
        };
        root.children
            .push(Node::new("LeadWebhook", &webhook.name, health).figures(figures));
    }
    for sink in &report.sinks {
        let counts = sink.leads.deliveries;
        root.children.push(
            Node::new("CrmSink", &sink.name, look(from_report(sink), counts))
                .figures(of_sink(counts, sink.audit.as_ref())),
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
    if sink.suspended {
        let message = "spec.suspend is true: leads are queued and not delivered";
        return Health::new(Level::Warning, "Suspended", message);
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
