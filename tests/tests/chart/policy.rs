//! The ValidatingAdmissionPolicies, of allowed hosts and of warnings, on a real API server.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use axum::http::Method;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, PostParams},
};
use leadgate_tests::cluster::{Answer, call, client, install_crds};
use serde_json::{Value, json};

use crate::render::{inventory, named, of_kind, template};

const JSON: &str = "application/json";

/// A CrmSink or LeadWebhook of this specification in YAML.
fn object(kind: &str, spec: &str) -> Value {
    let spec: Value = serde_saphyr::from_str(spec).unwrap();
    json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec})
}

async fn create(client: &Client, namespace: &str, kind: &str, spec: &str) -> Answer {
    let plural = format!("{}s", kind.to_lowercase());
    let path = format!("/apis/leadgate.dev/v1alpha1/namespaces/{namespace}/{plural}?dryRun=All");
    let content = (JSON, &object(kind, spec));
    call(client, Method::POST, &path, JSON, Some(content))
        .await
        .unwrap()
}

async fn dry_run(client: &Client, namespace: &str, kind: &str, spec: &str) -> (u16, String) {
    let answer = create(client, namespace, kind, spec).await;
    let message = answer.body["message"].as_str().unwrap_or_default().to_owned();
    (answer.status, message)
}

const POLICIES: [(&str, &str); 2] = [
    ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
    (
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
    ),
];

/// Creates the policy and binding of this name; gives their paths.
async fn install(client: &Client, objects: &[Value], name: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (kind, plural) in POLICIES {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}");
        let content = (JSON, named(objects, kind, name));
        let strict = format!("{path}?fieldValidation=Strict");
        let answer = call(client, Method::POST, &strict, JSON, Some(content))
            .await
            .unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body["message"]);
        assert_eq!(answer.warnings, Vec::<String>::new());
        paths.push(format!("{path}/{name}"));
    }
    paths
}

const HUBSPOT: &str = "{hubspot: {tokenSecretRef: {name: t, key: t}, baseUrl: URL}}";
const SALESFORCE: &str = "{salesforce: {instanceUrl: URL, object: Lead, auth: {jwtBearer: {username: a@example.com, \
    clientId: {name: t, key: t}, privateKey: {name: t, key: t}, loginUrl: LOGIN}}}}";
const REST: &str = "{rest: {baseUrl: URL, auth: {oauth2ClientCredentials: {tokenUrl: LOGIN, clientId: {name: t, key: t}, \
    clientSecret: {name: t, key: t}}}, upsert: {method: PUT, path: \"'/x'\", body: \"{'a': 1}\"}}}";
const WEBHOOK: &str = "{source: meta, auth: {hmac: {secretRefs: [{name: t, key: t}]}}, sinks: [{name: crm}], \
    payload: {hydrate: {tokenSecretRef: {name: t, key: t}HYDRATE}}}";

