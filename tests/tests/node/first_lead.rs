//! From nothing to a lead in the CRM.

use std::time::{Duration, Instant};

use leadgate_tests::node::{OPERATOR, SYSTEM, eventually, node, run};

#[tokio::test(flavor = "multi_thread")]
async fn helm_installs_it() {
    let node = node().await.unwrap();
    let stage = node.stage("install").await.unwrap();
    println!("installed in {:.1} s", node.installed_in.as_secs_f64());
    let deployment = run(
        "kubectl",
        &[
            "get",
            "deployment",
            OPERATOR,
            "--namespace",
            SYSTEM,
            "-o",
            "jsonpath={.status.readyReplicas}",
        ],
    );
    assert_eq!(deployment.unwrap(), "1");
    for crd in [
        "leadwebhooks.leadgate.dev",
        "leadreceivers.leadgate.dev",
        "crmsinks.leadgate.dev",
    ] {
        let wait = ["wait", "--for=condition=Established", "crd", crd, "--timeout=5s"];
        run("kubectl", &wait).unwrap();
    }
    // The schema's defaults and rules are the API server's: a mistake is refused on the spot.
    let refused = stage
        .apply(&stage.webhook(", path: no-slash"))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("spec.path"), "{refused}");
    stage.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_lead_arrives_and_can_be_seen() {
    let stage = node().await.unwrap().stage("first-lead").await.unwrap();
    stage.secrets().unwrap();
    let began = Instant::now();
    stage
        .apply(&format!("{}---\n{}", stage.sink().unwrap(), stage.webhook("")))
        .unwrap();
    stage.ready().unwrap();
    let ready = began.elapsed();
    println!(
        "kubectl apply to Ready: {:.1} s, target < 20",
        ready.as_secs_f64()
    );
    // The target is that of the image that ships; the debug build runs beside other tests, on any machine.
    let shipped = std::env::var_os("LEADGATE_TEST_PROFILE").is_some();
    let limit = Duration::from_secs(if shipped { 20 } else { 60 });
    assert!(ready < limit, "{ready:?}");

    stage.reachable().await.unwrap();
    let (status, answer) = stage.post("a wrong key", "eve@example.com").await.unwrap();
    assert_eq!(status, 401, "{answer}");
    stage.lead("ada@example.com").await.unwrap();
    assert!(stage.hubspot.contact("eve@example.com").is_none());

    let delivered = Instant::now();
    eventually("the status shows the lead", 30, || async {
        let leads = stage.get("leadwebhook/website")?["status"]["leads"].clone();
        anyhow::ensure!(leads["accepted"] == 1 && leads["delivered"] == 1, "{leads}");
        Ok(())
    })
    .await
    .unwrap();
    let shown = delivered.elapsed();
    println!(
        "delivered to shown in the status: {:.1} s, target <= 30",
        shown.as_secs_f64()
    );

    let webhooks = stage.kubectl(&["get", "leadwebhooks"]).unwrap();
    println!("$ kubectl get leadwebhooks\n{webhooks}");
    let columns: Vec<&str> = webhooks.lines().next().unwrap().split_whitespace().collect();
    let expected = "NAME READY SINKS ACCEPTED DELIVERED PENDING DEAD SUCCESS LAST LEAD AGE";
    assert_eq!(columns, expected.split(' ').collect::<Vec<_>>());
    let row: Vec<&str> = webhooks.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        row[..8],
        ["website", "True", "hubspot", "1", "1", "0", "0", "100"]
    );
    let sinks = stage.kubectl(&["get", "crmsinks"]).unwrap();
    println!("$ kubectl get crmsinks\n{sinks}");
    assert!(sinks.contains("hubspot"), "{sinks}");
    println!(
        "$ kubectl get leadwebhooks -o wide\n{}",
        stage.kubectl(&["get", "leadwebhooks", "-o", "wide"]).unwrap()
    );
    stage.end().unwrap();
}
