//! What pods are rolls without a failed request; what they run changes under them.

use std::time::{Duration, Instant};

use leadgate_tests::node::{KEY, Stage, eventually, node};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn other_pods_fail_no_request() {
    let stage = node().await.unwrap().stage("rollout").await.unwrap();
    stage.working().await.unwrap();
    let before = stage.pods().unwrap();
    let load = stage.load().unwrap();
    stage
        .apply(&stage.receiver("podTemplate: {annotations: {example.com/turn: two}}"))
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

/// How long until a request is answered so, by each pod: a row of equal answers.
async fn answered(stage: &Stage, what: &str, webhook: &str, key: &str, expected: u16) {
    let begun = Instant::now();
    eventually(&format!("{what}: {expected}"), 60, || async {
        for turn in 0..20 {
            let email = format!(
                "{webhook}-{expected}-{turn}-{:08x}@example.com",
                rand::random::<u32>()
            );
            let (status, text) = stage.post_to(webhook, key, &email).await?;
            anyhow::ensure!(status == expected, "{status} {text}");
        }
        Ok(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", stage.explain()));
    println!("{what}: {:.1} s, target <= 5", begun.elapsed().as_secs_f64());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pods_run_changes_in_seconds_and_replaces_none() {
    let stage = node().await.unwrap().stage("live").await.unwrap();
    stage.working().await.unwrap();
    let pods = stage.pods().unwrap();
    let load = stage.load().unwrap();

    let secret = |key: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: shop}}\nstringData: {{hmac: {key}, hmac-previous: {key}}}\n"
        )
    };
    let shop = stage.webhook("").replace("name: website", "name: shop");
    stage.apply(&format!("{}---\n{shop}", secret(KEY))).unwrap();
    answered(&stage, "a new webhook", "shop", KEY, 200).await;

    let other = "the-other-key-of-the-shop";
    stage.apply(&secret(other)).unwrap();
    answered(&stage, "a changed Secret", "shop", other, 200).await;

    let narrow = shop.replace("sinks:", "payload: {required: [company]}, sinks:");
    stage.apply(&narrow).unwrap();
    answered(&stage, "a changed mapping", "shop", other, 400).await;

    stage
        .says("leadwebhook/shop", "Programmed", "True Programmed")
        .await
        .unwrap();
    stage
        .kubectl(&["delete", "leadwebhook", "shop", "--wait=false"])
        .unwrap();
    answered(&stage, "a webhook that goes", "shop", other, 404).await;

    tokio::time::sleep(Duration::from_secs(1)).await;
    let ledger = load.stop().await;
    assert!(ledger.failures.is_empty(), "{:?}", ledger.failures);
    assert!(ledger.acknowledged.len() > 50, "{}", ledger.acknowledged.len());
    assert_eq!(stage.pods().unwrap(), pods, "the pods are the same");
    stage.delivered(&ledger.acknowledged, 60).await.unwrap();
    stage.end().unwrap();
}
