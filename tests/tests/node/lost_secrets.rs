//! The operator's own Secrets are lost, changed by hand, or restored: leads are accepted all the time.

use leadgate_tests::node::{KEY, eventually, node};

/// Deletes a Secret under load, and then the pods that would read it when they start.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn a_deleted_password_of_redis_stops_nothing() {
    let stage = node().await.unwrap().stage("lost").await.unwrap();
    stage.working().await.unwrap();
    let load = stage.load().unwrap();
    eventually("leads are accepted", 30, || async {
        anyhow::ensure!(load.acknowledged() > 20, "{}", load.acknowledged());
        Ok(())
    })
    .await
    .unwrap();
    stage.kubectl(&["delete", "secret", "leadgate-redis"]).unwrap();
    eventually("the Secret is back", 20, || async {
        stage.kubectl(&["get", "secret", "leadgate-redis"]).map(|_| ())
    })
    .await
    .unwrap();
    let more = async |why: &str| {
        let so_far = load.acknowledged();
        eventually(why, 120, || async {
            anyhow::ensure!(load.acknowledged() > so_far + 40, "{}", load.acknowledged());
            Ok(())
        })
        .await
        .unwrap();
    };
    more("leads are accepted without the former Secret").await;
    let redis = ["delete", "pod", "leadgate-redis-0"];
    stage.kubectl(&redis).unwrap();
    more("Redis and the receivers know the same password").await;
    let receivers = "app.kubernetes.io/component=receiver";
    stage.kubectl(&["delete", "pod", "-l", receivers]).unwrap();
    more("new receivers know it, too").await;

    // The token of the admin port: the operator asks with the new one, and the pods take it.
    stage
        .kubectl(&["delete", "secret", "leadgate-admin-default"])
        .unwrap();
    stage.post(KEY, "after-the-token@example.com").await.unwrap();
    eventually("the operator counts leads again", 150, || async {
        let counted = stage.kubectl(&[
            "get",
            "leadwebhook",
            "website",
            "-o",
            "jsonpath={.status.leads.accepted}",
        ])?;
        let counted: usize = counted.trim().parse()?;
        anyhow::ensure!(counted >= load.acknowledged().saturating_sub(400), "{counted}");
        let ready = stage.condition("leadwebhook/website", "Ready")?;
        anyhow::ensure!(ready.0.starts_with("True"), "{ready:?}");
        Ok(())
    })
    .await
    .unwrap();

    // A person changes the password: the servers take it, and the receivers follow.
    let changed = r#"{"stringData": {"password": "another-password-of-a-person"}}"#;
    stage
        .kubectl(&["patch", "secret", "leadgate-redis", "-p", changed])
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    more("both sides have the new password").await;
    let ledger = load.stop().await;
    stage.delivered(&ledger.acknowledged, 120).await.unwrap();
    let odd: Vec<_> = ledger
        .failures
        .iter()
        .filter(|failure| !failure.contains(": 503 "))
        .collect();
    println!(
        "{} leads acknowledged, {} told to try again, {odd:?}",
        ledger.acknowledged.len(),
        ledger.failures.len()
    );
    stage.ready().unwrap();
    stage.end().unwrap();
}
