//! A webhook that changes its CRM while the first one is down.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::node::{KEY, eventually, node};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn leads_for_the_former_sink_arrive_there() {
    let stage = node().await.unwrap().stage("moved").await.unwrap();
    stage.working().await.unwrap();
    stage.hubspot.down_for(Duration::from_mins(10));
    let waiting: Vec<String> = (0..3).map(|n| format!("former-{n}@example.com")).collect();
    for email in &waiting {
        let (status, answer) = stage.post(KEY, email).await.unwrap();
        assert_eq!(status, 200, "{answer}");
    }
    // The other CRM is there already, and its sink.
    let next = HubSpot::start(Config {
        tls: Some(stage.node.tls()),
        listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        ..Config::default()
    })
    .await
    .unwrap();
    let port = |url: String| url.rsplit(':').next().unwrap().to_owned();
    let sink = stage
        .sink()
        .unwrap()
        .replace("name: hubspot}\n", "name: next}\n")
        .replace(&port(stage.hubspot.base_url()), &port(next.base_url()));
    let moved = stage
        .webhook("")
        .replace("sinks: [{name: hubspot}]", "sinks: [{name: next}]");
    stage.apply(&format!("{sink}---\n{moved}")).unwrap();
    stage
        .says("leadwebhook/website", "Programmed", "True Programmed")
        .await
        .unwrap();
    eventually("new leads go to the new CRM", 60, || async {
        let email = format!("next-{:08x}@example.com", rand::random::<u32>());
        let (status, answer) = stage.post(KEY, &email).await?;
        anyhow::ensure!(status == 200, "{answer}");
        tokio::time::sleep(Duration::from_secs(2)).await;
        anyhow::ensure!(next.contact(&email).is_some(), "{email} is not there");
        Ok(())
    })
    .await
    .unwrap();
    eventually("the status says what still waits", 60, || async {
        let (_, message) = stage.condition("leadwebhook/website", "Delivering")?;
        anyhow::ensure!(message.contains("CrmSink hubspot"), "{message}");
        Ok(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", stage.explain()));
    stage.hubspot.up();
    stage.delivered(&waiting, 90).await.unwrap();
    stage.end().unwrap();
}
