//! `events`: what Kubernetes was told about Leadgate's objects.

use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::{ListParams, WatchEvent, WatchParams};
use leadgate_crds::{GROUP, VERSION};
use serde::Serialize;

use crate::Verdict;
use crate::args::Global;
use crate::cluster::{Cluster, list, told};
use crate::output::{Cell, Format, Output, Paint, Row};
use crate::text::age;

/// Before a watch that failed is begun again.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Go on with new Events.
    #[arg(short, long)]
    watch: bool,
}

/// An Event in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    time: Option<Timestamp>,
    #[serde(rename = "type")]
    kind: String,
    reason: String,
    namespace: String,
    object: String,
    message: String,
}

/// Only those of Leadgate's kinds.
fn selector() -> String {
    format!("involvedObject.apiVersion={GROUP}/{VERSION}")
}

pub(crate) async fn run(global: &Global, output: Output, command: &Events) -> anyhow::Result<Verdict> {
    let cluster = crate::cluster::Place::cluster(global, "events").await?;
    let (items, mut version) = recent(&cluster).await?;
    if !command.watch {
        output.all(&items, "No Events found.")?;
        return Ok(Verdict::Fine);
    }
    let mut table = output.list::<Item>();
    // A list that does not end would be no JSON: each Event is a document.
    let mut show = |items: &[Item]| match output.format {
        Format::Json | Format::Yaml => {
            let each = |item: &Item| output.one(item, &item.object, String::new);
            items.iter().try_for_each(each)
        }
        _ => table.page(items),
    };
    show(&items)?;
    let api = cluster.api::<Event>();
    loop {
        let params = WatchParams::default().fields(&selector()).timeout(290);
        let mut events = api.watch(&params, &version).await.map_err(told)?.boxed();
        while let Some(event) = events.try_next().await.map_err(told)? {
            match event {
                WatchEvent::Added(event) | WatchEvent::Modified(event) => {
                    version = event.metadata.resource_version.clone().unwrap_or(version);
                    show(&[item(event)])?;
                }
                WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                // An Event that expires is no news.
                WatchEvent::Deleted(_) => {}
                // The version is too old after a pause: what is new since then is in the list.
                WatchEvent::Error(_) => {
                    tokio::time::sleep(PAUSE).await;
                    version = recent(&cluster).await?.1;
                }
            }
        }
    }
}

/// The Events that there are, oldest first, and the version at which a watch goes on.
pub(crate) async fn recent(cluster: &Cluster) -> anyhow::Result<(Vec<Item>, String)> {
    let params = ListParams::default().fields(&selector());
    let (events, version) = list(&cluster.api::<Event>(), params).await?;
    let mut items: Vec<Item> = events.into_iter().map(item).collect();
    items.sort_by_key(|item| item.time);
    Ok((items, version))
}

fn item(event: Event) -> Item {
    let series = event
        .series
        .and_then(|series| series.last_observed_time)
        .map(|time| time.0);
    let time = series
        .or(event.event_time.map(|time| time.0))
        .or(event.last_timestamp.map(|time| time.0));
    let object = event.involved_object;
    Item {
        time,
        kind: event.type_.unwrap_or_default(),
        reason: event.reason.unwrap_or_default(),
        namespace: object.namespace.unwrap_or_default(),
        object: format!(
            "{}/{}",
            object.kind.unwrap_or_default(),
            object.name.unwrap_or_default()
        ),
        message: event.message.unwrap_or_default(),
    }
}

impl Row for Item {
    const COLUMNS: &'static [&'static str] = &["AGE", "TYPE", "REASON", "NAMESPACE", "OBJECT", "MESSAGE"];
    const NARROW: usize = 6;

    fn lines(&self) -> Vec<Vec<Cell>> {
        let paint = if self.kind == "Warning" {
            Paint::Warning
        } else {
            Paint::None
        };
        vec![vec![
            self.time.map(age).unwrap_or_default().into(),
            Cell::new(&self.kind, paint),
            self.reason.as_str().into(),
            self.namespace.as_str().into(),
            self.object.as_str().into(),
            self.message.as_str().into(),
        ]]
    }

    fn name(&self) -> String {
        self.object.clone()
    }
}