#[test]
fn there_is_none_unless_hosts_are_given() {
    let has = |objects: &[Value]| {
        POLICIES.map(|(kind, _)| inventory(objects).contains(&format!("{kind} leadgate-operator-hosts")))
    };
    assert_eq!(has(&template(&[]).unwrap()), [false; 2]);
    let objects = template(&[r#"outgoing.allowedHosts=["api.hubapi.com"]"#]).unwrap();
    assert_eq!(has(&objects), [true; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_go_to_allowed_hosts_only() {
    let client = client().await.unwrap();
    install_crds(&client).await.unwrap();
    let made = serde_json::from_value(json!({"metadata": {"generateName": "leadgate-policy-"}})).unwrap();
    let namespaces = Api::<Namespace>::all(client.clone());
    let namespace = namespaces
        .create(&PostParams::default(), &made)
        .await
        .unwrap()
        .name_any();
    let objects = template(&[
        r#"outgoing.allowedHosts=["api.hubapi.com","*.my.salesforce.com","login.salesforce.com","crm.example.com"]"#,
        &format!(r#"watchNamespaces=["{namespace}"]"#),
        &format!(r#"fullnameOverride="{namespace}""#),
    ])
    .unwrap();
    let paths = install(&client, &objects, &format!("{namespace}-hosts-leadgate-system")).await;
    // The API server takes up a policy some time after it was made.
    let evil = HUBSPOT.replace("URL", "https://evil.example");
    let deadline = Instant::now() + Duration::from_mins(1);
    while dry_run(&client, &namespace, "CrmSink", &evil).await.0 != 403 {
        assert!(Instant::now() < deadline, "the policy is not enforced");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    let salesforce = |url: &str, login: &str| SALESFORCE.replace("URL", url).replace("LOGIN", login);
    let rest = |url: &str, token: &str| REST.replace("URL", url).replace("LOGIN", token);
    let (acme, login) = ("https://acme.my.salesforce.com", "https://login.salesforce.com");
    let crm = "https://crm.example.com/api";
    #[rustfmt::skip]
    let table = [
        ("CrmSink", HUBSPOT.replace(", baseUrl: URL", ""), ""),
        ("CrmSink", HUBSPOT.replace("URL", "https://api.hubapi.com"), ""),
        ("CrmSink", HUBSPOT.replace("URL", "https://API.hubapi.com:443/x"), ""),
        ("CrmSink", HUBSPOT.replace("URL", "https://api.hubapi.com.evil.example"), "api.hubapi.com.evil.example"),
        ("CrmSink", HUBSPOT.replace("URL", "http://localhost:9090"), "localhost"),
        ("CrmSink", HUBSPOT.replace("URL", r"'https://evil.example\.api.hubapi.com'"), "(not plain)"),
        ("CrmSink", HUBSPOT.replace("URL", "'https://evil.example%2f.api.hubapi.com'"), "(not plain)"),
        ("CrmSink", HUBSPOT.replace("URL", "'https://[2001:db8::1]'"), "2001:db8::1"),
        ("CrmSink", salesforce(acme, login), ""),
        ("CrmSink", salesforce("https://my.salesforce.com", login), "my.salesforce.com"),
        ("CrmSink", salesforce("https://evilmy.salesforce.com", login), "evilmy.salesforce.com"),
        ("CrmSink", salesforce(acme, "https://evil.example"), "evil.example"),
        ("CrmSink", rest(crm, crm), ""),
        ("CrmSink", rest("https://evil.example", crm), "evil.example"),
        ("CrmSink", rest(crm, "https://evil.example"), "evil.example"),
        ("LeadWebhook", WEBHOOK.replace("HYDRATE", ""), ""),
        ("LeadWebhook", WEBHOOK.replace("HYDRATE", ", baseUrl: 'https://crm.example.com'"), ""),
        ("LeadWebhook", WEBHOOK.replace("HYDRATE", ", baseUrl: 'https://evil.example'"), "evil.example"),
    ];
    for (kind, spec, refused) in table {
        let (status, message) = dry_run(&client, &namespace, kind, &spec).await;
        if refused.is_empty() {
            assert_eq!(status, 201, "{spec}: {message}");
        } else {
            assert_eq!(status, 403, "{spec}: {message}");
            for word in [refused, "outgoing.allowedHosts"] {
                assert!(message.contains(word), "{word} is not in: {message}");
            }
        }
    }
    // Elsewhere it says nothing.
    assert_eq!(dry_run(&client, "default", "CrmSink", &evil).await.0, 201);
    for path in paths {
        call(&client, Method::DELETE, &path, JSON, None).await.unwrap();
    }
    namespaces
        .delete(&namespace, &DeleteParams::default())
        .await
        .unwrap();
}

#[test]
fn warnings_are_the_whole_clusters() {
    for values in [
        &["admissionWarnings.enabled=false"][..],
        &[r#"watchNamespaces=["sales"]"#],
    ] {
        assert!(of_kind(&template(values).unwrap(), "ValidatingAdmissionPolicy").is_empty());
    }
    let names: Vec<&str> = include_str!("../../../charts/leadgate/files/presets.txt")
        .lines()
        .collect();
    let known: BTreeSet<&str> = leadgate_receiver::source::preset::names()
        .filter(|name| *name != "generic")
        .collect();
    assert!(
        names.iter().copied().filter(|name| *name != "generic").eq(known),
        "files/presets.txt is out of step; run: make generate"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_do_what_it_says_is_warned_of() {
    let client = client().await.unwrap();
    install_crds(&client).await.unwrap();
    let name = "leadgate-policy-test";
    let objects = template(&[&format!(r#"fullnameOverride="{name}""#)]).unwrap();
    let paths = install(&client, &objects, &format!("{name}-warnings")).await;
    let webhook = |more: &str| {
        format!("{{auth: {{hmac: {{secretRefs: [{{name: t, key: t}}]}}}}, sinks: [{{name: crm}}]{more}}}")
    };
    let ingress = |annotation: &str| {
        webhook(&format!(
            ", ingress: {{host: leads.example.com, annotations: {{{annotation}: x}}}}"
        ))
    };
    let scaled = "autoscaling: {minReplicas: 1, maxReplicas: 3}";
    #[rustfmt::skip]
    let table = [
        ("LeadWebhook", webhook(", source: typefrom"), "named typefrom; use generic, or one of acuity,"),
        ("LeadWebhook", webhook(", source: typeform"), ""),
        ("LeadWebhook", webhook(", source: generic"), ""),
        ("LeadWebhook", webhook(""), ""),
        ("LeadWebhook", ingress("nginx.ingress.kubernetes.io/server-snippet"), "nginx.ingress.kubernetes.io/server-snippet configures"),
        ("LeadWebhook", ingress("cert-manager.io/issuer"), ""),
        ("LeadReceiver", format!("{{{scaled}, resources: {{requests: {{memory: 64Mi}}}}}}"), "set spec.resources.requests.cpu"),
        ("LeadReceiver", format!("{{{scaled}, resources: {{}}}}"), "set spec.resources.requests.cpu"),
        ("LeadReceiver", format!("{{{scaled}, resources: {{limits: {{cpu: 1}}}}}}"), ""),
        ("LeadReceiver", format!("{{{scaled}, resources: {{requests: {{cpu: 100m}}}}}}"), ""),
        // The operator's defaults have a request.
        ("LeadReceiver", format!("{{{scaled}}}"), ""),
        ("LeadReceiver", "{resources: {}}".to_owned(), ""),
    ];
    // The API server takes up a policy some time after it was made.
    let deadline = Instant::now() + Duration::from_mins(1);
    while create(&client, "default", table[0].0, &table[0].1)
        .await
        .warnings
        .is_empty()
    {
        assert!(Instant::now() < deadline, "the policy does not warn");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for (kind, spec, warning) in table {
        let answer = create(&client, "default", kind, &spec).await;
        assert_eq!(answer.status, 201, "{spec}: {}", answer.body);
        let said = answer.warnings.join("\n");
        assert!(
            said.contains(warning) && said.is_empty() == warning.is_empty(),
            "{spec}: {said}"
        );
    }
    for path in paths {
        call(&client, Method::DELETE, &path, JSON, None).await.unwrap();
    }
}
