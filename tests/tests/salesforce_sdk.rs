//! jsforce as the referee of the Salesforce simulator: it was written against the real API, not by us.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a test stops at the first broken assumption

use std::path::{Path, PathBuf};
use std::process::Command;

use leadgate_tests::salesforce::{Config, DuplicateRule, FieldSpec, Salesforce};
use leadgate_tests::signing::RsaKey;

/// Runs a command; its output is the message if it fails.
fn run(command: &mut Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| {
        panic!("{program}: {error}. This test needs node 20 or newer with npm: install it, e.g. apt install nodejs npm")
    });
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success(),
        "{program} ended with {}:\n{text}",
        output.status
    );
    text
}

/// A folder with jsforce installed, in the build directory: kept from run to run, gone with `cargo clean`.
/// Its name holds a digest of the lock file, so a new version gets a new folder.
fn sdk(source: &Path) -> PathBuf {
    let lock = std::fs::read(source.join("package-lock.json")).unwrap();
    let digest = hex::encode(&<sha2::Sha256 as sha2::Digest>::digest(&lock)[..8]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("salesforce-sdk-{digest}"));
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
async fn jsforce_understands_the_simulator() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk/salesforce");
    let key = RsaKey::generate();
    let mut config = Config {
        public_key: Some(key.public()),
        duplicate_rule: Some(DuplicateRule::Alert),
        ..Config::default()
    };
    config.custom.push(FieldSpec::text("Loose__c").external(false));
    let salesforce = Salesforce::start(config).await.unwrap();
    let (url, config) = (salesforce.base_url(), salesforce.config().clone());
    let output = tokio::task::spawn_blocking(move || {
        let folder = sdk(&source);
        run(Command::new("node")
            .arg(source.join("referee.js"))
            .arg(url)
            .env("SDK_FOLDER", folder)
            .env("SIM_CLIENT_ID", config.client_id)
            .env("SIM_CLIENT_SECRET", config.client_secret)
            .env("SIM_REFRESH_TOKEN", config.refresh_token)
            .env("SIM_USERNAME", config.username)
            .env("SIM_AUDIENCE", config.audience)
            .env("SIM_PRIVATE_KEY", key.pem()))
    })
    .await
    .unwrap();
    print!("{output}");
    assert_eq!(
        output.lines().filter(|line| line.starts_with("ok ")).count(),
        12,
        "{output}"
    );
    let stats = salesforce.stats();
    assert!(stats.refused_sign_ins >= 1 && stats.expired >= 1, "{stats:?}");
}
