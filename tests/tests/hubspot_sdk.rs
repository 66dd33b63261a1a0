//! HubSpot's official SDK as the referee of the simulator: it was written against the real API, not by us.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a test stops at the first broken assumption

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use leadgate_tests::hubspot::{Config, HubSpot};

/// Runs a command; its output is the message if it fails.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}. This test needs node 20 or newer with npm: install it, e.g. apt install nodejs npm")
    });
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{text}",
        output.status
    );
    text
}

/// A folder with the SDK installed, in the build directory: kept from run to run, gone with `cargo clean`.
/// Its name holds a digest of the lock file, so a new version of the SDK gets a new folder.
fn sdk(source: &Path) -> PathBuf {
    let lock = std::fs::read(source.join("package-lock.json")).unwrap();
    let digest = hex::encode(&<sha2::Sha256 as sha2::Digest>::digest(&lock)[..8]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hubspot-sdk-{digest}"));
    if folder.join("complete").exists() {
        return folder;
    }
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    run(Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder));
    std::fs::write(folder.join("complete"), "").unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdk_understands_the_simulator() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk/hubspot");
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let (url, token) = (hubspot.base_url(), hubspot.token().to_owned());
    let output = tokio::task::spawn_blocking(move || {
        let folder = sdk(&source);
        run(Command::new("node")
            .arg(source.join("referee.js"))
            .args([url, token])
            .env("SDK_FOLDER", folder))
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
