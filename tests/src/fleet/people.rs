//! One person's leads, one after the other, through whichever receiver and webhook.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::signing;

use super::SECRET;

/// The share of leads that are sent again later.
const RESENDS: f64 = 0.05;
/// One person in so many sends one lead as 20 racing copies.
const RACER: usize = 50;
const COPIES: usize = 20;

/// A person that sends leads.
pub struct Person {
    number: usize,
    urls: Arc<Vec<String>>,
    client: reqwest::Client,
    rng: StdRng,
}

/// A person's e-mail address.
pub fn email(person: usize) -> String {
    format!("person{person}@example.com")
}

/// A lead's number as a last name.
pub(super) fn number(lead: usize) -> String {
    format!("N{lead:04}")
}

impl Person {
    /// The person of this number; `urls` holds each receiver's webhooks, in the same order.
    pub fn new(number: usize, urls: Arc<Vec<String>>) -> Self {
        Self {
            number,
            urls,
            client: reqwest::Client::new(),
            rng: StdRng::seed_from_u64(number as u64),
        }
    }

    /// Sends so many leads; how many copies went besides.
    pub async fn send(mut self, leads: usize) -> Result<usize> {
        let mut copies = 0;
        let mut sent: Vec<(usize, String)> = Vec::new();
        for lead in 1..=leads {
            // Which webhook is part of a submission's identity; which receiver is not.
            let webhook = self.rng.random_range(0..2);
            let racing = if self.number.is_multiple_of(RACER) && lead == 2 {
                COPIES
            } else {
                1
            };
            let receivers: Vec<usize> = (0..racing)
                .map(|_| self.rng.random_range(0..self.urls.len() / 2))
                .collect();
            let posts = receivers
                .into_iter()
                .map(|receiver| self.post(receiver * 2 + webhook, lead));
            let answers = try_join_all(posts).await?;
            let accepted = answers
                .iter()
                .filter(|answer| answer["status"] == "accepted")
                .count();
            ensure!(
                accepted == 1,
                "person {} lead {lead} was accepted {accepted} times",
                self.number
            );
            let id = answers[0]["id"].clone();
            ensure!(
                answers.iter().all(|a| a["id"] == id),
                "copies have different ids: {answers:?}"
            );
            copies += racing - 1;
            sent.push((webhook, id.as_str().unwrap_or_default().to_owned()));
            if self.rng.random_bool(RESENDS) {
                let earlier = self.rng.random_range(0..sent.len());
                let (webhook, id) = sent[earlier].clone();
                let receiver = self.rng.random_range(0..self.urls.len() / 2);
                let answer = self.post(receiver * 2 + webhook, earlier + 1).await?;
                ensure!(
                    answer["status"] == "duplicate" && answer["id"] == id.as_str(),
                    "a resend was not recognised: {answer}"
                );
                copies += 1;
            }
        }
        Ok(copies)
    }

    async fn post(&self, url: usize, lead: usize) -> Result<Value> {
        let body = json!({
            "email": email(self.number), "firstName": "Person", "lastName": number(lead),
            "submissionId": format!("{}-{lead}", self.number),
        })
        .to_string();
        let mut request = self
            .client
            .post(&self.urls[url])
            .header("content-type", "application/json")
            .timeout(Duration::from_secs(20));
        for (name, value) in signing::generic(SECRET, body.as_bytes()) {
            request = request.header(name, value);
        }
        let response = request
            .body(body)
            .send()
            .await
            .context("the receiver does not answer")?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status == 200, "{status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}
