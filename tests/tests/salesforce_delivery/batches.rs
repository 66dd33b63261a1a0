//! Batches, through the receiver's own client.

use std::time::{Duration, Instant};

use leadgate_receiver::crm::{Known, Outcome};
use leadgate_tests::manifests::SalesforceSink;
use leadgate_tests::salesforce::{Config, DuplicateRule, Fault, Odds, Salesforce};
use serde_json::json;

use super::{client, deliver, one, upsert};

fn record(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Delivered { record: Some(record) } => record,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn two_hundred_new_leads_take_a_handful_of_calls_and_their_return_as_few() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let client = client(&SalesforceSink::new(&salesforce));
    let batch = || (0..200).map(|n| upsert(&format!("many{n}"))).collect::<Vec<_>>();
    let outcomes = deliver(&client, batch()).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        assert_eq!(
            record(outcome),
            one(&salesforce, &format!("many{n}@example.com")).id,
            "each lead has its own record's id"
        );
    }
    let stats = salesforce.stats();
    assert_eq!((stats.leads, stats.collections.clone()), (200, vec![200]));
    assert!(stats.requests_total <= 5, "{stats:?}");

    // Known by their ids now: one call.
    let mut again = batch();
    for (lead, outcome) in again.iter_mut().zip(&outcomes) {
        lead.record = Some(Known::Record(record(outcome).to_owned()));
        lead.properties.push(("Title".to_owned(), json!("CEO")));
    }
    deliver(&client, again)
        .await
        .iter()
        .for_each(|outcome| assert!(record(outcome).starts_with("00Q")));
    let after = salesforce.stats();
    assert_eq!(
        (after.leads, after.requests_total - stats.requests_total),
        (200, 1),
        "{after:?}"
    );
    assert!(salesforce.leads().iter().all(|lead| lead.get("Title") == "CEO"));

    // Unknown again, as after a restart: found by the query.
    deliver(&client, batch())
        .await
        .iter()
        .for_each(|outcome| assert!(record(outcome).starts_with("00Q")));
    assert_eq!(salesforce.stats().leads, 200);
}

#[tokio::test]
async fn each_lead_of_a_batch_has_its_own_end() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let client = client(&SalesforceSink::new(&salesforce));
    for _ in 0..2 {
        salesforce.put(&json!({"LastName": "x", "Company": "y", "Email": "twice@example.com"}));
    }
    let known = salesforce.put(&json!({"LastName": "x", "Company": "y", "Email": "known@example.com"}));
    let mut bad = upsert("bad");
    bad.properties.push(("LeadSource".to_owned(), json!("Moon")));
    // A field that does not exist refuses the whole call: the culprit is found, the others arrive.
    let mut culprit = upsert("culprit");
    culprit.properties.push(("Shoe__c".to_owned(), json!("43")));
    let batch = vec![
        upsert("a"),
        bad,
        upsert("twice"),
        culprit,
        upsert("known"),
        upsert("b"),
        upsert("c"),
        upsert("d"),
    ];
    let outcomes = deliver(&client, batch).await;
    for n in [0, 5, 6, 7] {
        record(&outcomes[n]);
    }
    assert!(
        matches!(&outcomes[1], Outcome::Refused { why, properties } if why.reason == "InvalidOption" && properties[0].property == "LeadSource"),
        "{outcomes:?}"
    );
    assert!(
        matches!(&outcomes[2], Outcome::Hold { why, candidates } if why.reason == "SeveralRecords" && candidates.len() == 2)
    );
    assert!(
        matches!(&outcomes[3], Outcome::Refused { why, .. } if why.reason == "UnknownProperty" && why.message.contains("Shoe__c")),
        "{outcomes:?}"
    );
    assert_eq!(record(&outcomes[4]), known);
    assert!(salesforce.with_email("culprit@example.com").is_empty());
}

