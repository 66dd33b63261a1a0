//! `/api/v1` of the real receiver: what became of a lead, and what is done with many at once.

mod bad_input;
mod importing;
mod jobs;
mod memory;
mod notices;
mod privacy;
mod searching;

use leadgate_tests::manifests::mapped_webhook;
use leadgate_tests::rig::{Rig, SECRET};
use leadgate_tests::wire::{Answer, exchange};
use serde_json::Value;

/// A call with a JSON body, as somebody.
async fn send(rig: &Rig, method: &str, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let request = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nLeadgate-User: eve\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    exchange(rig.receiver.admin_address(), request).await.unwrap()
}

async fn post(rig: &Rig, path: &str, body: Value) -> Value {
    let answer = send(rig, "POST", path, &body).await;
    assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
    answer.json()
}

async fn get(rig: &Rig, path: &str) -> Value {
    rig.get(&format!("/api/v1{path}")).await
}

/// What a search finds: ids, newest first.
async fn found(rig: &Rig, filter: Value) -> Vec<String> {
    let page = post(
        rig,
        "/leads/search",
        serde_json::json!({"filter": filter, "limit": 1000}),
    )
    .await;
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lead| text(&lead["id"]))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The webhook, with payloads kept after delivery.
fn keeping(mapping: (&str, &str)) -> String {
    mapped_webhook("web", SECRET)
        .replacen("  sinks:", "  retention: {payloads: 24h}\n  sinks:", 1)
        .replacen(mapping.0, mapping.1, 1)
}

/// Waits until the receiver has read its changed manifests so often.
async fn reloaded(rig: &Rig, times: f64) {
    rig.until("the manifests are read again", || async {
        let reloads = rig.receiver.metric("leadgate_config_reloads_total", &[]).await;
        reloads.unwrap() > times
    })
    .await;
}

/// Waits until a job has ended.
async fn ended(rig: &Rig, id: &str) -> Value {
    let path = format!("/jobs/{id}");
    rig.until("the job has ended", || async {
        get(rig, &path).await["state"] != "Running"
    })
    .await;
    get(rig, &path).await
}
