//! Queue -> CRM: claim, ask the throttle, upsert, settle.
//!
//! * [`Supervisor`] runs one `worker` per sink and follows the configuration.
//! * `groups` (pure) says which leads share a call; `attempt` makes one attempt; `judge` (pure) whom a refusal concerns;
//!   `decide` (pure) what becomes of the lead; `settle` writes that down and tells it.
//! * `throttle` is the shared limiter, pause and circuit breaker; `closed` what the worker knows of it; `backoff` how long to
//!   wait; `preflight` asks the CRM before the first lead, and when a lead is suspect.

mod attempt;
mod backoff;
mod closed;
mod decide;
mod groups;
mod hydrate;
mod in_flight;
mod judge;
mod preflight;
mod settle;
mod throttle;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderValue;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use preflight::{Inspected, Inspections};

use crate::config::{Config, CrmSettings, Sink};
use crate::crm::{Crm, hubspot::HubSpot, rest::Rest, salesforce::Salesforce};
use crate::log_limit::LogLimit;
use crate::metrics::Metrics;
use crate::queue::{Queue, SinkId, WebhookId};

/// What every worker shares.
#[derive(Clone)]
pub struct Shared {
    /// Where leads wait.
    pub queue: Arc<dyn Queue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// For CRMs.
    pub client: reqwest::Client,
    /// What runs now.
    pub config: watch::Receiver<Arc<Config>>,
    /// What CRMs said when they were asked before the first lead.
    pub inspections: Arc<Inspections>,
    /// One permit: leads that may have killed this process before are tried one at a time.
    pub suspects: Arc<Semaphore>,
    /// At most one line a second about an unavailable queue, from whoever notices.
    pub queue_log: Arc<LogLimit>,
}

/// Runs a worker for each sink, and replaces it when its sink changes.
pub struct Supervisor {
    shared: Shared,
    running: BTreeMap<SinkId, Running>,
    /// The tokens with which leads are fetched: a pause because of one ends when it is replaced.
    tokens: BTreeMap<WebhookId, HeaderValue>,
    tasks: TaskTracker,
}

struct Running {
    sink: Arc<Sink>,
    stop: CancellationToken,
}

impl Supervisor {
    /// No workers yet.
    pub fn new(shared: Shared) -> Self {
        Self {
            shared,
            running: BTreeMap::new(),
            tokens: BTreeMap::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Follows the configuration until `shutdown`, then lets every worker finish what it has begun.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut config = self.shared.config.clone();
        loop {
            let current = Arc::clone(&config.borrow_and_update());
            self.apply(&current);
            tokio::select! {
                changed = config.changed() => if changed.is_err() { break },
                () = shutdown.cancelled() => break,
            }
        }
        for running in self.running.values() {
            running.stop.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends the pause of each sender's API whose token is another one now.
    fn apply_tokens(&mut self, config: &Config) {
        let tokens: BTreeMap<WebhookId, HeaderValue> = config
            .webhooks()
            .filter_map(|webhook| Some((webhook.id.clone(), webhook.hydrate.as_ref()?.token.clone())))
            .collect();
        for (webhook, token) in &tokens {
            if self.tokens.get(webhook).is_some_and(|known| known != token) {
                let (queue, api) = (Arc::clone(&self.shared.queue), hydrate::api(webhook));
                self.tasks.spawn(async move {
                    if let Err(error) = queue.resume(&api).await {
                        tracing::debug!(%error, "failed to end the pause of payload.hydrate");
                    }
                });
            }
        }
        self.tokens = tokens;
    }

    fn apply(&mut self, config: &Config) {
        self.apply_tokens(config);
        let wanted: BTreeMap<SinkId, &Arc<Sink>> =
            config.sinks().map(|sink| (sink.id.clone(), sink)).collect();
        let inspections = Arc::clone(&self.shared.inspections);
        self.running.retain(|id, running| {
            let unchanged = wanted
                .get(id)
                .is_some_and(|sink| Arc::ptr_eq(sink, &running.sink));
            if !unchanged {
                // It finishes what it has claimed; its successor claims other contacts meanwhile.
                running.stop.cancel();
                inspections.forget(id);
            }
            unchanged
        });
        for (id, sink) in wanted {
            if self.running.contains_key(&id) {
                continue;
            }
            let stop = CancellationToken::new();
            let crm = crm_of(sink, &self.shared.client);
            let (shared, settings) = (self.shared.clone(), Arc::clone(sink));
            self.tasks
                .spawn(preflight::run(shared, settings, Arc::clone(&crm), stop.clone()));
            let worker = worker::Worker::new(self.shared.clone(), Arc::clone(sink), crm, stop.clone());
            self.tasks.spawn(worker.run());
            self.running.insert(
                id,
                Running {
                    sink: Arc::clone(sink),
                    stop,
                },
            );
        }
    }
}

fn crm_of(sink: &Sink, client: &reqwest::Client) -> Arc<dyn Crm> {
    match &sink.crm {
        CrmSettings::HubSpot(settings) => Arc::new(HubSpot::new(Arc::clone(settings), client.clone())),
        CrmSettings::Salesforce(settings) => Arc::new(Salesforce::new(Arc::clone(settings), client.clone())),
        CrmSettings::Rest(settings) => Arc::new(Rest::new(Arc::clone(settings), client.clone())),
    }
}
