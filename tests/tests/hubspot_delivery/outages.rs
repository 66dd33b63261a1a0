//! HubSpot is away, or its answers are.

use std::time::Duration;

use leadgate_tests::hubspot::{Config, Fault, Odds};
use leadgate_tests::rig::Rig;
use serde_json::{Value, json};

use crate::{backlog, drained, lead};

/// Ten cooldowns stand for an hour: what is counted is calls per cooldown.
#[tokio::test(flavor = "multi_thread")]
async fn a_crm_that_is_down_is_probed_now_and_then_and_gets_everything_afterwards() {
    let mut rig = Rig::with(|sink| sink.suspend = true).await;
    let leads: Vec<Value> = (0..500).map(|n| lead(&format!("patient{n}"))).collect();
    rig.hubspot
        .change_faults(|plan| plan.odds = vec![Odds::status(1.0, 503)]);
    backlog(&mut rig, &leads).await;
    rig.until("the circuit opens", || async {
        rig.sink_status().await["pausedReason"] == "CircuitOpen"
    })
    .await;
    let before = rig.hubspot.stats().total;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let probes = rig.hubspot.stats().total - before;
    // failures: 5, cooldown: 1s.
    assert!((5..=50).contains(&probes), "{probes} calls in ten cooldowns");
    rig.hubspot.change_faults(|plan| plan.odds.clear());
    drained(&rig).await;
    let stats = rig.hubspot.stats();
    assert_eq!((stats.contacts, stats.duplicate_emails), (500, vec![]));
    assert!(rig.dead_letters("dead").await.is_empty());
}

/// Only the search finds a lead without an e-mail address again, and it lags: the lead waits that out, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_about_a_lead_with_a_phone_alone_makes_no_second_record() {
    let crm = Config {
        search_lag: Duration::from_secs(30),
        ..Config::default()
    };
    let rig = Rig::on(crm, |_| {}).await;
    // The search, then the creation whose answer gets lost.
    rig.hubspot.script([Fault::None, Fault::LoseAnswer]);
    let ada = json!({"phone": "+4930123456", "firstName": "Ada", "submissionId": "1"});
    assert_eq!(rig.post(&ada).await.status, 200);
    drained(&rig).await;
    assert_eq!(rig.hubspot.contacts().len(), 1);
    assert_eq!(rig.hubspot.stats().lost_answers, 1);
    assert_eq!(rig.sink_status().await["leads"]["delivered"], 1);
}
