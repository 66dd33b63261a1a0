//! Four receivers, one CRM, resends, racing copies, lost answers: one record a person, the last lead in it, for each kind of
//! sink. The full size (20,000 leads) is `make soak`.

use std::time::Duration;

use leadgate_tests::fleet::{Report, TOKEN, run};
use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::rest_crms::{Crm, Pipedrive};
use leadgate_tests::salesforce::{self, Salesforce};

const LEADS: usize = 1500;

fn was_busy(report: &Report) {
    assert!(report.leads == LEADS && report.copies > LEADS / 40, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hubspot_has_one_record_a_person_and_the_last_lead_in_it() {
    // Half of what it asks to wait: requests of four receivers are on their way for that long where processors are few.
    let config = Config {
        retry_after_grace: Duration::from_millis(500),
        ..Config::default()
    };
    let hubspot = HubSpot::start(config).await.unwrap();
    let report = run(&hubspot, LEADS, false)
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    was_busy(&report);
    let stats = hubspot.stats();
    assert_eq!(
        (stats.before_retry_after, stats.concurrent_writes),
        (0, 0),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn salesforce_has_one_record_a_person_and_the_last_lead_in_it() {
    let salesforce = Salesforce::start(salesforce::Config::default()).await.unwrap();
    let report = run(&salesforce, LEADS, false)
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    was_busy(&report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_crm_that_makes_duplicates_unasked_has_one_record_a_person_and_the_last_lead_in_it() {
    let crm = Crm::start(Box::new(Pipedrive::new(TOKEN))).await;
    let report = run(&crm, LEADS, false)
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    was_busy(&report);
}
