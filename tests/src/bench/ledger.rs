//! Searches in a full ledger, and what an import costs the live leads beside it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::task::JoinSet;

use super::load::{self, Load};
use super::{SECRET, Store, Target};
use crate::manifests::{HubSpotSink, webhook};
use crate::receiver::{Options, Receiver};
use crate::signing;

/// Each question is asked so often; the slowest answer counts.
const TIMES: usize = 5;
/// Live leads a second beside an import.
const LIVE: u32 = 200;
/// Of each measurement of live leads; the one beside the import lasts as long as the import.
const BEFORE: Duration = Duration::from_secs(10);

/// How long the slowest answer to each question took.
pub type Answers = Vec<(&'static str, Duration)>;

/// A receiver whose leads no sink takes: they are kept as unrouted ones. With it what it needs as long as it runs.
async fn keeping(target: Target) -> Result<(Receiver, (Option<Store>, NamedTempFile))> {
    let store = Store::of(target)?;
    let sink = HubSpotSink::new("http://127.0.0.1:9", "none");
    let webhook = webhook("website", "generic", SECRET).replacen(
        "name: hubspot",
        "name: hubspot, when: \"lead.email == 'nobody@example.com'\"",
        1,
    );
    ensure!(
        webhook.contains("nobody@"),
        "the webhook names its sink otherwise"
    );
    let mut options = Options {
        release: true,
        ..Options::new(format!("{webhook}---\n{}", sink.yaml()))
    };
    options.queue = store.as_ref().map(Store::url);
    let mut key = NamedTempFile::new()?;
    key.write_all(&[7; 32])?;
    options
        .arguments
        .push(format!("--ledger-key-file={}", key.path().display()));
    Ok((Receiver::start(options).await?, (store, key)))
}

/// Fills a ledger, and a set of dead letters, with so many leads, and asks.
pub async fn searches(target: Target, entries: u64) -> Result<Answers> {
    let (receiver, _needs) = keeping(target).await?;
    let accepted = async || {
        let status = receiver.status().await?;
        let count = status["webhooks"][0]["leads"]["accepted"].as_u64();
        anyhow::Ok(count.context("the count of accepted leads")?)
    };
    let mut run = 0;
    while accepted().await? < entries {
        run += 1;
        let load = Load {
            address: receiver.address(),
            path: "/webhooks/default/website".into(),
            spread: 1,
            secret: SECRET.into(),
            connections: 64,
            body: 512,
            warm_up: Duration::from_millis(10),
            measure: Duration::from_secs(2),
            run,
        };
        tokio::task::spawn_blocking(move || load::run(&load, || (), || ())).await??;
    }
    let search = |filter: Value| {
        (
            Method::POST,
            "/api/v1/leads/search",
            Some(json!({"filter": filter, "limit": 50})),
        )
    };
    let oldest = search(json!({"email": "lead-1-0-00000001@example.com"}));
    let questions = [
        ("the newest 50", search(json!({}))),
        ("by the address of the oldest", oldest),
        (
            "by an outcome that none has",
            search(json!({"outcome": "Rejected"})),
        ),
        ("the console's leads", (Method::GET, "/console/-/leads", None)),
        (
            "the console's needs",
            (Method::GET, "/console/-/needs/unrouted", None),
        ),
    ];
    let client = Client::new();
    let mut answers = Vec::new();
    for (name, (method, path, body)) in questions {
        let mut slowest = Duration::ZERO;
        for _ in 0..TIMES {
            let url = format!("http://{}{path}", receiver.admin_address());
            let mut request = client.request(method.clone(), url);
            if let Some(body) = &body {
                request = request.json(body);
            }
            let began = Instant::now();
            let response = request.send().await?;
            let status = response.status();
            let text = response.text().await?;
            ensure!(status.is_success(), "{name}: {status}: {text}");
            slowest = slowest.max(began.elapsed());
        }
        answers.push((name, slowest));
    }
    Ok(answers)
}

/// What an import did, and what live leads took before and beside it.
#[derive(Debug, Clone, Copy)]
pub struct Import {
    /// Imported leads a second.
    pub rate: f64,
    /// 99th percentile of live leads before.
    pub before: Duration,
    /// And meanwhile.
    pub beside: Duration,
}

/// Imports so many leads of the past, each of another person, as `kubectl leadgate backfill` does.
pub async fn import(target: Target, leads: u64) -> Result<Import> {
    let (receiver, _needs) = keeping(target).await?;
    let url = receiver.webhook("website");
    let before = live(&url, Instant::now() + BEFORE, None).await?;
    let (done, ended) = tokio::sync::watch::channel(false);
    let beside = tokio::spawn(async move {
        let long_after = Instant::now() + Duration::from_hours(10);
        live(&url, long_after, Some(ended)).await
    });
    let client = Client::builder().timeout(Duration::from_mins(1)).build()?;
    let admin = format!(
        "http://{}/api/v1/webhooks/default/website/backfill",
        receiver.admin_address()
    );
    let began = Instant::now();
    for first in (0..leads).step_by(500) {
        let lines: Vec<Value> = (first..(first + 500).min(leads))
            .map(|number| {
                json!({"line": number + 1, "at": "2024-02-03T04:05:06Z", "payload": {
                    "email": format!("past-{number}@example.com"), "firstName": "Ada", "submissionId": format!("past-{number}")}})
            })
            .collect();
        let response = client.post(&admin).json(&json!({"lines": lines})).send().await?;
        let status = response.status();
        let results: Value = response.json().await?;
        ensure!(
            status.is_success() && results["items"][0]["outcome"] == "Unrouted",
            "{status}: {results}"
        );
    }
    let took = began.elapsed();
    done.send(true)?;
    Ok(Import {
        rate: super::count(usize::try_from(leads)?) / took.as_secs_f64(),
        before,
        beside: beside.await??,
    })
}

/// Sends leads at an even pace until a time, or until told to end; the 99th percentile.
async fn live(
    url: &str,
    until: Instant,
    ended: Option<tokio::sync::watch::Receiver<bool>>,
) -> Result<Duration> {
    let client = Client::builder().timeout(Duration::from_secs(10)).build()?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / LIVE);
    let run = until.elapsed().as_nanos() + u128::from(ended.is_some());
    let mut sent = JoinSet::new();
    let mut number = 0_u64;
    // By milliseconds: there are too many latencies to keep all of them.
    let (mut latencies, mut total) = (BTreeMap::<u128, u64>::new(), 0_u64);
    let mut note = |latency: Result<Duration>| {
        *latencies.entry(latency?.as_micros() / 100).or_default() += 1;
        total += 1;
        anyhow::Ok(())
    };
    while Instant::now() < until && !ended.as_ref().is_some_and(|ended| *ended.borrow()) {
        ticks.tick().await;
        number += 1;
        let body = json!({"submissionId": format!("live-{run}-{number}"),
            "email": format!("live-{run}-{number}@example.com"), "firstName": "Ada"})
        .to_string();
        let mut request = client.post(url).header("content-type", "application/json");
        for (name, value) in signing::generic(SECRET, body.as_bytes()) {
            request = request.header(name, value);
        }
        sent.spawn(async move {
            let began = Instant::now();
            let response = request.body(body).send().await?;
            ensure!(response.status() == 200, "answered {}", response.status());
            Ok(began.elapsed())
        });
        while let Some(latency) = sent.try_join_next() {
            note(latency?)?;
        }
    }
    while let Some(latency) = sent.join_next().await {
        note(latency?)?;
    }
    let mut left = total / 100;
    for (&tenths, &count) in latencies.iter().rev() {
        if count > left {
            return Ok(Duration::from_micros(u64::try_from(tenths)? * 100));
        }
        left -= count;
    }
    Ok(Duration::ZERO)
}
