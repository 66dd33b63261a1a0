//! The shared limiter, pause and circuit breaker, as a CRM's client sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use prometheus_client::metrics::histogram::Histogram;

use crate::config::Sink;
use crate::crm::{Denied, Gate};
use crate::queue::{CrmHealth, Grant, Queue};

/// A wait this short is waited here, with the lead in hand; for longer ones the lead goes back.
const SHORT: Duration = Duration::from_millis(1500);
/// How long a lead or a check goes back when the store cannot be asked.
const STORE_DOWN: Duration = Duration::from_secs(1);

/// The gate of one sink.
pub(super) struct SinkGate {
    queue: Arc<dyn Queue>,
    sink: Arc<Sink>,
    latency: Histogram,
    /// Failures in a row as last heard: a success needs reporting only if there were some.
    failures: AtomicU32,
}

impl SinkGate {
    pub(super) fn new(queue: Arc<dyn Queue>, sink: Arc<Sink>, latency: Histogram) -> Self {
        Self {
            queue,
            sink,
            latency,
            failures: AtomicU32::new(0),
        }
    }
}

#[async_trait]
impl Gate for SinkGate {
    async fn pass(&self) -> Result<(), Denied> {
        let mut waited = Duration::ZERO;
        loop {
            let grant = permit(self.queue.as_ref(), &self.sink).await?;
            self.failures.store(grant.failures, Ordering::Relaxed);
            if grant.granted > 0 {
                return Ok(());
            }
            let wait = grant.wait.max(Duration::from_millis(5));
            if grant.paused.is_some() || waited + wait > SHORT {
                return Err(Denied {
                    wait,
                    reason: grant
                        .paused
                        .unwrap_or_else(|| "the rate limit is used up".to_owned()),
                });
            }
            waited += wait;
            tokio::time::sleep(wait).await;
        }
    }

    async fn report(&self, health: CrmHealth, elapsed: Duration) {
        self.latency.observe(elapsed.as_secs_f64());
        if health == CrmHealth::Up && self.failures.load(Ordering::Relaxed) == 0 {
            return;
        }
        report(self.queue.as_ref(), &self.sink, health).await;
    }
}

/// Asks for one permit of the sink's.
pub(super) async fn permit(queue: &dyn Queue, sink: &Sink) -> Result<Grant, Denied> {
    let delivery = &sink.delivery;
    queue
        .permits(&sink.id, 1, Some(delivery.limit), delivery.breaker)
        .await
        .map_err(|error| Denied {
            wait: STORE_DOWN,
            reason: error.to_string(),
        })
}

/// Tells the sink's circuit breaker how the CRM fared.
pub(super) async fn report(queue: &dyn Queue, sink: &Sink, health: CrmHealth) {
    if let Err(error) = queue.report(&sink.id, health, sink.delivery.breaker).await {
        tracing::debug!(sink = %sink.id, %error, "the circuit breaker could not be told");
    }
}