#[tokio::test]
async fn a_wrong_mapping_does_not_cost_requests_by_the_lead() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let client = client(&SalesforceSink::new(&salesforce));
    let batch = (0..200)
        .map(|n| {
            let mut lead = upsert(&format!("wrong{n}"));
            lead.properties.push(("Shoe__c".to_owned(), json!("43")));
            lead
        })
        .collect();
    let outcomes = deliver(&client, batch).await;
    assert!(
        outcomes
            .iter()
            .all(|o| matches!(o, Outcome::Refused { why, .. } if why.reason == "UnknownProperty")),
        "{outcomes:?}"
    );
    let stats = salesforce.stats();
    assert!(stats.requests_total <= 5 && stats.leads == 0, "{stats:?}");
}

#[tokio::test]
async fn leads_of_a_batch_that_mean_one_record_are_written_one_after_the_other() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let mut sink = SalesforceSink::new(&salesforce);
    sink.matching = "{onPartialMatch: Hold}".into();
    let client = client(&sink);
    let with = |name: &str, key: &str, value: &str| {
        let mut lead = upsert(name);
        lead.lead[key] = json!(value);
        lead.properties.push(("Title".to_owned(), json!(name)));
        if key == "phone" {
            lead.properties.push(("Phone".to_owned(), json!(value)));
        }
        lead
    };
    // Two e-mail addresses, one phone number: the second is judged in sight of the first.
    let outcomes = deliver(
        &client,
        vec![with("a", "phone", "+491"), with("b", "phone", "+491")],
    )
    .await;
    let first = record(&outcomes[0]).to_owned();
    assert!(
        matches!(&outcomes[1], Outcome::Hold { why, candidates } if why.reason == "PartialMatch" && *candidates == [first.clone()]),
        "{outcomes:?}"
    );
    // One external id and no contradiction: the later one stands.
    let nameless = |title: &str| {
        let mut lead = with(title, "submissionId", "one");
        lead.lead.as_object_mut().unwrap().remove("email");
        lead.properties.retain(|(name, _)| name != "Email");
        lead
    };
    let outcomes = deliver(&client, vec![nameless("x"), nameless("y")]).await;
    assert_eq!(record(&outcomes[0]), record(&outcomes[1]));
    let titles: Vec<_> = salesforce
        .leads()
        .iter()
        .map(|lead| lead.get("Title").to_owned())
        .collect();
    assert_eq!(titles, ["a", "y"]);
    // Another person with the same external id: two senders that count from 1.
    let clash = deliver(
        &client,
        vec![with("p", "submissionId", "1"), with("q", "submissionId", "1")],
    )
    .await;
    record(&clash[0]);
    assert!(
        matches!(&clash[1], Outcome::Hold { why, .. } if why.reason == "ExternalIdTaken"),
        "{clash:?}"
    );
}

#[tokio::test]
async fn a_duplicate_that_a_collection_does_not_name_is_asked_for_by_a_single_call() {
    let salesforce = Salesforce::start(Config {
        duplicate_rule: Some(DuplicateRule::Alert),
        ..Config::default()
    })
    .await
    .unwrap();
    let id = salesforce
        .put(&json!({"LastName": "x", "Company": "y", "Email": "o@example.com", "Phone": "+49/30/90 18 20"}));
    let client = client(&SalesforceSink::new(&salesforce));
    let mut same = upsert("same");
    same.properties.push(("Phone".to_owned(), json!("+4930901820")));
    same.lead["phone"] = json!("+4930901820");
    let outcomes = deliver(&client, vec![upsert("a"), same.clone(), upsert("b")]).await;
    assert!(
        matches!(&outcomes[1], Outcome::Hold { why, candidates } if why.reason == "DuplicateRule" && *candidates == [id.clone()]),
        "{outcomes:?}"
    );
    // A person says who it is: that record, or a new one.
    same.record = Some(Known::New);
    let outcomes = deliver(&client, vec![same.clone()]).await;
    let new = record(&outcomes[0]).to_owned();
    assert_ne!(new, id);
    same.record = Some(Known::Record(id.clone()));
    let outcomes = deliver(&client, vec![same, upsert("c")]).await;
    assert_eq!(record(&outcomes[0]), id, "{outcomes:?}");
}

