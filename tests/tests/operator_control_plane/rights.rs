//! The operator works with the rights of its table and uses each of them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Method, Request};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, PostParams};
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use leadgate_operator::kinds::Kind;
use leadgate_operator::rbac::{LEADER_ELECTION, Rule, WATCHED};
use leadgate_tests::cluster::kubeconfig;
use serde_json::json;
use tower::util::MapRequestLayer;

use crate::rig::{Rig, report};

const USER: &str = "leadgate-operator-test";

/// Verb, group, resource.
type Right = (String, String, String);

/// A client of the user, which notes the right that each of its requests needs.
async fn watched_client(used: Arc<Mutex<BTreeSet<Right>>>) -> Client {
    let path = tokio::task::spawn_blocking(kubeconfig).await.unwrap().unwrap();
    let config = Kubeconfig::read_from(&path).unwrap();
    let mut config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
        .await
        .unwrap();
    config.auth_info.impersonate = Some(USER.into());
    let note = MapRequestLayer::new(move |request: Request<Body>| {
        used.lock().unwrap().extend(right(&request));
        request
    });
    ClientBuilder::try_from(config).unwrap().with_layer(&note).build()
}

/// What RBAC makes of a request.
fn right(request: &Request<Body>) -> Option<Right> {
    let path = request.uri().path().trim_matches('/');
    let query = request.uri().query().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let rest = match rest {
        // A namespace itself is a resource, too.
        ["namespaces", _] | ["namespaces"] => rest,
        ["namespaces", _, rest @ ..] | rest => rest,
    };
    let (resource, named) = match rest {
        [resource] => ((*resource).to_owned(), false),
        [resource, _] => ((*resource).to_owned(), true),
        [resource, _, sub] => (format!("{resource}/{sub}"), true),
        _ => return None,
    };
    let verb = match *request.method() {
        Method::GET if query.contains("watch=true") => "watch",
        Method::GET if named => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => return None,
    };
    Some((verb.into(), group.into(), resource))
}

fn flat(rules: &[Rule]) -> BTreeSet<Right> {
    let mut all = BTreeSet::new();
    for rule in rules {
        for resource in rule.resources {
            for verb in rule.verbs {
                all.insert(((*verb).into(), rule.group.into(), (*resource).into()));
            }
        }
    }
    all
}

async fn grant(rig: &Rig) {
    let rules: Vec<_> = WATCHED
        .iter()
        .chain(LEADER_ELECTION)
        .map(|rule| json!({"apiGroups": [rule.group], "resources": rule.resources, "verbs": rule.verbs}))
        .collect();
    let role: Role =
        serde_json::from_value(json!({"metadata": {"name": "operator"}, "rules": rules})).unwrap();
    let binding: RoleBinding = serde_json::from_value(json!({"metadata": {"name": "operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}]}))
    .unwrap();
    let params = PostParams::default();
    Api::<Role>::namespaced(rig.client.clone(), &rig.namespace)
        .create(&params, &role)
        .await
        .unwrap();
    Api::<RoleBinding>::namespaced(rig.client.clone(), &rig.namespace)
        .create(&params, &binding)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_right_is_missing_and_none_is_unused() {
    let rig = Rig::new().await;
    grant(&rig).await;
    let used = Arc::new(Mutex::new(BTreeSet::new()));
    let client = watched_client(used.clone()).await;
    // A user without the Gateway API's CRDs is refused nothing: the API server answers 404 first.
    let namespace = rig.namespace.clone();
    let operator = rig.operator_as(client, &["--leader-election-namespace", &namespace]);
    // Classes of the cluster: a Role does not give them, and nothing depends on them.
    rig.receiver(
        "default",
        "podTemplate: {priorityClassName: p}, queue: {storage: {storageClassName: s}}",
    )
    .await;
    rig.working("web").await;
    rig.receiver("default", "autoscaling: {maxReplicas: 5}").await;
    rig.webhook("web", ", ingress: {host: leads.example.com, className: i}")
        .await;
    rig.present(Kind::HorizontalPodAutoscaler, "leadgate-receiver-default")
        .await;
    rig.present(Kind::Ingress, "leadgate-webhook-web").await;
    rig.receiver("default", "replicas: 1, queue: {storage: {size: 2Gi}}")
        .await;
    crate::redis::volume(&rig, "1Gi").await;
    rig.webhook("web", "").await;
    rig.absent(Kind::HorizontalPodAutoscaler, "leadgate-receiver-default")
        .await;
    rig.absent(Kind::PodDisruptionBudget, "leadgate-receiver-default")
        .await;
    rig.absent(Kind::Ingress, "leadgate-webhook-web").await;
    rig.webhook("late", "").await;
    rig.condition("late", "ResolvedRefs", "False SecretMissing").await;
    rig.webhooks()
        .delete("late", &DeleteParams::default())
        .await
        .unwrap();
    crate::deletion::gone(&rig, "late").await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 5, 0, true));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 1).await;
    rig.condition("web", "Ready", "True Ready").await;
    rig.webhook("web", ", path: /rights").await;
    let annotates = ("patch".into(), String::new(), "pods".into());
    crate::rig::eventually("the pods are told", async || {
        let told = used.lock().unwrap().contains(&annotates);
        told.then_some(()).ok_or(String::new())
    })
    .await;
    rig.secret("web", "other: k").await;
    // An Event of the same kind again is a series: a patch.
    for _ in 0..2 {
        rig.webhook("web", ", source: nobody").await;
        rig.condition("web", "Stalled", "True PresetUnknown").await;
        rig.webhook("web", "").await;
        rig.condition("web", "Stalled", "False Progressing").await;
    }
    rig.webhooks()
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    crate::deletion::gone(&rig, "web").await;
    rig.lead_receivers()
        .delete("default", &DeleteParams::default())
        .await
        .unwrap();
    rig.absent(Kind::ServiceAccount, "leadgate-receiver-default")
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    operator.stop().await.unwrap();
    let used = used.lock().unwrap().clone();
    let granted: BTreeSet<Right> = flat(WATCHED).union(&flat(LEADER_ELECTION)).cloned().collect();
    let missing: Vec<_> = used.difference(&granted).collect();
    assert!(missing.is_empty(), "used and not in the table: {missing:?}");
    let unused: Vec<_> = granted
        .difference(&used)
        // Server-side apply of a new object needs `create` besides `patch`; the request is a PATCH.
        .filter(|(verb, _, resource)| {
            !(verb == "create" && used.contains(&("patch".into(), group(resource), resource.clone())))
        })
        // This API server has no Gateway API: what it answers to a list is all there is to see.
        .filter(|(_, group, _)| group != "gateway.networking.k8s.io")
        .collect();
    assert!(unused.is_empty(), "in the table and not used: {unused:?}");
    rig.remove().await;
}

fn group(resource: &str) -> String {
    WATCHED
        .iter()
        .find(|rule| rule.resources.contains(&resource))
        .map(|rule| rule.group.to_owned())
        .unwrap_or_default()
}
