//! The upgrade prober: receivers of two versions on one queue under load, forward and back. No lead is lost, none is delivered
//! twice, and no request is refused.
//!
//! `LEADGATE_OLD_RECEIVER` names the program of the other version, which `make upgrade-prober` builds. Without it, both are of
//! this version: then the test tells that receivers can be replaced one by one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver, binary};
use leadgate_tests::redis_server::RedisServer;
use leadgate_tests::signing;
use leadgate_tests::wire::{exchange, request};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const SECRET: &str = "upgraded-s3cret";
const PATIENCE: Duration = Duration::from_mins(2);
/// Leads between two replacements.
const LEADS: usize = 60;

/// The programs of both versions, the old one first.
fn programs() -> [PathBuf; 2] {
    let new = binary(false).unwrap();
    let old = std::env::var_os("LEADGATE_OLD_RECEIVER").map_or_else(|| new.clone(), PathBuf::from);
    [old, new]
}

fn options(hubspot: &HubSpot) -> Options {
    let mut options = Options::new(HubSpotSink::new(hubspot.base_url(), hubspot.token()).yaml());
    options
        .manifests
        .push(("web.yaml".into(), mapped_webhook("web", SECRET)));
    options
}

/// Posts leads to those receivers that are there to take them, as a Service would.
struct Senders {
    ready: Arc<Mutex<Vec<std::net::SocketAddr>>>,
    sent: Arc<AtomicUsize>,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Senders {
    fn start() -> Self {
        let ready = Arc::new(Mutex::new(Vec::<std::net::SocketAddr>::new()));
        let (sent, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let numbers = Arc::new(AtomicUsize::new(0));
        let tasks = (0..4).map(|_| {
            let (ready, sent) = (ready.clone(), sent.clone());
            let (numbers, stop) = (numbers.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let target = {
                        let ready = ready.lock().unwrap();
                        ready.get(number % ready.len().max(1)).copied()
                    };
                    let Some(target) = target else {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        continue;
                    };
                    send(target, number, &ready).await;
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let tasks = tasks.collect();
        Self {
            ready,
            sent,
            stop,
            tasks,
        }
    }

    /// So many leads more.
    async fn more(&self) {
        let wanted = self.sent.load(Ordering::Relaxed) + LEADS;
        while self.sent.load(Ordering::Relaxed) < wanted {
            assert!(
                self.tasks.iter().all(|task| !task.is_finished()),
                "a sender was refused"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn to(&self, receiver: &Receiver) {
        self.ready.lock().unwrap().push(receiver.address());
    }

    /// Nobody sends to it any more. What is under way, it still takes.
    fn not_to(&self, receiver: &Receiver) {
        let address = receiver.address();
        self.ready.lock().unwrap().retain(|known| *known != address);
    }

    async fn end(self) -> usize {
        self.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        self.sent.load(Ordering::Relaxed)
    }
}

/// Sends a lead, and again if the receiver was about to end: a Service leads the next connection elsewhere.
async fn send(target: std::net::SocketAddr, number: usize, ready: &Mutex<Vec<std::net::SocketAddr>>) {
    let body = json!({"email": format!("p{number}@example.com"), "submissionId": number.to_string(), "firstName": "Ada"});
    let body = body.to_string().into_bytes();
    let signature = signing::generic(SECRET, &body)[0].1.clone();
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Webhook-Signature", signature.as_str()),
    ];
    let mut target = target;
    loop {
        let is_ready = ready.lock().unwrap().contains(&target);
        match exchange(target, request("POST", "/webhooks/default/web", &headers, &body)).await {
            // It has not read its manifests yet: a Service would not lead here.
            Ok(answer) if answer.status == 503 && !is_ready => {}
            Ok(answer) => {
                assert_eq!(answer.status, 200, "{}", answer.text());
                return;
            }
            Err(error) => {
                let ready = ready.lock().unwrap().clone();
                assert!(
                    !ready.contains(&target),
                    "a receiver that is ready does not answer: {error}"
                );
                if let Some(other) = ready.first() {
                    target = *other;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Each lead that was taken is one record, and nothing else is.
async fn each_arrives_once(hubspot: &HubSpot, receiver: &Receiver, sent: usize) {
    receiver
        .until("every lead is in the CRM", PATIENCE, || async {
            hubspot.contacts().len() >= sent
        })
        .await;
    receiver
        .until("nothing waits", PATIENCE, || async {
            let status = receiver.status().await.unwrap();
            status["sinks"][0]["leads"]["pending"] == 0
        })
        .await;
    let records = hubspot.records_per_email();
    assert_eq!(records.len(), sent);
    assert!(records.values().all(|records| *records == 1), "{records:?}");
    assert_eq!(hubspot.write_count(), sent, "each lead was written once");
}

async fn replace(receiver: &mut Receiver, program: &Path, senders: &Senders) {
    senders.not_to(receiver);
    receiver.terminate(PATIENCE).await.unwrap();
    receiver.becomes(program.to_path_buf());
    receiver.restart().await.unwrap();
    senders.to(receiver);
    senders.more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_versions_side_by_side_on_one_redis() {
    let [old, new] = tokio::task::spawn_blocking(programs).await.unwrap();
    let redis = tokio::task::spawn_blocking(RedisServer::start)
        .await
        .unwrap()
        .unwrap();
    let key = redis.directory().join("ledger.key");
    std::fs::write(&key, "of the test, and longer than 16 bytes").unwrap();
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let mut receivers = Vec::new();
    let senders = Senders::start();
    // Given two receivers of the old version under load,
    for _ in 0..2 {
        let mut options = options(&hubspot).queue(redis.url());
        options.arguments = vec![format!("--ledger-key-file={}", key.display())];
        let mut receiver = Receiver::prepare(options).unwrap();
        receiver.becomes(old.clone());
        receiver.restart().await.unwrap();
        senders.to(&receiver);
        receivers.push(receiver);
    }
    senders.more().await;
    // when they are replaced one after the other, and back,
    for program in [&new, &old, &new] {
        for receiver in &mut receivers {
            replace(receiver, program, &senders).await;
        }
    }
    // then each lead arrives once.
    let sent = senders.end().await;
    assert!(sent >= 7 * LEADS);
    each_arrives_once(&hubspot, &receivers[0], sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_versions_one_after_the_other_on_one_file() {
    let [old, new] = tokio::task::spawn_blocking(programs).await.unwrap();
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let senders = Senders::start();
    let mut receiver = Receiver::prepare(options(&hubspot)).unwrap();
    receiver.becomes(old.clone());
    receiver.restart().await.unwrap();
    senders.to(&receiver);
    senders.more().await;
    for program in [&new, &old, &new] {
        replace(&mut receiver, program, &senders).await;
    }
    let sent = senders.end().await;
    assert!(sent >= 4 * LEADS);
    each_arrives_once(&hubspot, &receiver, sent).await;
}
