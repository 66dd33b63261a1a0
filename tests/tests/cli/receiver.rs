//! A real receiver without Kubernetes.

use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::{HubSpotSink, webhook};
use leadgate_tests::receiver::{Options, Receiver};

use crate::leadgate;

#[tokio::test(flavor = "multi_thread")]
async fn status_check_and_sinks_tell_how_it_fares() {
    let crm = HubSpot::start(Config::default()).await.unwrap();
    let sink = HubSpotSink::new(crm.base_url(), crm.token());
    let good = format!(
        "{}\n---\n{}",
        sink.yaml(),
        webhook("web", "generic", "0123456789abcdef")
    );
    let receiver = Receiver::start(Options::new(good)).await.unwrap();
    let url = format!("http://{}", receiver.admin_address());
    let fine = async || leadgate(&url, &["check"]).await.code == 0;
    receiver
        .until("all is well", leadgate_tests::rig::PATIENCE, fine)
        .await;
    let tree = leadgate(&url, &["status"]).await.ends_with(0);
    assert!(
        tree.stdout.contains("├─ LeadWebhook default/web")
            && tree.stdout.contains("└─ CrmSink default/hubspot"),
        "{tree:?}"
    );
    let sinks = leadgate(&url, &["sinks", "list", "-o", "json"])
        .await
        .ends_with(0)
        .json();
    assert_eq!(sinks["items"][0]["name"], "hubspot");
    leadgate(&url, &["sinks", "resume", "hubspot"]).await.ends_with(0);

    receiver
        .write_manifest("bad.yaml", &webhook("bad", "nosuchsender", "0123456789abcdef"))
        .unwrap();
    let told = async || {
        leadgate(&url, &["check", "-o", "short"])
            .await
            .stdout
            .contains("LeadWebhook default/bad")
    };
    receiver
        .until("the mistake is told", leadgate_tests::rig::PATIENCE, told)
        .await;
    let short = leadgate(&url, &["check", "-o", "short"]).await.ends_with(3);
    let wrong = |line: &str| line.starts_with("manifest LeadWebhook default/bad");
    assert!(short.stdout.lines().skip(1).all(wrong), "{short:?}");
    let tree = leadgate(&url, &["status"]).await.ends_with(3);
    let second = tree.stdout.lines().nth(1).unwrap();
    assert!(
        second.contains("LeadWebhook default/bad"),
        "what is wrong comes first: {tree:?}"
    );
}
