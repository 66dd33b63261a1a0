//! jsforce as the referee of the Salesforce simulator: it was written against the real API, not by us.

use std::path::Path;

use leadgate_tests::salesforce::{Config, DuplicateRule, FieldSpec, Salesforce};
use leadgate_tests::sdk;
use leadgate_tests::signing::RsaKey;

#[tokio::test(flavor = "multi_thread")]
async fn jsforce_understands_the_simulator() {
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
        sdk::run(
            sdk::referee("salesforce", Path::new(env!("CARGO_TARGET_TMPDIR")))
                .arg(url)
                .env("SIM_CLIENT_ID", config.client_id)
                .env("SIM_CLIENT_SECRET", config.client_secret)
                .env("SIM_REFRESH_TOKEN", config.refresh_token)
                .env("SIM_USERNAME", config.username)
                .env("SIM_AUDIENCE", config.audience)
                .env("SIM_PRIVATE_KEY", key.pem()),
        )
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
