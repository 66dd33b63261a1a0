//! Manifests and Secrets change while leads come in: nothing restarts, nothing is dropped, and what is wrong is said.

#[path = "../admission/table.rs"]
mod admission_table;
mod check;
mod messages;
mod offline;
mod receivers;
mod rotation;

use std::future::Future;
use std::time::Duration;

use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::signing;
use leadgate_tests::wire::{Answer, exchange, request};
use serde_json::{Value, json};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const SECRET: &str = "reload-s3cret";

/// Waits for something to become true; says what, if it does not.
async fn until<F: Future<Output = bool>>(what: &str, receiver: &Receiver, holds: impl FnMut() -> F) {
    receiver.until(what, PATIENCE, holds).await;
}

async fn post(receiver: &Receiver, webhook: &str, secret: &str, body: &Value) -> Answer {
    let body = body.to_string().into_bytes();
    let signature = signing::generic(secret, &body)[0].1.clone();
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Webhook-Signature", signature.as_str()),
    ];
    let path = format!("/webhooks/default/{webhook}");
    exchange(receiver.address(), request("POST", &path, &headers, &body))
        .await
        .unwrap()
}

fn lead(id: &str) -> Value {
    json!({"email": format!("{id}@example.com"), "firstName": "First", "givenName": "Given", "submissionId": id})
}

/// The problems in `/status`.
async fn problems(receiver: &Receiver) -> Vec<Value> {
    receiver.status().await.unwrap()["problems"]
        .as_array()
        .unwrap()
        .clone()
}

async fn problem_with(receiver: &Receiver, text: &str) -> Value {
    until(text, receiver, || async {
        problems(receiver)
            .await
            .iter()
            .any(|p| p.to_string().contains(text))
    })
    .await;
    problems(receiver)
        .await
        .into_iter()
        .find(|p| p.to_string().contains(text))
        .unwrap()
}

