//! What receivers' pods and the managed Redis's pods have in common.

use std::collections::BTreeMap;

use leadgate_crds::lead_receiver::PodTemplate;
use serde_json::{Map, Value, json};

use crate::context::Settings;

/// Any user may read mounted files: which one that is, the cluster may decide, and one process runs in the pod.
pub(super) const MODE: u32 = 0o444;

/// Nothing that Pod Security's profile `restricted` or OpenShift's `restricted-v2` refuses. `user`: of an image that names
/// none itself. On OpenShift it is one of the namespace's range, and another one is refused.
pub(super) fn security_context(given: &PodTemplate, user: Option<i64>, settings: &Settings) -> Value {
    let mut context = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    if let Some(user) = user.filter(|_| !settings.openshift) {
        for field in ["runAsUser", "runAsGroup", "fsGroup"] {
            set(&mut context, field, json!(user));
        }
        set(&mut context, "fsGroupChangePolicy", json!("OnRootMismatch"));
    }
    let given = given.security_context.as_ref().map(|given| json!(given));
    if let (Value::Object(context), Some(Value::Object(given))) = (&mut context, given) {
        context.extend(given);
    }
    context
}

/// What a person sets of a pod beside its labels and annotations.
pub(super) fn apply_template(pod: &mut Value, given: &PodTemplate, settings: &Settings) {
    if !given.node_selector.is_empty() {
        set(pod, "nodeSelector", json!(given.node_selector));
    }
    if !given.tolerations.is_empty() {
        set(pod, "tolerations", json!(given.tolerations));
    }
    if let Some(affinity) = &given.affinity {
        set(pod, "affinity", affinity.clone());
    }
    if let Some(class) = &given.priority_class_name {
        set(pod, "priorityClassName", json!(class));
    }
    let mut secrets: Vec<&str> = given
        .image_pull_secrets
        .iter()
        .map(|secret| secret.name.as_str())
        .collect();
    for name in &settings.image_pull_secrets {
        if !name.is_empty() && !secrets.contains(&name.as_str()) {
            secrets.push(name);
        }
    }
    if !secrets.is_empty() {
        let secrets: Vec<Value> = secrets.iter().map(|name| json!({"name": name})).collect();
        set(pod, "imagePullSecrets", json!(secrets));
    }
}

/// Over zones and nodes where there are several; never a reason not to start.
pub(super) fn spread(selector: &BTreeMap<String, String>, given: &PodTemplate) -> Value {
    if !given.topology_spread_constraints.is_empty() {
        let mut given = json!(given.topology_spread_constraints);
        for constraint in given.as_array_mut().into_iter().flatten() {
            // Without one, it would spread no pod.
            if constraint.get("labelSelector").is_none_or(Value::is_null) {
                set(constraint, "labelSelector", json!({"matchLabels": selector}));
            }
        }
        return given;
    }
    let over = |key: &str| {
        json!({
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector},
        })
    };
    json!([
        over("topology.kubernetes.io/zone"),
        over("kubernetes.io/hostname")
    ])
}

pub(super) fn set(object: &mut Value, field: &str, value: Value) {
    if let Value::Object(fields) = object {
        let fields: &mut Map<String, Value> = fields;
        fields.insert(field.to_owned(), value);
    }
}
