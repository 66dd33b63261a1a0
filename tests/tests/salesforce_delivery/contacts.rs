//! People whom Salesforce has as contacts: customers, and leads that were converted.

use std::sync::Arc;

use leadgate_receiver::crm::{Crm, Known, Outcome, Undone};
use leadgate_tests::manifests::SalesforceSink;
use leadgate_tests::salesforce::{Config, Salesforce};
use serde_json::json;

use super::{Unlimited, client, deliver, upsert};

async fn organisation(contacts: &str) -> (Salesforce, Arc<dyn Crm>) {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let mut sink = SalesforceSink::new(&salesforce);
    sink.matching = format!("{{contacts: {contacts}}}");
    let client = client(&sink);
    (salesforce, client)
}

fn customer() -> serde_json::Value {
    json!({"LastName": "Lovelace", "Email": "ada@example.com", "Phone": "(650) 253-0000"})
}

#[tokio::test]
async fn a_customers_lead_updates_the_contact_where_the_sink_says_so() {
    let (salesforce, client) = organisation("Update").await;
    let contact = salesforce.put_contact(&customer());
    let mut leads = vec![upsert("ada"), upsert("bob")];
    leads[0].properties.push(("City".to_owned(), json!("London")));
    let outcomes = deliver(&client, leads.clone()).await;
    let Outcome::Delivered { record: Some(record) } = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(*record, contact);
    // What a contact has, under its names; nothing of the company.
    let contacts = salesforce.contacts();
    assert_eq!(contacts.len(), 1);
    assert_eq!(
        (
            contacts[0].get("FirstName"),
            contacts[0].get("MailingCity"),
            contacts[0].get("Company")
        ),
        ("ada", "London", "")
    );
    // Somebody else becomes a lead as ever.
    assert_eq!(salesforce.with_email("bob@example.com").len(), 1);
    assert!(salesforce.with_email("ada@example.com").is_empty());
    // Remembered, it takes no query.
    let before = salesforce.stats().requests_total;
    leads.truncate(1);
    leads[0].record = Some(Known::Record(contact));
    deliver(&client, leads).await;
    assert_eq!(salesforce.stats().requests_total, before + 1);
}

#[tokio::test]
async fn a_converted_lead_lives_on_as_its_contact() {
    let (salesforce, client) = organisation("Update").await;
    deliver(&client, vec![upsert("ada")]).await;
    let id = salesforce.leads()[0].id.clone();
    salesforce.convert(&id);
    let mut again = upsert("ada");
    again.record = Some(Known::Record(id));
    again.lead["submissionId"] = json!("second");
    again.properties.push(("Title".to_owned(), json!("Countess")));
    let outcomes = deliver(&client, vec![again]).await;
    assert!(matches!(outcomes[0], Outcome::Delivered { .. }), "{outcomes:?}");
    assert_eq!(salesforce.leads().len(), 1, "no second lead");
    assert_eq!(salesforce.contacts()[0].get("Title"), "Countess");
}

#[tokio::test]
async fn a_person_may_be_asked_or_the_contact_left_alone() {
    let (salesforce, client) = organisation("Hold").await;
    let contact = salesforce.put_contact(&customer());
    let outcomes = deliver(&client, vec![upsert("ada")]).await;
    assert!(
        matches!(&outcomes[0], Outcome::Hold { why, candidates } if why.reason == "ContactExists" && *candidates == [contact.clone()]),
        "{outcomes:?}"
    );
    // The decision holds: this contact, or a lead all the same.
    let decided = |record| {
        let mut lead = upsert("ada");
        lead.record = Some(record);
        lead
    };
    let outcomes = deliver(&client, vec![decided(Known::Record(contact.clone()))]).await;
    assert_eq!(
        outcomes[0],
        Outcome::Delivered {
            record: Some(contact.clone())
        }
    );
    deliver(&client, vec![decided(Known::New)]).await;
    assert_eq!(salesforce.with_email("ada@example.com").len(), 1);

    let (salesforce, client) = organisation("Create").await;
    salesforce.put_contact(&customer());
    deliver(&client, vec![upsert("ada")]).await;
    assert_eq!(salesforce.with_email("ada@example.com").len(), 1);
    assert_eq!(salesforce.contacts()[0].get("FirstName"), "");
}

#[tokio::test]
async fn a_number_that_sales_typed_in_the_national_form_is_found() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let client = client(&SalesforceSink::new(&salesforce));
    for (typed, given) in [("(650) 253-0000", "+16502530000"), ("030 901820", "+4930901820")] {
        let id = salesforce.put(&json!({"LastName": "Typed", "Company": "y", "Phone": typed}));
        let mut lead = upsert("nobody");
        lead.properties.retain(|(name, _)| name != "Email");
        lead.properties.push(("Phone".to_owned(), json!(given)));
        lead.lead = json!({"phone": given, "submissionId": given});
        let outcomes = deliver(&client, vec![lead]).await;
        assert_eq!(outcomes[0], Outcome::Delivered { record: Some(id) }, "{typed}");
    }
    assert_eq!(salesforce.leads().len(), 2);
}

#[tokio::test]
async fn records_are_deleted_by_their_ids_and_nothing_else() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let client = client(&SalesforceSink::new(&salesforce));
    let outcomes = deliver(&client, vec![upsert("ada"), upsert("bob")]).await;
    let ids: Vec<String> = outcomes.iter().map(record_id).collect();

    assert_eq!(client.delete(&ids[0], &Unlimited).await, Ok(()));
    assert!(salesforce.with_email("ada@example.com").is_empty());
    assert_eq!(salesforce.with_email("bob@example.com").len(), 1);
    // What is gone is deleted.
    assert_eq!(client.delete(&ids[0], &Unlimited).await, Ok(()));
    // What is no id is not sent.
    let calls = salesforce.stats().requests;
    for no_id in [
        "",
        "bob@example.com",
        "Lead",
        "../Account/0015g00000AbCdE",
        "00Q/describe_____",
    ] {
        let deletion = client.delete(no_id, &Unlimited).await;
        assert!(
            matches!(deletion, Err(Undone::Failed(_))),
            "{no_id}: {deletion:?}"
        );
    }
    assert_eq!(salesforce.stats().requests, calls);
}

fn record_id(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered { record: Some(id) } => id.clone(),
        other => panic!("{other:?}"),
    }
}
