//! Manifests of our kinds, tried on the API server and on a receiver.

use std::{collections::BTreeSet, fs};

use axum::http::Method;
use leadgate_receiver::config::{Folders, load};
use leadgate_tests::cluster::{call, client, install_crds};
use serde_json::{Value, json};

use crate::{examples, files, kustomized};

/// The path of an object in a namespace, if it is one that an API server knows by itself or with our definitions.
fn path_of(object: &Value, namespace: &str) -> Option<String> {
    let name = object["metadata"]["name"].as_str()?;
    let plural = match (object["apiVersion"].as_str()?, object["kind"].as_str()?) {
        ("leadgate.dev/v1alpha1", "LeadWebhook") => "apis/leadgate.dev/v1alpha1/namespaces/{}/leadwebhooks",
        ("leadgate.dev/v1alpha1", "LeadReceiver") => "apis/leadgate.dev/v1alpha1/namespaces/{}/leadreceivers",
        ("leadgate.dev/v1alpha1", "CrmSink") => "apis/leadgate.dev/v1alpha1/namespaces/{}/crmsinks",
        ("v1", "Secret") => "api/v1/namespaces/{}/secrets",
        ("v1", "ConfigMap") => "api/v1/namespaces/{}/configmaps",
        ("v1", "Namespace") => "api/v1/namespaces",
        ("v1", "PersistentVolumeClaim") => "api/v1/namespaces/{}/persistentvolumeclaims",
        ("batch/v1", "CronJob") => "apis/batch/v1/namespaces/{}/cronjobs",
        ("batch/v1", "Job") => "apis/batch/v1/namespaces/{}/jobs",
        ("networking.k8s.io/v1", "NetworkPolicy") => {
            "apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
        }
        ("autoscaling/v2", "HorizontalPodAutoscaler") => {
            "apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers"
        }
        _ => return None,
    };
    Some(format!("/{}/{name}", plural.replace("{}", namespace)))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_manifest_is_accepted() {
    let client = client().await.unwrap();
    install_crds(&client).await.unwrap();
    // It warns of pods, also in templates, that the strictest standard refuses.
    let namespace = "leadgate-examples";
    let metadata = json!({"name": namespace, "labels": {"pod-security.kubernetes.io/warn": "restricted"}});
    let made = call(
        &client,
        Method::PATCH,
        &format!("/api/v1/namespaces/{namespace}?fieldManager=a-person"),
        "application/json",
        Some((
            "application/apply-patch+yaml",
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
        )),
    )
    .await
    .unwrap();
    assert!(made.status < 300, "{}", made.body["message"]);
    let mut objects = Vec::new();
    for (path, documents) in files(&examples()) {
        objects.extend(
            documents
                .into_iter()
                .map(|object| (path.display().to_string(), object)),
        );
    }
    for folder in ["kustomize/base", "kustomize/production"] {
        objects.extend(
            kustomized(folder)
                .into_iter()
                .map(|object| (folder.to_owned(), object)),
        );
    }
    let mut ours = 0;
    for (file, mut object) in objects {
        let Some(path) = path_of(&object, namespace) else {
            let group = object["apiVersion"].as_str().unwrap();
            assert!(
                [
                    "argoproj.io/",
                    "kustomize.config.k8s.io/",
                    ".toolkit.fluxcd.io/",
                    "keda.sh/",
                    "security.istio.io/"
                ]
                .iter()
                .any(|known| group.contains(known)),
                "{file}: nothing tries this {}",
                object["kind"]
            );
            continue;
        };
        if object["kind"] != "Namespace" {
            object["metadata"]["namespace"] = json!(namespace);
        }
        let answer = call(
            &client,
            Method::PATCH,
            &format!("{path}?fieldManager=a-person&dryRun=All&fieldValidation=Strict"),
            "application/json",
            Some(("application/apply-patch+yaml", &object)),
        )
        .await
        .unwrap();
        assert!(answer.status < 300, "{file}: {}", answer.body["message"]);
        assert_eq!(answer.warnings, Vec::<String>::new(), "{file}");
        ours += usize::from(object["apiVersion"] == "leadgate.dev/v1alpha1");
    }
    assert!(ours >= 14, "{ours} manifests of our kinds");
}

/// Also what only a receiver checks: expressions, presets, references.
#[test]
fn a_receiver_runs_on_what_kustomize_makes() {
    let objects = kustomized("kustomize/production");
    let kinds: BTreeSet<_> = objects
        .iter()
        .map(|object| object["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["CrmSink", "LeadReceiver", "LeadWebhook", "Namespace"]
    );
    let folder = tempfile::tempdir().unwrap();
    for (number, object) in objects.iter().enumerate() {
        if object["kind"] != "Namespace" {
            assert_eq!(object["metadata"]["namespace"], "marketing");
        }
        fs::write(folder.path().join(format!("{number}.json")), object.to_string()).unwrap();
    }
    // Nobody commits these.
    for (secret, key) in [("hubspot-token", "token"), ("typeform", "hmac")] {
        let secret = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": secret, "namespace": "marketing"}, "stringData": {key: "0123456789abcdef"}});
        fs::write(folder.path().join(format!("{key}.json")), secret.to_string()).unwrap();
    }
    let folders = Folders {
        manifests: folder.path().to_owned(),
        secrets: None,
        local_addresses: true,
        receiver: None,
    };
    let config = load(&folders, None);
    let problems: Vec<_> = config.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(config.webhooks().count(), 1);
}
