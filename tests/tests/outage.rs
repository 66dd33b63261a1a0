//! The store is gone, and comes back: senders are told so within the accept timeout, nothing acknowledged is lost, the log stays
//! readable, and strangers never reach the store at all.

use std::io::BufRead as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use leadgate_tests::hubspot::{Config, HubSpot, Odds};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::redis_server::RedisServer;
use leadgate_tests::signing;
use leadgate_tests::wire::{Answer, exchange, request};
use serde_json::json;

const SECRET: &str = "outage-s3cret";
/// By default, a lead's sender waits for a Redis that restarts; here it is told.
const IMPATIENT: [&str; 2] = ["--accept-timeout", "1s"];
/// The promise is 1 s; the rest is for a busy machine.
const ANSWERED: Duration = Duration::from_millis(1800);
/// The promise is 5 s.
const RECOVERED: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_mins(1);
const OUTAGE: Duration = Duration::from_secs(6);

struct Scene {
    hubspot: HubSpot,
    receiver: Receiver,
    sent: u32,
    acknowledged: Vec<String>,
}

impl Scene {
    async fn start(change: impl FnOnce(&mut Options)) -> Self {
        let hubspot = HubSpot::start(Config::default()).await.unwrap();
        let sink = HubSpotSink::new(hubspot.base_url(), hubspot.token()).yaml();
        // What makes a lead large is mapped by nobody.
        let webhook =
            mapped_webhook("web", SECRET).replacen("  payload:\n", "  payload:\n    keep: Whole\n", 1);
        let mut options = Options::new(format!("{sink}---\n{webhook}"));
        options.arguments = IMPATIENT.map(str::to_owned).to_vec();
        change(&mut options);
        let receiver = Receiver::start(options).await.unwrap();
        Self {
            hubspot,
            receiver,
            sent: 0,
            acknowledged: Vec::new(),
        }
    }

