//! What a sink learns before its first lead.

use std::time::Duration;

use leadgate_tests::manifests::SalesforceSink;
use leadgate_tests::salesforce::{Config, Salesforce};

use super::{Unlimited, client};

const PROPERTIES: [&str; 3] = ["Email", "LastName", "Company"];

#[tokio::test]
async fn a_good_sink_is_reachable_signs_in_and_has_no_problem() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let found = client(&SalesforceSink::new(&salesforce))
        .preflight(&PROPERTIES, &[], &Unlimited)
        .await;
    assert_eq!((found.reachable, found.credentials), (Some(Ok(())), Some(Ok(()))));
    assert_eq!(found.problems, Vec::<String>::new());
    assert_eq!(salesforce.stats().writes, 0);
}

#[tokio::test]
async fn unknown_and_read_only_fields_objects_and_external_ids_are_named() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let mut sink = SalesforceSink::new(&salesforce);
    sink.external_id = "{field: Topics__c}".into();
    let found = client(&sink)
        .preflight(
            &["Email", "LastName", "Company", "Shoe__c", "CreatedDate"],
            &[],
            &Unlimited,
        )
        .await;
    for part in [
        "properties.Shoe__c",
        "properties.CreatedDate",
        "externalId.field: Lead.Topics__c is not marked \"External ID\"",
    ] {
        assert!(
            found.problems.iter().any(|problem| problem.contains(part)),
            "{part}: {found:?}"
        );
    }
    assert_eq!(found.problems.len(), 4, "{found:?}");
    sink.more = "object: Unicorn".into();
    let found = client(&sink).preflight(&PROPERTIES, &[], &Unlimited).await;
    assert!(
        found.problems[0].starts_with("salesforce.object: Salesforce has no object Unicorn"),
        "{found:?}"
    );
}

#[tokio::test]
async fn wrong_credentials_and_a_closed_door_are_told_apart() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let mut sink = SalesforceSink::new(&salesforce);
    sink.secret[1].1 = "wrong".into();
    let found = client(&sink).preflight(&PROPERTIES, &[], &Unlimited).await;
    assert_eq!(found.reachable, Some(Ok(())));
    let why = found.credentials.unwrap().unwrap_err();
    assert!(
        why.reason == "InvalidCredentials" && why.message.contains("consumer key"),
        "{why:?}"
    );

    salesforce.down_for(Duration::from_mins(1));
    let found = client(&SalesforceSink::new(&salesforce))
        .preflight(&PROPERTIES, &[], &Unlimited)
        .await;
    assert!(found.reachable.unwrap().is_err() && found.credentials.is_none());
}
