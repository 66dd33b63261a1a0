//! `kubectl leadgate` reaches receivers through the API server.

use leadgate_tests::node::{SYSTEM, Stage, node};
use leadgate_tests::receiver::program;
use serde_json::Value;
use tokio::process::Command;

/// Runs a command in the scenario's namespace; gives its JSON.
async fn leadgate(stage: &Stage, kubeconfig: &std::path::Path, arguments: &[&str]) -> anyhow::Result<Value> {
    let program = tokio::task::spawn_blocking(|| program("kubectl-leadgate", false)).await??;
    let mut command = Command::new(program);
    command.args(arguments).args([
        "-o",
        "json",
        "-n",
        &stage.namespace,
        "--operator-namespace",
        SYSTEM,
    ]);
    let output = command.env("KUBECONFIG", kubeconfig).output().await?;
    let text = String::from_utf8(output.stdout)?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "{arguments:?} ends with {}: {text}{said}",
        output.status
    );
    Ok(serde_json::from_str(&text)?)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn a_test_lead_is_sent_traced_and_listed_without_a_port_on_this_machine() {
    let node = node().await.unwrap();
    let stage = node.stage("cli").await.unwrap();
    stage.working().await.unwrap();
    let run = async |arguments: &[&str]| leadgate(&stage, node.kubeconfig(), arguments).await;
    let sent = run(&["send", "website"]).await.unwrap();
    assert_eq!(sent["status"], 200, "{sent}");
    let id = sent["body"]["id"].as_str().unwrap().to_owned();
    leadgate_tests::node::eventually("the story ends with the delivery", 30, || async {
        let traced = leadgate(&stage, node.kubeconfig(), &["trace", &id]).await?;
        let events = traced["items"][0]["events"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        anyhow::ensure!(
            events.iter().any(|event| event["event"] == "Delivered"),
            "{traced}"
        );
        Ok(())
    })
    .await
    .unwrap();
    let listed = run(&["leads", "list", "--webhook", "website", "--set", "delivered"])
        .await
        .unwrap();
    assert_eq!(listed["items"][0]["id"], id.as_str(), "{listed}");
    let body = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(body.path(), r#"{"email": "ada@example.com"}"#).unwrap();
    let tried = run(&["try", "--sign", "website", body.path().to_str().unwrap()])
        .await
        .unwrap();
    assert_eq!(tried["accepted"], true, "{tried}");
    let checked = run(&["check", "--wait", "1m"]).await.unwrap();
    assert!(checked["items"].as_array().unwrap().len() > 8, "{checked}");
    stage.end().unwrap();
}
