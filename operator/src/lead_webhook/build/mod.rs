//! A plan -> objects. Pure, and it cannot fail: what could be wrong was found by `validate`.
//!
//! A file for each group of objects: `config` (ConfigMap), `deployment`, `network` (Services, NetworkPolicy, Ingress,
//! HTTPRoute), `scaling` (PodDisruptionBudget, HorizontalPodAutoscaler), `redis`.

mod config;
mod deployment;
mod network;
mod redis;
mod scaling;

use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::validate::{Owner, Plan};
use crate::context::Settings;
use crate::kinds::{Desired, Kind};
use crate::names;

pub use config::{checksum, manifests};
pub use redis::redis;

/// What a webhook's receivers consist of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Built {
    /// What is to be, in the order in which it is applied.
    pub objects: Vec<Desired>,
    /// What must not be (any longer).
    pub absent: Vec<(Kind, String)>,
}

/// Everything that belongs to one webhook alone.
pub fn build(plan: &Plan, settings: &Settings) -> Built {
    let files = manifests(&plan.webhook, &plan.sinks, plan.draining);
    let mut built = Built::default();
    built.objects.push(service_account(plan));
    built.objects.push(config::config_map(plan, &files));
    built.objects.extend(network::services(plan));
    built.objects.push(network::policy(plan));
    built
        .objects
        .push(deployment::deployment(plan, settings, &checksum(&files)));
    optional(&mut built, plan, Kind::PodDisruptionBudget, scaling::budget(plan));
    optional(
        &mut built,
        plan,
        Kind::HorizontalPodAutoscaler,
        scaling::autoscaler(plan),
    );
    optional(&mut built, plan, Kind::Ingress, network::ingress(plan));
    optional(&mut built, plan, Kind::HttpRoute, network::http_route(plan));
    built
}

fn optional(built: &mut Built, plan: &Plan, kind: Kind, object: Option<Desired>) {
    match object {
        Some(object) => built.objects.push(object),
        None => built.absent.push((kind, base(plan))),
    }
}

/// Without a token: receivers never talk to the API server.
fn service_account(plan: &Plan) -> Desired {
    object(
        plan,
        Kind::ServiceAccount,
        base(plan),
        json!({"automountServiceAccountToken": false}),
    )
}

fn base(plan: &Plan) -> String {
    names::base(&plan.webhook.name_any())
}

/// An object of the webhook: `body` with metadata.
fn object(plan: &Plan, kind: Kind, name: String, body: Value) -> Desired {
    let webhook = &plan.webhook;
    let owner = Owner {
        name: webhook.name_any(),
        uid: webhook.uid().unwrap_or_default(),
    };
    let mut reference = reference(&owner);
    if let Value::Object(fields) = &mut reference {
        fields.insert("controller".to_owned(), Value::Bool(true));
    }
    let metadata = json!({
        "name": name,
        "namespace": webhook.namespace().unwrap_or_default(),
        "labels": names::labels(&webhook.name_any()),
        "ownerReferences": [reference],
    });
    desired(kind, name, &metadata, body)
}

/// `blockOwnerDeletion` is left out: with it, the operator would need a right on the owners' finalizers.
fn reference(owner: &Owner) -> Value {
    json!({
        "apiVersion": format!("{}/{}", leadgate_crds::GROUP, leadgate_crds::VERSION),
        "kind": "LeadWebhook",
        "name": owner.name,
        "uid": owner.uid,
    })
}

fn desired(kind: Kind, name: String, metadata: &Value, body: Value) -> Desired {
    let mut manifest = json!({"apiVersion": kind.api_version(), "kind": kind.name(), "metadata": metadata});
    if let (Value::Object(manifest), Value::Object(body)) = (&mut manifest, body) {
        manifest.extend(body);
    }
    Desired { kind, name, manifest }
}
