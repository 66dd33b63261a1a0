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

/// The roles of Kubernetes that contain a ClusterRole.
fn contained_in(role: &Value) -> BTreeSet<&str> {
    let labels = role["metadata"]["labels"].as_object().unwrap();
    labels
        .keys()
        .filter_map(|label| label.strip_prefix("rbac.authorization.k8s.io/aggregate-to-"))
        .collect()
}

#[test]
fn marketing_owns_webhooks_and_sinks_and_the_platform_everything() {
    const READ: &[&str] = &["get", "list", "watch"];
    const WRITE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
    let rights = |verbs: &[&[&str]], resources: &[&str]| -> BTreeSet<String> {
        let verbs = verbs.concat();
        let pairs = resources
            .iter()
            .flat_map(|resource| verbs.iter().map(move |verb| (verb, resource)));
        pairs
            .map(|(verb, resource)| format!("{verb} {resource} leadgate.dev"))
            .collect()
    };
    let all = ["leadreceivers", "leadwebhooks", "crmsinks"];
    let leads = |verbs: &[&str]| rights(&[verbs], &["leadwebhooks/leads"]);
    let mut view = rights(&[READ], &all);
    // What the console asks for.
    let mut acts = leads(&["get", "update", "delete"]);
    acts.extend(rights(&[&["update"]], &["crmsinks/pause"]));
    let mut privacy = leads(&["get", "delete"]);
    privacy.extend(rights(&[&["get"]], &["leadwebhooks/payloads"]));
    let mut marketing = rights(&[WRITE], &all[1..]);
    marketing.extend(view.clone());
    marketing.extend(acts.clone());
    view.extend(leads(&["get"]));
    // Status is the operator's.
    let mut platform = rights(&[READ, WRITE], &all);
    platform.extend(rights(&[&["get", "update", "patch"]], &["leadreceivers/scale"]));
    platform.extend(acts);
    let table = [
        ("privacy", privacy, &["admin"][..]),
        ("view", view, &["admin", "edit", "view"][..]),
        ("marketing", marketing, &["admin", "edit"][..]),
        ("platform", platform, &["admin"][..]),
    ];
    let aggregated = template(&[]).unwrap();
    let by_hand = template(&["rbac.aggregate=false"]).unwrap();
    for (name, expected, roles) in table {
        let name = format!("leadgate-operator-{name}");
        let role = named(&aggregated, "ClusterRole", &name);
        assert_eq!(granted(role), expected, "{name}");
        assert_eq!(
            contained_in(role).into_iter().collect::<Vec<_>>(),
            roles,
            "{name}"
        );
        // Without aggregation they are there to be bound.
        let role = named(&by_hand, "ClusterRole", &name);
        assert_eq!(granted(role), expected, "{name}");
        assert!(contained_in(role).is_empty(), "{name}");
    }
    let none = template(&["rbac.create=false"]).unwrap();
    assert!(
        ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"]
            .iter()
            .all(|kind| of_kind(&none, kind).is_empty())
    );
}
