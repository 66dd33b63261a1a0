//! `make race`: Leadgate beside the webhook receivers that tutorials teach (`tests/race`), in one run: the same load, the
//! same durability of Redis (`appendfsync everysec`), and a kill in the middle.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::StreamExt as _;
use redis::Commands as _;
use serde_json::json;

use crate::bench::load::{self, Load};
use crate::bench::process;
use crate::manifests::{HubSpotSink, webhook};
use crate::receiver::{Options, Receiver};
use crate::redis_server::RedisServer;
use crate::{sdk, signing};

const SECRET: &str = "race-s3cret";

/// Leads that are sent around a kill, and how many at once.
const AROUND_A_KILL: usize = 2000;
const AT_ONCE: usize = 16;

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Racer {
    /// Node.js: Express 5 and BullMQ.
    Express,
    /// Python: FastAPI on uvicorn, and a Redis list.
    FastApi,
    /// Leadgate on its embedded queue, every commit on disk.
    Sqlite,
    /// Leadgate on the same Redis as the others.
    Redis,
}

/// All of them.
pub const RACERS: [Racer; 4] = [Racer::Express, Racer::FastApi, Racer::Sqlite, Racer::Redis];

impl fmt::Display for Racer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Express => "Express, BullMQ",
            Self::FastApi => "FastAPI, Redis list",
            Self::Sqlite => "Leadgate, SQLite",
            Self::Redis => "Leadgate, Redis",
        })
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Under load.
    pub outcome: load::Outcome,
    /// Processor time of server and Redis per lead, µs.
    pub cpu: f64,
    /// Resident memory of the server after the load, MB; without Redis.
    pub megabytes: f64,
    /// Leads that were acknowledged under load and are not stored.
    pub lost_under_load: usize,
    /// The same of those that were sent while the server was killed.
    pub lost: usize,
    /// Leads that are stored twice, because a sender repeated what was not answered before the kill.
    pub doubled: usize,
}

/// Measures one.
pub async fn race(racer: Racer, load: Duration) -> Result<Told> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut server = Server::start(racer).await?;
    let before = server.stored().await?;
    ensure!(before == 0, "{racer} begins with {before} leads");
    let job = Load {
        address: server.address,
        path: server.path().to_owned(),
        spread: 1,
        secret: SECRET.into(),
        connections: 64,
        body: 512,
        warm_up: Duration::from_secs(1),
        measure: load,
        run: 1,
    };
    let pids = server.pids()?;
    let (outcome, used) = tokio::task::spawn_blocking(move || {
        let cpu = || {
            pids.iter()
                .filter_map(|pid| process::cpu(*pid).ok())
                .sum::<Duration>()
        };
        let (mut before, mut after) = (Duration::ZERO, Duration::ZERO);
        let outcome = load::run(&job, || before = cpu(), || after = cpu())?;
        anyhow::Ok((outcome, after.saturating_sub(before)))
    })
    .await??;
    let megabytes = process::resident(server.pid()?)? / (1024 * 1024);
    let stored = server.stored().await?;
    let (lost, doubled) = around_a_kill(&mut server, stored).await?;
    Ok(Told {
        outcome,
        cpu: used.as_secs_f64() * 1e6 / load::count(outcome.requests),
        megabytes: load::count(usize::try_from(megabytes)?),
        lost_under_load: outcome.answered.saturating_sub(stored),
        lost,
        doubled,
    })
}

