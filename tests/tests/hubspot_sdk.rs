//! HubSpot's official SDK as the referee of the simulator: it was written against the real API, not by us.

use std::path::Path;

use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::sdk;

#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdk_understands_the_simulator() {
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let (url, token) = (hubspot.base_url(), hubspot.token().to_owned());
    let output = tokio::task::spawn_blocking(move || {
        sdk::run(sdk::referee("hubspot", Path::new(env!("CARGO_TARGET_TMPDIR"))).args([url, token]))
    })
    .await
    .unwrap();
    print!("{output}");
    assert_eq!(
        output.lines().filter(|line| line.starts_with("ok ")).count(),
        12,
        "{output}"
    );
    assert!(hubspot.records_per_email().values().all(|records| *records == 1));
}
