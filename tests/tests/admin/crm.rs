//! A CRM on its bad days: leads wait, in order, and arrive once.

use std::time::Duration;

use leadgate_tests::hubspot::{Fault, Odds};
use serde_json::json;

use super::Rig;

fn status(code: u16, retry_after: Option<u64>) -> Fault {
    Fault::Status {
        code,
        retry_after,
        policy: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_pause_the_sink_and_leads_arrive_after_the_secret_is_corrected() {
    let mut rig = Rig::with(|sink| sink.token = "pat-wrong".into()).await;
    rig.lead("first").await;
    rig.until("the sink is paused", || async {
        !rig.sink_status().await["pausedUntil"].is_null()
    })
    .await;
    rig.lead("second").await;
    let paused = rig.sink_status().await;
    assert_eq!(paused["lastError"]["reason"], "InvalidCredentials", "{paused}");
    assert_eq!(paused["pausedReason"], "InvalidCredentials", "{paused}");
    assert!(
        paused["pausedMessage"].as_str().unwrap().contains("token"),
        "{paused}"
    );
    assert_eq!(paused["preflight"]["credentials"]["ok"], false, "{paused}");
    assert_eq!(
        (&paused["leads"]["pending"], &paused["leads"]["dead"]),
        (&json!(2), &json!(0)),
        "{paused}"
    );
    assert!((rig.receiver.metric("leadgate_sink_paused", &[]).await.unwrap() - 1.0).abs() < 0.1);
    assert!(!rig.receiver.log().contains("pat-wrong"));
    let right = rig.hubspot.token().to_owned();
    rig.change_sink(|sink| sink.token = right);
    // The corrected token is tried at once, not when the pause of a minute ends.
    rig.until("the pause is lifted", || async {
        rig.sink_status().await["pausedUntil"].is_null()
    })
    .await;
    rig.arrived("first").await;
    rig.arrived("second").await;
    assert!(
        rig.receiver.log().contains("accepts the credentials again"),
        "{}",
        rig.receiver.log_tail(20)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_before_a_retry_after_has_passed() {
    let rig = Rig::start().await;
    rig.hubspot.script([status(429, Some(3))]);
    for n in 0..10 {
        rig.lead(&format!("waiting{n}")).await;
    }
    for n in 0..10 {
        rig.arrived(&format!("waiting{n}")).await;
    }
    let stats = rig.hubspot.stats();
    assert_eq!(stats.before_retry_after, 0, "{stats:?}");
}

/// A CRM that asks for three thousand years is obeyed for an hour, and a person need not wait even for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_has_an_end_and_a_person_can_end_it() {
    let rig = Rig::start().await;
    rig.hubspot.script([status(429, Some(99_999_999_999))]);
    rig.lead("ada").await;
    rig.until("the sink is paused", || async {
        rig.sink_status().await["pausedReason"] == "RateLimited"
    })
    .await;
    let until = rig.sink_status().await["pausedUntil"].clone();
    let until: jiff::Timestamp = until.as_str().unwrap().parse().unwrap();
    let left = until.duration_since(jiff::Timestamp::now());
    assert!(left.as_secs() <= 3600, "{left:?}");
    let nobody = rig.call("POST", "/sinks/default/nobody/resume").await;
    assert_eq!(nobody.status, 404, "{}", nobody.text());
    let resumed = rig.call("POST", "/sinks/default/hubspot/resume").await;
    assert_eq!(resumed.status, 200, "{}", resumed.text());
    rig.arrived("ada").await;
    assert!(rig.dead_letters("dead").await.is_empty());
    // It is told once the delivery is settled.
    rig.until("the log says that deliveries go on", || async {
        rig.receiver.log().contains("deliveries resumed")
    })
    .await;
    let log = rig.receiver.log();
    assert!(
        log.contains("deliveries paused") && !log.contains("ada@"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_crm_opens_the_circuit_and_gets_everything_when_it_is_back() {
    let rig = Rig::start().await;
    rig.hubspot
        .change_faults(|plan| plan.odds = vec![Odds::status(1.0, 503)]);
    for n in 0..8 {
        rig.lead(&format!("patient{n}")).await;
    }
    rig.until("the circuit opens", || async {
        !rig.sink_status().await["pausedUntil"].is_null()
    })
    .await;
    rig.hubspot.change_faults(|plan| plan.odds.clear());
    for n in 0..8 {
        rig.arrived(&format!("patient{n}")).await;
    }
    assert!(rig.hubspot.stats().duplicate_emails.is_empty());
    assert!(rig.dead_letters("dead").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_no_second_record() {
    let rig = Rig::start().await;
    // The first call of a new lead finds nothing; the answer to its creation gets lost.
    rig.hubspot.script([Fault::None, Fault::LoseAnswer]);
    rig.lead("once").await;
    rig.arrived("once").await;
    rig.until("it is settled", || async {
        rig.sink_status().await["leads"]["pending"] == 0
    })
    .await;
    assert_eq!(rig.hubspot.records_per_email()["once@example.com"], 1);
    let status = rig.sink_status().await;
    assert_eq!(status["leads"]["delivered"], 1, "{status}");
    assert!(rig.hubspot.stats().lost_answers >= 1);

    // Leads with a phone alone (and a name, without which HubSpot takes none) have no key that HubSpot enforces: the same person is one record all the same.
    for n in 0..2 {
        let answer = rig
            .post(
                &json!({"phone": "+49 30 901820", "firstName": "Phone", "submissionId": format!("phone{n}")}),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    rig.until("both are settled", || async {
        rig.sink_status().await["leads"]["delivered"] == 3
    })
    .await;
    let phones: Vec<_> = rig
        .hubspot
        .contacts()
        .into_iter()
        .filter(|c| c.get("phone") == "+4930901820")
        .collect();
    assert_eq!(phones.len(), 1, "{phones:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_of_one_person_arrive_in_the_order_in_which_they_were_accepted() {
    let rig = Rig::start().await;
    rig.hubspot.script([
        Fault::None,
        status(500, None),
        Fault::LoseAnswer,
        status(502, None),
        Fault::Close,
        Fault::None,
        status(423, None),
    ]);
    for n in 10..30 {
        let answer = rig
            .post(&json!({"email": "Same@Example.com", "firstName": format!("name{n}"), "submissionId": n}))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    rig.until("all are delivered", || async {
        rig.sink_status().await["leads"]["delivered"] == 20
    })
    .await;
    let names: Vec<String> = rig
        .hubspot
        .writes()
        .iter()
        .filter_map(|write| write.properties.get("firstname").cloned())
        .collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted, "a later lead was overtaken");
    assert_eq!(
        rig.hubspot.contact("same@example.com").unwrap().get("firstname"),
        "name29"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_sink_queues_and_a_suspended_webhook_says_503() {
    let mut rig = Rig::with(|sink| sink.suspend = true).await;
    rig.lead("held-back").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(rig.hubspot.write_count(), 0);
    let status = rig.sink_status().await;
    assert_eq!(
        (&status["suspended"], &status["leads"]["pending"]),
        (&json!(true), &json!(1)),
        "{status}"
    );
    rig.change_sink(|sink| sink.suspend = false);
    rig.arrived("held-back").await;

    let web = leadgate_tests::manifests::mapped_webhook("web", super::SECRET);
    rig.receiver
        .write_manifest("web.yaml", &web.replace("spec:\n", "spec:\n  suspend: true\n"))
        .unwrap();
    let body = json!({"email": "later@example.com", "submissionId": "later"});
    rig.until("it says 503", || async { rig.post(&body).await.status == 503 })
        .await;
    assert!(rig.post(&body).await.header("retry-after").is_some());
    rig.receiver.write_manifest("web.yaml", &web).unwrap();
    rig.until("it takes leads again", || async {
        rig.post(&body).await.status == 200
    })
    .await;
    rig.arrived("later").await;
}
