//! The crash test: load, random kills, and a reckoning.
//!
//! While senders post leads (with resends and racing copies) and the CRM misbehaves, the receiver is killed with
//! SIGKILL at seeded random moments and started again; with a Redis queue, Redis too. In the end every lead that
//! got its 200 must be in the CRM, once and in order. The same seed makes the same plan of kills, resends and
//! CRM faults; the machine's scheduling remains its own.

mod sender;
mod stories;
mod verdict;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    hubspot::{Config, Fault, FaultPlan, HubSpot, Millis, Odds},
    manifests::{HubSpotSink, webhook},
    receiver::{Options, Receiver},
    redis_server::RedisServer,
};

pub use verdict::Report;

/// Which queue the receiver runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// A file beside the receiver.
    Sqlite,
    /// A Redis that syncs every write, and is killed as well.
    Redis,
}

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Redis => "redis",
        })
    }
}

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Seed of everything left to chance.
    pub seed: u64,
    /// How many times something is killed.
    pub rounds: u32,
    /// The queue.
    pub queue: QueueKind,
    /// People that send, each one lead after the other.
    pub contacts: usize,
    /// Pause of a sender after each lead.
    pub think: Millis,
    /// Load before each kill.
    pub between: Millis,
    /// How long the CRM may stay without a new write, at the end, before the run counts as hung. Longer than
    /// any lease and back-off.
    pub patience: Duration,
    /// An optimised receiver.
    pub release: bool,
    /// Say what happens.
    pub verbose: bool,
}

impl Plan {
    /// A plan of this many kills, with a load that two cores bear.
    pub fn new(queue: QueueKind, rounds: u32, seed: u64) -> Self {
        Self {
            seed,
            rounds,
            queue,
            contacts: 24,
            think: Millis::range(0, 150),
            between: Millis::range(50, 900),
            patience: Duration::from_secs(90),
            release: false,
            verbose: false,
        }
    }
}

/// What was killed, how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kills {
    /// Of the receiver.
    pub receiver: u32,
    /// Of Redis.
    pub redis: u32,
}

/// The sender's secret.
const SECRET: &str = "soak-s3cret";

/// Share of leads that are sent again later.
const RESENDS: f64 = 0.05;

/// Share of leads that are sent several times at once.
const RACES: f64 = 0.05;

/// A CRM on a bad day. About one request in ten goes wrong.
fn bad_day() -> FaultPlan {
    FaultPlan {
        latency: Millis::range(1, 15),
        odds: vec![
            Odds::new(0.04, Fault::LoseAnswer),
            Odds::new(0.005, Fault::DelayAnswer { millis: 1500 }),
            Odds::new(0.01, Fault::Close),
            Odds::status(0.02, 503),
            Odds::status(0.01, 500),
            Odds::status(0.01, 502),
            Odds::status(0.005, 423),
            Odds::new(
                0.001,
                Fault::Status {
                    code: 429,
                    retry_after: Some(1),
                    policy: None,
                },
            ),
        ],
        ..FaultPlan::default()
    }
}

/// Runs a plan to its end. An error says what was broken, and where the receiver's files are.
pub async fn run(plan: Plan) -> Result<Report> {
    let hubspot = HubSpot::start(Config {
        seed: plan.seed,
        faults: bad_day(),
        ..Config::default()
    })
    .await?;
    let mut redis = match plan.queue {
        QueueKind::Sqlite => None,
        QueueKind::Redis => Some(RedisServer::start()?),
    };
    let sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
    let manifests = format!("{}---\n{}", webhook("website", "generic", SECRET), sink.yaml());
    let mut options = Options {
        release: plan.release,
        ..Options::new(manifests)
    };
    options.queue = redis.as_ref().map(RedisServer::url);
    let mut receiver = Receiver::start(options).await?;

    match scenario(&plan, &hubspot, &mut receiver, &mut redis).await {
        Ok(report) => Ok(report),
        Err(error) => {
            let diagnosis = verdict::diagnosis(&hubspot, &receiver).await;
            let folder = receiver.keep();
            Err(error.context(format!(
                "soak on {} with seed {} failed; the receiver's files are in {}\n{diagnosis}",
                plan.queue,
                plan.seed,
                folder.display()
            )))
        }
    }
}

async fn scenario(
    plan: &Plan,
    hubspot: &HubSpot,
    receiver: &mut Receiver,
    redis: &mut Option<RedisServer>,
) -> Result<Report> {
    let began = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = tokio::task::JoinSet::new();
    for contact in 0..plan.contacts {
        let sender = sender::Sender::new(plan, contact, receiver.webhook("website"), Arc::clone(&stop))?;
        senders.spawn(sender.run());
    }

    let kills = havoc(plan, receiver, redis).await;
    // The senders finish what they began, whatever became of the kills: an error must not leave them behind.
    stop.store(true, Ordering::Relaxed);
    let kills = kills?;
    let sent = tokio::time::timeout(Duration::from_mins(2), senders.join_all())
        .await
        .context("senders did not get a 200 for two minutes although the receiver is up")?
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    say(plan, format_args!("load ends after {:.1?}", began.elapsed()));

    let drained = verdict::drain(plan, hubspot, &sent).await?;
    verdict::reckon(plan, hubspot, receiver, &sent, kills, began.elapsed(), drained).await
}

/// Waits until every lead that was there at the last kill has been delivered. A lead that is under way at three kills in a
/// row is set aside as what kills receivers, and rightly so: only a person can tell.
async fn progress(plan: &Plan, receiver: &Receiver, killed: Instant) {
    let began = Instant::now();
    while began.elapsed() < plan.patience {
        if let Ok(status) = receiver.status().await {
            let leads = &status["sinks"][0]["leads"];
            let age = leads["oldestPendingSeconds"].as_f64().unwrap_or(f64::MAX);
            if leads["pending"] == 0 || age + 1.0 < killed.elapsed().as_secs_f64() {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The kills.
async fn havoc(plan: &Plan, receiver: &mut Receiver, redis: &mut Option<RedisServer>) -> Result<Kills> {
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let mut kills = Kills::default();
    let mut killed = Instant::now();
    for round in 1..=plan.rounds {
        let pause = Duration::from_millis(rng.random_range(plan.between.min..=plan.between.max));
        let outage = Duration::from_millis(rng.random_range(0..300));
        let victim = rng.random_range(0..3);
        tokio::time::sleep(pause).await;
        if round % 2 == 0 {
            progress(plan, receiver, killed).await;
        }
        killed = Instant::now();
        match redis {
            // One time in three each: the receiver, Redis, both.
            Some(redis) if victim > 0 => {
                redis.kill();
                kills.redis += 1;
                if victim == 2 {
                    receiver.kill();
                    kills.receiver += 1;
                }
                tokio::time::sleep(outage).await;
                tokio::task::block_in_place(|| redis.restart())?;
                if victim == 2 {
                    receiver
                        .restart()
                        .await
                        .with_context(|| format!("in round {round}"))?;
                }
                receiver
                    .ready(Duration::from_secs(30))
                    .await
                    .with_context(|| format!("in round {round}, after Redis came back"))?;
            }
            _ => {
                receiver.kill();
                kills.receiver += 1;
                tokio::time::sleep(outage).await;
                receiver
                    .restart()
                    .await
                    .with_context(|| format!("in round {round}"))?;
            }
        }
        say(plan, format_args!("round {round} of {}", plan.rounds));
    }
    Ok(kills)
}

fn say(plan: &Plan, what: fmt::Arguments<'_>) {
    if plan.verbose {
        println!("soak {}: {what}", plan.queue);
    }
}
