//! Files that change under a running receiver: the queue's URL and the authorities. Nothing needs a restart, and no lead
//! is lost.

mod authorities;
mod queue_file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use leadgate_tests::hubspot::HubSpot;
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::signing;
use leadgate_tests::wire::{exchange, request};
use serde_json::json;
use tokio::task::JoinSet;

const SECRET: &str = "renewal-s3cret";
const PATIENCE: Duration = Duration::from_mins(1);

/// Manifests of one webhook that delivers to a simulator.
fn manifests(hubspot: &HubSpot) -> String {
    let sink = HubSpotSink::new(hubspot.base_url(), hubspot.token()).yaml();
    format!("{sink}---\n{}", mapped_webhook("web", SECRET))
}

/// As careful tools and Kubernetes do: beside the old file, then in its place.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// Posts a lead: 200, or 503 that says when to come back.
async fn post(receiver: std::net::SocketAddr, name: &str) -> bool {
    let body = json!({"email": format!("{name}@example.com"), "submissionId": name}).to_string();
    let signature = signing::generic(SECRET, body.as_bytes())[0].1.clone();
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Webhook-Signature", signature.as_str()),
    ];
    let bytes = request("POST", "/webhooks/default/web", &headers, body.as_bytes());
    let answer = exchange(receiver, bytes).await.unwrap();
    match answer.status {
        200 => true,
        503 => {
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            false
        }
        other => panic!("{other}: {}", answer.text()),
    }
}

/// Senders that post all the time.
struct Load {
    senders: JoinSet<(Vec<String>, usize)>,
    stop: Arc<AtomicBool>,
}

impl Load {
    fn on(receiver: &Receiver) -> Self {
        let (address, stop) = (receiver.address(), Arc::new(AtomicBool::new(false)));
        let mut senders = JoinSet::new();
        for sender in 0..4 {
            let stop = Arc::clone(&stop);
            senders.spawn(async move {
                let (mut taken, mut refused) = (Vec::new(), 0);
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let name = format!("lead{sender}-{n}");
                    if post(address, &name).await {
                        taken.push(name);
                    } else {
                        refused += 1;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                (taken, refused)
            });
        }
        Self { senders, stop }
    }

    /// Which leads were taken, and how many were refused.
    async fn end(self) -> (Vec<String>, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut taken, mut refused) = (Vec::new(), 0);
        for (names, failures) in self.senders.join_all().await {
            taken.extend(names);
            refused += failures;
        }
        (taken, refused)
    }
}

/// Every lead that got its 200 is in the CRM, once.
async fn all_arrive(receiver: &Receiver, hubspot: &HubSpot, taken: &[String]) {
    receiver
        .until("all leads are in the CRM", PATIENCE, || async {
            let there = hubspot.records_per_email();
            taken
                .iter()
                .all(|name| there.contains_key(&format!("{name}@example.com")))
        })
        .await;
    assert!(hubspot.records_per_email().values().all(|records| *records == 1));
}

async fn until_taken(receiver: &Receiver, name: &str) {
    let began = Instant::now();
    for n in 0.. {
        if post(receiver.address(), &format!("{name}{n}")).await {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{}", receiver.log_tail(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Options with a file of arguments' own.
fn with_file(hubspot: &HubSpot, flag: &str, file: &Path) -> Options {
    let mut options = Options::new(manifests(hubspot));
    options.arguments = vec![flag.into(), file.display().to_string()];
    options
}
