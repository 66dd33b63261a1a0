//! How many receivers there are, and how many may be away at once.

use kube::ResourceExt as _;
use serde_json::json;

use super::deployment::REPLICAS;
use super::object::{base, object};
use crate::kinds::{Desired, Kind};
use crate::lead_webhook::validate::Plan;
use crate::names;

/// With one pod it would block every drain of its node.
pub(super) fn budget(plan: &Plan) -> Option<Desired> {
    let receiver = &plan.webhook.spec.receiver;
    let fewest = receiver.autoscaling.as_ref().map_or_else(
        || receiver.replicas.unwrap_or(REPLICAS),
        |autoscaling| autoscaling.min_replicas,
    );
    (fewest > 1).then(|| {
        let body = json!({"spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": names::selector(&plan.webhook.name_any())},
            // A pod that does not get ready must not keep a node from being drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        }});
        object(plan, Kind::PodDisruptionBudget, base(plan), body)
    })
}

pub(super) fn autoscaler(plan: &Plan) -> Option<Desired> {
    let wanted = plan.webhook.spec.receiver.autoscaling.as_ref()?;
    let body = json!({"spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": base(plan)},
        "minReplicas": wanted.min_replicas,
        "maxReplicas": wanted.max_replicas,
        "metrics": [{"type": "Resource", "resource": {
            "name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": wanted.target_cpu},
        }}],
    }});
    Some(object(plan, Kind::HorizontalPodAutoscaler, base(plan), body))
}
