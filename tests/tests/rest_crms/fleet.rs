//! Two receivers on one Redis, and the CRM that makes duplicates of everything: Pipedrive, whose search lags, has no upsert
//! and refuses no second record. It fails all the time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use leadgate_tests::receiver::Receiver;
use leadgate_tests::redis_server::RedisServer;
use leadgate_tests::rest_crms::Crm;

use crate::rig::{SECRET, all, options, post, replace};

const PEOPLE: usize = 150;
const LEADS_EACH: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn every_person_has_one_record_with_the_last_lead_whatever_fails() {
    let redis = RedisServer::start().unwrap();
    let mut case = all("pipedrive");
    let crm = Crm::start(case.api.take().unwrap()).await;
    crm.fails_every(20);
    let mut receivers = Vec::new();
    for _ in 0..2 {
        let mut options = options(&case, SECRET, &crm.url()).queue(redis.url());
        let (_, manifest) = &mut options.manifests[0];
        // Faster than Pipedrive allows, and patient for less than a minute.
        *manifest = replace(
            manifest,
            "rateLimit: {requests: 20, per: 2s}",
            "rateLimit: {requests: 1000, per: 1s}\n    retry: {initialBackoff: 100ms, maxBackoff: 2s}",
        );
        receivers.push(Receiver::start(options).await.unwrap());
    }

    let receivers = &receivers;
    futures::stream::iter(0..PEOPLE)
        .for_each_concurrent(16, |person| async move {
            let email = format!("person-{person}@example.com");
            for n in 0..LEADS_EACH {
                let (submission, name) = (format!("{person}-{n}"), format!("Lead{n}"));
                let (one, other) = (&receivers[n % 2], &receivers[(n + 1) % 2]);
                if person % 20 == 0 {
                    // Copies that race through both receivers: one is the lead, the other is known.
                    let copies = tokio::join!(
                        post(one, &submission, &email, &name),
                        post(other, &submission, &email, &name)
                    );
                    let mut copies = [copies.0, copies.1];
                    copies.sort();
                    assert_eq!(copies, ["accepted", "duplicate"]);
                } else {
                    assert_eq!(post(one, &submission, &email, &name).await, "accepted");
                }
            }
        })
        .await;

    let began = Instant::now();
    loop {
        let status = receivers[0].status().await.unwrap();
        let leads = status["sinks"][0]["leads"].clone();
        if leads["delivered"] == PEOPLE * LEADS_EACH {
            assert_eq!(
                (&leads["dead"], &leads["held"]),
                (&0.into(), &0.into()),
                "{leads}"
            );
            break;
        }
        assert!(
            began.elapsed() < Duration::from_mins(3),
            "{leads}\n{}",
            receivers[0].log_tail(20)
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let mut records: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in crm.records() {
        records.entry(record.email).or_default().push(record.name);
    }
    assert_eq!(records.len(), PEOPLE);
    for (email, names) in records {
        assert_eq!(names, [format!("Ada Lead{}", LEADS_EACH - 1)], "{email}");
    }
    println!(
        "{} requests for {} leads",
        crm.requests().len(),
        PEOPLE * LEADS_EACH
    );
}
