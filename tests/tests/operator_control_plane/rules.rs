//! What those may do who write resources: on the API server, with the operator's flags.

use leadgate_operator::kinds::Kind;

use crate::rig::{Rig, eventually};

const KEY: &str = "hmac: 0123456789abcdef";

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_open_the_cluster_reach_no_receiver() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    let files = async || {
        let mut files = rig.files("default").await;
        // The sink is made anew each time.
        files.remove("crmsink.crm.json");
        files
    };
    rig.configured("the pods have it", |files| files.contains_key("secret.web.json"))
        .await;
    // They are written one after another.
    rig.configured("the receivers have everything", |files| {
        let all = [
            "leadreceiver.default.json",
            "crmsink.crm.json",
            "leadwebhook.web.json",
            "secret.web.json",
            "encryption-keys",
            "ledger-keys",
        ];
        all.into_iter().all(|file| files.contains_key(file))
    })
    .await;
    let before = files().await;
    rig.apply(
        "{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: account, annotations: \
         {kubernetes.io/service-account.name: default}}, stringData: {token: t}}",
    )
    .await;
    for (secret, word) in [
        ("leadgate-redis", "reserved for the operator"),
        ("leadgate-admin-default", "reserved for the operator"),
        ("account", "kubernetes.io/service-account-token"),
    ] {
        // By a sink: its own condition says so, and so does that of the webhook that names it.
        rig.apply(&format!(
            "{{apiVersion: leadgate.dev/v1alpha1, kind: CrmSink, metadata: {{name: crm}}, spec: {{hubspot: {{tokenSecretRef: \
             {{name: {secret}, key: token}}, baseUrl: 'https://thief.example'}}}}}}"
        ))
        .await;
        let message = rig.condition("web", "ResolvedRefs", "False SecretReserved").await;
        assert!(
            message.contains(word) && message.contains("CrmSink crm: spec.hubspot.tokenSecretRef"),
            "{message}"
        );
        let message = rig
            .sink_condition("crm", "Accepted", "False SecretReserved")
            .await;
        assert!(message.contains(word), "{message}");
        rig.sink("crm").await;
        rig.condition("web", "ResolvedRefs", "True Resolved").await;
    }
    assert_eq!(files().await, before, "the receivers kept what was right");
    // One that would be made, too: it would stand in for Redis's password.
    rig.apply(
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: gen}, spec: {auth: {hmac: \
         {generateSecret: true, secretRefs: [{name: leadgate-admin-shop, key: hmac}]}}, sinks: [{name: crm}]}}",
    )
    .await;
    rig.condition("gen", "ResolvedRefs", "False SecretReserved").await;
    assert!(
        rig.api(Kind::Secret)
            .get_opt("leadgate-admin-shop")
            .await
            .unwrap()
            .is_none()
    );
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_may_be_demanded_and_what_is_weak_is_told() {
    let rig = Rig::new().await;
    let operator = rig.operator(&["--require-secret-label"]);
    rig.sink("crm").await;
    rig.secret("web", KEY).await;
    rig.webhook("web", "").await;
    let message = rig
        .condition("web", "ResolvedRefs", "False SecretNotLabelled")
        .await;
    assert!(
        message.contains("kubectl label secret web leadgate.dev/use=true"),
        "{message}"
    );
    let secret = |name: &str, data: &str| {
        format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, labels: {{leadgate.dev/use: 'true'}}}}, stringData: \
             {{{data}}}}}"
        )
    };
    rig.apply(&secret("crm-token", "token: t")).await;
    rig.apply(&secret("web", KEY)).await;
    rig.condition("web", "ResolvedRefs", "True Resolved").await;
    rig.apply(&secret("web", "hmac: short")).await;
    let message = rig.condition("web", "ResolvedRefs", "True SecretShort").await;
    assert!(message.contains("fewer than 16 bytes"), "{message}");
    rig.apply(&secret("web", "hmac: put-your-key-here")).await;
    rig.condition("web", "ResolvedRefs", "False SecretPlaceholder")
        .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edges_are_made_as_the_operator_allows() {
    let rig = Rig::new().await;
    let edge = ", ingress: {host: leads.example.com, annotations: {cert-manager.io/issuer: a, \
        nginx.ingress.kubernetes.io/server-snippet: b}}";
    let operator = rig.operator(&["--allowed-hosts", "leads.example.com"]);
    rig.working("web").await;
    rig.webhook("web", edge).await;
    let message = rig
        .condition("web", "Accepted", "True AnnotationsNotCopied")
        .await;
    assert!(message.contains("ingress.allowedAnnotations"), "{message}");
    let annotations = async || {
        let ingress = rig.present(Kind::Ingress, "leadgate-webhook-web").await;
        ingress
            .metadata
            .annotations
            .unwrap_or_default()
            .into_keys()
            .filter(|name| !name.starts_with("leadgate.dev/"))
            .collect::<Vec<_>>()
    };
    assert!(annotations().await.is_empty());
    rig.webhook("web", &edge.replace("leads.example", "bank.example"))
        .await;
    rig.condition("web", "Accepted", "False HostNotAllowed").await;
    let ingress = rig.present(Kind::Ingress, "leadgate-webhook-web").await;
    assert_eq!(ingress.data["spec"]["rules"][0]["host"], "leads.example.com");
    rig.webhook("web", ", path: /webhooks/another-namespace/web")
        .await;
    rig.condition("web", "Accepted", "False PathNotAllowed").await;
    operator.stop().await.unwrap();

    let operator = rig.operator(&["--allowed-ingress-annotations", "cert-manager.io/"]);
    rig.webhook("web", edge).await;
    eventually("one is copied", async || {
        let copied = annotations().await;
        (copied == ["cert-manager.io/issuer"])
            .then_some(())
            .ok_or(format!("{copied:?}"))
    })
    .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}
