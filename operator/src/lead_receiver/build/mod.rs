//! A plan -> objects. Pure, and it cannot fail: what could be wrong was found by `validate`.
//!
//! A file for each group of objects: `config` (ConfigMaps and the copies of Secrets), `deployment`, `network` (Services,
//! NetworkPolicy), `scaling` (PodDisruptionBudget, HorizontalPodAutoscaler), `redis`.

pub mod config;
pub(crate) mod deployment;
pub mod network;
pub mod object;
mod pod;
pub mod redis;
mod scaling;

use kube::ResourceExt as _;
use serde_json::json;

use super::validate::Plan;
use crate::context::Settings;
use crate::kinds::{Desired, Kind};
use crate::names;
use object::object;

/// What a receiver consists of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Built {
    /// What is to be, in the order in which it is applied.
    pub objects: Vec<Desired>,
    /// What must not be (any longer).
    pub absent: Vec<(Kind, String)>,
}

/// Everything that belongs to one receiver, but its configuration.
pub fn build(plan: &Plan, settings: &Settings) -> Built {
    let name = names::receiver(&plan.receiver.name_any());
    let mut built = Built::default();
    built.objects.push(object(
        plan,
        Kind::ServiceAccount,
        name.clone(),
        json!({"automountServiceAccountToken": false}),
    ));
    built.objects.extend(network::services(plan));
    built.objects.push(deployment::deployment(plan, settings));
    for (kind, object) in [
        (Kind::NetworkPolicy, network::policy(plan)),
        (Kind::PodDisruptionBudget, scaling::budget(plan)),
        (Kind::HorizontalPodAutoscaler, scaling::autoscaler(plan)),
    ] {
        match object {
            Some(object) => built.objects.push(object),
            None => built.absent.push((kind, name.clone())),
        }
    }
    built
}

/// Every object that a receiver may consist of: what goes with one that is only implied, in this order.
pub fn all(receiver: &str) -> Vec<(Kind, String)> {
    let name = names::receiver(receiver);
    let of_receiver = [
        Kind::Deployment,
        Kind::HorizontalPodAutoscaler,
        Kind::PodDisruptionBudget,
        Kind::NetworkPolicy,
        Kind::Service,
        Kind::ServiceAccount,
    ];
    let mut all: Vec<(Kind, String)> = of_receiver.map(|kind| (kind, name.clone())).into();
    all.push((Kind::Service, names::admin(receiver)));
    all.push((Kind::Secret, names::admin(receiver)));
    all.push((Kind::Secret, names::secrets(receiver)));
    for n in 0..super::projection::SHARDS {
        all.push((Kind::ConfigMap, names::config(receiver, n)));
    }
    all
}
