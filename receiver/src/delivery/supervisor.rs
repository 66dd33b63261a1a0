//! One worker for each sink, as the configuration has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderValue;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::shared::Shared;
use super::{preflight, worker};
use crate::config::{Config, Sink};
use crate::queue::{SinkId, WebhookId};
use crate::throttle::ThrottleKey;

/// Runs a worker for each sink, and replaces it when its sink changes.
pub(crate) struct Supervisor {
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
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared,
            running: BTreeMap::new(),
            tokens: BTreeMap::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Follows the configuration until `shutdown`, then lets every worker finish what it has begun.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
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
                let (queue, api) = (
                    Arc::clone(&self.shared.queue),
                    ThrottleKey::Hydrate(webhook.clone()),
                );
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
        let preflights = Arc::clone(&self.shared.preflights);
        self.running.retain(|id, running| {
            let unchanged = wanted
                .get(id)
                .is_some_and(|sink| Arc::ptr_eq(sink, &running.sink));
            if !unchanged {
                // It finishes what it has claimed; its successor claims other contacts meanwhile.
                running.stop.cancel();
                preflights.forget(id);
            }
            unchanged
        });
        for (id, sink) in wanted {
            if self.running.contains_key(&id) {
                continue;
            }
            let stop = CancellationToken::new();
            let crm = Arc::clone(&sink.crm).connect(self.shared.client.clone());
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
