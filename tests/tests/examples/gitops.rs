//! What Argo CD and Flux are told names what exists.

use std::fs;

use leadgate_tests::node::{chart, run};
use serde_json::Value;

use crate::{examples, files, kustomized};

fn of_kind(folder: &str, kind: &str) -> Vec<Value> {
    let all: Vec<Value> = files(&examples().join(folder))
        .into_iter()
        .flat_map(|(_, documents)| documents)
        .filter(|object| object["kind"] == kind)
        .collect();
    assert!(!all.is_empty(), "no {kind} in examples/{folder}");
    all
}

/// A path in the repository.
fn exists(path: &Value, file: &str) {
    let path = examples().join("..").join(path.as_str().unwrap()).join(file);
    assert!(path.exists(), "{}", path.display());
}

/// The chart takes the values.
fn rendered(values: &Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.json");
    fs::write(&file, values.to_string()).unwrap();
    let chart = chart().display().to_string();
    run(
        "helm",
        &[
            "template",
            "leadgate",
            &chart,
            "--values",
            &file.display().to_string(),
        ],
    )
    .unwrap()
}

#[test]
fn argo_cd() {
    for application in of_kind("argocd", "Application") {
        let source = &application["spec"]["source"];
        if application["metadata"]["name"] == "leadgate" {
            exists(&source["path"], "Chart.yaml");
            let text = rendered(&source["helm"]["valuesObject"]);
            assert_eq!(
                text.matches("argocd.argoproj.io/sync-options: Prune=false,Delete=false")
                    .count(),
                3
            );
        } else {
            exists(&source["path"], "kustomization.yaml");
        }
        // The definitions are larger than what client-side apply can note.
        let options = application["spec"]["syncPolicy"]["syncOptions"]
            .as_array()
            .unwrap();
        assert!(options.iter().any(|option| option == "ServerSideApply=true"));
    }
}

#[test]
fn flux() {
    let source = &of_kind("flux", "GitRepository")[0]["metadata"]["name"];
    let release = &of_kind("flux", "HelmRelease")[0];
    exists(&release["spec"]["chart"]["spec"]["chart"], "Chart.yaml");
    assert_eq!(&release["spec"]["chart"]["spec"]["sourceRef"]["name"], source);
    assert!(rendered(&release["spec"]["values"]).contains("replicas: 2"));
    let leads = &of_kind("flux", "Kustomization")[0]["spec"];
    assert_eq!(&leads["sourceRef"]["name"], source);
    exists(&leads["path"], "kustomization.yaml");
    let made = kustomized("kustomize/production");
    let checks = leads["healthChecks"].as_array().unwrap();
    for check in checks {
        assert!(
            made.iter().any(|object| object["kind"] == check["kind"]
                && object["apiVersion"] == check["apiVersion"]
                && object["metadata"]["name"] == check["name"]
                && object["metadata"]["namespace"] == check["namespace"]),
            "{check}"
        );
    }
    assert_eq!(
        checks.len(),
        made.iter()
            .filter(|object| object["apiVersion"] == "leadgate.dev/v1alpha1")
            .count()
    );
}
