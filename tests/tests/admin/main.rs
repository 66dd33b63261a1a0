//! What operators see and do while leads are delivered to a CRM that misbehaves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a test stops at the first broken assumption

mod access;
mod crm;
mod figures;
mod parked;

use std::future::Future;
use std::time::{Duration, Instant};

use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::signing;
use leadgate_tests::wire::{Answer, exchange, request};
use serde_json::{Value, json};

const SECRET: &str = "admin-s3cret";
/// Longer than the minute after which wrong credentials are tried again.
const PATIENCE: Duration = Duration::from_secs(100);

/// A receiver that delivers to a simulator.
struct Rig {
    hubspot: HubSpot,
    receiver: Receiver,
    sink: HubSpotSink,
}

impl Rig {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut HubSpotSink)) -> Self {
        let hubspot = HubSpot::start(Config::default()).await.unwrap();
        let mut sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
        change(&mut sink);
        let mut options = Options::new(sink.yaml());
        options
            .manifests
            .push(("web.yaml".into(), mapped_webhook("web", SECRET)));
        let receiver = Receiver::start(options).await.unwrap();
        Self {
            hubspot,
            receiver,
            sink,
        }
    }

    /// Writes the sink anew.
    fn change_sink(&mut self, change: impl FnOnce(&mut HubSpotSink)) {
        change(&mut self.sink);
        self.receiver
            .write_manifest("leadgate.yaml", &self.sink.yaml())
            .unwrap();
    }

    async fn post(&self, body: &Value) -> Answer {
        self.post_raw(body.to_string().as_bytes(), &[]).await
    }

    async fn post_raw(&self, body: &[u8], more: &[(&str, &str)]) -> Answer {
        let signature = signing::generic(SECRET, body)[0].1.clone();
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("X-Webhook-Signature", signature.as_str()),
        ];
        headers.extend_from_slice(more);
        let bytes = request("POST", "/webhooks/default/web", &headers, body);
        exchange(self.receiver.address(), bytes).await.unwrap()
    }

    /// Sends a lead that is taken; returns its id.
    async fn lead(&self, name: &str) -> String {
        let answer = self
            .post(&json!({"email": format!("{name}@example.com"), "firstName": name, "submissionId": name}))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn until<F: Future<Output = bool>>(&self, what: &str, mut holds: impl FnMut() -> F) {
        let began = Instant::now();
        while !holds().await {
            assert!(
                began.elapsed() < PATIENCE,
                "never: {what}\n{}",
                self.receiver.log_tail(20)
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn arrived(&self, name: &str) {
        let email = format!("{name}@example.com");
        self.until(&format!("{name} is in the CRM"), || async {
            self.hubspot.contact(&email).is_some()
        })
        .await;
    }

    /// A call to the admin server.
    async fn call(&self, method: &str, path: &str) -> Answer {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        exchange(self.receiver.admin_address(), head).await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// The sink's part of `/status`.
    async fn sink_status(&self) -> Value {
        self.get("/status").await["sinks"][0].clone()
    }

    async fn parked(&self, set: &str) -> Vec<Value> {
        self.get(&format!("/deadletters?set={set}&limit=1000")).await["items"]
            .as_array()
            .unwrap()
            .clone()
    }

    async fn parked_count(&self, set: &str, count: usize) {
        self.until(&format!("{count} {set}"), || async {
            self.parked(set).await.len() == count
        })
        .await;
    }
}
