//! The audit (`spec.audit`) of a CRM that an example describes: `rest.read`, then `rest.lookup`.

use serde_json::{Value, json};

use leadgate_tests::rest_crms::Mishap;

use crate::rig::{Rig, SECRET, all, options, replace};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_record_that_somebody_else_made_is_found_by_its_id() {
    // Given two people whose leads were delivered, and a record of one of them that somebody made.
    let case = all("espocrm");
    let rig = Rig::start(all("espocrm"), SECRET).await;
    for (submission, name) in [("1", "ada"), ("2", "bob")] {
        rig.post(submission, &format!("{name}@example.com"), name).await;
    }
    rig.settled().await;
    let ada = rig.crm.of("ada@example.com")[0].id.clone();
    let made = reqwest::Client::new()
        .post(format!("{}/api/v1/Lead", rig.crm.url()))
        .header("x-api-key", SECRET)
        .header("x-skip-duplicate-check", "true")
        .json(&json!({"emailAddress": "Ada@Example.com", "lastName": "Typed"}))
        .send()
        .await
        .unwrap();
    let second: Value = made.json().await.unwrap();
    let calls = rig.crm.requests().len();

    // When the CRM is audited, and asks to wait after the check of the changed sink.
    let manifest = &options(&case, SECRET, &rig.crm.url()).manifests[0].1;
    let manifest = replace(manifest, "spec:\n  rest:", "spec:\n  audit: {}\n  rest:");
    rig.receiver.write_manifest("leadgate.yaml", &manifest).unwrap();
    rig.until("the sink is checked", |crm| crm.requests().len() > calls)
        .await;
    rig.crm.mishap(Mishap::Limited(12));
    let mut found = Value::Null;
    while found["lastTime"].is_null() {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        found = rig.receiver.status().await.unwrap()["sinks"][0]["audit"].clone();
    }

    // Then both records are told by their ids, and nothing was asked before its time or written.
    assert_eq!(
        (&found["audited"], &found["duplicates"]),
        (&json!(2), &json!(1)),
        "{found}"
    );
    assert_eq!(
        found["records"],
        json!([{"record": ada, "others": [second["id"]]}])
    );
    assert_eq!(rig.crm.early(), 0, "{:?}", rig.crm.requests());
    let asked = &rig.crm.requests()[calls..];
    assert!(asked.iter().all(|line| line.starts_with("GET ")), "{asked:?}");
    assert!(!rig.receiver.log().contains("@example.com"));
}
