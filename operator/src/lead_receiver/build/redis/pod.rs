//! The pods of the managed Redis.

use leadgate_crds::lead_receiver::Durability;
use serde_json::{Value, json};

use super::{PORT, SENTINEL_PORT};
use crate::context::Settings;
use crate::lead_receiver::build::pod::{MODE, apply_template, security_context, set, spread};
use crate::lead_receiver::validate::{RedisPlan, max_memory};
use crate::lead_receiver::{certificates, queue_url};
use crate::names;

/// The user of the official image.
const USER: i64 = 999;
/// How long its pod is left on a node that does not answer.
const LOST_NODE_SECONDS: u32 = 60;
/// A server that is to stop hands over its role for at most 40 s (`HAND_OVER_SECONDS` of `run.sh`), then ends.
const GRACE_SECONDS: u32 = 75;
const FILES: &str = "/etc/leadgate-redis";

pub(super) fn pod(plan: &RedisPlan, settings: &Settings) -> Value {
    // Not the key of the authority.
    let items = [
        queue_url::CONFIG,
        certificates::AUTHORITIES,
        certificates::CERTIFICATE,
        certificates::KEY,
    ]
    .map(|key| json!({"key": key, "path": key}));
    let mut pod = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": security_context(&plan.template, Some(USER), settings),
        "containers": [server(plan, settings), sentinel(settings)],
        "volumes": [{"name": "config", "projected": {"defaultMode": MODE, "sources": [
            {"secret": {"name": names::REDIS, "items": items}},
            {"configMap": {"name": names::REDIS}},
        ]}}],
        "topologySpreadConstraints": spread(&names::redis_selector(), &plan.template),
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
    pod
}

fn container(settings: &Settings, name: &str, port: u16, more: Value) -> Value {
    let mut container = json!({
        "name": name,
        "image": settings.redis_image,
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"}],
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "config", "mountPath": FILES, "readOnly": true},
        ],
    });
    if let (Value::Object(container), Value::Object(more)) = (&mut container, more) {
        container.extend(more);
    }
    container
}

fn runs(what: &[&str]) -> Value {
    let script = format!("{FILES}/run.sh");
    json!([&["sh", &script], what].concat())
}

/// Asks a port for an answer: a connection that says nothing is an error in the log of a server that expects TLS. Two minutes
/// without one, for liveness, mean that it hangs, and not that its disk is slow.
fn alive(port: u16, period: u32, failures: u32) -> Value {
    json!({
        "exec": {"command": runs(&["alive", &port.to_string()])},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    })
}

fn server(plan: &RedisPlan, settings: &Settings) -> Value {
    let fsync = match plan.durability {
        Durability::Always => "always",
        Durability::EverySecond => "everysec",
    };
    let more = json!({
        "command": runs(&["server"]),
        "args": [
            "--appendonly", "yes",
            "--appendfsync", fsync,
            "--save", "",
            "--maxmemory", max_memory(&plan.memory).to_string(),
            "--maxmemory-policy", "noeviction",
        ],
        // As long as the primary is not known the server is not started, and starting it again would not help: an hour.
        // It is not asked whether it is ready before that.
        "startupProbe": alive(PORT, 2, 1800),
        "livenessProbe": alive(PORT, 10, 12),
        // Nothing else is replaced or scaled down before this server has what the primary has.
        "readinessProbe": {
            "exec": {"command": runs(&["ready"])}, "periodSeconds": 3, "timeoutSeconds": 5, "failureThreshold": 3,
        },
        "lifecycle": {"preStop": {"exec": {"command": runs(&["stop"])}}},
        "resources": resources(plan),
    });
    container(settings, "redis", PORT, more)
}

fn sentinel(settings: &Settings) -> Value {
    let more = json!({
        "command": runs(&["sentinel"]),
        "livenessProbe": alive(SENTINEL_PORT, 10, 12),
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
    });
    container(settings, "sentinel", SENTINEL_PORT, more)
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
