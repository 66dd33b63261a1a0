//! What receivers say of themselves: `GET /status` on their admin port.

use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use leadgate_crds::report::Report;

/// The receivers' admin port.
pub const ADMIN_PORT: u16 = 9090;
const TIMEOUT: Duration = Duration::from_secs(5);
/// More than 1,000 webhooks with 16 sinks each and some hundred problems need.
const MAX_REPORT: usize = 32 << 20;

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
            let body = Limited::new(answer.into_body(), MAX_REPORT)
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
    use super::*;

    #[test]
    fn answers() {
        let body = br#"{"loaded":true,"queue":{"ready":true,"problems":[],"writeLatency":"1.0ms"},"problems":[],
            "webhooks":[{"name":"n/w","path":"/","suspended":false,"leads":{"accepted":3,"lastAcceptedTime":null},
            "sinks":[{"name":"s","pending":1,"latency":{"p50":"1.0ms","p99":"2.0ms"},"lastError":null}]}],
            "sinks":[{"name":"n/s","pausedUntil":null,"pausedReason":null,"leads":{"oldestPendingSeconds":4}}]}"#;
        let report = read(200, body).unwrap();
        assert!(report.loaded && report.queue.ready);
        assert!(report.webhooks.iter().all(|w| w.leads.stored.accepted == 3));
        assert!(matches!(read(503, br#"{"detail":"gone"}"#), Err(AskError::Queue(why)) if why == "gone"));
        assert!(matches!(read(401, b""), Err(AskError::Answer(_))));
        assert!(matches!(read(200, b"<html>"), Err(AskError::Answer(_))));
    }
}
