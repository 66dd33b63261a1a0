//! `version`.

use clap::Args;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde::Serialize;

use crate::Verdict;
use crate::args::Global;
use crate::cluster::{Cluster, Place, list};
use crate::output::Output;
use crate::text::plain;

/// The labels of the operator's Deployment in the chart.
pub(crate) const OPERATOR: &str = "app.kubernetes.io/component=operator,app.kubernetes.io/part-of=leadgate";
const VERSION_LABEL: &str = "app.kubernetes.io/version";

#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Only the version of this program, without asking a cluster.
    #[arg(long)]
    client: bool,
}

/// The versions that there are.
#[derive(Debug, Serialize)]
struct Versions {
    client: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
}

/// The operators of the cluster.
pub(crate) async fn operators(cluster: &Cluster, global: &Global) -> anyhow::Result<Vec<Deployment>> {
    let api = cluster.within::<Deployment>(&global.operator_namespace);
    Ok(list(&api, ListParams::default().labels(OPERATOR)).await?.0)
}

/// The version that the chart writes on its objects.
pub(crate) fn of(deployment: &Deployment) -> Option<String> {
    deployment.labels().get(VERSION_LABEL).cloned()
}

pub(crate) async fn run(global: &Global, output: Output, command: &Version) -> anyhow::Result<Verdict> {
    let mut versions = Versions {
        client: env!("CARGO_PKG_VERSION"),
        operator: None,
    };
    if !command.client
        && let Place::Cluster(cluster) = Place::of(global).await?
    {
        let found = operators(&cluster, global).await?;
        versions.operator = Some(found.first().and_then(of).unwrap_or_else(|| {
            format!(
                "none in namespace {} (--operator-namespace)",
                global.operator_namespace
            )
        }));
    }
    output.one(&versions, versions.client, || {
        let operator = versions
            .operator
            .as_deref()
            .map(|version| format!("\noperator: {version}"));
        plain(&format!(
            "kubectl-leadgate: {}{}",
            versions.client,
            operator.unwrap_or_default()
        ))
    })?;
    Ok(Verdict::Fine)
}
