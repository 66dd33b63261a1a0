//! A load generator that costs little beside the server it shares the machine with: prepared requests, raw
//! keep-alive HTTP/1.1, one thread.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What is posted, and how much at once.
#[derive(Debug, Clone)]
pub struct Load {
    /// The server.
    pub address: SocketAddr,
    /// The webhook's path; of several, that of the first, which ends in its number.
    pub path: String,
    /// Over how many webhooks the connections are spread.
    pub spread: usize,
    /// The webhook's secret.
    pub secret: String,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Bytes of a body.
    pub body: usize,
    /// Not measured, at the start.
    pub warm_up: Duration,
    /// Measured.
    pub measure: Duration,
    /// Told apart from other loads on the same server by this.
    pub run: u32,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Requests a second that were answered 200 within the measured time.
    pub rate: f64,
    /// How many these were.
    pub requests: usize,
    /// The same from the first request to the last.
    pub answered: usize,
    /// Median latency.
    pub p50: Duration,
    /// 99th percentile.
    pub p99: Duration,
}

/// Runs a load on a thread of its own. `start` and `end` are called as the measured time begins and ends.
pub fn run(load: &Load, start: impl FnOnce(), end: impl FnOnce()) -> Result<Outcome> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let own = load.clone();
    let begun = Instant::now();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let local = tokio::task::LocalSet::new();
        let from = begun + own.warm_up;
        let until = from + own.measure;
        let connections: Vec<_> = (0..own.connections)
            .map(|connection| local.spawn_local(converse(own.clone(), connection, from, until)))
            .collect();
        let result = local.block_on(&runtime, async {
            let (mut latencies, mut answered) = (Vec::new(), 0);
            for connection in connections {
                let (measured, all) = connection.await??;
                latencies.extend(measured);
                answered += all;
            }
            anyhow::Ok((latencies, answered))
        });
        let _ = sender.send(());
        result
    });
    // A load that fails at once must not be waited for.
    if receiver.recv_timeout(load.warm_up).is_err() {
        start();
        let _ = receiver.recv_timeout(load.measure);
        end();
    }
    let (mut latencies, answered): (Vec<u32>, usize) = thread
        .join()
        .map_err(|_| anyhow::anyhow!("the load generator panicked"))??;
    latencies.sort_unstable();
    ensure!(!latencies.is_empty(), "no request was answered");
    let percentile = |share: usize| {
        let index = (latencies.len() * share / 100).min(latencies.len() - 1);
        Duration::from_micros(u64::from(latencies[index]))
    };
    Ok(Outcome {
        rate: count(latencies.len()) / load.measure.as_secs_f64(),
        requests: latencies.len(),
        answered,
        p50: percentile(50),
        p99: percentile(99),
    })
}

/// Counts are far below 2^32.
pub fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Requests over one connection until the time is over: the latencies (µs) of those answered within it, and how many were
/// answered at all.
async fn converse(load: Load, connection: usize, from: Instant, until: Instant) -> Result<(Vec<u32>, usize)> {
    let mut stream = TcpStream::connect(load.address).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    let mut request = Request::new(&load, connection);
    let mut answer = Vec::with_capacity(1024);
    let mut latencies = Vec::with_capacity(4096);
    let mut answered = 0;
    for number in 1.. {
        let bytes = request.number(number);
        let sent = Instant::now();
        if sent >= until {
            break;
        }
        stream.write_all(bytes).await?;
        let status = read_answer(&mut stream, &mut answer).await?;
        let now = Instant::now();
        answered += 1;
        if status != 200 {
            bail!("answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        if number == 1 {
            ensure!(
                answer.windows(8).any(|word| word == b"accepted"),
                "not accepted: {}",
                String::from_utf8_lossy(&answer)
            );
        }
        if now >= from && now < until {
            latencies.push(u32::try_from((now - sent).as_micros()).unwrap_or(u32::MAX));
        }
    }
    Ok((latencies, answered))
}

/// Reads one answer of known length into `answer`, and returns its status.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<u16> {
    answer.clear();
    let mut need = usize::MAX;
    while answer.len() < need {
        if stream.read_buf(answer).await? == 0 {
            bail!("the connection was closed: {}", String::from_utf8_lossy(answer));
        }
        if need == usize::MAX
            && let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n")
        {
            need = end + 4 + content_length(&answer[..end])?;
        }
    }
    let status = answer
        .get(9..12)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .unwrap_or_default();
    status
        .parse()
        .with_context(|| format!("not HTTP: {}", String::from_utf8_lossy(answer)))
}

fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?;
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .with_context(|| format!("an answer without a length: {head}"))?
        .1
        .trim()
        .parse()
        .context("a length that is no number")
}

/// A request whose unique parts are overwritten in place.
struct Request {
    bytes: Vec<u8>,
    mac: Hmac<Sha256>,
    signature: usize,
    body: usize,
    /// Where the number stands.
    numbers: Vec<usize>,
}

/// Digits of a request's number.
const DIGITS: usize = 8;
/// Stands for it in the template.
const PLACE: &str = "########";

impl Request {
    fn new(load: &Load, connection: usize) -> Self {
        let who = format!("{}-{connection}-{PLACE}", load.run);
        let mut body = format!(
            r#"{{"submissionId":"s-{who}","email":"lead-{who}@example.com","firstName":"Ada","lastName":"Lovelace","phone":"+4930123456","company":"Example Ltd","message":""#
        );
        let rest = load.body.saturating_sub(body.len() + 2);
        body.push_str(&"lorem ipsum ".repeat(rest / 12 + 1)[..rest]);
        body.push_str("\"}");
        let path = match load.spread {
            1 => load.path.clone(),
            webhooks => format!(
                "{}{}",
                load.path.trim_end_matches(|c: char| c.is_ascii_digit()),
                connection % webhooks
            ),
        };
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nx-webhook-signature: \
             sha256={}\r\n\r\n",
            path,
            load.address,
            body.len(),
            "0".repeat(64)
        );
        let signature = head.len() - 4 - 64;
        let text = head.clone() + &body;
        Self {
            numbers: text.match_indices(PLACE).map(|(at, _)| at).collect(),
            mac: Hmac::new_from_slice(load.secret.as_bytes()).expect("HMAC takes keys of any length"),
            signature,
            body: head.len(),
            bytes: text.into_bytes(),
        }
    }

    fn number(&mut self, number: u32) -> &[u8] {
        let digits = format!("{number:0DIGITS$}");
        for at in &self.numbers {
            self.bytes[*at..at + DIGITS].copy_from_slice(digits.as_bytes());
        }
        let mut mac = self.mac.clone();
        mac.update(&self.bytes[self.body..]);
        let tag = mac.finalize().into_bytes();
        let signature = &mut self.bytes[self.signature..self.signature + 64];
        hex::encode_to_slice(tag, signature).expect("64 digits for 32 bytes");
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing;

    #[test]
    fn each_request_is_its_own_and_signed() {
        let load = Load {
            address: ([127, 0, 0, 1], 1).into(),
            path: "/webhooks/default/website".into(),
            spread: 1,
            secret: "s3cret".into(),
            connections: 1,
            body: 512,
            warm_up: Duration::ZERO,
            measure: Duration::ZERO,
            run: 3,
        };
        let mut request = Request::new(&load, 7);
        let mut bodies = Vec::new();
        for number in [1, 2] {
            let bytes = request.number(number).to_vec();
            let text = String::from_utf8(bytes).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert_eq!(body.len(), 512);
            assert!(head.ends_with(&signing::generic("s3cret", body.as_bytes())[0].1));
            let json: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(json["submissionId"], format!("s-3-7-{number:08}"));
            bodies.push(body.to_owned());
        }
        assert_ne!(bodies[0], bodies[1]);
    }
}
