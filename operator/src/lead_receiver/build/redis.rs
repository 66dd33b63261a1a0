//! The managed Redis of a namespace.

use leadgate_crds::lead_receiver::Durability;
use serde_json::{Value, json};

use super::object::desired;
use crate::context::Settings;
use crate::kinds::{Desired, Kind};
use crate::lead_receiver::validate::{RedisPlan, max_memory};
use crate::names;

/// The kinds of the objects that a Redis consists of.
pub const KINDS: [Kind; 4] = [
    Kind::Secret,
    Kind::Service,
    Kind::NetworkPolicy,
    Kind::StatefulSet,
];

/// The user of the official image.
const USER: i64 = 999;
const PORT: u16 = 6379;

/// Everything but the password, which is made once. Nobody owns it: the operator removes it when no receiver uses it any
/// more; its volume stays.
pub fn redis(namespace: &str, plan: &RedisPlan, settings: &Settings) -> Vec<Desired> {
    let object = |kind: Kind, body: Value| {
        let metadata = json!({
            "name": names::REDIS,
            "namespace": namespace,
            "labels": names::redis_labels(),
        });
        desired(kind, names::REDIS.to_owned(), &metadata, body)
    };
    vec![
        // Without its data: whoever made the password keeps it.
        object(Kind::Secret, json!({})),
        object(Kind::Service, service()),
        object(Kind::NetworkPolicy, policy()),
        object(Kind::StatefulSet, stateful_set(plan, settings)),
    ]
}

fn service() -> Value {
    json!({"spec": {
        "type": "ClusterIP",
        "selector": names::redis_selector(),
        "ports": [{"name": "redis", "port": PORT, "targetPort": "redis", "protocol": "TCP"}],
    }})
}

/// Receivers of this namespace, nobody else. It calls nobody.
fn policy() -> Value {
    let receivers = json!({"matchLabels": {
        names::COMPONENT: "receiver",
        names::MANAGED_BY: names::MANAGER,
    }});
    json!({"spec": {
        "podSelector": {"matchLabels": names::redis_selector()},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": receivers}], "ports": [{"port": PORT, "protocol": "TCP"}]}],
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
    json!({"spec": {
        "replicas": 1,
        "serviceName": names::REDIS,
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": names::redis_selector()},
        // Acknowledged leads are in it.
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "template": {
            "metadata": {"labels": names::redis_labels()},
            "spec": pod(plan, settings),
        },
        "volumeClaimTemplates": [{
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "labels": names::redis_labels()},
            "spec": claim,
        }],
    }})
}

fn pod(plan: &RedisPlan, settings: &Settings) -> Value {
    let fsync = match plan.durability {
        Durability::Always => "always",
        Durability::EverySecond => "everysec",
    };
    // The port answers before the data is loaded; receivers notice that by themselves.
    let probe = json!({"tcpSocket": {"port": "redis"}, "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 6});
    json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": 60,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{
            "name": "redis",
            "image": settings.redis_image,
            "command": ["redis-server"],
            // The password stands in the file: arguments can be read by everybody on the node.
            "args": [
                "/etc/leadgate-redis/redis.conf",
                "--dir", "/data",
                "--appendonly", "yes",
                "--appendfsync", fsync,
                "--save", "",
                "--maxmemory", max_memory(&plan.memory).to_string(),
                "--maxmemory-policy", "noeviction",
            ],
            "ports": [{"name": "redis", "containerPort": PORT, "protocol": "TCP"}],
            "livenessProbe": probe,
            "readinessProbe": probe,
            // As much as it may use: a node that runs short of memory takes it from others.
            "resources": {"requests": {"cpu": "50m", "memory": plan.memory}, "limits": {"memory": plan.memory}},
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [
                {"name": "data", "mountPath": "/data"},
                {"name": "config", "mountPath": "/etc/leadgate-redis", "readOnly": true},
            ],
        }],
        "volumes": [{"name": "config", "secret": {
            "secretName": names::REDIS,
            "defaultMode": 0o440,
            "items": [{"key": "redis.conf", "path": "redis.conf"}],
        }}],
    })
}
