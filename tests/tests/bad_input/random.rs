//! 10,000 bodies that nobody meant: verified, so that every one reaches the parsers.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use futures::{StreamExt as _, stream};
use leadgate_tests::wire::{Wire, request};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{Rig, assert_discreet, lead, path, resident, signature};

const BODIES: u64 = 10_000;
const CONNECTIONS: u64 = 8;

const TYPES: [&str; 8] = [
    "application/json",
    "application/json; charset=utf-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "multipart/form-data; boundary=",
    "application/ld+json",
    "text/plain",
    "",
];

/// Pieces that parsers care about.
const PIECES: [&str; 34] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "1e5",
    "-0",
    "\\u0000",
    "\\ud83d",
    "\"email\":",
    "\"a@example.com\"",
    "email=a%40example.com",
    "&",
    "=",
    "%",
    "%00",
    "%e2%82",
    "+",
    "--b",
    "--b--",
    "\r\n",
    "\r\n\r\n",
    "Content-Disposition: form-data; name=\"email\"",
    "; filename=\"x\"",
    "\u{feff}",
    "\u{202e}",
    "canary.person",
    "\"data\":{",
    "\"phone\":\"+49 30 1\"",
    "99999999999999999999",
    "\0",
];

fn body(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..4) {
        // Bytes.
        0 => {
            let mut bytes = vec![0; rng.random_range(0..600)];
            rng.fill(bytes.as_mut_slice());
            bytes
        }
        // A good lead with a few bytes changed.
        1 => {
            let mut bytes = lead(&rng.random_range(0..1_000_000).to_string());
            for _ in 0..rng.random_range(1..6) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            bytes
        }
        // A good lead cut off.
        2 => {
            let bytes = lead("cut");
            bytes[..rng.random_range(0..bytes.len())].to_vec()
        }
        // Syntax in any order.
        _ => (0..rng.random_range(1..40))
            .map(|_| PIECES[rng.random_range(0..PIECES.len())])
            .collect::<String>()
            .into_bytes(),
    }
}

fn random_request(seed: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut body = body(&mut rng);
    let content_type = TYPES[rng.random_range(0..TYPES.len())];
    let mut headers = Vec::new();
    if !content_type.is_empty() {
        headers.push(("Content-Type", content_type));
    }
    if rng.random_bool(0.1) {
        if rng.random_bool(0.7) {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&body).unwrap();
            body = encoder.finish().unwrap();
        }
        headers.push(("Content-Encoding", "gzip"));
    }
    let signature = signature(&body);
    headers.push(("X-Webhook-Signature", &signature));
    request("POST", &path("generic"), &headers, &body)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_random_bodies_each_get_an_answer_with_a_reason() {
    let rig = Rig::start().await;
    let before = resident(rig.receiver.pid().unwrap());
    let accepted: u64 = stream::iter(0..CONNECTIONS)
        .map(|connection| {
            let rig = &rig;
            async move {
                let mut accepted = 0;
                let mut wire: Option<Wire> = None;
                for n in (connection..BODIES).step_by(usize::try_from(CONNECTIONS).unwrap()) {
                    let mut open = match wire.take() {
                        Some(open) => open,
                        None => rig.wire().await,
                    };
                    open.send(random_request(n)).await.unwrap();
                    let answer = open.answer().await.unwrap();
                    let answer = answer.unwrap_or_else(|| panic!("body {n}: no answer"));
                    let what = format!("body {n}");
                    if answer.status == 200 {
                        accepted += 1;
                    } else {
                        assert!(matches!(answer.status, 400 | 413 | 415), "{what}: {answer:?}");
                        assert!(answer.is_problem(), "{what}: {answer:?}");
                    }
                    assert_discreet(&answer, &what);
                    wire = Some(open);
                }
                accepted
            }
        })
        .buffer_unordered(usize::try_from(CONNECTIONS).unwrap())
        .fold(0, |sum, n| async move { sum + n })
        .await;
    // Some that were changed are leads all the same; most are not.
    assert!(accepted < BODIES / 4, "{accepted} were taken for leads");
    let after = resident(rig.receiver.pid().unwrap());
    assert!(after < before + 150, "{before} MiB before, {after} MiB after");
    rig.survived().await;
}
