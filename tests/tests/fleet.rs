//! Four receivers, one CRM, resends, racing copies, lost answers: one record a person, the last lead in it. The full
//! size (20,000 leads) is `make soak`.
#![allow(clippy::unwrap_used, clippy::panic)] // a test stops at the first broken assumption

use leadgate_tests::fleet::run;
use leadgate_tests::hubspot::{Config, HubSpot};

const LEADS: usize = 1500;

#[tokio::test(flavor = "multi_thread")]
async fn hubspot_has_one_record_a_person_and_the_last_lead_in_it() {
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let report = run(&hubspot, LEADS, false).await.unwrap();
    assert!(report.copies > LEADS / 40, "{report:?}");
    let stats = hubspot.stats();
    assert_eq!(
        (stats.before_retry_after, stats.concurrent_writes),
        (0, 0),
        "{report:?}"
    );
}
