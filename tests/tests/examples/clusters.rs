//! What is written for meshes, strict networks and autoscalers names pods, ports and metrics that exist.

use std::collections::BTreeSet;

use leadgate_operator::{names, receivers::ADMIN_PORT};
use serde_json::Value;

use crate::{examples, files};

fn of_kind(kind: &str) -> Value {
    one("", kind)
}

/// The one object of a kind in the files whose paths end so.
fn one(file: &str, kind: &str) -> Value {
    let mut found: Vec<Value> = files(&examples().join("clusters"))
        .into_iter()
        .filter(|(path, _)| path.ends_with(file))
        .flat_map(|(_, documents)| documents)
        .filter(|object| object["kind"] == kind)
        .collect();
    assert_eq!(found.len(), 1, "{kind}");
    found.remove(0)
}

/// Every label of a selector is one that the operator gives to the pods.
fn selects(selector: &Value, labels: &std::collections::BTreeMap<String, String>) {
    let selected = selector["matchLabels"].as_object().unwrap();
    assert!(!selected.is_empty());
    for (name, value) in selected {
        assert_eq!(labels.get(name).map(String::as_str), value.as_str(), "{name}");
    }
}

#[test]
fn networks_and_meshes() {
    let receivers = names::labels("default");
    let policy = &of_kind("NetworkPolicy")["spec"];
    selects(&policy["podSelector"], &receivers);
    selects(
        &policy["egress"][1]["to"][0]["podSelector"],
        &names::redis_labels(),
    );
    let mesh = &of_kind("PeerAuthentication")["spec"];
    selects(&mesh["selector"], &receivers);
    let ports: Vec<&String> = mesh["portLevelMtls"].as_object().unwrap().keys().collect();
    assert_eq!(ports, [&ADMIN_PORT.to_string()]);
}

#[test]
fn autoscalers() {
    let receiver = one("hpa.yaml", "LeadReceiver");
    // The scale subresource reads the field: it must be there.
    assert!(receiver["spec"]["replicas"].is_number() && receiver["spec"]["autoscaling"].is_null());
    let hpa = &of_kind("HorizontalPodAutoscaler")["spec"];
    let keda = &of_kind("ScaledObject")["spec"];
    for target in [&hpa["scaleTargetRef"], &keda["scaleTargetRef"]] {
        assert_eq!(target["apiVersion"], receiver["apiVersion"]);
        assert_eq!(target["kind"], receiver["kind"]);
        assert_eq!(target["name"], receiver["metadata"]["name"]);
    }
    let table = include_str!("../../../docs/operations.md");
    let query = keda["triggers"][0]["metadata"]["query"].as_str().unwrap();
    let mut used: BTreeSet<&str> = query
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("leadgate_"))
        .collect();
    used.extend(hpa["metrics"][0]["external"]["metric"]["name"].as_str());
    assert_eq!(used.len(), 1, "{used:?}");
    for name in used {
        assert!(
            table.contains(&format!("| `{name}` | gauge | `sink` |")),
            "{name}"
        );
    }
}