/// A receiver that delivers to a simulator: sink and webhook in files of their own.
async fn start() -> (HubSpot, Receiver) {
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let sink = HubSpotSink::new(hubspot.base_url(), hubspot.token()).yaml();
    let mut options = Options::new(sink);
    options
        .manifests
        .push(("web.yaml".into(), mapped_webhook("web", SECRET)));
    let receiver = Receiver::start(options).await.unwrap();
    (hubspot, receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_mapping_applies_to_the_next_lead() {
    let (hubspot, receiver) = start().await;
    assert_eq!(post(&receiver, "web", SECRET, &lead("before")).await.status, 200);
    let changed = mapped_webhook("web", SECRET).replace("payload.firstName", "payload.givenName");
    receiver.write_manifest("web.yaml", &changed).unwrap();
    let reloads = || async {
        receiver
            .metric("leadgate_config_reloads_total", &[])
            .await
            .unwrap()
    };
    until("the manifests are read again", &receiver, || async {
        reloads().await > 1.0
    })
    .await;
    assert_eq!(post(&receiver, "web", SECRET, &lead("after")).await.status, 200);
    for (email, name) in [("before@example.com", "First"), ("after@example.com", "Given")] {
        until("the lead arrives", &receiver, || async {
            hubspot.contact(email).is_some()
        })
        .await;
        assert_eq!(hubspot.contact(email).unwrap().get("firstname"), name);
    }
}

/// What is broken, how, and what is said about it.
const BROKEN: &[(&str, &str, &str)] = &[
    ("YAML that is none", "spec: [canary-in-yaml", "not valid YAML"),
    ("a tab", "a:\n\tb: canary-in-yaml", "not valid YAML"),
    (
        "no kind",
        "metadata: {name: canary-in-yaml}",
        "apiVersion and kind",
    ),
    (
        "another version",
        "{apiVersion: leadgate.dev/v9, kind: LeadWebhook, metadata: {name: web}}",
        "leadgate.dev/v1alpha1",
    ),
    (
        "an unknown field",
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: web}, spec: {auth: {hmac: {secretRefs: \
         [{name: web, key: hmac}]}}, sinks: [{name: hubspot}], sinkz: canary-in-yaml}}",
        "sinkz",
    ),
    (
        "an expression that does not parse",
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: web}, spec: {auth: {hmac: {secretRefs: \
         [{name: web, key: hmac}]}}, payload: {lead: {email: 'payload.('}}, sinks: [{name: hubspot}]}}",
        "spec.payload.lead.email",
    ),
    (
        "an unknown preset",
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: web}, spec: {source: typefrom, auth: {hmac: \
         {secretRefs: [{name: web, key: hmac}]}}, sinks: [{name: hubspot}]}}",
        "typeform",
    ),
    (
        "a Secret that does not exist",
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: web}, spec: {auth: {hmac: {secretRefs: \
         [{name: nowhere, key: hmac}]}}, sinks: [{name: hubspot}]}}",
        "there is no Secret nowhere with the key hmac in namespace default; add it",
    ),
    (
        "a sink that does not exist",
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: web}, spec: {auth: {hmac: {secretRefs: \
         [{name: kept, key: hmac}]}}, sinks: [{name: hubspott}]}}",
        "there is no CrmSink default/hubspott",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_manifest_leaves_the_old_one_running_and_is_reported_in_status_log_and_metrics() {
    let (_hubspot, receiver) = start().await;
    let good = mapped_webhook("web", SECRET);
    receiver
        .write_manifest(
            "kept.yaml",
            &leadgate_tests::manifests::secret("kept", "hmac", SECRET),
        )
        .unwrap();
    for (n, (what, yaml, said)) in BROKEN.iter().enumerate() {
        // The Secret stays good: it is the webhook that breaks.
        let secret = good.split_once("---").unwrap().1;
        let broken = if n < 3 {
            (*yaml).to_owned()
        } else {
            format!("{yaml}\n---{secret}")
        };
        receiver.write_manifest("web.yaml", &broken).unwrap();
        let problem = problem_with(&receiver, said).await;
        assert_eq!(problem["file"], "web.yaml", "{what}: {problem}");
        if n > 3 {
            assert_eq!(problem["object"], "LeadWebhook default/web", "{what}");
            assert_eq!(problem["previousKept"], true, "{what}: {problem}");
        }
        assert!(
            !problem.to_string().contains("canary-in-yaml"),
            "{what}: {problem}"
        );
        let log = receiver.log();
        let line = log
            .lines()
            .find(|line| line.contains(said) && line.contains("web.yaml"));
        assert!(line.is_some(), "{what} is in the log:\n{}", receiver.log_tail(10));
        assert!(!log.contains("canary-in-yaml") && !log.contains(SECRET), "{what}");
        assert!(receiver.metric("leadgate_config_problems", &[]).await.unwrap() >= 1.0);
        let answer = post(&receiver, "web", SECRET, &lead(&format!("broken-{n}"))).await;
        assert_eq!(answer.status, 200, "{what}: the old one runs: {}", answer.text());

        receiver.write_manifest("web.yaml", &good).unwrap();
        until("the problem is gone", &receiver, || async {
            problems(&receiver).await.is_empty()
                && receiver.metric("leadgate_config_problems", &[]).await.unwrap() == 0.0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_come_and_go_and_one_bad_one_spoils_no_other() {
    let (_hubspot, receiver) = start().await;
    assert_eq!(post(&receiver, "shop", SECRET, &lead("early")).await.status, 404);
    let answers = |webhook: &'static str, status: u16| {
        let receiver = &receiver;
        async move {
            until(&format!("{webhook} answers {status}"), receiver, || async {
                post(receiver, webhook, SECRET, &lead("any")).await.status == status
            })
            .await;
        }
    };
    receiver
        .write_manifest("shop.yaml", &mapped_webhook("shop", SECRET))
        .unwrap();
    answers("shop", 200).await;

    // A bad newcomer: everybody else runs, and its path, like any unknown one, is 503 until it is repaired.
    let bad = mapped_webhook("late", SECRET).replace("source: generic", "source: nobody");
    receiver.write_manifest("late.yaml", &bad).unwrap();
    answers("late", 503).await;
    answers("web", 200).await;
    answers("shop", 200).await;
    receiver
        .write_manifest("late.yaml", &mapped_webhook("late", SECRET))
        .unwrap();
    answers("late", 200).await;

    // The same object in two files.
    receiver
        .write_manifest("zz-again.yaml", &mapped_webhook("shop", "other"))
        .unwrap();
    let problem = problem_with(&receiver, "defined twice").await;
    assert_eq!(
        (&problem["file"], &problem["object"]),
        (&json!("zz-again.yaml"), &json!("LeadWebhook default/shop"))
    );
    std::fs::remove_file(receiver.manifests().join("zz-again.yaml")).unwrap();

    // A newcomer that wants the path of one that runs does not get it, whatever its name.
    let thief =
        mapped_webhook("a-thief", "thief").replace("spec:\n", "spec:\n  path: /webhooks/default/web\n");
    receiver.write_manifest("a-thief.yaml", &thief).unwrap();
    let problem = problem_with(&receiver, "belongs to LeadWebhook").await;
    assert_eq!(problem["object"], "LeadWebhook default/a-thief", "{problem}");
    assert!(
        problem["message"].as_str().unwrap().contains("default/web"),
        "{problem}"
    );
    answers("web", 200).await;
    std::fs::remove_file(receiver.manifests().join("a-thief.yaml")).unwrap();

    std::fs::remove_file(receiver.manifests().join("shop.yaml")).unwrap();
    answers("shop", 404).await;
    answers("web", 200).await;
}

/// The whole folder is gone for a moment: nothing that ran is taken away.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_folder_takes_nothing_away() {
    let (_hubspot, receiver) = start().await;
    let aside = receiver.folder().join("aside");
    std::fs::rename(receiver.manifests(), &aside).unwrap();
    let reloads = receiver
        .metric("leadgate_config_reloads_total", &[])
        .await
        .unwrap();
    std::fs::write(aside.join("unrelated.yaml"), "").unwrap();
    until("the missing folder is noticed", &receiver, || async {
        receiver
            .metric("leadgate_config_reloads_total", &[])
            .await
            .unwrap()
            > reloads
            && !problems(&receiver).await.is_empty()
    })
    .await;
    assert_eq!(
        post(&receiver, "web", SECRET, &lead("meanwhile")).await.status,
        200
    );
}

/// A database beside the manifests, as `leadgate-receiver --manifests .` makes it, is no manifest.
#[tokio::test(flavor = "multi_thread")]
async fn the_queues_own_files_cause_no_reload() {
    let folder = tempfile::tempdir().unwrap();
    let mut reloads = leadgate_receiver::config::watch(&leadgate_receiver::config::Folders {
        manifests: folder.path().to_owned(),
        secrets: None,
        local_addresses: true,
        receiver: None,
    });
    for name in ["leadgate.db", "leadgate.db-wal", "leadgate.db-shm"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let soon = tokio::time::timeout(Duration::from_secs(1), reloads.next()).await;
    assert!(soon.is_err(), "a database is no manifest");
    std::fs::write(folder.path().join("web.yaml"), "").unwrap();
    tokio::time::timeout(PATIENCE, reloads.next()).await.unwrap();
}
