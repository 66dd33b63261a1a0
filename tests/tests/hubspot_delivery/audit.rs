//! The audit (`spec.audit`): who has a second record in HubSpot, whoever made it.

use leadgate_tests::hubspot::{Config, Fault, FaultPlan, HubSpot, Rule};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::redis_server::RedisServer;
use leadgate_tests::rig::{Rig, SECRET};
use serde_json::{Value, json};

use crate::{drained, requests};

const READS: &str = "POST contacts/batch/read";

fn person(name: &str, submission: &str, phone: &str) -> Value {
    json!({"email": format!("{name}@example.com"), "firstName": name, "phone": phone, "submissionId": submission})
}

/// What the first audit found.
async fn audited(rig: &Rig) -> Value {
    rig.until("the audit has ended", || async {
        !rig.sink_status().await["audit"]["lastTime"].is_null()
    })
    .await;
    rig.sink_status().await["audit"].clone()
}

fn id_of(rig: &Rig, name: &str) -> String {
    let contact = rig.hubspot.contact(&format!("{name}@example.com")).unwrap();
    contact.id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_record_that_somebody_else_made_is_found_by_its_id() {
    // Given three people whose leads were delivered, of one of them two leads,
    let mut rig = Rig::start().await;
    for (name, submission, phone) in [
        ("ada", "1", "+4930123456"),
        ("bob", "2", "+4930123457"),
        ("eve", "3", "+4930123458"),
        ("ada", "4", "+4930123456"),
    ] {
        assert_eq!(rig.post(&person(name, submission, phone)).await.status, 200);
        rig.arrived(name).await;
    }
    drained(&rig).await;
    assert!(rig.sink_status().await["audit"].is_null());
    // and a record of hers that somebody typed, and two of people who left no lead.
    let second = rig
        .hubspot
        .add(&[("email", "lovelace@example.org"), ("phone", "030 / 123-456")]);
    rig.hubspot
        .add(&[("email", "x@example.org"), ("phone", "+4930999999")]);
    rig.hubspot
        .add(&[("email", "y@example.org"), ("phone", "+4930999999")]);
    let writes = rig.hubspot.write_count();

    // When the CRM is audited.
    rig.change_sink(|sink| sink.more = "audit: {}".into());
    let found = audited(&rig).await;

    // Then her two records are told, nobody else's, and nothing was written.
    assert_eq!(
        (&found["audited"], &found["duplicates"]),
        (&json!(3), &json!(1)),
        "{found}"
    );
    assert_eq!(found["duplicateRate"], "33.4");
    let ada = id_of(&rig, "ada");
    assert_eq!(
        found["records"],
        json!([{"record": ada, "others": [second.to_string()]}])
    );
    assert!(found["reason"].is_null(), "{found}");
    for (metric, value) in [
        ("leadgate_audited_records", 3.0),
        ("leadgate_duplicate_records", 1.0),
    ] {
        let told = rig
            .receiver
            .metric(metric, &[r#"sink="default/hubspot""#])
            .await
            .unwrap();
        assert!((told - value).abs() < f64::EPSILON, "{metric} {told}");
    }
    assert_eq!(rig.hubspot.write_count(), writes);
    let log = rig.receiver.log();
    assert_eq!(log.matches("audit completed").count(), 1, "{log}");
    let personal = ["@example", "123456", "123-456"];
    assert!(
        personal
            .iter()
            .all(|text| !log.contains(text) && !found.to_string().contains(text)),
        "{found} {log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_counted_where_nobody_has_a_second_record() {
    let mut rig = Rig::start().await;
    for (name, phone) in [("ada", "+4930123456"), ("bob", "+4930123457")] {
        assert_eq!(rig.post(&person(name, name, phone)).await.status, 200);
        rig.arrived(name).await;
    }
    drained(&rig).await;
    rig.change_sink(|sink| sink.more = "audit: {}".into());
    let found = audited(&rig).await;
    assert_eq!(
        (&found["audited"], &found["duplicates"]),
        (&json!(2), &json!(0)),
        "{found}"
    );
    assert_eq!(found["duplicateRate"], "0");
    assert!(found["records"].is_null() && found["reason"].is_null(), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_obeys_a_429_says_so_and_goes_on_when_it_has_passed() {
    let mut rig = Rig::start().await;
    assert_eq!(rig.post(&person("ada", "1", "+4930123456")).await.status, 200);
    rig.arrived("ada").await;
    drained(&rig).await;
    // Given a CRM that has enough of reads for a while.
    rig.hubspot.set_faults(FaultPlan {
        rules: vec![Rule {
            path: "batch/read".into(),
            body: String::new(),
            fault: Fault::Status {
                code: 429,
                retry_after: Some(15),
                policy: None,
            },
        }],
        ..FaultPlan::default()
    });
    rig.change_sink(|sink| sink.more = "audit: {}".into());
    rig.until("the audit says why it waits", || async {
        rig.sink_status().await["audit"]["reason"] == "RateLimited"
    })
    .await;
    assert!(rig.sink_status().await["audit"]["lastTime"].is_null());

    // When it takes them again.
    rig.hubspot.set_faults(FaultPlan::default());
    let found = audited(&rig).await;

    // Then it was left alone meanwhile, and the audit is complete.
    assert_eq!(rig.hubspot.stats().before_retry_after, 0);
    assert_eq!(
        (&found["audited"], &found["reason"]),
        (&json!(1), &Value::Null),
        "{found}"
    );
}

/// A record is a step of half a second, so that there is time to kill a receiver in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn receivers_of_one_queue_make_one_audit_and_go_on_with_that_of_a_killed_one() {
    const PEOPLE: u64 = 30;
    let redis = tokio::task::spawn_blocking(|| RedisServer::start().unwrap())
        .await
        .unwrap();
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let mut sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
    sink.hubspot = ", upsert: Single".into();
    sink.delivery = sink
        .delivery
        .replace("{requests: 10000, per: 10s}", "{requests: 40, per: 1s}");
    let options = |sink: &HubSpotSink| {
        let mut options = Options::new(sink.yaml()).queue(redis.url());
        options
            .manifests
            .push(("web.yaml".into(), mapped_webhook("web", SECRET)));
        options
    };
    let receiver = Receiver::start(options(&sink)).await.unwrap();
    let mut rig = Rig {
        hubspot,
        receiver,
        sink,
    };
    // Given an audit of thirty people that one receiver is making, and another that has looked for audits,
    for n in 0..PEOPLE {
        let name = format!("person{n}");
        assert_eq!(
            rig.post(&person(&name, &name, &format!("+49309018{n:02}")))
                .await
                .status,
            200
        );
    }
    drained(&rig).await;
    rig.change_sink(|sink| sink.more = "audit: {}".into());
    rig.until("the audit has begun", || async { requests(&rig, READS) > 0 })
        .await;
    let other = Receiver::start(options(&rig.sink)).await.unwrap();
    rig.until("the audit is far", || async { requests(&rig, READS) >= 24 })
        .await;

    // when the first is killed,
    rig.receiver.kill();
    rig.receiver = other;
    let found = audited(&rig).await;

    // then the other has looked at those that were left, and perhaps at the one that was being looked at.
    assert_eq!(
        (&found["audited"], &found["duplicates"]),
        (&json!(PEOPLE), &json!(0)),
        "{found}"
    );
    let reads = requests(&rig, READS);
    assert!((PEOPLE..=PEOPLE + 1).contains(&reads), "{reads}");
}
