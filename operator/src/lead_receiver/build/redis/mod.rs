//! The managed Redis of a namespace: one server or three, each with a sentinel beside it.
//!
//! A pod has a server and a sentinel, so that the loss of a node takes one of each, and the sentinels that are left are a
//! majority. The pods are the same for one server and for three: growing replaces none.

mod pod;

use serde_json::{Value, json};

use super::object::desired;
use crate::context::Settings;
use crate::kinds::{Desired, Kind};
use crate::lead_receiver::validate::RedisPlan;
use crate::names;

/// The objects that a Redis consists of.
pub const OBJECTS: [(Kind, &str); 7] = [
    (Kind::Secret, names::REDIS),
    (Kind::ConfigMap, names::REDIS),
    (Kind::Service, names::REDIS),
    (Kind::Service, names::REDIS_PEERS),
    (Kind::NetworkPolicy, names::REDIS),
    (Kind::PodDisruptionBudget, names::REDIS),
    (Kind::StatefulSet, names::REDIS),
];

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Everything but the password and the certificates, which are kept by themselves. Nobody owns it: the operator removes it when no receiver uses it any
/// more; its volumes stay.
pub fn redis(namespace: &str, plan: &RedisPlan, settings: &Settings) -> Vec<Desired> {
    let object = |(kind, name): (Kind, &str)| {
        let metadata = json!({
            "name": name,
            "namespace": namespace,
            "labels": names::redis_labels(),
        });
        let body = match kind {
            Kind::ConfigMap => files(plan),
            Kind::Service if name == names::REDIS_PEERS => peers(),
            Kind::Service => service(),
            Kind::NetworkPolicy => policy(),
            Kind::PodDisruptionBudget => budget(),
            Kind::StatefulSet => stateful_set(plan, settings),
            // Without its data, which is kept by itself.
            _ => json!({}),
        };
        desired(kind, name.to_owned(), &metadata, body)
    };
    OBJECTS.into_iter().map(object).collect()
}

/// What the containers run, and how many servers there are: not a part of the pods, which go on when it changes.
fn files(plan: &RedisPlan) -> Value {
    json!({"data": {"run.sh": include_str!("run.sh"), "replicas": plan.replicas.to_string()}})
}

/// For people and backups: any server.
fn service() -> Value {
    json!({"spec": {
        "type": "ClusterIP",
        "selector": names::redis_selector(),
        "ports": [{"name": "redis", "port": PORT, "targetPort": "redis", "protocol": "TCP"}],
    }})
}

/// Names each server. Those that are not ready are named too: to get ready they have to reach each other.
fn peers() -> Value {
    json!({"spec": {
        "type": "ClusterIP",
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "selector": names::redis_selector(),
        "ports": [
            {"name": "redis", "port": PORT, "targetPort": "redis", "protocol": "TCP"},
            {"name": "sentinel", "port": SENTINEL_PORT, "targetPort": "sentinel", "protocol": "TCP"},
        ],
    }})
}

/// Receivers of this namespace, the other servers, and pods that a person labels as clients, such as backups. It calls
/// the other servers, and asks any DNS for them.
fn policy() -> Value {
    let receivers = json!({"podSelector": {"matchLabels": {
        names::COMPONENT: "receiver",
        names::MANAGED_BY: names::MANAGER,
    }}});
    let servers = json!({"podSelector": {"matchLabels": names::redis_selector()}});
    let clients = json!({"podSelector": {"matchLabels": {names::REDIS_CLIENT: "true"}}});
    let port = json!({"port": PORT, "protocol": "TCP"});
    let sentinel = json!({"port": SENTINEL_PORT, "protocol": "TCP"});
    json!({"spec": {
        "podSelector": {"matchLabels": names::redis_selector()},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"from": [receivers, servers], "ports": [port, sentinel]},
            {"from": [clients], "ports": [port]},
        ],
        "egress": [
            {"to": [servers], "ports": [port, sentinel]},
            {"ports": [
                {"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"},
                {"port": 5353, "protocol": "UDP"}, {"port": 5353, "protocol": "TCP"},
            ]},
        ],
    }})
}

/// One at a time: the others hold what is acknowledged, and can decide. A single server may be moved.
fn budget() -> Value {
    json!({"spec": {
        "maxUnavailable": 1,
        "selector": {"matchLabels": names::redis_selector()},
    }})
}

fn stateful_set(plan: &RedisPlan, settings: &Settings) -> Value {
    let mut claim = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": plan.size}},
    });
    if let (Value::Object(claim), Some(class)) = (&mut claim, &plan.storage_class) {
        claim.insert("storageClassName".to_owned(), json!(class));
    }
    let mut labels = plan.template.labels.clone();
    labels.extend(names::redis_labels());
    json!({"spec": {
        "replicas": plan.replicas,
        "serviceName": names::REDIS_PEERS,
        // After a power cut none waits for another one to be ready: only together they know who the primary is. Updates
        // replace one at a time nonetheless, when the ones before are ready.
        "podManagementPolicy": "Parallel",
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": names::redis_selector()},
        // Acknowledged leads are in it.
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "template": {
            "metadata": {"labels": labels, "annotations": plan.template.annotations},
            "spec": pod::pod(plan, settings),
        },
        "volumeClaimTemplates": [{
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "labels": names::redis_labels()},
            "spec": claim,
        }],
    }})
}
