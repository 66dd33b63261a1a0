//! Under which hosts and path a webhook is reached, whether it may be, and whether two would be mistaken for each other.
//! Pure.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use leadgate_crds::{LeadReceiver, LeadWebhook};

use crate::lead_receiver::status::address;
use crate::names;
use crate::reasons::Reason;
use crate::rules::Rules;
use crate::validation::{ErrorScope, ValidationError};

/// Where a webhook is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub namespace: String,
    pub name: String,
    pub path: String,
    /// The receiver that it names.
    pub receiver: String,
    /// The host names that are known; empty: its Service only, or an edge that somebody else made.
    pub hosts: Vec<String>,
    created: i64,
}

/// A webhook's site.
pub fn site(webhook: &LeadWebhook) -> Endpoint {
    let spec = &webhook.spec;
    let mut hosts: Vec<String> = spec.ingress.iter().map(|ingress| ingress.host.clone()).collect();
    hosts.extend(spec.gateway.iter().flat_map(|gateway| gateway.hostnames.clone()));
    if hosts.is_empty() {
        hosts.extend(webhook.spec.public_url.as_deref().and_then(host));
    }
    Endpoint {
        namespace: webhook.namespace().unwrap_or_default(),
        name: webhook.name_any(),
        path: names::path(webhook),
        receiver: spec.receiver_ref.name.clone(),
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

impl Endpoint {
    /// Whether it was there first.
    pub fn is_older_than(&self, other: &Self) -> bool {
        (self.created, &self.namespace, &self.name) < (other.created, &other.namespace, &other.name)
    }

    /// The same path in one receiver, which tells webhooks apart by their paths, or under a host that both have.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let is_itself = self.namespace == other.namespace && self.name == other.name;
        if is_itself || self.path != other.path {
            return false;
        }
        let one_receiver = self.namespace == other.namespace && self.receiver == other.receiver;
        one_receiver || self.hosts.iter().any(|host| other.hosts.contains(host))
    }
}

/// A path of another namespace, and hosts that this one may not use.
pub fn errors(webhook: &LeadWebhook, rules: &Rules) -> Vec<ValidationError> {
    let mistake = |reason, message| ValidationError {
        about: ErrorScope::Spec,
        reason,
        message,
    };
    let namespace = webhook.namespace().unwrap_or_default();
    let mut found = Vec::new();
    let path = names::path(webhook);
    // `/webhooks/<namespace>/<name>` is where webhooks are unless they say otherwise.
    let owner = path
        .strip_prefix("/webhooks/")
        .and_then(|rest| rest.split_once('/'));
    if owner.is_some_and(|(owner, _)| owner != namespace) {
        found.push(mistake(
            Reason::PathNotAllowed,
            format!(
                "spec.path: paths /webhooks/<namespace>/… belong to that namespace, and this is {namespace}; use \
                 /webhooks/{namespace}/…, or a path that does not start with /webhooks/"
            ),
        ));
    }
    let spec = &webhook.spec;
    let ingress = spec
        .ingress
        .iter()
        .map(|ingress| ("spec.ingress.host".to_owned(), ingress.host.as_str()));
    let gateway = spec.gateway.iter().flat_map(|gateway| {
        let numbered = gateway.hostnames.iter().enumerate();
        numbered.map(|(n, host)| (format!("spec.gateway.hostnames[{n}]"), host.as_str()))
    });
    for (field, _) in ingress
        .chain(gateway)
        .filter(|(_, host)| !rules.allows_host(&namespace, host))
    {
        found.push(mistake(
            Reason::HostNotAllowed,
            format!(
                "{field}: this operator does not create an Ingress or HTTPRoute for this host in namespace {namespace}; use an allowed host, or \
                 have this one added to the chart value ingress.allowedHosts"
            ),
        ));
    }
    if let Some(gateway) = &spec.gateway
        && gateway.hostnames.is_empty()
        && !rules.hosts.is_empty()
    {
        found.push(mistake(
            Reason::HostNotAllowed,
            "spec.gateway.hostnames: this operator allows certain hosts only (chart value ingress.allowedHosts), \
             and without host names an HTTPRoute is for all of its Gateway; name them"
                .to_owned(),
        ));
    }
    found
}

/// The annotations of its Ingress that may be copied, and what is to be said about the others.
pub fn annotations(webhook: &LeadWebhook, rules: &Rules) -> (BTreeMap<String, String>, Vec<ValidationError>) {
    let wanted = webhook.spec.ingress.iter().flat_map(|i| &i.annotations);
    let (copied, left): (Vec<_>, Vec<_>) = wanted.partition(|(name, _)| rules.allows_annotation(name));
    let copied = copied.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    if left.is_empty() {
        return (copied, Vec::new());
    }
    let names: Vec<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
    let note = ValidationError {
        about: ErrorScope::Spec,
        reason: Reason::AnnotationsNotCopied,
        message: format!(
            "spec.ingress.annotations: {} not copied to the Ingress; if they are harmless, have their prefixes \
             added to the chart value ingress.allowedAnnotations",
            names.join(", ")
        ),
    };
    (copied, vec![note])
}

/// Where senders post to, as far as it is known.
pub fn url(webhook: &LeadWebhook, receiver: Option<&LeadReceiver>) -> Option<String> {
    let spec = &webhook.spec;
    let path = names::path(webhook);
    if let Some(url) = &spec.public_url {
        return Some(url.clone());
    }
    let host = spec
        .ingress
        .as_ref()
        .map(|ingress| &ingress.host)
        .or_else(|| spec.gateway.as_ref()?.hostnames.first());
    match host {
        Some(host) => Some(format!("https://{host}{path}")),
        None => Some(format!("{}{path}", address(receiver?))),
    }
}
