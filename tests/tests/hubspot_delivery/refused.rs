//! A property that HubSpot does not take costs that property, not the person.

use leadgate_tests::hubspot::{Config, PropertySpec};
use leadgate_tests::rig::Rig;
use serde_json::{Value, json};

use crate::{backlog, drained};

const MAPPING: &str = "    email: lead.email\n    firstname: lead.firstName\n    budget: lead.lastName\n    createdate: \"lead.firstName == 'p7' ? 'now' : null\"\n    nowhere: \"lead.firstName == 'p8' ? 'x' : null\"";

fn crm(invalid_input_fails_batch: bool) -> Config {
    Config {
        custom: vec![PropertySpec::choice("budget", &["small", "large"])],
        invalid_input_fails_batch,
        ..Config::default()
    }
}

fn leads() -> Vec<Value> {
    (0..10)
        .map(|n| {
            let budget = if n == 3 { "enormous" } else { "small" };
            json!({"email": format!("p{n}@example.com"), "firstName": format!("p{n}"), "lastName": budget, "submissionId": format!("{n}")})
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_is_written_and_the_property_is_listed_and_counted() {
    for (mode, fails_batch) in [("Single", false), ("Batch", false), ("Batch", true)] {
        let mut rig = Rig::on(crm(fails_batch), |sink| {
            sink.suspend = true;
            sink.properties = MAPPING.into();
            sink.hubspot = format!(", upsert: {mode}");
        })
        .await;
        backlog(&mut rig, &leads()).await;
        drained(&rig).await;
        assert_eq!(rig.hubspot.contacts().len(), 10, "{mode} {fails_batch}");
        assert!(rig.dead_letters("dead").await.is_empty(), "{mode} {fails_batch}");
        let contact = |n: usize| rig.hubspot.contact(&format!("p{n}@example.com")).unwrap();
        assert_eq!(
            (contact(3).get("firstname"), contact(3).get("budget")),
            ("p3", "")
        );
        assert_eq!(contact(4).get("budget"), "small");

        let listed = rig.sink_status().await["deliveredWithoutProperties"].clone();
        let reason = |property: &str| {
            let items = listed.as_array().unwrap();
            let item = items.iter().find(|item| item["property"] == property);
            item.map(|item| (item["reason"].clone(), item["count"].clone()))
        };
        assert_eq!(
            reason("budget"),
            Some((json!("InvalidOption"), json!(1))),
            "{listed}"
        );
        assert_eq!(
            reason("createdate"),
            Some((json!("ReadOnlyProperty"), json!(1))),
            "{listed}"
        );
        assert_eq!(
            reason("nowhere"),
            Some((json!("UnknownProperty"), json!(1))),
            "{listed}"
        );
        let counted = rig
            .receiver
            .metric("leadgate_refused_properties_total", &["property=\"budget\""])
            .await
            .unwrap();
        assert!((counted - 1.0).abs() < 0.1, "{counted}");
        assert!(!rig.receiver.log().contains("enormous"), "no value in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_sink_says_so_the_lead_is_dead_and_costs_the_others_nothing() {
    for fails_batch in [false, true] {
        let mut rig = Rig::on(crm(fails_batch), |sink| {
            sink.suspend = true;
            sink.properties = MAPPING.into();
            sink.delivery = sink
                .delivery
                .replace("{timeout", "{onRefusedProperty: Dead, timeout");
        })
        .await;
        backlog(&mut rig, &leads()).await;
        drained(&rig).await;
        let mut reasons: Vec<String> = rig
            .dead_letters("dead")
            .await
            .iter()
            .map(|dead| {
                assert_eq!(dead["attempts"], 1, "{dead}");
                dead["reason"].as_str().unwrap().to_owned()
            })
            .collect();
        reasons.sort();
        assert_eq!(reasons, ["InvalidOption", "ReadOnlyProperty", "UnknownProperty"]);
        assert_eq!(rig.hubspot.contacts().len(), 7);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_is_never_delivered_without_what_identifies_it() {
    let rig = Rig::with(|sink| {
        sink.properties = "    email: \"'no address'\"\n    firstname: lead.firstName".into();
    })
    .await;
    rig.lead("ada").await;
    rig.dead_letter_count("dead", 1).await;
    let dead = rig.dead_letters("dead").await.remove(0);
    assert_eq!(dead["reason"], "InvalidEmail", "{dead}");
    assert!(rig.hubspot.contacts().is_empty());
}
