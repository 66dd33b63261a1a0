//! Under load leads share calls; what one of them gets wrong costs the others nothing.

use std::time::Duration;

use leadgate_tests::hubspot::{Config, Fault, Limits};
use leadgate_tests::rig::Rig;
use serde_json::{Value, json};

use crate::{backlog, drained, lead, requests};

const SUSPENDED: fn(&mut leadgate_tests::manifests::HubSpotSink) = |sink| sink.suspend = true;

fn crowd(count: usize) -> Vec<Value> {
    (0..count).map(|n| lead(&format!("p{n}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_goes_in_batches_and_a_lone_lead_by_itself() {
    let mut rig = Rig::with(SUSPENDED).await;
    backlog(&mut rig, &crowd(300)).await;
    drained(&rig).await;
    assert_eq!(rig.hubspot.contacts().len(), 300);
    assert_eq!(
        requests(&rig, "POST contacts/batch/upsert"),
        3,
        "{:?}",
        rig.hubspot.stats().requests
    );
    rig.lead("alone").await;
    rig.arrived("alone").await;
    assert_eq!(requests(&rig, "POST contacts/batch/upsert"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_upsert_by_email_is_refused_update_and_create_do_it_in_batches() {
    let crm = Config {
        upsert_by_email: false,
        ..Config::default()
    };
    let mut rig = Rig::on(crm, SUSPENDED).await;
    backlog(&mut rig, &crowd(200)).await;
    drained(&rig).await;
    assert_eq!(rig.hubspot.contacts().len(), 200);
    let stats = rig.hubspot.stats();
    assert_eq!(stats.duplicate_emails, Vec::<String>::new());
    // One refused upsert, then an update that finds nobody and a create for each hundred.
    assert!(
        requests(&rig, "POST contacts/batch/") <= 5 + 2,
        "{:?}",
        stats.requests
    );
    assert_eq!(requests(&rig, "PATCH "), 0, "{:?}", stats.requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_a_batch_makes_no_second_record() {
    for upsert_by_email in [true, false] {
        let crm = Config {
            upsert_by_email,
            ..Config::default()
        };
        let mut rig = Rig::on(crm, SUSPENDED).await;
        rig.hubspot
            .script([Fault::LoseAnswer, Fault::LoseAnswer, Fault::LoseAnswer]);
        backlog(&mut rig, &crowd(40)).await;
        drained(&rig).await;
        let stats = rig.hubspot.stats();
        assert_eq!(
            (stats.contacts, stats.duplicate_emails, stats.lost_answers),
            (40, vec![], 3)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_leads_of_one_record_are_never_in_one_batch_and_arrive_in_order() {
    // Two contacts to the queue (e-mail, phone), one record to the CRM, which knows the phone number.
    let mut rig = Rig::with(|sink| sink.hubspot = ", upsert: Batch".into()).await;
    rig.post(
        &json!({"email": "ada@example.com", "phone": "+4930123456", "firstName": "Ada", "submissionId": "1"}),
    )
    .await;
    rig.arrived("ada").await;
    rig.change_sink(|sink| sink.suspend = true);
    let mut leads = crowd(8);
    for n in 0..6 {
        leads.push(json!({"phone": "+4930123456", "firstName": format!("by phone {n}"), "submissionId": format!("phone{n}")}));
        leads.push(json!({"email": "ada@example.com", "firstName": format!("by mail {n}"), "submissionId": format!("mail{n}")}));
    }
    backlog(&mut rig, &leads).await;
    drained(&rig).await;
    let ada = rig.hubspot.contact("ada@example.com").unwrap();
    let names = |prefix: &str| -> Vec<String> {
        ada.history
            .iter()
            .filter_map(|write| write.properties.get("firstname"))
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect()
    };
    assert_eq!(
        names("by mail"),
        (0..6).map(|n| format!("by mail {n}")).collect::<Vec<_>>()
    );
    assert_eq!(
        names("by phone"),
        (0..6).map(|n| format!("by phone {n}")).collect::<Vec<_>>()
    );
    assert_eq!(rig.hubspot.contacts().len(), 9, "one Ada and eight others");
    let refused: Vec<_> = rig
        .hubspot
        .stats()
        .requests
        .into_iter()
        .filter(|(name, _)| name.contains("batch") && name.ends_with(" 400"))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// The account allows 100 requests in 10 s, and so does the sink.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_backlog_uses_the_allowed_rate_and_few_requests() {
    let crm = Config {
        limits: Limits::STARTER,
        ..Config::default()
    };
    let mut rig = Rig::on(crm, |sink| {
        sink.suspend = true;
        sink.delivery = sink.delivery.replace("requests: 10000", "requests: 100");
    })
    .await;
    let name = |n: usize| json!({"email": format!("b{n}@example.com"), "submissionId": format!("b{n}")});
    let leads: Vec<Value> = (0..10_000).map(name).collect();
    backlog(&mut rig, &leads).await;
    drained(&rig).await;
    let stats = rig.hubspot.stats();
    assert_eq!(stats.contacts, 10_000);
    assert!(
        requests(&rig, "POST contacts/batch/upsert") <= 10_000 / 50,
        "{:?}",
        stats.requests
    );

    // In single calls the rate is what limits: it is used in full, and HubSpot never has to say 429.
    rig.change_sink(|sink| {
        sink.suspend = true;
        sink.hubspot = ", upsert: Single".into();
    });
    let before = stats.total;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let leads: Vec<Value> = (0..300)
        .map(|n| json!({"email": format!("b{n}@example.com"), "submissionId": format!("again{n}")}))
        .collect();
    backlog(&mut rig, &leads).await;
    drained(&rig).await;
    let stats = rig.hubspot.stats();
    assert!(stats.total - before >= 300);
    assert!(stats.max_in_ten_seconds >= 95, "{}", stats.max_in_ten_seconds);
    let too_many: u64 = stats
        .requests
        .iter()
        .filter(|(name, _)| name.ends_with(" 429"))
        .map(|(_, count)| count)
        .sum();
    assert!(too_many * 100 < stats.total, "{:?}", stats.requests);
    assert_eq!(stats.before_retry_after, 0);
}

/// A lease of 1.75 s, and a wait for company of 4 s: the leads must not come back to be claimed a second time meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn leads_that_wait_for_company_are_still_held() {
    let mut rig = Rig::with(|sink| {
        sink.suspend = true;
        sink.hubspot = ", upsert: Batch".into();
        sink.delivery =
            "{timeout: 500ms, batch: {linger: 4s}, rateLimit: {requests: 10000, per: 10s}}".into();
    })
    .await;
    backlog(&mut rig, &crowd(8)).await;
    drained(&rig).await;
    assert_eq!(rig.hubspot.contacts().len(), 8);
    let stale = rig
        .receiver
        .metric("leadgate_deliveries_total", &["outcome=\"stale\""])
        .await
        .unwrap();
    assert!(stale < 0.5, "{stale} claims had ended before they were used");
    assert_eq!(rig.hubspot.write_count(), 8, "each lead once");
}
