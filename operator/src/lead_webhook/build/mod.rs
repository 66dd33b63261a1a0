//! A plan -> objects. Pure, and it cannot fail: what could be wrong was found by `validate`.
//!
//! A file for each group of objects: `config` (ConfigMap), `deployment`, `network` (Services, NetworkPolicy, Ingress,
//! HTTPRoute), `scaling` (PodDisruptionBudget, HorizontalPodAutoscaler), `redis`.

mod config;
mod deployment;
mod network;
mod object;
mod redis;
mod scaling;

use serde_json::json;

use super::validate::Plan;
use crate::context::Settings;
use crate::kinds::{Desired, Kind};
use object::{base, object};

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
