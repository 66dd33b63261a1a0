//! A fleet under load: four receivers on one Redis feed one CRM that misbehaves, through two webhooks that name the same
//! people, with resends and racing copies. In the end every person has one record, and it holds what was accepted last.

mod hubspot;
mod people;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::manifests::mapped_webhook;
use crate::receiver::{Options, Receiver};
use crate::redis_server::RedisServer;

pub use people::{Person, email};

/// The webhooks' signing secret.
const SECRET: &str = "fleet-s3cret";
/// Both feed the sink `default/crm`.
const WEBHOOKS: [&str; 2] = ["form", "shop"];
/// Receivers.
const FLEET: usize = 4;
/// Leads of one person.
const EACH: usize = 5;
/// People that send at the same time.
const AT_ONCE: usize = 48;
/// How long nothing may arrive, at the end, before the run counts as hung.
const PATIENCE: Duration = Duration::from_mins(1);

/// A simulated CRM, as the reckoning sees it.
pub trait Crm: Send + Sync {
    /// YAML of the CrmSink `default/crm` with its Secrets; it maps the lead's `lastName`.
    fn sink(&self) -> String;
    /// Answers lost after the write, 500s and 429s from now on; or no more of them.
    fn misbehave(&self, on: bool);
    /// For each e-mail address the last name of each of its records.
    fn records(&self) -> BTreeMap<String, Vec<String>>;
    /// Requests so far, and what else is worth telling.
    fn summary(&self) -> String;
}

/// What a run did.
#[derive(Debug)]
pub struct Report {
    /// Leads that were accepted.
    pub leads: usize,
    /// Resends and racing copies, each recognised.
    pub copies: usize,
    /// From the first request to the last delivery.
    pub took: Duration,
    /// What the CRM says.
    pub crm: String,
}

/// Runs `leads` leads through the fleet. An error is a broken promise.
pub async fn run(crm: &dyn Crm, leads: usize, release: bool) -> Result<Report> {
    let redis = RedisServer::start().context("redis-server")?;
    let mut fleet = Vec::new();
    for _ in 0..FLEET {
        let mut options = Options::new(crm.sink()).queue(redis.url());
        options.release = release;
        for name in WEBHOOKS {
            let webhook = mapped_webhook(name, SECRET).replace("{name: hubspot}", "{name: crm}");
            options.manifests.push((format!("{name}.yaml"), webhook));
        }
        fleet.push(Receiver::start(options).await?);
    }
    let urls: Arc<Vec<String>> = Arc::new(
        fleet
            .iter()
            .flat_map(|receiver| WEBHOOKS.map(|name| receiver.webhook(name)))
            .collect(),
    );
    crm.misbehave(true);
    let began = Instant::now();
    let people = leads.div_ceil(EACH);
    let copies: Vec<usize> = stream::iter(0..people)
        .map(|n| Person::new(n, Arc::clone(&urls)).send(EACH))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    drained(&fleet[0], crm).await?;
    crm.misbehave(false);
    drained(&fleet[0], crm).await?;
    let took = began.elapsed();
    reckon(&crm.records(), people)?;
    let status = fleet[0].status().await?;
    let sink = &status["sinks"][0]["leads"];
    ensure!(
        sink["delivered"] == people * EACH && sink["dead"] == 0 && sink["held"] == 0,
        "delivered, dead or held is wrong: {sink}"
    );
    Ok(Report {
        leads: people * EACH,
        copies: copies.iter().sum(),
        took,
        crm: crm.summary(),
    })
}

/// Waits until nothing is pending; fails when nothing moves any more.
async fn drained(receiver: &Receiver, crm: &dyn Crm) -> Result<()> {
    let (mut last, mut moved) = (String::new(), Instant::now());
    loop {
        let status = receiver.status().await?;
        let leads = status["sinks"][0]["leads"].clone();
        if leads["pending"] == 0 {
            return Ok(());
        }
        let now = leads.to_string();
        if now != last {
            (last, moved) = (now, Instant::now());
        }
        ensure!(
            moved.elapsed() < PATIENCE,
            "nothing moves: {leads}\n{}\n{}",
            crm.summary(),
            receiver.log_tail(20)
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// One record a person, the last lead in it, and nobody else.
fn reckon(records: &BTreeMap<String, Vec<String>>, people: usize) -> Result<()> {
    let last = people::number(EACH);
    let mut wrong = Vec::new();
    for n in 0..people {
        let held = records.get(&email(n)).map_or(&[][..], Vec::as_slice);
        if held != [last.clone()] {
            wrong.push(format!("{}: {held:?}, not [{last:?}]", email(n)));
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} of {people} people are wrong: {}",
        wrong.len(),
        wrong.iter().take(10).cloned().collect::<Vec<_>>().join("; ")
    );
    ensure!(records.len() == people, "{} people, not {people}", records.len());
    Ok(())
}
