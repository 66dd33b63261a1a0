//! One receiver with many webhooks, beside one with a single webhook.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::load::{self, Load, Outcome, count};
use super::{SECRET, process};
use crate::receiver::{Options, Receiver};

const SINKS: usize = 20;
/// What a change may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What many webhooks cost.
#[derive(Debug, Clone, Copy)]
pub struct Many {
    /// How many there are.
    pub webhooks: usize,
    /// From the start of the process until it is ready.
    pub start: Duration,
    /// Resident memory once it is, MB.
    pub megabytes: f64,
    /// From the change of one file until the change is in force; a sixth of a second of it is spent waiting for more.
    pub reload: Duration,
    /// Processor time of that.
    pub reload_cpu: Duration,
    /// `/status`, and its processor time.
    pub status: Duration,
    /// Processor time of that.
    pub status_cpu: Duration,
    /// `/metrics`.
    pub metrics: Duration,
    /// Rate and latencies of leads, over 64 of the webhooks.
    pub outcome: Outcome,
    /// Processor time per lead, µs.
    pub cpu: f64,
    /// Resident memory after the leads, MB.
    pub megabytes_after: f64,
}

/// Measures a receiver with so many webhooks, each with a Secret of its own.
pub async fn many(webhooks: usize, measure: Duration) -> Result<Many> {
    let mut receiver = Receiver::prepare(Options {
        manifests: manifests(webhooks),
        release: true,
        ..Options::default()
    })?;
    let began = Instant::now();
    receiver.spawn()?;
    receiver.ready(PATIENCE).await?;
    let start = began.elapsed();
    let pid = receiver.pid().context("the receiver runs")?;
    let megabytes = resident(pid)?;
    let (reload, reload_cpu) = reload(&receiver, pid).await?;
    let (status, status_cpu) = asked(&receiver, pid, "/status").await?;
    let (metrics, _) = asked(&receiver, pid, "/metrics").await?;
    let load = Load {
        address: receiver.address(),
        path: "/webhooks/shop/form-0".to_owned(),
        spread: webhooks.min(64),
        secret: SECRET.into(),
        connections: 64,
        body: 512,
        warm_up: Duration::from_millis(500),
        measure,
        run: 1,
    };
    let (outcome, cpu) = tokio::task::spawn_blocking(move || {
        let (mut before, mut after) = (None, None);
        let outcome = load::run(
            &load,
            || before = process::cpu(pid).ok(),
            || after = process::cpu(pid).ok(),
        )?;
        let used = after
            .zip(before)
            .map(|(after, before)| after.saturating_sub(before));
        anyhow::Ok((outcome, used.context("the receiver's processor time")?))
    })
    .await??;
    Ok(Many {
        webhooks,
        start,
        megabytes,
        reload,
        reload_cpu,
        status,
        status_cpu,
        metrics,
        outcome,
        cpu: cpu.as_secs_f64() * 1e6 / count(outcome.requests),
        megabytes_after: resident(pid)?,
    })
}

/// Changes one file, as the last of them all, and waits until that version runs.
async fn reload(receiver: &Receiver, pid: u32) -> Result<(Duration, Duration)> {
    let loads = async || receiver.metric("leadgate_config_reloads_total", &[]).await;
    // What the start has left to do is done.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = loads().await?;
    let used = process::cpu(pid)?;
    receiver.write_manifest("leadwebhook-0.json", &webhook(0, 2).to_string())?;
    let changed = Instant::now();
    // A question costs processor time itself: as few as possible.
    tokio::time::sleep(Duration::from_millis(150)).await;
    while loads().await? <= before {
        anyhow::ensure!(changed.elapsed() < PATIENCE, "the change is not seen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok((changed.elapsed(), process::cpu(pid)?.saturating_sub(used)))
}

/// The median time of an answer of the admin server, and its processor time.
async fn asked(receiver: &Receiver, pid: u32, path: &str) -> Result<(Duration, Duration)> {
    const TIMES: u32 = 20;
    let used = process::cpu(pid)?;
    let mut taken = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        receiver.admin(path).await?;
        taken.push(began.elapsed());
    }
    taken.sort_unstable();
    let used = process::cpu(pid)?.saturating_sub(used);
    Ok((taken[taken.len() / 2], used / TIMES))
}

fn resident(pid: u32) -> Result<f64> {
    let kilobytes = u32::try_from(process::resident(pid)? / 1024).unwrap_or(u32::MAX);
    Ok(f64::from(kilobytes) / 1024.0)
}

/// As the operator writes them: one JSON document a file.
fn manifests(webhooks: usize) -> Vec<(String, String)> {
    let file = |name: String, object: Value| (format!("{name}.json"), object.to_string());
    let sinks = (0..SINKS).map(|n| file(format!("crmsink-{n}"), sink(n)));
    let secrets = (0..webhooks).map(|n| file(format!("secret-{n}"), secret(&format!("form-{n}"), SECRET)));
    let webhooks = (0..webhooks).map(|n| file(format!("leadwebhook-{n}"), webhook(n, 1)));
    let token = file("secret-token".to_owned(), secret("token", "t0ken-of-the-crm"));
    sinks.chain(secrets).chain(webhooks).chain([token]).collect()
}

fn secret(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "shop"}, "stringData": {"key": value}})
}

/// Leads go nowhere: deliveries would be measured too.
fn sink(number: usize) -> Value {
    json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "CrmSink",
        "metadata": {"name": format!("crm-{number}"), "namespace": "shop", "uid": format!("crm-{number}"), "generation": 1},
        "spec": {
            "suspend": true,
            "hubspot": {"baseUrl": "http://127.0.0.1:9", "tokenSecretRef": {"name": "token", "key": "key"}},
        },
    })
}

/// About 4 KB, with expressions that no other webhook has.
fn webhook(number: usize, generation: i64) -> Value {
    let answer = |field: usize| format!("payload.?answers[?'question-{number}-{field}'].orValue('').trim()");
    let custom: serde_json::Map<_, _> = (0..20)
        .map(|field| (format!("field_{field}"), answer(field).into()))
        .collect();
    let rules: Vec<Value> = (0..8)
        .map(|field| {
            json!({
                "expression": format!("lead.email.size() < 20{field}"),
                "message": format!("the address in form {number} is longer than what the team of this form reads; shorten it ({field})"),
                "field": "email",
            })
        })
        .collect();
    let name = format!("form-{number}");
    json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": generation},
        "spec": {
            "source": "generic",
            "auth": {"hmac": {"secretRefs": [{"name": name, "key": "key"}]}},
            "payload": {
                "accept": format!("payload.?form.orValue('') != 'test-{number}-{generation}'"),
                "lead": {
                    "email": "payload.email",
                    "firstName": "payload.?firstName.orValue('').trim()",
                    "lastName": "payload.?lastName",
                    "phone": "payload.?phone",
                    "company": format!("payload.?answers[?'company-{number}']"),
                    "submissionId": "payload.submissionId",
                    "custom": custom,
                },
                "rules": rules,
            },
            "idempotency": {"key": "payload.submissionId"},
            "sinks": [
                {"name": format!("crm-{}", number % SINKS)},
                {"name": format!("crm-{}", (number + 1) % SINKS), "when": format!("lead.email == 'form-{number}@example.com'")},
            ],
        },
    })
}
