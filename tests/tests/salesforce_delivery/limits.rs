//! What stands in a batch's way: limits of triggers, calls that are refused as a whole, pages of something in between.

use std::time::Duration;

use leadgate_receiver::crm::Outcome;
use leadgate_tests::manifests::SalesforceSink;
use leadgate_tests::salesforce::{Config, Fault, Salesforce};
use serde_json::json;

use super::{client, deliver, one, upsert};

fn batch(from: usize, count: usize) -> Vec<leadgate_receiver::crm::Upsert> {
    (from..from + count)
        .map(|n| upsert(&format!("limit{n}")))
        .collect()
}

fn delivered(outcomes: &[Outcome]) -> usize {
    outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Delivered { .. }))
        .count()
}

#[tokio::test]
async fn leads_that_exceed_a_triggers_limits_together_go_in_smaller_calls_which_are_remembered() {
    let salesforce = Salesforce::start(Config {
        trigger_limit: Some(20),
        ..Config::default()
    })
    .await
    .unwrap();
    let client = client(&SalesforceSink::new(&salesforce));
    assert_eq!(delivered(&deliver(&client, batch(0, 40)).await), 40);
    assert_eq!(salesforce.stats().collections, [40, 20, 20]);
    // The next ones begin with what works.
    assert_eq!(delivered(&deliver(&client, batch(100, 60)).await), 60);
    assert_eq!(salesforce.stats().collections[3..], [20, 20, 20]);
    assert_eq!(salesforce.stats().leads, 100);
}

#[tokio::test]
async fn a_lead_that_a_trigger_refuses_by_itself_is_dead_alone() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let client = client(&SalesforceSink::new(&salesforce));
    // The query, then the first of the collection, and once more alone.
    let refused = || Fault::Item {
        code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY".into(),
    };
    salesforce.script([
        Fault::None,
        refused(),
        Fault::error(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"),
    ]);
    let outcomes = deliver(&client, batch(0, 5)).await;
    assert!(
        matches!(&outcomes[0], Outcome::Reject(why) if why.reason == "AutomationFailed"),
        "{outcomes:?}"
    );
    assert_eq!(delivered(&outcomes), 4);
}

#[tokio::test]
async fn where_there_are_no_collections_each_lead_goes_alone_and_the_sink_says_so() {
    let salesforce = Salesforce::start(Config {
        collections: false,
        ..Config::default()
    })
    .await
    .unwrap();
    let client = client(&SalesforceSink::new(&salesforce));
    assert_eq!(delivered(&deliver(&client, batch(0, 6)).await), 6);
    let notice = client.notice().unwrap();
    assert_eq!(notice.reason, "BatchRefused");
    assert!(
        notice
            .message
            .starts_with("Salesforce takes no calls with several leads"),
        "{notice:?}"
    );
    // It is not asked again for each batch.
    let before = salesforce.stats().requests["PATCH composite/sobjects/{field} 404"];
    assert_eq!(delivered(&deliver(&client, batch(10, 6)).await), 6);
    assert_eq!(
        salesforce.stats().requests["PATCH composite/sobjects/{field} 404"],
        before
    );
    assert_eq!(salesforce.stats().leads, 12);
}

#[tokio::test]
async fn a_firewall_that_dislikes_one_lead_stops_only_that_one() {
    let salesforce = Salesforce::start(Config {
        blocks: Some("<script".into()),
        ..Config::default()
    })
    .await
    .unwrap();
    let client = client(&SalesforceSink::new(&salesforce));
    let mut leads = batch(0, 9);
    leads[4]
        .properties
        .push(("Description".to_owned(), json!("see <script>x</script>")));
    let outcomes = deliver(&client, leads).await;
    assert_eq!(delivered(&outcomes), 8, "{outcomes:?}");
    assert!(
        matches!(&outcomes[4], Outcome::Suspect { why, own: false, .. } if why.reason == "ForeignAnswer"),
        "{outcomes:?}"
    );
    // Batches are not given up for it.
    assert_eq!(delivered(&deliver(&client, batch(20, 5)).await), 5);
    assert_eq!(salesforce.stats().collections.last(), Some(&5));
}

#[tokio::test]
async fn a_page_for_everybody_is_found_out_with_a_few_calls() {
    let salesforce = Salesforce::start(Config::default()).await.unwrap();
    let client = client(&SalesforceSink::new(&salesforce));
    let blocked = (0..60).map(|_| Fault::Page { status: 403 });
    salesforce.script(std::iter::once(Fault::None).chain(blocked));
    let outcomes = deliver(&client, batch(0, 100)).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Suspect { own: false, .. })),
        "{outcomes:?}"
    );
    assert!(salesforce.stats().requests_total < 15, "{:?}", salesforce.stats());
}

#[tokio::test]
async fn a_page_in_place_of_a_record_is_no_delivery_and_makes_no_second_record() {
    for external_id in [true, false] {
        let salesforce = Salesforce::start(Config::default()).await.unwrap();
        let mut sink = SalesforceSink::new(&salesforce);
        if !external_id {
            sink.external_id = String::new();
        }
        let client = client(&sink);
        salesforce.script([Fault::None, Fault::Page { status: 200 }]);
        let mut leads = batch(0, 1);
        let outcomes = deliver(&client, leads.clone()).await;
        assert!(
            matches!(&outcomes[0], Outcome::Retry { why, in_doubt: true, .. } if why.reason == "ForeignAnswer"),
            "{outcomes:?}"
        );
        // The next attempt knows that it may be there.
        leads[0].in_doubt = Some(Duration::ZERO);
        assert_eq!(delivered(&deliver(&client, leads).await), 1);
        one(&salesforce, "limit0@example.com");
        // A query answered so finds nobody, and nobody is made.
        salesforce.script([Fault::Page { status: 200 }]);
        let outcomes = deliver(&client, batch(1, 1)).await;
        assert!(
            matches!(&outcomes[0], Outcome::Retry { in_doubt: false, .. }),
            "{outcomes:?}"
        );
        assert_eq!(salesforce.stats().leads, 1);
    }
}