/// Sends leads, kills the server when half of them are answered, starts it again, and repeats what was not answered, as
/// senders do. Tells how many of them are missing, and how many are there twice.
async fn around_a_kill(server: &mut Server, stored_before: usize) -> Result<(usize, usize)> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    let (answered, url) = (AtomicUsize::new(0), server.url());
    let mut sending = futures::stream::iter(0..AROUND_A_KILL)
        .map(|number| {
            let (client, answered, url) = (&client, &answered, &url);
            async move {
                while !post(client, url, number).await {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
        .buffer_unordered(AT_ONCE);
    let mut killed = false;
    while sending.next().await.is_some() {
        if !killed && answered.load(Ordering::Relaxed) >= AROUND_A_KILL / 2 {
            // Requests are under way: only this task drives them, so it is killed while they wait for their answers.
            server.kill_and_start().await?;
            killed = true;
        }
    }
    drop(sending);
    let stored = server.stored().await?.saturating_sub(stored_before);
    Ok((
        AROUND_A_KILL.saturating_sub(stored),
        stored.saturating_sub(AROUND_A_KILL),
    ))
}

/// Whether it was acknowledged.
async fn post(client: &reqwest::Client, url: &str, number: usize) -> bool {
    let body =
        json!({"submissionId": format!("kill-{number}"), "email": format!("kill-{number}@example.com"),
        "firstName": "Ada", "lastName": "Lovelace"})
        .to_string();
    let mut request = client.post(url).header("content-type", "application/json");
    for (name, value) in signing::generic(SECRET, body.as_bytes()) {
        request = request.header(name, value);
    }
    request
        .body(body)
        .send()
        .await
        .is_ok_and(|answer| answer.status() == 200)
}

/// One that runs, on a store of its own.
struct Server {
    racer: Racer,
    address: SocketAddr,
    redis: Option<RedisServer>,
    runs: Runs,
}

enum Runs {
    Leadgate(Box<Receiver>),
    Scaffold(Scaffold),
}

/// A child that does not outlive the race.
struct Scaffold(Child);

impl Drop for Scaffold {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    async fn start(racer: Racer) -> Result<Self> {
        let redis = match racer {
            Racer::Sqlite => None,
            _ => Some(RedisServer::start_with(&[
                "--appendonly",
                "yes",
                "--appendfsync",
                "everysec",
                "--maxmemory-policy",
                "noeviction",
            ])?),
        };
        let (address, runs) = if let Some(mut command) = scaffold(racer)? {
            let address: SocketAddr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
            let redis = redis.as_ref().context("scaffolds store in Redis")?;
            (
                address,
                Runs::Scaffold(spawn(&mut command, address, redis).await?),
            )
        } else {
            // Leads go nowhere: deliveries would be measured too.
            let mut sink = HubSpotSink::new("http://127.0.0.1:9", "none");
            sink.suspend = true;
            let manifests = format!("{}---\n{}", webhook("website", "generic", SECRET), sink.yaml());
            let mut options = Options {
                release: true,
                ..Options::new(manifests)
            };
            options.queue = redis.as_ref().map(RedisServer::url);
            let receiver = Receiver::start(options).await?;
            (receiver.address(), Runs::Leadgate(Box::new(receiver)))
        };
        Ok(Self {
            racer,
            address,
            redis,
            runs,
        })
    }

    fn path(&self) -> &'static str {
        match self.runs {
            Runs::Leadgate(_) => "/webhooks/default/website",
            Runs::Scaffold(_) => "/webhook",
        }
    }

    fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path())
    }

    fn pid(&self) -> Result<u32> {
        match &self.runs {
            Runs::Leadgate(receiver) => receiver.pid().context("the receiver runs"),
            Runs::Scaffold(child) => Ok(child.0.id()),
        }
    }

    fn pids(&self) -> Result<Vec<u32>> {
        let redis = self.redis.as_ref().and_then(RedisServer::pid);
        Ok([self.pid()?].into_iter().chain(redis).collect())
    }

    async fn kill_and_start(&mut self) -> Result<()> {
        match &mut self.runs {
            Runs::Leadgate(receiver) => {
                receiver.kill();
                receiver.restart().await
            }
            Runs::Scaffold(child) => {
                child.0.kill()?;
                child.0.wait()?;
                let mut command = scaffold(self.racer)?.context("it is a scaffold")?;
                let redis = self.redis.as_ref().context("scaffolds store in Redis")?;
                *child = spawn(&mut command, self.address, redis).await?;
                Ok(())
            }
        }
    }

    /// Leads in the store.
    async fn stored(&self) -> Result<usize> {
        let list = match (&self.runs, self.racer) {
            (Runs::Leadgate(receiver), _) => {
                let status = receiver.status().await?;
                let pending = status["sinks"][0]["leads"]["pending"].as_u64();
                return Ok(usize::try_from(pending.context("pending leads in /status")?)?);
            }
            (_, Racer::Express) => "bull:leads:wait",
            _ => "leads",
        };
        let redis = self.redis.as_ref().context("scaffolds store in Redis")?;
        Ok(redis.connection()?.llen(list)?)
    }
}

/// How a scaffold is started; `None`: it is Leadgate. Installs what it needs from npm or PyPI, beside the build.
fn scaffold(racer: Racer) -> Result<Option<Command>> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("race");
    let kept = std::env::current_exe()?.with_file_name("race-scaffolds");
    Ok(match racer {
        Racer::Sqlite | Racer::Redis => None,
        Racer::Express => {
            let folder = kept.join("node");
            sdk::installed(&sources.join("node"), &folder, sdk::install_from_npm);
            let mut command = Command::new("node");
            command
                .arg("server.mjs")
                .env("NODE_ENV", "production")
                .current_dir(folder);
            Some(command)
        }
        Racer::FastApi => {
            let folder = kept.join("python");
            sdk::installed(&sources.join("python"), &folder, |folder| {
                let python = |program: &Path, arguments: &[&str]| {
                    sdk::run(
                        Command::new(program)
                            .arg("-m")
                            .args(arguments)
                            .current_dir(folder),
                    );
                };
                python(Path::new("python3"), &["venv", "venv"]);
                let pip = ["pip", "install", "--quiet", "--requirement", "requirements.txt"];
                python(&folder.join("venv/bin/python"), &pip);
            });
            let mut command = Command::new(folder.join("venv/bin/python"));
            command.args([
                "-m",
                "uvicorn",
                "server:app",
                "--no-access-log",
                "--log-level",
                "warning",
            ]);
            command.current_dir(folder);
            Some(command)
        }
    })
}

/// Starts a scaffold and waits until it listens.
async fn spawn(command: &mut Command, address: SocketAddr, redis: &RedisServer) -> Result<Scaffold> {
    let port = address.port().to_string();
    if command.get_program().to_string_lossy().ends_with("python") {
        command.args(["--host", "127.0.0.1", "--port", &port]);
    }
    command
        .env("PORT", &port)
        .env("REDIS_PORT", redis.port().to_string())
        .env("WEBHOOK_SECRET", SECRET)
        .stdin(Stdio::null());
    let child = Scaffold(command.spawn()?);
    let began = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        ensure!(began.elapsed() < Duration::from_secs(30), "it does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(child)
}
