//! What receivers say of themselves: `GET /status` on their admin port.

use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use leadgate_crds::lead_webhook::{Latency, SinkError};
use serde::Deserialize;

/// The receivers' admin port.
pub const ADMIN_PORT: u16 = 9090;
const TIMEOUT: Duration = Duration::from_secs(5);
/// More than 16 sinks and some hundred problems need.
const LARGEST: usize = 4 << 20;

/// A receiver's answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// Whether it has read its configuration.
    pub loaded: bool,
    /// The store.
    pub queue: QueueReport,
    /// What it could not make sense of.
    pub problems: Vec<Problem>,
    /// Its webhooks.
    pub webhooks: Vec<WebhookReport>,
    /// Its sinks.
    pub sinks: Vec<SinkReport>,
}

/// The store as a receiver sees it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueReport {
    /// Whether it answers.
    pub ready: bool,
    /// Why leads in it are not safe.
    pub problems: Vec<String>,
    /// What it holds, in bytes.
    pub bytes: Option<u64>,
    /// What it may hold, in bytes.
    pub max_bytes: Option<u64>,
}

/// What a receiver could not make sense of.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Problem {
    /// `LeadWebhook marketing/website`.
    pub object: String,
    /// What is wrong, with the field and the remedy.
    pub message: String,
}

/// A webhook's figures.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookReport {
    /// `namespace/name`.
    pub name: String,
    /// Whether it answers 503.
    pub suspended: bool,
    /// Counts.
    pub leads: LeadsReport,
    /// What a person should look at, in words.
    pub hints: Vec<String>,
    /// The same for each sink.
    pub sinks: Vec<RouteReport>,
}

/// Counts of requests and leads.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LeadsReport {
    /// Leads accepted (of the store).
    pub accepted: i64,
    /// Resends (of the store).
    pub duplicates: i64,
    /// Requests answered 4xx because of what they hold (of the store).
    pub rejected: i64,
    /// Requests answered 401 or 403 (of this process).
    pub unauthorized: i64,
    /// Requests that made no lead (of this process).
    pub ignored: i64,
    /// Leads that no sink takes (of the store).
    pub unrouted: i64,
    /// When the last lead was accepted.
    pub last_accepted_time: Option<jiff::Timestamp>,
}

/// One webhook's figures for one sink.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteReport {
    /// The sink's name.
    pub name: String,
    /// Still to be delivered.
    pub pending: i64,
    /// Waiting for a person.
    pub held: i64,
    /// Failed for good.
    pub dead: i64,
    /// Confirmed.
    pub delivered: i64,
    /// Thrown away by a person.
    pub discarded: i64,
    /// From acceptance to delivery, in this process.
    pub latency: Option<Latency>,
    /// When the CRM last confirmed a delivery.
    pub last_delivered_time: Option<jiff::Timestamp>,
    /// The last failure in this process.
    pub last_error: Option<SinkError>,
}

/// A sink's figures, over all webhooks that share the store.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SinkReport {
    /// `namespace/name`.
    pub name: String,
    /// Counts.
    pub leads: SinkLeads,
    /// Until when the CRM asked to wait.
    pub paused_until: Option<jiff::Timestamp>,
    /// Why, as a CamelCase word.
    pub paused_reason: Option<String>,
    /// Why, in words.
    pub paused_message: Option<String>,
    /// What the receiver found when it asked the CRM itself.
    pub preflight: Option<PreflightReport>,
    /// The last failure in this process.
    pub last_error: Option<SinkError>,
}

/// What a receiver found when it asked a CRM, before the first lead and every ten minutes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PreflightReport {
    /// When it asked last.
    pub time: Option<jiff::Timestamp>,
    /// Whether the CRM answered.
    pub reachable: Option<Check>,
    /// Whether it took the credentials.
    pub credentials: Option<Check>,
    /// What is wrong with the sink's properties, each with its remedy.
    pub problems: Vec<String>,
}

