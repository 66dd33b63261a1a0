//! Several installations, several namespaces, several versions.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use leadgate_operator::kinds::Kind;
use serde_json::json;

use crate::hands::{SERVICE, holds};
use crate::rig::{Rig, eventually};

async fn claim(rig: &Rig) -> Option<ConfigMap> {
    let api: Api<ConfigMap> = Api::namespaced(rig.client.clone(), &rig.namespace);
    api.get_opt("leadgate-installation").await.unwrap()
}

async fn claimed_by(rig: &Rig, installation: &str, contested: Option<&str>) {
    eventually(&format!("{installation} works here"), async || {
        let claim = claim(rig).await.ok_or("nobody")?;
        let says = |name: &str| claim.annotations().get(name).map(String::as_str);
        let found = (
            says("leadgate.dev/installation"),
            says("leadgate.dev/contested-by"),
        );
        (found == (Some(installation), contested))
            .then_some(())
            .ok_or(format!("{found:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_installations_the_first_one_works_and_says_so() {
    let rig = Rig::new().await;
    let first = rig.operator(&["--installation", "one", "--image-pull-secrets", "first"]);
    rig.working("web").await;
    claimed_by(&rig, "one", None).await;
    let second = rig.operator(&["--installation", "two", "--image-pull-secrets", "second"]);
    claimed_by(&rig, "one", Some("two")).await;
    let message = rig.condition("web", "Accepted", "True OperatorConflict").await;
    assert!(message.contains("installation two"), "{message}");
    let generation = async || {
        let object = rig.present(Kind::Deployment, SERVICE).await;
        let pulls = object.data["spec"]["template"]["spec"]["imagePullSecrets"][0]["name"].clone();
        (object.metadata.generation, pulls)
    };
    let before = generation().await;
    assert_eq!(before.1, "first");
    rig.webhook("web", ", retention: {dead: 2h}").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(generation().await, before, "the second one writes nothing");

    // The namespace is handed over.
    first.stop().await.unwrap();
    let api: Api<ConfigMap> = Api::namespaced(rig.client.clone(), &rig.namespace);
    api.delete("leadgate-installation", &DeleteParams::default())
        .await
        .unwrap();
    claimed_by(&rig, "two", None).await;
    holds(
        &rig,
        Kind::Deployment,
        SERVICE,
        "/spec/template/spec/imagePullSecrets/0/name",
        json!("second"),
    )
    .await;
    second.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_without_a_lease_any_more_is_succeeded() {
    let rig = Rig::new().await;
    let namespace = rig.namespace.clone();
    let first = rig.operator(&["--installation", "one", "--leader-election-namespace", &namespace]);
    rig.working("web").await;
    claimed_by(&rig, "one", None).await;
    first.stop().await.unwrap();
    let leases: Api<k8s_openapi::api::coordination::v1::Lease> =
        Api::namespaced(rig.client.clone(), &rig.namespace);
    leases
        .delete("leadgate-operator", &DeleteParams::default())
        .await
        .unwrap();
    let second = rig.operator(&["--installation", "two"]);
    claimed_by(&rig, "two", None).await;
    holds(
        &rig,
        Kind::Service,
        SERVICE,
        "/metadata/annotations/leadgate.dev~1installation",
        json!("two"),
    )
    .await;
    second.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watched_namespaces_see_each_other_and_none_waits_for_one_that_cannot_be_read() {
    let (one, two) = (Rig::new().await, Rig::new().await);
    let watched = format!("{},{},leadgate-does-not-exist", one.namespace, two.namespace);
    let operator = one.operator(&["--watch-namespaces", &watched]);
    let edge = ", path: /leads, ingress: {host: leads.example.com}";
    one.working("web").await;
    one.webhook("web", edge).await;
    one.condition("web", "Accepted", "True Valid").await;
    // Another second: the older one keeps the path.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    two.working("shop").await;
    two.webhook("shop", edge).await;
    let message = two.condition("shop", "Accepted", "False PathTaken").await;
    assert!(message.contains(&one.namespace), "{message}");
    one.webhook("web", ", path: /other, ingress: {host: leads.example.com}")
        .await;
    two.condition("shop", "Accepted", "True Valid").await;
    operator.stop().await.unwrap();
    one.remove().await;
    two.remove().await;
}

/// What the StatefulSet's controller would report of a Redis that is ready, in its newest form.
async fn redis_is_ready(rig: &Rig) {
    let generation = rig
        .present(Kind::StatefulSet, "leadgate-redis")
        .await
        .metadata
        .generation;
    let status = json!({"status": {"replicas": 1, "readyReplicas": 1, "observedGeneration": generation,
        "currentRevision": "r", "updateRevision": "r"}});
    let sets = rig.api(Kind::StatefulSet);
    sets.patch_status("leadgate-redis", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_goes_through_the_namespaces_two_at_a_time() {
    let rigs = [Rig::new().await, Rig::new().await, Rig::new().await];
    let watched: Vec<&str> = rigs.iter().map(|rig| rig.namespace.as_str()).collect();
    let watched = watched.join(",");
    let operator = rigs[0].operator(&["--watch-namespaces", &watched]);
    for rig in &rigs {
        rig.receiver("default", "replicas: 1").await;
        rig.working("web").await;
        redis_is_ready(rig).await;
        rig.rolled_out("default", 1).await;
    }
    operator.stop().await.unwrap();
    let operator = rigs[0].operator(&[
        "--watch-namespaces",
        &watched,
        "--receiver-image",
        "leadgate:next",
    ]);
    let upgraded = async || {
        let mut upgraded = Vec::new();
        for (n, rig) in rigs.iter().enumerate() {
            let object = rig.present(Kind::Deployment, SERVICE).await;
            if object.data["spec"]["template"]["spec"]["containers"][0]["image"] == "leadgate:next" {
                upgraded.push(n);
            }
        }
        upgraded
    };
    let reach = async |count: usize| {
        eventually(&format!("{count} namespaces have the new version"), async || {
            let found = upgraded().await;
            (found.len() == count).then_some(()).ok_or(format!("{found:?}"))
        })
        .await;
    };
    reach(2).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let first = upgraded().await;
    assert_eq!(first.len(), 2, "the third one waits");
    let third = (0..3).find(|n| !first.contains(n)).unwrap();
    rigs[third]
        .receiver_condition("default", "Reconciling", "True UpgradeWaits")
        .await;
    // Its pods can be scaled meanwhile.
    rigs[third].receiver("default", "replicas: 3").await;
    eventually("it is scaled with its former image", async || {
        let found = rigs[third]
            .present(Kind::Deployment, "leadgate-receiver-default")
            .await;
        let spec = &found.data["spec"];
        let image = &spec["template"]["spec"]["containers"][0]["image"];
        (spec["replicas"] == 3 && *image != "leadgate:next")
            .then_some(())
            .ok_or(format!("{spec}"))
    })
    .await;
    rigs[first[0]].rolled_out("default", 1).await;
    reach(3).await;
    operator.stop().await.unwrap();
    for rig in rigs {
        rig.remove().await;
    }
}
