//! The managed Redis of a namespace.

use leadgate_crds::lead_receiver::Durability;
use serde_json::{Value, json};

use super::object::desired;
use super::pod::{MODE, apply_template, security_context, set};
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
/// How long its pod is left on a node that does not answer.
const LOST_NODE_SECONDS: u32 = 60;

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

/// Receivers of this namespace, and pods that a person labels as clients, such as backups. It calls nobody.
fn policy() -> Value {
    let receivers = json!({"matchLabels": {
        names::COMPONENT: "receiver",
        names::MANAGED_BY: names::MANAGER,
    }});
    let clients = json!({"matchLabels": {names::REDIS_CLIENT: "true"}});
    json!({"spec": {
        "podSelector": {"matchLabels": names::redis_selector()},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{
            "from": [{"podSelector": receivers}, {"podSelector": clients}],
            "ports": [{"port": PORT, "protocol": "TCP"}],
        }],
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
    let mut annotations = plan.template.annotations.clone();
    // It is read from the file when Redis starts.
    annotations.insert(names::PASSWORD.to_owned(), plan.password.clone());
    json!({"spec": {
        "replicas": 1,
        "serviceName": names::REDIS,
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": names::redis_selector()},
        // Acknowledged leads are in it.
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "template": {
            "metadata": {"labels": labels, "annotations": annotations},
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
    let mut pod = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": 60,
        "securityContext": security_context(&plan.template, Some(USER), settings),
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
            "resources": resources(plan),
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
            "defaultMode": MODE,
            "items": [{"key": "redis.conf", "path": "redis.conf"}],
        }}],
    });
    if plan.template.tolerations.is_empty() {
        // A node that is lost: the volume is moved after a minute, and not after five.
        let lost = ["not-ready", "unreachable"].map(|what| {
            json!({"key": format!("node.kubernetes.io/{what}"), "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": LOST_NODE_SECONDS})
        });
        set(&mut pod, "tolerations", json!(lost));
    }
    apply_template(&mut pod, &plan.template, settings);
    if !plan.template.topology_spread_constraints.is_empty() {
        let constraints = json!(plan.template.topology_spread_constraints);
        set(&mut pod, "topologySpreadConstraints", constraints);
    }
    pod
}

/// As much memory as it may use: a node that runs short takes it from others.
fn resources(plan: &RedisPlan) -> Value {
    let mut all = plan
        .resources
        .as_ref()
        .map_or_else(|| json!({"requests": {"cpu": "50m"}}), |given| json!(given));
    for list in ["requests", "limits"] {
        if all.get(list).is_none() {
            set(&mut all, list, json!({}));
        }
        if let Some(list) = all.get_mut(list) {
            set(list, "memory", json!(plan.memory));
        }
    }
    all
}
