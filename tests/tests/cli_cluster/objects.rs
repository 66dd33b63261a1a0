//! What commands make of objects.

use serde_json::{Value, json};

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_what_is_wrong_first() {
    let stage = Stage::populated().await;
    stage
        .webhook("zebra", "False", "SecretMissing", "create Secret proof")
        .await;
    let tree = stage.run(&["status"]).await;
    assert_eq!(tree.code, 3, "{tree:?}");
    let at = |name: &str| {
        tree.stdout
            .find(name)
            .unwrap_or_else(|| panic!("{name}: {tree:?}"))
    };
    assert!(
        at("LeadReceiver default") < at("LeadWebhook zebra")
            && at("LeadWebhook zebra") < at("LeadWebhook web")
    );
    assert!(
        tree.stdout.contains("SecretMissing") && tree.stdout.contains("create Secret proof"),
        "{tree:?}"
    );
    let names = stage.run(&["status", "-o", "name"]).await;
    assert!(
        names.stdout.contains("leadwebhook.leadgate.dev/zebra\n"),
        "{names:?}"
    );
    let json: Value = serde_json::from_str(&stage.run(&["status", "-o", "json"]).await.stdout).unwrap();
    assert_eq!(json["items"][0]["kind"], "Namespace");
    let sinks = stage.run(&["sinks", "list"]).await;
    assert!(sinks.code == 0 && sinks.stdout.contains("crm"), "{sinks:?}");
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_what_is_missing_and_waits_for_it() {
    let stage = Stage::populated().await;
    let short = stage.run(&["check", "-o", "short"]).await;
    assert_eq!(short.code, 3, "{short:?}");
    // The operator's account has no rights, nobody holds the Lease, and no operator has seen the sink.
    for wrong in [
        "operator permissions",
        "operator lease",
        &format!("CrmSink {}/crm", stage.namespace),
    ] {
        assert!(short.stdout.contains(wrong), "{wrong}: {short:?}");
    }
    let all: Value = serde_json::from_str(&stage.run(&["check", "-o", "json"]).await.stdout).unwrap();
    let result = |check: &str| {
        let found = all["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["check"].as_str().unwrap().starts_with(check));
        found.unwrap_or_else(|| panic!("{check}: {all}"))["reason"].clone()
    };
    assert_eq!(result("API server"), "OK");
    assert_eq!(result("definition leadwebhooks.leadgate.dev"), "OK");
    assert_eq!(result("operator leadgate-operator"), "OK");
    assert_eq!(result("LeadWebhooks"), "OK");
    let began = std::time::Instant::now();
    let waited = stage.run(&["check", "--wait", "1s"]).await;
    assert!(waited.code == 3 && began.elapsed().as_secs() >= 1, "{waited:?}");
    let elsewhere = stage.run(&["check", "--operator-namespace", "nowhere"]).await;
    assert_eq!(elsewhere.code, 2, "an option is given once: {elsewhere:?}");
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_those_of_leadgates_objects() {
    let stage = Stage::populated().await;
    for (kind, version, name) in [
        ("LeadWebhook", "leadgate.dev/v1alpha1", "web"),
        ("Pod", "v1", "other"),
    ] {
        stage.apply(&stage.namespace, json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "type": "Warning",
            "reason": "SecretMissing", "message": format!("about {name}"), "lastTimestamp": "2026-11-01T00:00:00Z",
            "involvedObject": {"apiVersion": version, "kind": kind, "namespace": stage.namespace, "name": name}})).await;
    }
    let events = stage.run(&["events"]).await;
    assert!(
        events.code == 0 && events.stdout.contains("about web") && !events.stdout.contains("about other"),
        "{events:?}"
    );
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_of_both_sides() {
    let stage = Stage::populated().await;
    let versions: Value = serde_json::from_str(&stage.run(&["version", "-o", "json"]).await.stdout).unwrap();
    assert_eq!(
        versions,
        json!({"client": env!("CARGO_PKG_VERSION"), "operator": env!("CARGO_PKG_VERSION")})
    );
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_a_cluster_has_neither_secrets_nor_persons() {
    let stage = Stage::populated().await;
    stage.apply(&stage.namespace, json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "CrmSink",
        "metadata": {"name": "crm", "annotations": {"owner": "ada.lovelace@example.com", "call": "+49 30 1234567"}},
        "spec": {"hubspot": {"tokenSecretRef": {"name": "crm", "key": "token"}}}})).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.zip");
    let ran = stage.run(&["report", "-f", path.to_str().unwrap()]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let files = leadgate_tests::zip::read(&path);
    for name in [
        "versions.yaml",
        "check.yaml",
        "objects/crmsinks.yaml",
        "receivers/pods.yaml",
        "operator/deployments.yaml",
        "missing.txt",
    ] {
        assert!(files.contains_key(name), "{name}: {:?}", files.keys());
    }
    assert!(files["objects/crmsinks.yaml"].contains("tokenSecretRef"));
    // What no kubelet can tell is not left out silently.
    assert!(
        files["missing.txt"].contains("status.yaml: cannot forward"),
        "{}",
        files["missing.txt"]
    );
    for (name, text) in &files {
        for secret in [
            "lovelace",
            "1234567",
            "hunter22",
            "0123456789abcdef",
            "managedFields",
        ] {
            assert!(!text.contains(secret), "{name} has {secret}:\n{text}");
        }
    }
    stage.remove().await;
}
