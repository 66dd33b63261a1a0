//! A few rounds of the crash test; `make soak` runs a hundred of each queue kind.

use leadgate_tests::soak::{Plan, QueueKind, run};

async fn six_rounds(queue: QueueKind) {
    let report = run(Plan::new(queue, 6, 20_261_123))
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    println!("{report}");
    assert!(report.acknowledged > 100, "hardly any load: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_loses_doubles_or_reorders_a_lead_on_sqlite() {
    six_rounds(QueueKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_loses_doubles_or_reorders_a_lead_on_redis() {
    six_rounds(QueueKind::Redis).await;
}
