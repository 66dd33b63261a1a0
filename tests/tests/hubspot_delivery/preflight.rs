//! A mistake in the sink shows before a lead fails.

use leadgate_tests::hubspot::{Config, PropertySpec};
use leadgate_tests::rig::Rig;
use serde_json::json;

const MAPPING: &str = "    email: lead.email\n    budget_band: lead.firstName\n    createdate: lead.lastName";

#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_read_only_properties_are_named_before_the_first_lead() {
    let rig = Rig::with(|sink| sink.properties = MAPPING.into()).await;
    let inspection = rig.sink_status().await["preflight"].clone();
    assert_eq!(inspection["reachable"]["ok"], true, "{inspection}");
    assert_eq!(inspection["credentials"]["ok"], true, "{inspection}");
    let problems = inspection["problems"].to_string();
    assert!(
        problems.contains("no property `budget_band`") && problems.contains("`createdate` itself"),
        "{problems}"
    );
    assert_eq!(rig.hubspot.write_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_properties_are_made_when_the_sink_says_so() {
    let rig = Rig::with(|sink| {
        sink.properties = "    email: lead.email\n    budget_band: lead.firstName".into();
        sink.hubspot = ", ensureProperties: true".into();
    })
    .await;
    let inspection = rig.sink_status().await["preflight"].clone();
    assert_eq!(inspection["problems"], json!([]), "{inspection}");
    rig.lead("ada").await;
    rig.arrived("ada").await;
    assert_eq!(
        rig.hubspot.contact("ada@example.com").unwrap().get("budget_band"),
        "ada"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_property_that_need_not_be_unique_cannot_address_records() {
    let crm = Config {
        custom: vec![
            PropertySpec::text("submission"),
            PropertySpec::unique_text("unique_submission"),
        ],
        ..Config::default()
    };
    let properties = "    email: lead.email\n    firstname: lead.firstName\n    submission: lead.submissionId\n    unique_submission: lead.submissionId";
    let mut rig = Rig::on(crm, |sink| {
        sink.properties = properties.into();
        sink.hubspot = ", uniqueProperty: submission".into();
    })
    .await;
    let problems = rig.sink_status().await["preflight"]["problems"].to_string();
    assert!(problems.contains("hubspot.uniqueProperty"), "{problems}");
    rig.change_sink(|sink| sink.hubspot = ", uniqueProperty: unique_submission".into());
    rig.until("the sink was asked again", || async {
        rig.sink_status().await["preflight"]["problems"] == json!([])
    })
    .await;
    // Two submissions of one person are two values of the unique property, and one record by e-mail address.
    for n in 0..2 {
        rig.post(&json!({"email": "ada@example.com", "firstName": format!("Ada {n}"), "submissionId": format!("s{n}")}))
            .await;
    }
    rig.until("both arrived", || async {
        rig.hubspot
            .contact("ada@example.com")
            .is_some_and(|ada| ada.get("firstname") == "Ada 1")
    })
    .await;
    assert_eq!(rig.hubspot.contacts().len(), 1);
}
