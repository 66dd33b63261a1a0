//! A sender's key is changed without a gap.

use leadgate_tests::node::{KEY, Stage, eventually, node};

/// Every pod takes a Secret's new value by itself, not at the same moment: only a row of equal answers means all.
async fn answers(stage: &Stage, key: &str, expected: u16) {
    let mut number = 0;
    eventually(&format!("{key} gets {expected}"), 60, || {
        number += 1;
        async move {
            for turn in 0..40 {
                let email = format!("probe-{expected}-{number}-{turn}@example.com");
                let (status, text) = stage.post(key, &email).await?;
                anyhow::ensure!(status == expected, "{status} {text}");
            }
            Ok(())
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_drops_no_request_and_restarts_nothing() {
    let stage = node().await.unwrap().stage("rotation").await.unwrap();
    stage.working().await.unwrap();
    let pods = stage.pods().unwrap();
    assert_eq!(pods.len(), 2, "{pods:?}");
    let load = stage.load().unwrap();
    // The new key beside the old one; then senders change; then the old one goes.
    stage
        .apply(&stage.key_secret("the-second-key-of-senders", KEY))
        .unwrap();
    answers(&stage, "the-second-key-of-senders", 200).await;
    load.sign_with("the-second-key-of-senders");
    // What was signed with the old key is answered before that goes.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    stage
        .apply(&stage.key_secret("the-second-key-of-senders", "the-second-key-of-senders"))
        .unwrap();
    answers(&stage, KEY, 401).await;
    let ledger = load.stop().await;
    assert!(ledger.failures.is_empty(), "{:?}", ledger.failures);
    assert!(ledger.acknowledged.len() > 50, "{}", ledger.acknowledged.len());
    assert_eq!(stage.pods().unwrap(), pods);
    stage.delivered(&ledger.acknowledged, 60).await.unwrap();
    println!(
        "{} leads during the rotation, none refused",
        ledger.acknowledged.len()
    );
    stage.end().unwrap();
}
