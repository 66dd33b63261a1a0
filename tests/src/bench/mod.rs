//! The benchmark: the whole accept of a lead on each queue, beside the same server without one, in one run.
//!
//! Machines differ and are noisy: read the ratios to the ceiling and the processor time per lead, not the rates.

pub mod ledger;
pub mod load;
mod many;
mod null;
pub mod process;

use std::{
    fmt,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    hubspot::{Config, FaultPlan, HubSpot, Millis},
    manifests::{HubSpotSink, webhook},
    receiver::{Options, Receiver},
    redis_cluster::RedisCluster,
    redis_server::RedisServer,
    sentinel::{Sentinel, Setup},
    signing,
};
use load::{Load, Outcome, count};

pub use many::{Many, many};
pub use null::serve_without_queue;

const SECRET: &str = "bench-s3cret";

/// What takes the leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// No queue: what HTTP, signature, JSON, mapping and validation cost by themselves.
    Ceiling,
    /// SQLite, every commit on disk.
    Sqlite,
    /// Redis that syncs once a second.
    RedisEverySecond,
    /// Redis that syncs every write.
    RedisAlways,
    /// The same with Sentinel: a lead is on the disks of the primary and of one of two replicas.
    TwoDisks,
    /// Three shards on three primaries of a cluster that sync every write.
    ThreeShards,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ceiling => "ceiling",
            Self::Sqlite => "sqlite",
            Self::RedisEverySecond => "redis everysec",
            Self::RedisAlways => "redis always",
            Self::TwoDisks => "two disks",
            Self::ThreeShards => "three shards",
        })
    }
}

/// All targets, the ceiling first.
pub const TARGETS: [Target; 6] = [
    Target::Ceiling,
    Target::Sqlite,
    Target::RedisEverySecond,
    Target::RedisAlways,
    Target::TwoDisks,
    Target::ThreeShards,
];

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// What took the leads.
    pub target: Target,
    /// Connections.
    pub connections: usize,
    /// Bytes of a body.
    pub body: usize,
    /// Rate and latencies.
    pub outcome: Outcome,
    /// Processor time of the receiver per lead, µs.
    pub receiver_cpu: f64,
    /// Processor time of all servers of Redis per lead, µs.
    pub redis_cpu: Option<f64>,
}

/// A server under load.
struct Served {
    address: SocketAddr,
    pid: u32,
    store: Option<Store>,
    _receiver: Option<Receiver>,
    _child: Option<Killed>,
    _folder: Option<TempDir>,
}

/// A child that doesn't outlive its measurement.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Leads go nowhere: deliveries would be measured too.
fn manifests() -> String {
    let mut sink = HubSpotSink::new("http://127.0.0.1:9", "none");
    sink.suspend = true;
    format!("{}---\n{}", webhook("website", "generic", SECRET), sink.yaml())
}

fn redis(sync: &str) -> Result<RedisServer> {
    // No rewrite of the file in the middle of a measurement.
    RedisServer::start_with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        sync,
        "--maxmemory-policy",
        "noeviction",
        "--auto-aof-rewrite-percentage",
        "0",
    ])
}

/// What leads are stored in, beside the receiver.
enum Store {
    Redis(RedisServer),
    Sentinel(Sentinel),
    Cluster(RedisCluster),
}

impl Store {
    fn of(target: Target) -> Result<Option<Self>> {
        Ok(match target {
            Target::RedisEverySecond => Some(Self::Redis(redis("everysec")?)),
            Target::RedisAlways => Some(Self::Redis(redis("always")?)),
            Target::TwoDisks => Some(Self::Sentinel(Sentinel::start(Setup::default())?)),
            Target::ThreeShards => Some(Self::Cluster(RedisCluster::of_primaries()?)),
            Target::Sqlite | Target::Ceiling => None,
        })
    }

