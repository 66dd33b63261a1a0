//! The document of `/api/v1`, checked by tools that know nothing of Leadgate.

use std::path::Path;

use leadgate_tests::rig::Rig;
use leadgate_tests::sdk;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_made_from_the_document_works() {
    let rig = Rig::start().await;
    rig.lead("ada").await;
    rig.arrived("ada").await;
    let url = format!("http://{}", rig.receiver.admin_address());
    let output = tokio::task::spawn_blocking(move || {
        sdk::run(sdk::referee("api", Path::new(env!("CARGO_TARGET_TMPDIR"))).arg(url))
    })
    .await
    .unwrap();
    print!("{output}");
    assert_eq!(
        output.lines().filter(|line| line.starts_with("ok ")).count(),
        6,
        "{output}"
    );
}
