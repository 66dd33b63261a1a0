//! How many receivers there are, and how many may be away at once.

use kube::ResourceExt as _;
use serde_json::json;

use super::Plan;
use super::object::object;
use crate::kinds::{Desired, Kind};
use crate::names;

/// With one pod it would block every drain of its node.
pub(super) fn budget(plan: &Plan) -> Option<Desired> {
    let receiver = &plan.receiver.spec;
    let name = plan.receiver.name_any();
    let fewest = receiver
        .autoscaling
        .as_ref()
        .map_or_else(|| receiver.replicas, |autoscaling| autoscaling.min_replicas);
    (fewest > 1).then(|| {
        let body = json!({"spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": names::selector(&name)},
            // A pod that does not get ready must not keep a node from being drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        }});
        object(plan, Kind::PodDisruptionBudget, names::receiver(&name), body)
    })
}

pub(super) fn autoscaler(plan: &Plan) -> Option<Desired> {
    let wanted = plan.receiver.spec.autoscaling.as_ref()?;
    let name = names::receiver(&plan.receiver.name_any());
    let body = json!({"spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": wanted.min_replicas,
        "maxReplicas": wanted.max_replicas,
        "metrics": [{"type": "Resource", "resource": {
            "name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": wanted.target_cpu},
        }}],
    }});
    Some(object(plan, Kind::HorizontalPodAutoscaler, name, body))
}
