//! The ceiling: the receiver's own HTTP server and sources, with a queue that does nothing.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use leadgate_receiver::{
    config::{Folders, load},
    http::{App, BodyBudget, Limits, bind, router, serve},
    log_limit::LogLimit,
    metrics::Metrics,
    queue::{
        Admission, Before, Breaker, Claims, Contact, CrmHealth, DeadLetter, DeadLetterPage, DeadLetterSet,
        DeadLetters, Entry, EntryFilter, EntryPage, Grant, Identity, Jobs, LeadId, Ledger, LedgerBounds,
        ListFilter, NewEntry, NewLead, NewRejected, PauseReason, Queue, QueueError, RateLimit, Removal,
        Requeue, Requeued, Settled, Settlement, SinkId, SinkStats, StoreReport, StoredJob, Suppressions,
        ThrottleKey, ThrottleStore, Token, WebhookId, WebhookStats,
    },
    trace::Traces,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Takes everything and keeps nothing.
struct NullQueue;

/// There is no store to ask.
fn nothing<T>() -> Result<T, QueueError> {
    Err(QueueError::Unavailable("there is no queue".into()))
}

#[async_trait]
impl Queue for NullQueue {
    async fn accept(&self, leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError> {
        Ok(vec![Admission::Accepted; leads.len()])
    }
    async fn preview(&self, leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError> {
        self.accept(leads).await
    }

    async fn claim(&self, _: &SinkId, _: usize, _: Duration) -> Result<Claims, QueueError> {
        nothing()
    }
    async fn claim_untried(&self, _: &SinkId, _: usize, _: Duration) -> Result<Claims, QueueError> {
        nothing()
    }
    async fn renew(&self, _: &SinkId, _: &[(Contact, Token)], _: Duration) -> Result<Vec<bool>, QueueError> {
        nothing()
    }
    async fn settle(&self, _: &SinkId, _: Vec<Settlement>) -> Result<Vec<Settled>, QueueError> {
        nothing()
    }
    async fn wait(&self, _: &SinkId, at_most: Duration) {
        tokio::time::sleep(at_most).await;
    }
    async fn occupied_sinks(&self) -> Result<Vec<SinkId>, QueueError> {
        nothing()
    }

    fn is_shared(&self) -> bool {
        false
    }
    async fn sink_stats(&self, _: &[SinkId]) -> Result<Vec<SinkStats>, QueueError> {
        nothing()
    }
    async fn webhook_stats(&self, _: &[WebhookId]) -> Result<Vec<WebhookStats>, QueueError> {
        nothing()
    }
    async fn pending(&self, _: &[(SinkId, WebhookId)]) -> Result<Vec<u64>, QueueError> {
        nothing()
    }
    async fn prune(&self, _: &LedgerBounds) -> Result<bool, QueueError> {
        Ok(false)
    }
    async fn check(&self) -> Result<StoreReport, QueueError> {
        Ok(StoreReport::default())
    }
    async fn close(&self) {}
}

#[async_trait]
impl ThrottleStore for NullQueue {
    async fn permits(
        &self,
        _: &ThrottleKey,
        _: u32,
        _: Option<RateLimit>,
        _: Breaker,
    ) -> Result<Grant, QueueError> {
        nothing()
    }
    async fn report(&self, _: &ThrottleKey, _: CrmHealth, _: Breaker) -> Result<(), QueueError> {
        nothing()
    }
    async fn pause(&self, _: &ThrottleKey, _: Duration, _: &PauseReason) -> Result<(), QueueError> {
        nothing()
    }
    async fn resume(&self, _: &ThrottleKey) -> Result<(), QueueError> {
        nothing()
    }
}

#[async_trait]
impl DeadLetters for NullQueue {
    async fn reject(&self, _: NewRejected, _: Duration) -> Result<bool, QueueError> {
        nothing()
    }
    async fn list(&self, _: DeadLetterSet, _: &ListFilter) -> Result<DeadLetterPage, QueueError> {
        nothing()
    }
    async fn show(&self, _: &LeadId) -> Result<Vec<DeadLetter>, QueueError> {
        nothing()
    }
    async fn requeue(
        &self,
        _: DeadLetterSet,
        _: Option<&SinkId>,
        _: &LeadId,
        _: &[SinkId],
        _: Requeue<'_>,
    ) -> Result<Requeued, QueueError> {
        nothing()
    }

    async fn expedite(&self, _: &SinkId, _: &LeadId) -> Result<bool, QueueError> {
        nothing()
    }
    async fn remove(
        &self,
        _: DeadLetterSet,
        _: Option<&SinkId>,
        _: &LeadId,
        _: Removal,
        _: &str,
    ) -> Result<bool, QueueError> {
        nothing()
    }
    async fn forget(&self, _: &Contact, _: &[SinkId]) -> Result<(), QueueError> {
        nothing()
    }
    async fn scrub(&self) -> Result<Vec<String>, QueueError> {
        nothing()
    }
}

#[async_trait]
impl Ledger for NullQueue {
    async fn note(&self, _: Vec<NewEntry>) -> Result<(), QueueError> {
        Ok(())
    }
    async fn entries(
        &self,
        _: &WebhookId,
        _: &Before,
        _: &EntryFilter,
        _: usize,
    ) -> Result<EntryPage, QueueError> {
        nothing()
    }
    async fn entry(&self, _: &WebhookId, _: &LeadId) -> Result<Option<Entry>, QueueError> {
        nothing()
    }
    async fn clear_entry(&self, _: &WebhookId, _: &LeadId, _: &str) -> Result<bool, QueueError> {
        nothing()
    }
    async fn identify(&self, _: &WebhookId, _: &LeadId, _: &[Identity]) -> Result<bool, QueueError> {
        nothing()
    }
    async fn ledger_webhooks(&self) -> Result<Vec<WebhookId>, QueueError> {
        nothing()
    }
    fn hashes_of(&self, _: &Identity) -> Vec<String> {
        Vec::new()
    }
}

#[async_trait]
impl Suppressions for NullQueue {
    async fn suppress(&self, _: &str, _: &[String]) -> Result<(), QueueError> {
        nothing()
    }
    async fn lift(&self, _: &str, _: &[String]) -> Result<u64, QueueError> {
        nothing()
    }
    async fn suppressed(&self, _: &str) -> Result<u64, QueueError> {
        nothing()
    }
}

#[async_trait]
impl Jobs for NullQueue {
    async fn jobs(&self) -> Result<Vec<StoredJob>, QueueError> {
        Ok(Vec::new())
    }
    async fn put_job(&self, _: &StoredJob) -> Result<bool, QueueError> {
        nothing()
    }
    async fn remove_job(&self, _: &str) -> Result<(), QueueError> {
        nothing()
    }
}

/// Serves the manifests of a folder, without a queue, until the process is killed. Prints `ready` when it can.
pub async fn serve_without_queue(manifests: PathBuf, listen: &str) -> Result<()> {
    let config = load(
        &Folders {
            manifests,
            secrets: None,
            local_addresses: true,
            receiver: None,
        },
        None,
    );
    ensure!(config.problems.is_empty(), "{:?}", config.problems);
    let (_keep, config) = watch::channel(Arc::new(config));
    let metrics = Arc::new(Metrics::new());
    let app = App {
        config,
        queue: Arc::new(NullQueue),
        metrics: Arc::clone(&metrics),
        bodies: BodyBudget::new(64 << 20),
        behind_tls_proxy: false,
        queue_log: Arc::new(LogLimit::new()),
        traces: Traces::default(),
    };
    let listening = bind(listen)?;
    println!("ready");
    serve(
        listening,
        None,
        router(Arc::new(app)),
        Limits::senders(4096),
        metrics,
        CancellationToken::new(),
    )
    .await
    .context("the server ended")
}
