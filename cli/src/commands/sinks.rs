//! `sinks`: CRMs, and whether leads are delivered to them.

use clap::Subcommand;
use kube::ResourceExt as _;
use leadgate_crds::CrmSink;
use leadgate_crds::api::Pause;
use leadgate_crds::report::{Report, SinkReport};
use serde::Serialize;
use serde_json::Value;

use super::status::from_report;
use crate::args::Global;
use crate::cluster::{Place, resources};
use crate::filter::duration;
use crate::objects::{Health, health_of};
use crate::output::{Cell, Output, Row};
use crate::receiver::{Call, Receiver, encode};
use crate::text::plain;
use crate::{Usage, Verdict};

#[derive(Debug, Subcommand)]
pub(crate) enum Sinks {
    /// List CrmSinks.
    List,
    /// Stop deliveries to a CRM for a while. Leads are queued.
    Pause {
        /// CrmSink: NAME, or NAMESPACE/NAME.
        sink: String,
        /// How long, for example 30m or 2h. Default: 24h.
        #[arg(long = "for", value_name = "TIME")]
        how_long: Option<String>,
    },
    /// Resume deliveries to a CRM at once, and close its circuit breaker.
    Resume {
        /// CrmSink: NAME, or NAMESPACE/NAME.
        sink: String,
    },
}

/// A sink in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    namespace: String,
    name: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    health: Health,
    pending: i64,
    held: i64,
    dead: i64,
    delivered: i64,
    paused: bool,
    oldest_pending_seconds: i64,
}

pub(crate) async fn run(global: &Global, output: Output, command: &Sinks) -> anyhow::Result<Verdict> {
    let (sink, call) = match command {
        Sinks::List => return print(global, output).await,
        Sinks::Resume { sink } => (sink, "resume"),
        Sinks::Pause { sink, .. } => (sink, "pause"),
    };
    let mut pause = Pause::default();
    if let Sinks::Pause {
        how_long: Some(text), ..
    } = command
    {
        let seconds = duration(text).and_then(|time| u64::try_from(time.as_secs()).ok());
        let Some(seconds) = seconds.filter(|seconds| *seconds > 0) else {
            return Err(Usage("--for must be a time such as 30m or 2h".to_owned()).into());
        };
        pause.seconds = Some(seconds);
    }
    let (mut receiver, namespace, name) = Receiver::open_for(global, sink).await?;
    let path = format!("/api/v1/sinks/{}/{}/{call}", encode(&namespace), encode(&name));
    let request = Call::post(path);
    let request = if call == "pause" {
        request.json(&pause)?
    } else {
        request
    };
    let answer: Value = receiver.call(request).await?;
    output.one(&answer, &format!("{namespace}/{name}"), || {
        plain(&format!("sink {namespace}/{name}: {call}d"))
    })?;
    Ok(Verdict::Fine)
}

async fn print(global: &Global, output: Output) -> anyhow::Result<Verdict> {
    let place = Place::of(global).await?;
    let mut items: Vec<Item> = match &place {
        Place::Cluster(cluster) => {
            let (sinks, _) = resources::<CrmSink>(cluster).await?;
            sinks.iter().map(of_object).collect()
        }
        Place::Server(_) => {
            let report: Report = Receiver::of(&place, global, None)
                .await?
                .call(Call::get("/status"))
                .await?;
            report.sinks.iter().map(of_report).collect()
        }
    };
    items.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    output.all(&items, "No CrmSinks found.")?;
    Ok(Verdict::Fine)
}

fn of_object(sink: &CrmSink) -> Item {
    let status = sink.status.clone().unwrap_or_default();
    let counts = status.leads.deliveries;
    Item {
        namespace: sink.namespace().unwrap_or_default(),
        name: sink.name_any(),
        health: health_of(sink, status.observed_generation, &status.conditions),
        kind: status.kind,
        pending: counts.pending,
        held: counts.held,
        dead: counts.dead,
        delivered: counts.delivered,
        paused: status.paused,
        oldest_pending_seconds: status.leads.oldest_pending_seconds,
    }
}

fn of_report(sink: &SinkReport) -> Item {
    let (namespace, name) = sink.name.split_once('/').unwrap_or(("", &sink.name));
    let counts = sink.leads.deliveries;
    Item {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        kind: None,
        health: from_report(sink),
        pending: counts.pending,
        held: counts.held,
        dead: counts.dead,
        delivered: counts.delivered,
        paused: sink.suspended || sink.paused_until.is_some(),
        oldest_pending_seconds: sink.leads.oldest_pending_seconds,
    }
}

impl Row for Item {
    const COLUMNS: &'static [&'static str] = &[
        "NAMESPACE",
        "NAME",
        "TYPE",
        "READY",
        "PENDING",
        "HELD",
        "DEAD",
        "DELIVERED",
        "PAUSED",
        "OLDEST",
        "MESSAGE",
    ];
    const NARROW: usize = 9;

    fn lines(&self) -> Vec<Vec<Cell>> {
        let number = |n: i64| Cell::from(n.to_string());
        vec![vec![
            self.namespace.as_str().into(),
            self.name.as_str().into(),
            self.kind.as_deref().unwrap_or_default().into(),
            self.health.cell(),
            number(self.pending),
            number(self.held),
            number(self.dead),
            number(self.delivered),
            if self.paused { "true" } else { "" }.into(),
            format!("{}s", self.oldest_pending_seconds).into(),
            self.health.message.as_str().into(),
        ]]
    }

    fn name(&self) -> String {
        format!("crmsink.leadgate.dev/{}", self.name)
    }
}
