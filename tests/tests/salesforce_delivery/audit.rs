//! The audit (`spec.audit`): who has a second record in Salesforce, whoever made it.

use leadgate_receiver::crm::{Outcome, Twins};
use leadgate_tests::manifests::SalesforceSink;
use leadgate_tests::salesforce::{Config, Salesforce};
use serde_json::{Value, json};

use super::{Rig, Unlimited, client, deliver, person, upsert};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_record_that_somebody_else_made_is_found_by_its_id() {
    // Given people whose leads were delivered, and a record of one of them that somebody typed.
    let mut sink = None;
    let rig = Rig::with(Config::default(), |usual, _| sink = Some(usual.clone())).await;
    for name in ["ada", "bob"] {
        rig.post_to("web", &person(name)).await;
    }
    rig.delivered(2).await;
    let ada = rig.record("ada@example.com").id;
    let second = rig
        .salesforce
        .put(&json!({"Email": "Ada@Example.com", "LastName": "L", "Company": "C"}));

    // When the CRM is audited.
    let manifest = sink
        .unwrap()
        .yaml()
        .replacen("spec:\n", "spec:\n  audit: {}\n", 1);
    rig.receiver.write_manifest("leadgate.yaml", &manifest).unwrap();
    rig.until("the audit has ended", || async {
        !rig.sink_status().await["audit"]["lastTime"].is_null()
    })
    .await;

    // Then both are told by their ids, in one session.
    let found = rig.sink_status().await["audit"].clone();
    assert_eq!(
        (&found["audited"], &found["duplicates"]),
        (&json!(2), &json!(1)),
        "{found}"
    );
    assert_eq!(found["records"], json!([{"record": ada, "others": [second]}]));
    assert_eq!(found["reason"], Value::Null);
}

/// The twins of these records, as a sink's client finds them.
async fn twins(salesforce: &Salesforce, matching: &str, ids: &[&str]) -> Vec<Twins> {
    let mut sink = SalesforceSink::new(salesforce);
    sink.matching = matching.into();
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    client(&sink).twins(&ids, &Unlimited).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_count_where_leads_are_matched_with_them_and_converted_leads_do_not() {
    // Given leads that were delivered, of which one is also a contact, and one was converted into one.
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let sink = SalesforceSink::new(&salesforce);
    let delivered = deliver(&client(&sink), vec![upsert("ada"), upsert("bob")]).await;
    let [
        Outcome::Delivered { record: Some(ada) },
        Outcome::Delivered { record: Some(bob) },
    ] = delivered.as_slice()
    else {
        panic!("{delivered:?}")
    };
    let contact = salesforce.put_contact(&json!({"Email": "ada@example.com", "LastName": "Lovelace"}));
    assert!(salesforce.convert(bob));

    // Then a second record is one of the objects that leads are matched with.
    let ids = [ada.as_str(), bob.as_str(), "37765128953"];
    assert_eq!(
        twins(&salesforce, "{}", &ids).await,
        [Some(Vec::new()), None, None]
    );
    assert_eq!(
        twins(&salesforce, "{contacts: Update}", &ids).await,
        [Some(vec![contact.clone()]), None, None]
    );
    assert_eq!(
        twins(&salesforce, "{contacts: Update}", &[&contact]).await,
        [Some(vec![ada.clone()])]
    );
}