#[tokio::test]
async fn an_item_that_may_be_tried_again_is_and_the_rest_is_delivered() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let client = client(&SalesforceSink::new(&salesforce));
    salesforce.script([
        Fault::None,
        Fault::Item {
            code: "UNABLE_TO_LOCK_ROW".into(),
        },
    ]);
    let outcomes = deliver(&client, vec![upsert("a"), upsert("b")]).await;
    assert!(
        matches!(&outcomes[0], Outcome::Retry { why, in_doubt: false, .. } if why.reason == "Locked"),
        "{outcomes:?}"
    );
    record(&outcomes[1]);
    salesforce.script([Fault::None, Fault::LoseAnswer]);
    let outcomes = deliver(&client, vec![upsert("c"), upsert("d")]).await;
    assert!(
        outcomes
            .iter()
            .all(|o| matches!(o, Outcome::Retry { in_doubt: true, .. })),
        "{outcomes:?}"
    );
    salesforce.script([Fault::error(403, "REQUEST_LIMIT_EXCEEDED")]);
    let outcomes = deliver(&client, vec![upsert("e"), upsert("f")]).await;
    assert!(
        outcomes
            .iter()
            .all(|o| matches!(o, Outcome::Pause { why, .. } if why.reason == "DailyLimit")),
        "{outcomes:?}"
    );
}

/// Two clients, as two replicas have them, under faults: what is retried ends as one record a person, the last write on
/// top, as many people as there were.
#[tokio::test(flavor = "multi_thread")]
async fn batches_under_faults_make_one_record_a_person() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let clients = [
        client(&SalesforceSink::new(&salesforce)),
        client(&SalesforceSink::new(&salesforce)),
    ];
    salesforce.change_faults(|plan| {
        plan.odds = [
            (0.1, Fault::LoseAnswer),
            (0.1, Fault::error(500, "UNKNOWN_EXCEPTION")),
            (
                0.1,
                Fault::Item {
                    code: "UNABLE_TO_LOCK_ROW".into(),
                },
            ),
            (0.05, Fault::Expire),
        ]
        .map(|(probability, fault)| Odds { fault, probability })
        .to_vec();
    });
    let began = Instant::now();
    for round in 0..2 {
        let halves = (0..2).map(|half| {
            let client = &clients[(half + round) % 2];
            async move {
                let mut left: Vec<_> = (0..300)
                    .map(|n| {
                        let mut lead = upsert(&format!("person{half}x{n}"));
                        lead.lead["submissionId"] = json!(format!("{half}x{n}r{round}"));
                        lead.properties
                            .push(("Title".to_owned(), json!(format!("round {round}"))));
                        lead
                    })
                    .collect();
                while !left.is_empty() {
                    let mut later = Vec::new();
                    for part in left.chunks(200) {
                        for (outcome, lead) in deliver(client, part.to_vec()).await.into_iter().zip(part) {
                            match outcome {
                                Outcome::Delivered { .. } => {}
                                Outcome::Retry { in_doubt, .. } => {
                                    let mut lead = lead.clone();
                                    lead.in_doubt = lead.in_doubt.or(in_doubt.then_some(Duration::ZERO));
                                    later.push(lead);
                                }
                                other => panic!("{other:?}"),
                            }
                        }
                    }
                    left = later;
                }
            }
        });
        futures::future::join_all(halves).await;
    }
    salesforce.change_faults(|plan| plan.odds.clear());
    let leads = salesforce.leads();
    let per_email = salesforce.records_per_email();
    assert!(
        leads.len() == 600 && per_email.len() == 600,
        "{} {}",
        leads.len(),
        per_email.len()
    );
    assert!(leads.iter().all(|lead| lead.get("Title") == "round 1"));
    let stats = salesforce.stats();
    assert!(
        stats.lost_answers > 0 && stats.requests_total < 150,
        "{stats:?} after {:?}",
        began.elapsed()
    );
}