    fn url(&self) -> String {
        match self {
            Self::Redis(server) => server.url(),
            Self::Sentinel(group) => group.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    fn arguments(&self) -> Vec<String> {
        match self {
            Self::Redis(_) | Self::Sentinel(_) => Vec::new(),
            Self::Cluster(_) => ["--queue-shards=3", "--queue-acknowledge-replicas=0"]
                .map(str::to_owned)
                .into(),
        }
    }

    fn servers(&self) -> &[RedisServer] {
        match self {
            Self::Redis(server) => std::slice::from_ref(server),
            Self::Sentinel(group) => &group.servers,
            Self::Cluster(cluster) => &cluster.servers,
        }
    }
}

async fn serve(target: Target) -> Result<Served> {
    if target == Target::Ceiling {
        return ceiling();
    }
    let store = tokio::task::block_in_place(|| Store::of(target))?;
    let mut options = Options {
        release: true,
        ..Options::new(manifests())
    };
    options.queue = store.as_ref().map(Store::url);
    options.arguments = store.as_ref().map(Store::arguments).unwrap_or_default();
    let receiver = Receiver::start(options).await?;
    let pid = receiver.pid().context("the receiver runs")?;
    Ok(Served {
        address: receiver.address(),
        pid,
        store,
        _receiver: Some(receiver),
        _child: None,
        _folder: None,
    })
}

/// This very program, told to serve without a queue.
fn ceiling() -> Result<Served> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("leadgate.yaml"), manifests())?;
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("--serve-without-queue")
        .arg(folder.path())
        .args(["--listen", &address.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("its output is piped")?;
    let child = Killed(child);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    ensure!(line.trim() == "ready", "the server without a queue did not start");
    Ok(Served {
        address,
        pid: child.0.id(),
        store: None,
        _receiver: None,
        _child: Some(child),
        _folder: Some(folder),
    })
}

/// Measures one case on a server and a store of its own.
pub async fn accept(target: Target, connections: usize, body: usize, measure: Duration) -> Result<Line> {
    let served = serve(target).await?;
    let servers = served.store.as_ref().map(Store::servers);
    let servers: Option<Vec<u32>> =
        servers.map(|servers| servers.iter().filter_map(RedisServer::pid).collect());
    let load = Load {
        address: served.address,
        path: "/webhooks/default/website".into(),
        spread: 1,
        secret: SECRET.into(),
        connections,
        body,
        warm_up: Duration::from_millis(500),
        measure,
        run: 1,
    };
    let pid = served.pid;
    let (outcome, own, redis) = tokio::task::spawn_blocking(move || {
        let sample = || {
            (
                process::cpu(pid).ok(),
                servers.as_ref().and_then(|pids| {
                    pids.iter()
                        .map(|pid| process::cpu(*pid).ok())
                        .sum::<Option<Duration>>()
                }),
            )
        };
        let (mut before, mut after) = ((None, None), (None, None));
        let outcome = load::run(&load, || before = sample(), || after = sample())?;
        let own = after
            .0
            .zip(before.0)
            .map(|(after, before)| after.saturating_sub(before));
        let redis = after
            .1
            .zip(before.1)
            .map(|(after, before)| after.saturating_sub(before));
        anyhow::Ok((outcome, own, redis))
    })
    .await??;
    let per_lead = |time: Duration| time.as_secs_f64() * 1e6 / count(outcome.requests);
    Ok(Line {
        target,
        connections,
        body,
        outcome,
        receiver_cpu: per_lead(own.context("the receiver's processor time")?),
        redis_cpu: redis.map(per_lead),
    })
}

/// What a receiver that has nothing to do uses.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// Resident memory, MB.
    pub megabytes: f64,
    /// Share of one processor, percent.
    pub cpu: f64,
}

/// Measures a receiver without leads; its deliveries are not suspended, since waiting for leads may cost.
pub async fn idle(target: Target, measure: Duration) -> Result<Idle> {
    let hubspot = HubSpot::start(Config::default()).await?;
    let store = Store::of(target)?;
    let receiver = start_delivering(&hubspot, store.as_ref()).await?;
    let pid = receiver.pid().context("the receiver runs")?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = process::cpu(pid)?;
    tokio::time::sleep(measure).await;
    let used = process::cpu(pid)?.saturating_sub(before);
    let bytes = u32::try_from(process::resident(pid)? / 1024).unwrap_or(u32::MAX);
    Ok(Idle {
        megabytes: f64::from(bytes) / 1024.0,
        cpu: used.as_secs_f64() / measure.as_secs_f64() * 100.0,
    })
}

async fn start_delivering(hubspot: &HubSpot, store: Option<&Store>) -> Result<Receiver> {
    let sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
    let manifests = format!("{}---\n{}", webhook("website", "generic", SECRET), sink.yaml());
    let mut options = Options {
        release: true,
        ..Options::new(manifests)
    };
    options.queue = store.map(Store::url);
    Receiver::start(options).await
}

/// Latencies from the sending of a webhook to the CRM's answer that it has the record, unloaded, sorted; the CRM
/// answers in 5 ms, and a new contact takes two calls.
pub async fn end_to_end(target: Target, leads: usize) -> Result<Vec<Duration>> {
    const CRM: Duration = Duration::from_millis(5);
    let faults = FaultPlan {
        latency: Millis::fixed(5),
        ..FaultPlan::default()
    };
    let hubspot = HubSpot::start(Config {
        faults,
        ..Config::default()
    })
    .await?;
    let store = Store::of(target)?;
    let receiver = start_delivering(&hubspot, store.as_ref()).await?;
    let client = Client::builder().timeout(Duration::from_secs(10)).build()?;
    let mut latencies = Vec::with_capacity(leads);
    for lead in 0..leads {
        let body =
            json!({"submissionId": format!("e-{lead}"), "email": format!("e{lead}@example.com"), "firstName": "Ada"})
                .to_string();
        let mut request = client
            .post(receiver.webhook("website"))
            .header("content-type", "application/json");
        for (name, value) in signing::generic(SECRET, body.as_bytes()) {
            request = request.header(name, value);
        }
        let sent = Instant::now();
        let response = request.body(body).send().await?;
        ensure!(response.status() == 200, "answered {}", response.status());
        while hubspot.write_count() <= lead {
            ensure!(
                sent.elapsed() < Duration::from_secs(30),
                "lead {lead} does not reach the CRM"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The simulator writes on arrival and answers after its latency.
        latencies.push(sent.elapsed() + CRM);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    latencies.sort_unstable();
    Ok(latencies)
}

/// The receiver's binary, built before anything is measured.
pub fn prepare() -> Result<PathBuf> {
    crate::receiver::binary(true)
}
