//! Each command works with the rights of its table and uses each of them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use leadgate_cli::permissions::{COMMANDS, Right, Scope};
use serde_json::{Value, json};

use crate::stage::{Ran, Stage, Used, Watched, ran};

const PATIENCE: Duration = Duration::from_mins(1);

/// How each command is run: the words of the table, and what it needs besides.
fn arguments(command: &str, folder: &str) -> Vec<String> {
    let more: &[&str] = match command {
        "leads" | "jobs" => &["list"],
        "trace" => &["ada@example.com"],
        "erase" => &["--email", "ada@example.com", "--yes"],
        "export" => &["--email", "ada@example.com"],
        "sinks pause" | "sinks resume" => &["crm"],
        "try" | "try --sign" => &["web", "BODY"],
        "send" => &["web"],
        "backfill" => &["BODY", "--webhook", "web", "--format", "jsonl"],
        "diff" => &["-f", "MANIFEST"],
        "report" => &["-f", "REPORT"],
        "completion" => &["bash"],
        _ => &[],
    };
    let file = |word: &str| match word {
        "BODY" | "MANIFEST" | "REPORT" => format!("{folder}/{word}"),
        word => word.to_owned(),
    };
    command.split(' ').chain(more.iter().copied()).map(file).collect()
}

fn granted(stage: &Stage, rights: &[&[Right]]) -> BTreeSet<Used> {
    let namespace = |right: &Right| match right.scope {
        Scope::Namespace => stage.namespace.clone(),
        Scope::Operator => stage.system.clone(),
        Scope::Cluster => String::new(),
    };
    let all = rights.iter().flat_map(|some| some.iter());
    all.flat_map(|right| {
        let used = |verb: &&str| {
            (
                (*verb).to_owned(),
                right.group.to_owned(),
                right.resource.to_owned(),
                namespace(right),
            )
        };
        right.verbs.iter().map(used).collect::<Vec<_>>()
    })
    .collect()
}

/// Gives a user these rights and no other.
async fn grant(stage: &Stage, user: &str, rights: &BTreeSet<Used>) {
    let params = PostParams::default();
    let subjects = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]);
    for namespace in [stage.namespace.as_str(), &stage.system, ""] {
        let rules: Vec<Value> = rights
            .iter()
            .filter(|right| right.3 == namespace)
            .map(|(verb, group, resource, _)| json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]}))
            .collect();
        let (role, kind) = if namespace.is_empty() {
            (user, "ClusterRole")
        } else {
            ("right", "Role")
        };
        let name = if namespace.is_empty() {
            role.to_owned()
        } else {
            format!("{user}-right")
        };
        let binding = json!({"metadata": {"name": name}, "subjects": subjects,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}});
        let role = json!({"metadata": {"name": name}, "rules": rules});
        if namespace.is_empty() {
            let api = Api::<ClusterRole>::all(stage.client.clone());
            api.create(&params, &serde_json::from_value(role).unwrap())
                .await
                .unwrap();
            let api = Api::<ClusterRoleBinding>::all(stage.client.clone());
            api.create(&params, &serde_json::from_value(binding).unwrap())
                .await
                .unwrap();
        } else {
            let api = Api::<Role>::namespaced(stage.client.clone(), namespace);
            api.create(&params, &serde_json::from_value(role).unwrap())
                .await
                .unwrap();
            let api = Api::<RoleBinding>::namespaced(stage.client.clone(), namespace);
            api.create(&params, &serde_json::from_value(binding).unwrap())
                .await
                .unwrap();
        }
    }
    for right in rights {
        let began = Instant::now();
        while !is_allowed(stage, user, right).await {
            assert!(began.elapsed() < PATIENCE, "never granted: {right:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn is_allowed(stage: &Stage, user: &str, (verb, group, resource, namespace): &Used) -> bool {
    let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({"metadata": {}, "spec": {"user": user, "resourceAttributes": {"verb": verb, "group": group, "resource": resource,
        "subresource": sub, "namespace": namespace}}});
    let api = Api::<SubjectAccessReview>::all(stage.client.clone());
    let answer = api
        .create(&PostParams::default(), &serde_json::from_value(review).unwrap())
        .await
        .unwrap();
    answer.status.unwrap().allowed
}

/// Runs a command until it ends, or until it has used every right, as one that follows changes does not end.
async fn run(stage: &Stage, watched: &Watched, arguments: &[&str], rights: &BTreeSet<Used>) -> Ran {
    let mut command = stage.command(&watched.kubeconfig, arguments).await;
    if !arguments.contains(&"-w") {
        return ran(tokio::time::timeout(PATIENCE, command.output())
            .await
            .unwrap()
            .unwrap());
    }
    let mut process = command.spawn().unwrap();
    let began = Instant::now();
    while !rights.is_subset(&watched.used.lock().unwrap()) {
        assert!(
            began.elapsed() < PATIENCE,
            "{arguments:?} never used all of {rights:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    process.start_kill().unwrap();
    ran(process.wait_with_output().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_right_is_missing_and_none_is_unused() {
    let stage = Stage::populated().await;
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().to_str().unwrap();
    std::fs::write(folder.path().join("BODY"), "{}\n").unwrap();
    std::fs::write(
        folder.path().join("MANIFEST"),
        "{kind: LeadWebhook, metadata: {name: web}}",
    )
    .unwrap();
    for (number, (command, rights)) in COMMANDS.iter().enumerate() {
        let person = format!("{}-{number}", stage.namespace);
        let rights = granted(&stage, rights);
        grant(&stage, &person, &rights).await;
        let watched = Watched::start(&person).await;
        let arguments = arguments(command, files);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ran = run(&stage, &watched, &arguments, &rights).await;
        for forbidden in ["forbidden", "cannot list", "cannot get"] {
            assert!(
                !ran.stdout.contains(forbidden) && !ran.stderr.contains(forbidden),
                "{command}: {ran:?}"
            );
        }
        let mut used = watched.used.lock().unwrap().clone();
        // The start of a WebSocket is a GET, for which newer versions of Kubernetes ask `create` as well.
        let forward = used.iter().find(|right| right.2 == "pods/portforward").cloned();
        used.extend(
            forward.map(|(_, group, resource, namespace)| ("create".to_owned(), group, resource, namespace)),
        );
        assert_eq!(used, rights, "{command}: {ran:?}");
        let api = Api::<ClusterRole>::all(stage.client.clone());
        api.delete(&person, &DeleteParams::default()).await.unwrap();
        let api = Api::<ClusterRoleBinding>::all(stage.client.clone());
        api.delete(&person, &DeleteParams::default()).await.unwrap();
    }
    stage.remove().await;
}