/// One of the questions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Check {
    /// Yes or no.
    pub ok: bool,
    /// Why not, as a CamelCase word.
    pub reason: String,
    /// Why not, in words.
    pub message: String,
}

/// Counts of deliveries.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SinkLeads {
    /// Still to be delivered.
    pub pending: i64,
    /// Waiting for a person.
    pub held: i64,
    /// Failed for good.
    pub dead: i64,
    /// Confirmed.
    pub delivered: i64,
    /// The age of the oldest one that is still to be delivered.
    pub oldest_pending_seconds: i64,
}

/// Why a receiver could not be asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AskError {
    /// It does not answer.
    #[error("it does not answer: {0}")]
    NoAnswer(String),
    /// Its store does not answer.
    #[error("its queue does not answer: {0}")]
    Queue(String),
    /// Its answer makes no sense.
    #[error("its response is not understood: {0}")]
    Answer(String),
}

/// Where receivers' figures come from. Tests have their own.
#[async_trait]
pub trait Receivers: Send + Sync {
    /// Asks the receiver at an address.
    async fn report(&self, address: &str, token: &str) -> Result<Report, AskError>;
}

/// Asks by HTTP.
pub struct Http(Client<HttpConnector, Empty<axum::body::Bytes>>);

impl Default for Http {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(TIMEOUT));
        // A connection to each receiver all the time would cost more than making one every 15 s.
        Self(
            Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(connector),
        )
    }
}

#[async_trait]
impl Receivers for Http {
    async fn report(&self, address: &str, token: &str) -> Result<Report, AskError> {
        let host = if address.contains(':') {
            format!("[{address}]")
        } else {
            address.to_owned()
        };
        let request = http::Request::get(format!("http://{host}:{ADMIN_PORT}/status"))
            .header(http::header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Empty::new())
            .map_err(|error| AskError::NoAnswer(error.to_string()))?;
        let ask = async {
            let answer = self
                .0
                .request(request)
                .await
                .map_err(|error| AskError::NoAnswer(error.to_string()))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LARGEST)
                .collect()
                .await
                .map_err(|error| AskError::NoAnswer(error.to_string()))?
                .to_bytes();
            read(status.as_u16(), &body)
        };
        match tokio::time::timeout(TIMEOUT, ask).await {
            Ok(answer) => answer,
            Err(_) => Err(AskError::NoAnswer(format!(
                "no answer in {} s",
                TIMEOUT.as_secs()
            ))),
        }
    }
}

fn read(status: u16, body: &[u8]) -> Result<Report, AskError> {
    match status {
        200 => serde_json::from_slice(body).map_err(|error| AskError::Answer(error.to_string())),
        503 => {
            let detail = serde_json::from_slice::<serde_json::Value>(body)
                .ok()
                .and_then(|body| body.get("detail")?.as_str().map(str::to_owned));
            Err(AskError::Queue(detail.unwrap_or_else(|| "no detail".to_owned())))
        }
        other => Err(AskError::Answer(format!("status {other}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn answers() {
        let body = br#"{"loaded":true,"queue":{"ready":true,"problems":[],"writeLatency":"1.0ms"},"problems":[],
            "webhooks":[{"name":"n/w","path":"/","suspended":false,"leads":{"accepted":3,"lastAcceptedTime":null},
            "sinks":[{"name":"s","pending":1,"latency":{"p50":"1.0ms","p99":"2.0ms"},"lastError":null}]}],
            "sinks":[{"name":"n/s","pausedUntil":null,"pausedReason":null,"leads":{"oldestPendingSeconds":4}}]}"#;
        let report = read(200, body).unwrap();
        assert!(report.loaded && report.queue.ready);
        assert!(report.webhooks.iter().all(|w| w.leads.accepted == 3));
        assert!(matches!(read(503, br#"{"detail":"gone"}"#), Err(AskError::Queue(why)) if why == "gone"));
        assert!(matches!(read(401, b""), Err(AskError::Answer(_))));
        assert!(matches!(read(200, b"<html>"), Err(AskError::Answer(_))));
    }
}
