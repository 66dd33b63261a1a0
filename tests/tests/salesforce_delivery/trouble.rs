//! What Salesforce refuses, loses or postpones.

use std::time::Duration;

use leadgate_tests::salesforce::{Config, DuplicateRule, Fault, FieldSpec, Odds};
use serde_json::json;

use super::{Rig, person};

#[tokio::test(flavor = "multi_thread")]
async fn several_records_of_one_external_id_hold_the_lead() {
    let config = Config {
        custom: vec![FieldSpec::text("Webhook_Submission_ID__c").external(false)],
        ..Config::default()
    };
    let rig = Rig::with(config, |_, _| {}).await;
    let ids: Vec<String> = (0..2)
        .map(|_| {
            rig.salesforce
                .put(&json!({"LastName": "x", "Company": "y", "Webhook_Submission_ID__c": "twice"}))
        })
        .collect();
    // The query sees them before anything is written.
    rig.lead("twice").await;
    let held = rig.dead_letters("held").await;
    assert_eq!(held["reason"], "SeveralRecords", "{held}");
    assert!(
        ids.iter()
            .all(|id| held["message"].as_str().unwrap().contains(id)),
        "{held}"
    );
    assert!(rig.salesforce.with_email("twice@example.com").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_300_holds_the_lead_with_the_records_it_lists() {
    let rig = Rig::start().await;
    let ids: Vec<String> = (0..2)
        .map(|n| {
            rig.salesforce
                .put(&json!({"LastName": n.to_string(), "Company": "y"}))
        })
        .collect();
    // They came between the query and the write.
    rig.salesforce.script([Fault::None, Fault::error(300, "")]);
    rig.lead("between").await;
    let held = rig.dead_letters("held").await;
    assert_eq!(held["reason"], "SeveralRecords", "{held}");
    assert!(
        ids.iter()
            .all(|id| held["message"].as_str().unwrap().contains(id)),
        "{held}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_rule_is_obeyed_and_an_exact_match_is_updated() {
    let config = || Config {
        duplicate_rule: Some(DuplicateRule::Alert),
        ..Config::default()
    };
    let by_hand = json!({"LastName": "Hand", "Company": "y", "Phone": "+49/30/90 18 20"});
    let mut body = person("dup");
    body["phone"] = json!("+4930901820");
    // Salesforce's rule sees that the numbers are the same, which no query can; the judge agrees: nothing speaks against it.
    let rig = Rig::with(config(), |_, _| {}).await;
    let id = rig.salesforce.put(&by_hand);
    rig.post_to("web", &body).await;
    rig.delivered(1).await;
    assert_eq!(rig.record("dup@example.com").id, id);

    // With another e-mail address it may be somebody else: a person decides.
    let rig = Rig::with(config(), |_, _| {}).await;
    let mut other = by_hand.clone();
    other["Email"] = json!("other@example.com");
    let id = rig.salesforce.put(&other);
    rig.post_to("web", &body).await;
    let held = rig.dead_letters("held").await;
    assert_eq!(held["reason"], "DuplicateRule", "{held}");
    assert!(held["message"].as_str().unwrap().contains(&id), "{held}");
    assert!(rig.salesforce.with_email("dup@example.com").is_empty());

    // Whoever wants can save nonetheless.
    let rig = Rig::with(config(), |sink, _| sink.more += "; duplicateRule: AllowSave").await;
    rig.salesforce.put(&other);
    rig.post_to("web", &body).await;
    rig.delivered(1).await;
    assert_eq!(rig.salesforce.leads().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_field_costs_that_field_or_what_does_not_fit_and_not_the_person() {
    let rig = Rig::with(Config::default(), |sink, _| {
        let long = "x".repeat(200);
        sink.properties = format!(
            "    Email: lead.email\n    LastName: lead.lastName\n    Company: lead.company\n    Title: \"'{long}'\"\n    \
             LeadSource: \"'Moon'\""
        );
    })
    .await;
    rig.lead("moon").await;
    rig.delivered(1).await;
    let lead = rig.record("moon@example.com");
    assert_eq!(
        (lead.get("LastName"), lead.get("LeadSource"), lead.get("Title")),
        ("Lovelace", "", "x".repeat(128).as_str())
    );
    let status = rig.sink_status().await;
    let listed = status["deliveredWithoutProperties"].as_array().unwrap();
    for (property, reason) in [("LeadSource", "InvalidOption"), ("Title", "TooLong")] {
        assert!(
            listed
                .iter()
                .any(|item| item["property"] == property && item["reason"] == reason),
            "{status}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_field_is_dead_after_one_attempt_and_named_without_its_value_where_the_sink_says_so() {
    let rig = Rig::with(Config::default(), |sink, _| {
        sink.delivery = sink.delivery.replacen('{', "{onRefusedProperty: Dead, ", 1);
        sink.properties =
            "    Email: lead.email\n    LastName: lead.lastName\n    Company: lead.company\n    LeadSource: \
                           \"'Moon'\""
                .into();
    })
    .await;
    rig.lead("moon").await;
    let dead = rig.dead_letters("dead").await;
    assert_eq!(
        (&dead["reason"], &dead["attempts"]),
        (&json!("InvalidOption"), &json!(1)),
        "{dead}"
    );
    let message = dead["message"].as_str().unwrap();
    assert!(
        message.contains("LeadSource (INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST)") && !message.contains("Moon"),
        "{dead}"
    );
    assert!(!rig.receiver.log().contains("Moon"));
    // Others pass.
    assert_eq!(
        rig.salesforce.stats().requests["PATCH sobjects/{field}/{value} 400"],
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_name_is_told_with_its_remedy() {
    let rig = Rig::with(Config::default(), |sink, _| sink.more = String::new()).await;
    rig.post_to("web", &json!({"email": "x@example.com", "submissionId": "x"}))
        .await;
    let dead = rig.dead_letters("dead").await;
    let message = dead["message"].as_str().unwrap();
    assert_eq!(dead["reason"], "RequiredFieldMissing");
    for part in ["LastName", "Company", "salesforce.fallbacks"] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daily_limit_pauses_the_sink_before_and_when_it_is_reached() {
    let config = || Config {
        daily_limit: 100,
        ..Config::default()
    };
    for used in [96, 200] {
        let rig = Rig::with(config(), |_, _| {}).await;
        rig.salesforce.use_up(used);
        rig.lead("first").await;
        if used < 100 {
            // Its answers told that little is left; they were used.
            rig.delivered(1).await;
        }
        rig.lead("second").await;
        rig.until("the sink is paused", || async {
            !rig.sink_status().await["pausedUntil"].is_null()
        })
        .await;
        let status = rig.sink_status().await;
        assert_eq!(status["lastError"]["reason"], "DailyLimit", "{status}");
        let requests = rig.salesforce.stats().requests_total;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(
            rig.salesforce.stats().requests_total,
            requests,
            "nothing is sent meanwhile"
        );
        assert_eq!(rig.sink_status().await["leads"]["dead"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_pause_the_sink_and_kill_no_lead() {
    let rig = Rig::with(Config::default(), |sink, _| {
        sink.secret = vec![
            ("id".into(), "3MVG9sim".into()),
            ("secret".into(), "wr0ng".into()),
        ];
    })
    .await;
    for n in 0..5 {
        rig.lead(&format!("wait{n}")).await;
    }
    rig.until("the sink is paused", || async {
        !rig.sink_status().await["pausedUntil"].is_null()
    })
    .await;
    let status = rig.sink_status().await;
    assert_eq!(status["lastError"]["reason"], "InvalidCredentials", "{status}");
    assert_eq!(
        (&status["leads"]["pending"], &status["leads"]["dead"]),
        (&json!(5), &json!(0)),
        "{status}"
    );
    assert_eq!(rig.salesforce.stats().sign_ins, 1, "asked once, not once a lead");
    assert!(!rig.receiver.log().contains("wr0ng"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_and_failures_make_no_second_record() {
    for external_id in [true, false] {
        let rig = Rig::with(Config::default(), |sink, _| {
            if !external_id {
                sink.external_id = String::new();
            }
        })
        .await;
        rig.salesforce.change_faults(|plan| {
            plan.odds = [
                (0.15, Fault::LoseAnswer),
                (0.05, Fault::DelayAnswer { millis: 1500 }),
                (0.1, Fault::error(500, "UNKNOWN_EXCEPTION")),
                (0.1, Fault::error(400, "UNABLE_TO_LOCK_ROW")),
                (0.05, Fault::Expire),
            ]
            .map(|(probability, fault)| Odds { fault, probability })
            .to_vec();
        });
        for n in 0..20 {
            rig.lead(&format!("lost{n}")).await;
            // The same person by another webhook.
            let twin = json!({"email": format!("lost{n}@example.com"), "title": format!("t{n}"), "lastName": "Twin",
                              "company": "Engines", "submissionId": format!("twin{n}")});
            rig.post_to("ads", &twin).await;
        }
        rig.delivered(40).await;
        let per_email = rig.salesforce.records_per_email();
        assert!(
            per_email.len() == 20 && per_email.values().all(|count| *count == 1),
            "{per_email:?}"
        );
        for n in 0..20 {
            let lead = rig.record(&format!("lost{n}@example.com"));
            assert_eq!(
                (lead.get("Title"), lead.get("LastName")),
                (format!("t{n}").as_str(), "Twin"),
                "the last one wins"
            );
        }
        assert!(rig.salesforce.stats().lost_answers > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_race_for_a_new_external_id_is_tried_again() {
    let rig = Rig::start().await;
    rig.salesforce
        .script([Fault::None, Fault::error(400, "DUPLICATE_VALUE")]);
    rig.lead("race").await;
    rig.delivered(1).await;
    let status = rig.sink_status().await;
    assert_eq!(status["lastError"]["reason"], "CreatedMeanwhile", "{status}");
    rig.record("race@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_value_whose_record_is_never_found_holds_the_lead() {
    let rig = Rig::start().await;
    // The query finds nobody, and the write says that somebody has the value, each time.
    rig.salesforce
        .script((0..8).flat_map(|_| [Fault::None, Fault::error(400, "DUPLICATE_VALUE")]));
    rig.lead("hidden").await;
    let held = rig.dead_letters("held").await;
    assert_eq!(held["reason"], "UniqueValueTaken", "{held}");
    let message = held["message"].as_str().unwrap();
    assert!(
        message.contains("recycle bin") && message.contains("share"),
        "{message}"
    );
    assert!(rig.salesforce.with_email("hidden@example.com").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_deleted_or_converted_is_looked_for_again() {
    let rig = Rig::start().await;
    for (n, name) in ["deleted", "converted"].into_iter().enumerate() {
        let done = 2 * n as u64;
        rig.lead(name).await;
        rig.delivered(done + 1).await;
        let email = format!("{name}@example.com");
        let id = rig.record(&email).id;
        if name == "deleted" {
            rig.salesforce.delete(&id);
        } else {
            rig.salesforce.convert(&id);
        }
        rig.post_to(
            "web",
            &json!({"email": email, "lastName": "New", "submissionId": format!("{name}2")}),
        )
        .await;
        rig.delivered(done + 2).await;
        let fresh = rig
            .salesforce
            .with_email(&email)
            .into_iter()
            .find(|lead| !lead.converted)
            .unwrap();
        assert!(fresh.id != id && fresh.get("LastName") == "New", "{fresh:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_known_by_the_mobile_number_too() {
    let rig = Rig::start().await;
    let by_hand = json!({"LastName": "Hand", "Company": "y", "MobilePhone": "+49 30 901820"});
    let id = rig.salesforce.put(&by_hand);
    let call = json!({"phone": "+4930901820", "lastName": "Lovelace", "submissionId": "call"});
    rig.post_to("web", &call).await;
    rig.delivered(1).await;
    let leads = rig.salesforce.leads();
    assert_eq!(
        leads
            .iter()
            .map(|lead| (lead.id.as_str(), lead.get("LastName")))
            .collect::<Vec<_>>(),
        [(id.as_str(), "Lovelace")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_too_long_arrives_as_far_as_it_fits() {
    let rig = Rig::start().await;
    let mut body = person("long");
    body["lastName"] = json!("Wolfeschlegelsteinhausen".repeat(4));
    rig.post_to("web", &body).await;
    rig.delivered(1).await;
    let record = rig.record("long@example.com");
    let name = record.get("LastName");
    assert_eq!(name.len(), 80, "{name}");
    assert!(name.starts_with("Wolfeschlegelsteinhausen"), "{name}");
    let listed = rig.sink_status().await["deliveredWithoutProperties"].clone();
    assert_eq!(
        (&listed[0]["property"], &listed[0]["reason"]),
        (&json!("LastName"), &json!("TooLong"))
    );
}
