//! Redis with Sentinel: servers fail, and no acknowledged lead is lost; `make soak` causes more faults.
#![allow(clippy::wildcard_imports)]

mod access;
mod cluster;
mod managed;
mod replicas;
mod tls;

use leadgate_tests::failover::{Fault, Plan, run};
use leadgate_tests::sentinel::Sentinel;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_fault_of_a_server_loses_or_reorders_an_acknowledged_lead() {
    let report = run::<Sentinel>(Plan::new(&Fault::ALL, 8, 20_261_126))
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    println!("{report}");
    assert!(report.acknowledged > 500, "hardly any load: {report}");
}
