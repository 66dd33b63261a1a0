//! Input that nobody would write, against what anybody can reach: bodies, signature headers, mappings, lead fields, handshakes.
//!
//! Each target changes what senders really send (`tests/data/senders`) and checks what must always hold: no crash, no
//! hang, nobody believed without the secret, no signature for a stranger. `make test` runs each for a second, `make fuzz`
//! for `FUZZ_SECONDS`. A failure prints `BOLERO_RANDOM_SEED`; with that variable set the same input comes first.

mod bodies;
mod choices;
mod handshakes;
mod leads;
mod mappings;
mod messages;
mod signatures;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than any one input may take, in an unoptimised build on a busy machine. A hang takes minutes.
const PATIENCE: Duration = Duration::from_secs(5);

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data/senders")
        .join(name)
}

/// The senders' example payloads, as bytes.
fn payloads() -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(data("payloads"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("EXPECT.json"))
        .collect();
    files.sort();
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// The requests that the senders' SDKs signed.
fn vectors() -> Vec<Value> {
    let text = std::fs::read_to_string(data("vectors.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Runs it and fails if it takes too long.
fn in_time<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = run();
    let took = began.elapsed();
    assert!(took < PATIENCE, "{what} took {took:?}");
    result
}
