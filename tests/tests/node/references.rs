//! What a webhook names may come later: the status says what is missing, and it works as soon as that is there.

use leadgate_tests::node::node;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn a_missing_sink_is_named_and_may_come_later() {
    let stage = node().await.unwrap().stage("sink").await.unwrap();
    stage.secrets().unwrap();
    stage.apply(&stage.webhook("")).unwrap();
    let message = stage
        .says("leadwebhook/website", "ResolvedRefs", "False SinkMissing")
        .await
        .unwrap();
    assert!(message.contains("hubspot"), "{message}");
    stage.apply(&stage.sink().unwrap()).unwrap();
    stage.ready().unwrap();
    stage.reachable().await.unwrap();
    stage.lead("ada@example.com").await.unwrap();
    stage.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn a_missing_secret_is_named_and_may_come_later() {
    let stage = node().await.unwrap().stage("secret").await.unwrap();
    stage.apply(&stage.token_secret()).unwrap();
    stage
        .apply(&format!("{}---\n{}", stage.sink().unwrap(), stage.webhook("")))
        .unwrap();
    let message = stage
        .says("leadwebhook/website", "ResolvedRefs", "False SecretMissing")
        .await
        .unwrap();
    assert!(message.contains("website"), "{message}");
    // Without one of the keys it is still not complete, and the message says so.
    stage
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: website}, stringData: {hmac: the-first-key-of-senders}}")
        .unwrap();
    let message = stage
        .says("leadwebhook/website", "ResolvedRefs", "False SecretKeyMissing")
        .await
        .unwrap();
    assert!(message.contains("hmac-previous"), "{message}");
    stage.secrets().unwrap();
    stage.ready().unwrap();
    stage.reachable().await.unwrap();
    stage.lead("ada@example.com").await.unwrap();
    stage.end().unwrap();
}
