//! Operators come and go; what they made stays as it is.

use std::{collections::BTreeMap, time::Duration};

use leadgate_tests::node::{KEY, OPERATOR, SYSTEM, Stage, chart, eventually, node, run};

const PODS: [&str; 4] = ["get", "pods", "-l", "app.kubernetes.io/component=operator"];

fn operators() -> Vec<String> {
    let more = [
        "--namespace",
        SYSTEM,
        "-o",
        "jsonpath={range .items[?(@.status.phase==\"Running\")]}{.metadata.name}{\"\\n\"}{end}",
    ];
    let text = run("kubectl", &[&PODS[..], &more[..]].concat()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn leader() -> String {
    let lease = [
        "get",
        "lease",
        OPERATOR,
        "--namespace",
        SYSTEM,
        "-o",
        "jsonpath={.spec.holderIdentity}",
    ];
    run("kubectl", &lease).unwrap()
}

/// Every object of the operator, and the resources, by their versions: any write changes one.
fn versions(stage: &Stage) -> BTreeMap<String, String> {
    let kinds = "leadwebhooks,leadreceivers,crmsinks,configmaps,secrets,services,serviceaccounts,deployments,statefulsets,\
                 networkpolicies,poddisruptionbudgets,horizontalpodautoscalers,ingresses,events";
    let list = stage.get(kinds).unwrap();
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        // The disruption controller of a PodDisruptionBudget writes to it when pods are slow; not at rest.
        .map(|object| {
            (
                format!("{}/{}", object["kind"], object["metadata"]["name"]),
                object["metadata"]["resourceVersion"].to_string(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn a_restarted_operator_changes_nothing() {
    let stage = node().await.unwrap().stage("restart").await.unwrap();
    stage.working().await.unwrap();
    let (status, answer) = stage.post(KEY, "ada@example.com").await.unwrap();
    assert_eq!(status, 200, "{answer}");
    eventually("the status shows the lead", 40, || async {
        let leads = stage.get("leadwebhook/website")?["status"]["leads"].clone();
        anyhow::ensure!(leads["delivered"] == 1, "{leads}");
        Ok(())
    })
    .await
    .unwrap();
    // Nothing that the first lead began is still under way.
    tokio::time::sleep(Duration::from_secs(40)).await;
    let before = versions(&stage);
    assert!(before.len() >= 15, "{before:?}");
    let old = operators();
    let kill = [
        "delete",
        "pod",
        &old[0],
        "--namespace",
        SYSTEM,
        "--grace-period=0",
        "--force",
    ];
    run("kubectl", &kill).unwrap();
    eventually("another operator leads", 90, || async {
        let (pods, leader) = (operators(), leader());
        anyhow::ensure!(
            pods.iter()
                .any(|pod| leader.starts_with(pod.as_str()) && !old.contains(pod)),
            "{leader} of {pods:?}"
        );
        Ok(())
    })
    .await
    .unwrap();
    // It has looked at everything, and asked the receivers.
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(versions(&stage), before);
    // And it works.
    stage.apply(&stage.webhook(", path: /elsewhere")).unwrap();
    eventually("a change is through", 30, || async {
        let webhook = stage.get("leadwebhook/website")?;
        let seen = &webhook["status"]["observedGeneration"];
        anyhow::ensure!(*seen == webhook["metadata"]["generation"], "{seen}");
        Ok(())
    })
    .await
    .unwrap();
    stage.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn of_two_operators_one_leads() {
    let stage = node().await.unwrap().stage("leader").await.unwrap();
    stage.node.install(&chart(), &["--set", "replicas=2"]).unwrap();
    let pods = operators();
    assert_eq!(pods.len(), 2, "{pods:?}");
    let leading = || -> Vec<bool> {
        pods.iter()
            .map(|pod| {
                let path = format!("/api/v1/namespaces/{SYSTEM}/pods/{pod}:8080/proxy/metrics");
                let metrics = run("kubectl", &["get", "--raw", &path]).unwrap_or_default();
                metrics.lines().any(|line| line == "leadgate_operator_leader 1")
            })
            .collect()
    };
    assert_eq!(leading().iter().filter(|leads| **leads).count(), 1);
    stage.working().await.unwrap();
    let first = leader();
    let (killed, other) = if first.starts_with(&pods[0]) {
        (&pods[0], &pods[1])
    } else {
        (&pods[1], &pods[0])
    };
    run(
        "kubectl",
        &["delete", "pod", killed, "--namespace", SYSTEM, "--wait=false"],
    )
    .unwrap();
    eventually("the other one leads", 60, || async {
        let now = leader();
        anyhow::ensure!(
            now.starts_with(other.as_str()) || (now != first && !now.is_empty()),
            "{now}"
        );
        Ok(())
    })
    .await
    .unwrap();
    stage.apply(&stage.receiver("replicas: 1")).unwrap();
    eventually("a change is through", 60, || async {
        let pods = stage.pods()?;
        anyhow::ensure!(pods.len() == 1, "{pods:?}");
        Ok(())
    })
    .await
    .unwrap();
    stage.node.install(&chart(), &["--set", "replicas=1"]).unwrap();
    stage.end().unwrap();
}
