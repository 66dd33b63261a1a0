//! The chart grants what the operator's own table says, neither more nor less.

use std::collections::BTreeSet;

use leadgate_operator::rbac::{LEADER_ELECTION, Rule, WATCHED};
use serde_json::Value;

use crate::render::{named, of_kind, template};

fn table(rules: &[Rule]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for rule in rules {
        for resource in rule.resources {
            for verb in rule.verbs {
                all.insert(format!("{verb} {resource} {}", rule.group));
            }
        }
    }
    all
}

fn granted(role: &Value) -> BTreeSet<String> {
    let words = |value: &Value| -> Vec<String> {
        let list = value.as_array().unwrap_or_else(|| panic!("not a list: {value}"));
        list.iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let mut all = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        let fields: Vec<&String> = rule.as_object().unwrap().keys().collect();
        assert_eq!(fields.len(), 3, "only apiGroups, resources and verbs: {fields:?}");
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for verb in words(&rule["verbs"]) {
                    assert!(
                        all.insert(format!("{verb} {resource} {group}")),
                        "twice: {verb} {resource}"
                    );
                }
            }
        }
    }
    all
}

#[test]
fn the_whole_cluster() {
    let objects = template(&[]).unwrap();
    assert_eq!(
        granted(named(&objects, "ClusterRole", "leadgate-operator")),
        table(WATCHED)
    );
    let leader = named(&objects, "Role", "leadgate-operator-leader");
    assert_eq!(leader["metadata"]["namespace"], "leadgate-system");
    assert_eq!(granted(leader), table(LEADER_ELECTION));
    assert_eq!(of_kind(&objects, "Role").len(), 1);
    let bindings = of_kind(&objects, "ClusterRoleBinding");
    assert_eq!(bindings.len(), 1);
    for binding in [
        bindings[0],
        named(&objects, "RoleBinding", "leadgate-operator-leader"),
    ] {
        assert_eq!(binding["roleRef"]["name"], binding["metadata"]["name"]);
        assert_eq!(binding["subjects"][0]["name"], "leadgate-operator");
        assert_eq!(binding["subjects"][0]["namespace"], "leadgate-system");
        assert_eq!(binding["subjects"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn named_namespaces_only() {
    let objects = template(&[r#"watchNamespaces=["sales","marketing"]"#]).unwrap();
    assert!(of_kind(&objects, "ClusterRole").is_empty());
    assert!(of_kind(&objects, "ClusterRoleBinding").is_empty());
    let mut found = Vec::new();
    for role in of_kind(&objects, "Role") {
        let namespace = role["metadata"]["namespace"].as_str().unwrap();
        if role["metadata"]["name"] == "leadgate-operator" {
            assert_eq!(granted(role), table(WATCHED), "{namespace}");
            found.push(namespace);
        } else {
            assert_eq!(
                (granted(role), namespace),
                (table(LEADER_ELECTION), "leadgate-system")
            );
        }
    }
    found.sort_unstable();
    assert_eq!(found, ["marketing", "sales"]);
    let bound: Vec<_> = of_kind(&objects, "RoleBinding");
    assert_eq!(bound.len(), 3);
    for binding in bound {
        assert_eq!(binding["roleRef"]["kind"], "Role");
        assert_eq!(binding["subjects"][0]["namespace"], "leadgate-system");
    }
}

#[test]
fn without_election_there_is_no_right_to_leases() {
    let objects = template(&["leaderElection.enabled=false"]).unwrap();
    assert!(of_kind(&objects, "Role").is_empty());
    assert_eq!(
        granted(named(&objects, "ClusterRole", "leadgate-operator")),
        table(WATCHED)
    );
}

#[test]
fn people_who_may_edit_may_edit_webhooks() {
    let objects = template(&[]).unwrap();
    let view = named(&objects, "ClusterRole", "leadgate-operator-view");
    let edit = named(&objects, "ClusterRole", "leadgate-operator-edit");
    assert_eq!(
        view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"],
        "true"
    );
    assert_eq!(
        edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"],
        "true"
    );
    assert!(
        edit["metadata"]["labels"]
            .get("rbac.authorization.k8s.io/aggregate-to-view")
            .is_none()
    );
    // Status is the operator's.
    assert!(granted(edit).iter().all(|right| !right.contains("/status")));
    let none = template(&["rbac.create=false"]).unwrap();
    assert!(
        ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"]
            .iter()
            .all(|kind| of_kind(&none, kind).is_empty())
    );
}