    /// Sends a lead; every answer is prompt, and is 200, or 503 that says when to come back.
    async fn send(&mut self, padding: usize) -> bool {
        self.sent += 1;
        let email = format!("lead{}@example.com", self.sent);
        let body = json!({"email": email, "submissionId": email, "padding": "x".repeat(padding)})
            .to_string()
            .into_bytes();
        let signature = signing::generic(SECRET, &body)[0].1.clone();
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Webhook-Signature", signature.as_str()),
        ];
        let began = Instant::now();
        let answer = exchange(
            self.receiver.address(),
            request("POST", "/webhooks/default/web", &headers, &body),
        )
        .await
        .unwrap();
        let took = began.elapsed();
        assert!(took < ANSWERED, "{} took {took:?}", answer.status);
        match answer.status {
            200 => {
                self.acknowledged.push(email);
                true
            }
            503 => {
                assert!(answer.is_problem(), "{answer:?}");
                let wait = answer.header("retry-after").unwrap().parse::<u32>().unwrap();
                assert!((1..=60).contains(&wait), "{wait}");
                false
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }

    /// One outage. `padding` is how large leads are: a disk fills up with large ones first.
    async fn outage(
        &mut self,
        padding: usize,
        take_away: impl FnOnce(&Receiver),
        give_back: impl FnOnce(&Receiver),
    ) {
        for _ in 0..20 {
            assert!(self.send(padding).await);
        }
        take_away(&self.receiver);
        let began = Instant::now();
        while self.send(padding).await {
            assert!(began.elapsed() < PATIENCE, "the outage is not noticed");
        }
        let (lines, began) = (self.receiver.log().lines().count(), Instant::now());
        let mut refused = 0;
        while began.elapsed() < OUTAGE {
            // What was free before the store failed may take one more.
            refused += u32::from(!self.send(padding).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // With Redis, each waits for a second.
        assert!(refused >= 4, "only {refused} leads were refused");
        let (ready, said) = self.receiver.admin("/readyz").await.unwrap();
        assert_eq!(ready, 503, "{said}");
        assert_eq!(self.receiver.admin("/livez").await.unwrap().0, 200);
        assert!(
            self.receiver
                .metric("leadgate_queue_errors_total", &[])
                .await
                .unwrap()
                > 0.0
        );
        let log = self.receiver.log();
        // What was accepted before is still delivered, and told.
        let new: Vec<&str> = log
            .lines()
            .skip(lines)
            .filter(|line| !line.contains("\"INFO\""))
            .collect();
        let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
        assert!(
            new.len() <= seconds + 2,
            "{} lines in {seconds} s:\n{}",
            new.len(),
            new.join("\n")
        );
        assert!(!log.contains("@example.com") && !log.contains(SECRET));

        give_back(&self.receiver);
        let back = Instant::now();
        while !self.send(0).await {
            assert!(back.elapsed() < RECOVERED, "not back after {:?}", back.elapsed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        println!("takes leads again after {:?}", back.elapsed());
        self.receiver.ready(PATIENCE).await.unwrap();
    }

    /// Every lead that got its 200 is in the CRM, once.
    async fn reckon(&self) {
        let began = Instant::now();
        let missing = || -> Vec<&String> {
            let there = self.hubspot.records_per_email();
            self.acknowledged
                .iter()
                .filter(|email| there.get(*email) != Some(&1))
                .collect()
        };
        while !missing().is_empty() {
            assert!(
                began.elapsed() < PATIENCE,
                "{} acknowledged leads are not in the CRM: {:?}\n{}",
                missing().len(),
                missing(),
                self.receiver.log_tail(20)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(self.hubspot.stats().duplicate_emails.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_killed_and_comes_back() {
    let redis = std::cell::RefCell::new(RedisServer::start().unwrap());
    let url = redis.borrow().url();
    let mut scene = Scene::start(|options| options.queue = Some(url)).await;
    for _ in 0..2 {
        scene
            .outage(
                0,
                |_| redis.borrow_mut().kill(),
                |_| redis.borrow_mut().restart().unwrap(),
            )
            .await;
    }
    scene.reckon().await;
}

/// A receiver that starts before its Redis waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_starts_first_says_503_until_redis_is_there() {
    let mut redis = RedisServer::start().unwrap();
    let url = redis.url();
    redis.kill();
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let sink = HubSpotSink::new(hubspot.base_url(), hubspot.token()).yaml();
    let mut options = Options::new(format!("{sink}---\n{}", mapped_webhook("web", SECRET))).queue(url);
    options.arguments = IMPATIENT.map(str::to_owned).to_vec();
    let mut receiver = Receiver::prepare(options).unwrap();
    receiver.spawn().unwrap();
    let mut scene = Scene {
        hubspot,
        receiver,
        sent: 0,
        acknowledged: Vec::new(),
    };
    let began = Instant::now();
    while scene.receiver.admin("/livez").await.is_err() {
        assert!(began.elapsed() < PATIENCE, "{}", scene.receiver.log_tail(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!scene.send(0).await);
    assert_eq!(scene.receiver.admin("/readyz").await.unwrap().0, 503);
    redis.restart().unwrap();
    scene.receiver.ready(PATIENCE).await.unwrap();
    assert!(scene.send(0).await);
    scene.reckon().await;
}

/// A file that may not grow: the kernel refuses writes beyond a size, for root as for anybody.
#[tokio::test(flavor = "multi_thread")]
async fn the_queue_file_cannot_grow_for_a_while() {
    let mut scene = Scene::start(|options| {
        // Ignored, so that a write fails instead of ending the process.
        options.wrapper = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""]
            .map(str::to_owned)
            .to_vec();
    })
    .await;
    let limit = |receiver: &Receiver, size: &str| {
        let pid = receiver.pid().unwrap().to_string();
        let done = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--fsize={size}:")])
            .status()
            .unwrap();
        assert!(done.success(), "prlimit (util-linux) is needed");
    };
    scene
        .outage(
            40_000,
            |receiver| limit(receiver, "400000"),
            |receiver| limit(receiver, "unlimited"),
        )
        .await;
    scene.reckon().await;
}

/// A disk of 6 MB that is there for processes that enter its namespace. It takes the right to mount, or to have namespaces.
struct SmallDisk {
    holder: Child,
    folder: tempfile::TempDir,
    namespaces: &'static [&'static str],
}

impl SmallDisk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = |unshare: &[&str]| {
            let mut holder = Command::new("unshare")
                .args(unshare)
                .args([
                    "sh",
                    "-c",
                    "mount -t tmpfs -o size=6m tmpfs \"$0\" && echo mounted && exec sleep 1h",
                ])
                .arg(folder.path())
                .stdout(Stdio::piped())
                .spawn()
                .expect("unshare (util-linux) is needed");
            let mut said = String::new();
            std::io::BufReader::new(holder.stdout.take().unwrap())
                .read_line(&mut said)
                .unwrap();
            if said == "mounted\n" {
                return Some(holder);
            }
            holder.wait().unwrap();
            None
        };
        if let Some(holder) = mounted(&["--mount"]) {
            let namespaces = &["--mount"];
            return Self {
                holder,
                folder,
                namespaces,
            };
        }
        let holder = mounted(&["--user", "--map-root-user", "--mount"])
            .expect("a small disk takes root, or the right to have user namespaces");
        let namespaces = &["--user", "--preserve-credentials", "--mount"];
        Self {
            holder,
            folder,
            namespaces,
        }
    }

    /// A scene whose queue is on it.
    async fn scene(&self) -> Scene {
        let pid = self.holder.id().to_string();
        let enter = ["nsenter", "--target", &pid];
        let wrapper = enter.iter().chain(self.namespaces).map(ToString::to_string);
        let url = format!("sqlite:{}", self.folder.path().join("leadgate.db").display());
        Scene::start(|options| {
            options.wrapper = wrapper.collect();
            options.queue = Some(url);
        })
        .await
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_on_a_full_disk_is_delivered_also_after_a_kill() {
    // Given a CRM that is down, and leads that have filled the disk,
    let disk = SmallDisk::new();
    let mut scene = disk.scene().await;
    scene
        .hubspot
        .change_faults(|plan| plan.odds = vec![Odds::status(1.0, 503)]);
    let mut refused = 0;
    while refused < 20 {
        assert!(scene.sent < 2000, "the disk is not full");
        refused += u32::from(!scene.send(9000).await);
    }
    assert!(scene.acknowledged.len() > 100, "{}", scene.acknowledged.len());
    // then the receiver says so,
    let status = scene.receiver.status().await.unwrap();
    assert_eq!(status["queue"]["ready"], false, "{status}");
    assert!(
        status["queue"]["problems"].to_string().contains("full"),
        "{status}"
    );
    assert_eq!(scene.receiver.admin("/readyz").await.unwrap().0, 503);
    // and when it is killed, and the CRM is back, it starts, delivers all of them and takes new ones.
    let log = scene.receiver.log();
    assert!(log.matches("disk is full").count() < 30, "{log}");
    scene.receiver.kill();
    scene.receiver.spawn().unwrap();
    scene.hubspot.change_faults(|plan| plan.odds.clear());
    scene.reckon().await;
    scene.receiver.ready(PATIENCE).await.unwrap();
    assert!(scene.send(9000).await);
    scene.reckon().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_small_disk_copies_of_rejected_requests_make_room_for_leads() {
    // Given more rejected requests than the disk holds,
    let disk = SmallDisk::new();
    let mut scene = disk.scene().await;
    for n in 0..900 {
        let padding = "x".repeat(9000);
        let body = json!({"email": "none", "submissionId": n, "padding": padding}).to_string();
        let signature = signing::generic(SECRET, body.as_bytes())[0].1.clone();
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Webhook-Signature", signature.as_str()),
        ];
        let request = request("POST", "/webhooks/default/web", &headers, body.as_bytes());
        let answer = exchange(scene.receiver.address(), request).await.unwrap();
        assert_ne!(answer.status, 200);
    }
    // when leads come, then none is refused.
    for _ in 0..50 {
        assert!(scene.send(9000).await, "{}", scene.receiver.log_tail(5));
    }
    scene.reckon().await;
}

/// Calls by command, as Redis counts them.
fn calls(redis: &RedisServer) -> std::collections::BTreeMap<String, u64> {
    let mut connection = redis.connection().unwrap();
    let text: String = redis::cmd("INFO")
        .arg("commandstats")
        .query(&mut connection)
        .unwrap();
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_strangers_cause_no_call_to_redis() {
    let redis = RedisServer::start().unwrap();
    let url = redis.url();
    let mut scene = Scene::start(|options| options.queue = Some(url)).await;
    assert!(scene.send(0).await);
    scene.reckon().await;
    // Let what the first lead caused come to rest.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let body = br#"{"email":"stranger@example.com","submissionId":"1"}"#;
    let path = "/webhooks/default/web";
    let forged = ("X-Webhook-Signature", "sha256=00");
    let other = signing::generic("other", body)[0].1.clone();
    let json = ("Content-Type", "application/json");
    let rows: Vec<(Vec<u8>, u16)> = vec![
        (request("POST", path, &[json, forged], body), 401),
        (request("POST", path, &[json], body), 401),
        (
            request("POST", path, &[json, ("X-Webhook-Signature", &other)], body),
            401,
        ),
        (request("POST", path, &[json, forged], b"{"), 401),
        (
            request("POST", path, &[forged, ("Content-Type", "text/xml")], b"<"),
            401,
        ),
        (request("GET", path, &[], b""), 405),
        (request("POST", "/unknown", &[json, forged], body), 404),
        (request("POST", path, &[json, forged], &vec![b'x'; 2 << 20]), 413),
    ];
    let (before, began) = (calls(&redis), Instant::now());
    for n in 0..1000 {
        let (bytes, status) = &rows[if n % 50 == 0 { 7 } else { n % 7 }];
        let answer: Answer = exchange(scene.receiver.address(), bytes).await.unwrap();
        assert_eq!(answer.status, *status, "{}", answer.text());
    }
    let took = began.elapsed().as_secs();
    let mut caused = Vec::new();
    for (command, count) in calls(&redis) {
        let grown = count - before.get(&command).copied().unwrap_or(0);
        // Our own look, and the connection it needs.
        if grown > 0 && !matches!(command.as_str(), "info" | "client|setinfo" | "select" | "hello") {
            caused.push((command, grown));
        }
    }
    // Idle workers look after their sinks at most once a second (docs/design.md), nothing else does anything.
    let total: u64 = caused.iter().map(|(_, grown)| grown).sum();
    assert!(total <= 3 * (took + 2), "in {took} s: {caused:?}");
}
