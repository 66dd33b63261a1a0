//! A real API server takes everything that the chart renders, word by word, and has nothing to say about the pod.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, PostParams},
};
use leadgate_tests::{
    cluster::{client, kubeconfig},
    node::program,
};
use serde_json::json;

use crate::{releases::ALL, render::template};

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_every_object() {
    let namespaces = Api::<Namespace>::all(client().await.unwrap());
    // What the restricted standard refuses is warned of.
    let made = json!({"metadata": {"generateName": "leadgate-chart-",
        "labels": {"pod-security.kubernetes.io/warn": "restricted"}}});
    let made = serde_json::from_value(made).unwrap();
    let namespace = namespaces
        .create(&PostParams::default(), &made)
        .await
        .unwrap()
        .name_any();
    let more = [
        "networkPolicy.enabled=true",
        r#"global.imagePullSecrets=["registry"]"#,
    ];
    let mut objects = template(&[ALL, &more].concat()).unwrap();
    objects.retain(|object| {
        !object["apiVersion"]
            .as_str()
            .unwrap()
            .starts_with("monitoring.coreos.com/")
    });
    for object in &mut objects {
        if object["metadata"]["namespace"] == "leadgate-system" {
            object["metadata"]["namespace"] = json!(namespace);
        }
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let mut kubectl = Command::new(program("kubectl"))
        .args([
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            "-",
        ])
        .env("KUBECONFIG", kubeconfig().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    kubectl.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    let output = kubectl.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).lines().count(),
        objects.len()
    );
    namespaces
        .delete(&namespace, &DeleteParams::default())
        .await
        .unwrap();
}
