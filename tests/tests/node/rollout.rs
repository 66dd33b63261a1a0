//! A changed configuration rolls the receivers under load.

use leadgate_tests::node::{eventually, node};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn a_changed_configuration_fails_no_request() {
    let stage = node().await.unwrap().stage("rollout").await.unwrap();
    stage.working().await.unwrap();
    let before = stage.pods().unwrap();
    let load = stage.load().unwrap();
    stage
        .apply(&stage.webhook(", payload: {maxLengths: {firstName: 50}}"))
        .unwrap();
    eventually("all pods are new and the old ones are gone", 120, || async {
        let now = stage.pods()?;
        anyhow::ensure!(
            now.len() == before.len() && now.iter().all(|pod| !before.contains(pod)),
            "{before:?} -> {now:?}"
        );
        Ok(())
    })
    .await
    .unwrap();
    stage.ready().unwrap();
    let ledger = load.stop().await;
    assert!(ledger.failures.is_empty(), "{:?}", ledger.failures);
    assert!(ledger.acknowledged.len() > 50, "{}", ledger.acknowledged.len());
    stage.delivered(&ledger.acknowledged, 60).await.unwrap();
    println!(
        "{} leads during the rollout, none failed",
        ledger.acknowledged.len()
    );
    stage.end().unwrap();
}
