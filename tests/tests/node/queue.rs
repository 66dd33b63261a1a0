//! What was acknowledged is delivered, whatever goes away in between.

use std::time::Duration;

use leadgate_tests::node::{KEY, eventually, node};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn a_deleted_redis_pod_loses_nothing() {
    let stage = node().await.unwrap().stage("redis").await.unwrap();
    stage.working().await.unwrap();
    // Leads wait in Redis when it goes.
    stage.hubspot.down_for(Duration::from_mins(10));
    let load = stage.load().unwrap();
    eventually("leads are accepted", 30, || async {
        anyhow::ensure!(load.acknowledged() > 40, "{}", load.acknowledged());
        Ok(())
    })
    .await
    .unwrap();
    // Without a grace period: SIGKILL.
    let delete = ["delete", "pod", "leadgate-redis-0", "--grace-period=0", "--force"];
    stage.kubectl(&delete).unwrap();
    let so_far = load.acknowledged();
    eventually("leads are accepted again", 90, || async {
        anyhow::ensure!(load.acknowledged() > so_far + 40, "{}", load.acknowledged());
        Ok(())
    })
    .await
    .unwrap();
    let ledger = load.stop().await;
    stage.hubspot.up();
    stage.delivered(&ledger.acknowledged, 90).await.unwrap();
    // Whoever was not told 200 was told to come back, never something else.
    let odd: Vec<_> = ledger
        .failures
        .iter()
        .filter(|failure| !failure.contains(": 503 "))
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
    println!(
        "{} leads acknowledged, {} told to try again, none lost",
        ledger.acknowledged.len(),
        ledger.failures.len()
    );
    stage.ready().unwrap();
    stage.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn a_deleted_webhook_drains_first() {
    let stage = node().await.unwrap().stage("drain").await.unwrap();
    stage.working().await.unwrap();
    stage.hubspot.down_for(Duration::from_mins(10));
    let mut emails = Vec::new();
    for number in 0..20 {
        let email = format!("pending-{number}@example.com");
        let (status, answer) = stage.post(KEY, &email).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        emails.push(email);
    }
    stage
        .kubectl(&["delete", "leadwebhook", "website", "--wait=false"])
        .unwrap();
    stage
        .says("leadwebhook/website", "Reconciling", "True Draining")
        .await
        .unwrap();
    // Until its receivers have heard of it they accept, and keep their word.
    for number in 0.. {
        let email = format!("late-{number}@example.com");
        match stage.post(KEY, &email).await.unwrap() {
            (200, _) => emails.push(email),
            (503, _) => break,
            (status, answer) => panic!("{status} {answer}"),
        }
        assert!(number < 120, "new leads are accepted still");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // It waits as long as the CRM is away.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (_, message) = stage.condition("leadwebhook/website", "Reconciling").unwrap();
    assert!(
        message.contains(&format!("{} deliveries are pending", emails.len())),
        "{message}"
    );
    assert!(stage.hubspot.contacts().is_empty());
    stage.hubspot.up();
    stage
        .kubectl(&["wait", "--for=delete", "leadwebhook/website", "--timeout=90s"])
        .unwrap_or_else(|error| panic!("{error:#}\n{}", stage.explain()));
    stage.delivered(&emails, 1).await.unwrap();
    // Its pods go with it; the volume of Redis stays.
    eventually("pods and Redis are gone", 90, || async {
        let left = stage.kubectl(&["get", "pods,statefulsets,deployments", "-o", "name"])?;
        anyhow::ensure!(left.is_empty(), "{left}");
        Ok(())
    })
    .await
    .unwrap();
    let claims = stage.kubectl(&["get", "pvc", "-o", "name"]).unwrap();
    assert!(claims.contains("data-leadgate-redis-0"), "{claims}");
    stage.end().unwrap();
}
