//! The console in a real Chromium. `UPDATE=1` writes the screenshots of the documentation.

use std::path::Path;

use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::rig::Rig;
use leadgate_tests::sdk;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_and_works_with_and_without_javascript() {
    let rig = Rig::with(|sink| {
        sink.properties = "    email: lead.email\n    no_such_property: lead.firstName".into();
        sink.delivery = sink.delivery.replacen('{', "{onRefusedProperty: Dead, ", 1);
    })
    .await;
    let mut ids = Vec::new();
    for name in ["ada", "bea", "cleo", "dora"] {
        ids.push(rig.lead(name).await);
    }
    let refused = rig
        .post(&json!({"email": "not-an-address", "firstName": "Eve", "submissionId": "eve"}))
        .await;
    assert_eq!(refused.status, 400);
    rig.dead_letter_count("dead", 4).await;
    rig.dead_letter_count("rejected", 1).await;
    let rejected = rig.dead_letters("rejected").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let url = format!("http://{}/console", rig.receiver.admin_address());
    // A receiver that asks for a token
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "right-token").unwrap();
    let mut options = Options::new("");
    options.arguments = vec!["--admin-token-file".into(), token.display().to_string()];
    let guarded = Receiver::start(options).await.unwrap();
    let sign_in = format!("http://{}/console", guarded.admin_address());
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
    let shots = match std::env::var_os("UPDATE") {
        Some(_) => images.display().to_string(),
        None => String::new(),
    };
    let output = tokio::task::spawn_blocking(move || {
        let words = [url, ids.remove(0), rejected, sign_in, shots];
        sdk::run(sdk::referee("console", Path::new(env!("CARGO_TARGET_TMPDIR"))).args(words))
    })
    .await
    .unwrap();
    print!("{output}");
    assert!(
        output.lines().filter(|line| line.starts_with("ok ")).count() >= 60,
        "{output}"
    );
    assert_eq!(rig.dead_letters("dead").await.len(), 0);
}
