//! One person's leads, sent one after the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::{Plan, RACES, RESENDS, SECRET};
use crate::{hubspot::Millis, signing};

/// What one sender has to show.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) email: String,
    /// Leads with a 200, in order: their numbers run from 1.
    pub(super) acknowledged: u64,
    /// Requests that were not answered 200 and were repeated.
    pub(super) retries: u64,
    /// Later resends and racing copies.
    pub(super) copies: u64,
    /// The longest that one lead waited for its 200.
    pub(super) longest: Duration,
    /// The id that each lead was given, by its number less one.
    pub(super) ids: Vec<String>,
}

/// A sender of leads; it never gives a lead up.
pub(super) struct Sender {
    rng: StdRng,
    client: reqwest::Client,
    url: String,
    contact: usize,
    think: Millis,
    stop: Arc<AtomicBool>,
    sent: Sent,
}

/// A lead's number as text: compares as it counts.
pub(super) fn number_text(number: u64) -> String {
    // A number alone is no name.
    format!("n{number:06}")
}

/// The submission's id.
pub(super) fn submission(contact: usize, number: u64) -> String {
    format!("submission-{contact}-{number}")
}

/// The person.
pub(super) fn email(contact: usize) -> String {
    format!("person{contact}@example.com")
}

/// What a 200 says.
struct Receipt {
    id: String,
    accepted: bool,
    retries: u64,
}

impl Sender {
    pub(super) fn new(plan: &Plan, contact: usize, url: String, stop: Arc<AtomicBool>) -> Result<Self> {
        Ok(Self {
            rng: StdRng::seed_from_u64(
                plan.seed
                    .wrapping_add(1 + contact as u64)
                    .wrapping_mul(0x9e37_79b9),
            ),
            client: reqwest::Client::builder()
                .timeout(Duration::from_secs(5))
                .build()?,
            url,
            contact,
            think: plan.think,
            stop,
            sent: Sent {
                email: email(contact),
                ..Sent::default()
            },
        })
    }

    /// Sends until told to stop. An error is a broken promise of the receiver.
    pub(super) async fn run(mut self) -> Result<Sent> {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.sent.acknowledged + 1;
            let copies = if self.rng.random_bool(RACES) {
                self.rng.random_range(2..=5)
            } else {
                1
            };
            let began = Instant::now();
            let receipts = self.send(number, copies).await?;
            self.sent.longest = self.sent.longest.max(began.elapsed());
            let id = receipts[0].id.clone();
            ensure!(
                receipts.iter().all(|receipt| receipt.id == id),
                "copies of {} were given different ids",
                submission(self.contact, number)
            );
            ensure!(
                receipts.iter().filter(|receipt| receipt.accepted).count() <= 1,
                "copies of {} were accepted twice",
                submission(self.contact, number)
            );
            self.sent.ids.push(id);
            self.sent.acknowledged = number;

            if self.rng.random_bool(RESENDS) {
                let earlier = self.rng.random_range(1..=number);
                self.resend(earlier).await?;
            }
            let pause = self.rng.random_range(self.think.min..=self.think.max);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(self.sent)
    }

    /// Sends a lead that has its 200 again: it must be recognised, also after a crash.
    async fn resend(&mut self, number: u64) -> Result<()> {
        let name = submission(self.contact, number);
        for receipt in self.send(number, 1).await? {
            ensure!(
                !receipt.accepted,
                "{name} was acknowledged and then accepted a second time"
            );
            let known = usize::try_from(number - 1)
                .ok()
                .and_then(|index| self.sent.ids.get(index));
            ensure!(
                Some(&receipt.id) == known,
                "{name} was {known:?} and is now {}",
                receipt.id
            );
        }
        self.sent.copies += 1;
        Ok(())
    }

    /// Sends copies of one lead at once and waits until each has its 200.
    async fn send(&mut self, number: u64, copies: usize) -> Result<Vec<Receipt>> {
        let body = json!({
            "submissionId": submission(self.contact, number),
            "email": email(self.contact),
            "firstName": number_text(number),
            "lastName": submission(self.contact, number),
        })
        .to_string();
        let posts = (0..copies).map(|_| post(&self.client, &self.url, &body));
        let receipts = futures::future::try_join_all(posts).await?;
        self.sent.copies += u64::try_from(copies).unwrap_or(0) - 1;
        self.sent.retries += receipts.iter().map(|receipt| receipt.retries).sum::<u64>();
        Ok(receipts)
    }
}

/// Posts until the answer is 200. No answer and 5xx are part of the game; anything else is a bug.
async fn post(client: &reqwest::Client, url: &str, body: &str) -> Result<Receipt> {
    let mut retries = 0;
    loop {
        let mut request = client
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_owned());
        for (name, value) in signing::generic(SECRET, body.as_bytes()) {
            request = request.header(name, value);
        }
        if let Ok(response) = request.send().await {
            let status = response.status().as_u16();
            // The connection may break within the answer: then there is no receipt.
            match (status, response.text().await) {
                (200, Ok(text)) => return receipt(&text, retries),
                (503, _) | (200, Err(_)) => {}
                (_, text) => bail!("answered {status}: {}", text.unwrap_or_default()),
            }
        }
        retries += 1;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

fn receipt(text: &str, retries: u64) -> Result<Receipt> {
    let body: Value =
        serde_json::from_str(text).with_context(|| format!("a 200 that is not JSON: {text}"))?;
    let accepted = match body["status"].as_str() {
        Some("accepted") => true,
        Some("duplicate") => false,
        _ => bail!("a 200 that says neither accepted nor duplicate: {text}"),
    };
    let id = body["id"]
        .as_str()
        .with_context(|| format!("a 200 without an id: {text}"))?;
    Ok(Receipt {
        id: id.to_owned(),
        accepted,
        retries,
    })
}
