//! A receiver that delivers to a simulated HubSpot, with the calls that scenarios make.

use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};

use crate::hubspot::{Config, HubSpot};
use crate::manifests::{HubSpotSink, mapped_webhook};
use crate::receiver::{Options, Receiver};
use crate::signing;
use crate::wire::{Answer, exchange, request};

/// The webhook's signing secret.
pub const SECRET: &str = "admin-s3cret";
/// Longer than the minute after which wrong credentials are tried again.
pub const PATIENCE: Duration = Duration::from_secs(100);

/// A receiver that delivers to a simulator.
pub struct Rig {
    /// The CRM.
    pub hubspot: HubSpot,
    /// The process.
    pub receiver: Receiver,
    /// As it is written now.
    pub sink: HubSpotSink,
}

impl Rig {
    /// With the usual CRM and sink.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With a changed sink.
    pub async fn with(change: impl FnOnce(&mut HubSpotSink)) -> Self {
        Self::on(Config::default(), change).await
    }

    /// With a CRM of its own kind. Ready when the CRM was asked for its properties, so that faults that a scenario
    /// scripts meet deliveries.
    pub async fn on(crm: Config, change: impl FnOnce(&mut HubSpotSink)) -> Self {
        let hubspot = HubSpot::start(crm).await.unwrap();
        let mut sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
        change(&mut sink);
        let mut options = Options::new(sink.yaml());
        options
            .manifests
            .push(("web.yaml".into(), mapped_webhook("web", SECRET)));
        let receiver = Receiver::start(options).await.unwrap();
        let rig = Self {
            hubspot,
            receiver,
            sink,
        };
        rig.until("the CRM was asked", || async {
            !rig.sink_status().await["preflight"].is_null()
        })
        .await;
        rig
    }

    /// Writes the sink anew.
    pub fn change_sink(&mut self, change: impl FnOnce(&mut HubSpotSink)) {
        change(&mut self.sink);
        self.receiver
            .write_manifest("leadgate.yaml", &self.sink.yaml())
            .unwrap();
    }

    /// Posts a signed JSON body.
    pub async fn post(&self, body: &Value) -> Answer {
        self.post_raw(body.to_string().as_bytes(), &[]).await
    }

    /// Posts a signed body with further headers.
    pub async fn post_raw(&self, body: &[u8], more: &[(&str, &str)]) -> Answer {
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
    pub async fn lead(&self, name: &str) -> String {
        let answer = self
            .post(&json!({"email": format!("{name}@example.com"), "firstName": name, "submissionId": name}))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Waits until something holds.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, holds: impl FnMut() -> F) {
        self.receiver.until(what, PATIENCE, holds).await;
    }

    /// Waits until `name@example.com` is in the CRM.
    pub async fn arrived(&self, name: &str) {
        let email = format!("{name}@example.com");
        self.until(&format!("{name} is in the CRM"), || async {
            self.hubspot.contact(&email).is_some()
        })
        .await;
    }

    /// A call to the admin server.
    pub async fn call(&self, method: &str, path: &str) -> Answer {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        exchange(self.receiver.admin_address(), head).await.unwrap()
    }

    /// GET on the admin server.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// The sink's part of `/status`.
    pub async fn sink_status(&self) -> Value {
        self.get("/status").await["sinks"][0].clone()
    }

    /// What is set aside.
    pub async fn dead_letters(&self, set: &str) -> Vec<Value> {
        self.get(&format!("/deadletters?set={set}&limit=1000")).await["items"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Waits until so many are set aside.
    pub async fn dead_letter_count(&self, set: &str, count: usize) {
        self.until(&format!("{count} {set}"), || async {
            self.dead_letters(set).await.len() == count
        })
        .await;
    }
}
