//! How many leads a queue accepts, and what each costs: `cargo run --release --example queue_bench [URL…]`.
//!
//! Without a URL it tries SQLite in a temporary directory. With Redis, what the server used is asked of it.
//! Figures of one run are comparable with each other, not with another machine's.
#![allow(clippy::cast_precision_loss, clippy::print_stdout)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use leadgate_receiver::queue::{
    Claim, Contact, Content, DedupeKey, Disposition, Identity, LeadId, NewLead, OpenOptions, Queue,
    Settlement, SinkId, WebhookId, open,
};
use redis::Commands;

const LEADS: usize = 40_000;
const BODY: usize = 512;

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        urls.push(format!("sqlite:{}", directory.path().join("bench.db").display()));
    }
    for url in urls {
        let queue = open(&url, OpenOptions::default()).await.expect("the queue opens");
        println!(
            "{}",
            if url.starts_with("redis") {
                "Redis"
            } else {
                "SQLite"
            }
        );
        for callers in [64, 256] {
            measure(
                &format!("accept, {callers} callers"),
                &url,
                accept_all(queue.clone(), callers),
            )
            .await;
            measure("claim and settle, 100 at a time", &url, drain(queue.clone())).await;
        }
        queue.close().await;
    }
}

async fn measure(what: &str, url: &str, work: impl Future<Output = Vec<Duration>>) {
    let (began, ours, theirs) = (Instant::now(), own_cpu(), redis_cpu(url));
    let mut latencies = work.await;
    let (took, ours, theirs) = (began.elapsed(), own_cpu() - ours, redis_cpu(url) - theirs);
    latencies.sort();
    let at = |part: usize| {
        latencies
            .get(latencies.len() * part / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "  {what:<32} {:>7.0}/s  p50 {:>8.2?}  p99 {:>8.2?}  CPU µs a lead: {:>5.1} here {:>5.1} in Redis",
        LEADS as f64 / took.as_secs_f64(),
        at(50),
        at(99),
        ours / LEADS as f64 * 1e6,
        theirs / LEADS as f64 * 1e6,
    );
}

async fn accept_all(queue: Arc<dyn Queue>, callers: usize) -> Vec<Duration> {
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let sinks: Arc<[SinkId]> = vec![SinkId::from("bench/crm")].into();
                let webhook = WebhookId::from("bench/form");
                let mut latencies = Vec::with_capacity(LEADS / callers);
                for _ in 0..LEADS / callers {
                    let id = LeadId::generate();
                    // Hashes in life: in no order.
                    let hash: String = id.as_str().chars().rev().take(21).collect();
                    let lead = NewLead {
                        dedupe: DedupeKey::new(format!("{hash}d")),
                        contact: Contact::new(format!("{hash}c")),
                        id: id.clone(),
                        webhook: webhook.clone(),
                        content: Content {
                            posted: [0; 8],
                            mapped: [0; 8],
                        },
                        window: Duration::from_mins(1),
                        sinks: sinks.clone(),
                        keep: Duration::from_mins(1),
                        body: body(&id),
                        original: None,
                        people: vec![Identity::email(&format!("{hash}@example.com"))],
                    };
                    let began = Instant::now();
                    queue.accept(vec![lead]).await.expect("accepted");
                    latencies.push(began.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::with_capacity(LEADS);
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    latencies
}

/// About half a kilobyte of JSON that differs from lead to lead where a form's does. (The same text each time
/// would measure how Lua hashes long strings: by every n-th byte.)
fn body(id: &LeadId) -> Bytes {
    let noise = id.as_str().repeat(BODY / 52);
    Bytes::from(format!(
        "{{\"email\":\"{id}@example.com\",\"firstName\":\"Ann\",\"lastName\":\"{id}\",\"company\":\"Example Ltd\",\
         \"country\":\"DE\",\"consent\":true,\"page\":\"https://www.example.com/pricing?utm={id}\",\"message\":\"{noise}\"}}"
    ))
}

async fn drain(queue: Arc<dyn Queue>) -> Vec<Duration> {
    let sink = SinkId::from("bench/crm");
    let mut latencies = Vec::new();
    loop {
        let began = Instant::now();
        let claims = queue
            .claim(&sink, 100, Duration::from_mins(1))
            .await
            .expect("claimed")
            .claims;
        if claims.is_empty() {
            return latencies;
        }
        let delivered = |claim: Claim| Settlement::of(&claim, Disposition::delivered(None));
        queue
            .settle(&sink, claims.into_iter().map(delivered).collect())
            .await
            .expect("settled");
        latencies.push(began.elapsed());
    }
}

/// Seconds of CPU that this process has used.
fn own_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses: utime and stime are the 12th and 13th, in hundredths.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|ticks| ticks.parse::<f64>().ok())
            .unwrap_or_default()
    };
    (ticks(11) + ticks(12)) / 100.0
}

/// Seconds of CPU that the Redis behind `url` has used.
fn redis_cpu(url: &str) -> f64 {
    if !url.starts_with("redis") {
        return 0.0;
    }
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    let _: () = connection.ping().unwrap();
    let info: redis::InfoDict = redis::cmd("INFO").arg("cpu").query(&mut connection).unwrap();
    ["used_cpu_user", "used_cpu_sys"]
        .iter()
        .filter_map(|name| info.get::<f64>(name))
        .sum()
}
