//! Under which hosts and path a webhook is reached, and whether two would be mistaken for each other. Pure.

use kube::ResourceExt as _;
use leadgate_crds::LeadWebhook;

use crate::names;

/// Where a webhook is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// The host names that are known; empty: its Service only, or an edge that somebody else made.
    pub hosts: Vec<String>,
    created: i64,
}

/// A webhook's site.
pub fn site(webhook: &LeadWebhook) -> Site {
    let receiver = &webhook.spec.receiver;
    let mut hosts: Vec<String> = receiver
        .ingress
        .iter()
        .map(|ingress| ingress.host.clone())
        .collect();
    hosts.extend(
        receiver
            .gateway
            .iter()
            .flat_map(|gateway| gateway.hostnames.clone()),
    );
    if hosts.is_empty() {
        hosts.extend(webhook.spec.public_url.as_deref().and_then(host));
    }
    Site {
        namespace: webhook.namespace().unwrap_or_default(),
        name: webhook.name_any(),
        path: names::path(webhook),
        hosts,
        created: webhook
            .creation_timestamp()
            .map(|time| time.0.as_second())
            .unwrap_or_default(),
    }
}

fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let host = rest.split(['/', ':']).next()?;
    (!host.is_empty()).then(|| host.to_owned())
}

impl Site {
    /// Whether it was there first.
    pub fn is_older_than(&self, other: &Self) -> bool {
        (self.created, &self.namespace, &self.name) < (other.created, &other.namespace, &other.name)
    }

    /// The same path under a host that both have; within a namespace also when one of them names no host, since the
    /// same manifests must work in one receiver.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let is_itself = self.namespace == other.namespace && self.name == other.name;
        if is_itself || self.path != other.path {
            return false;
        }
        if self.hosts.is_empty() || other.hosts.is_empty() {
            return self.namespace == other.namespace;
        }
        self.hosts.iter().any(|host| other.hosts.contains(host))
    }
}

/// Where senders post to, as far as it is known.
pub fn url(webhook: &LeadWebhook) -> String {
    let receiver = &webhook.spec.receiver;
    let path = names::path(webhook);
    if let Some(url) = &webhook.spec.public_url {
        return url.clone();
    }
    let host = receiver
        .ingress
        .as_ref()
        .map(|ingress| &ingress.host)
        .or_else(|| receiver.gateway.as_ref()?.hostnames.first());
    if let Some(host) = host {
        return format!("https://{host}{path}");
    }
    let scheme = if receiver.tls.is_some() { "https" } else { "http" };
    format!(
        "{scheme}://{}.{}.svc{path}",
        names::base(&webhook.name_any()),
        webhook.namespace().unwrap_or_default()
    )
}
