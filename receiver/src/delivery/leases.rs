//! The claims that a worker holds: renewed together, given up one by one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::config::Sink;
use crate::metrics::Metrics;
use crate::queue::{Claim, Contact, Queue, SinkId, Token};

/// Claims under way.
type Held = HashMap<Contact, (Token, CancellationToken)>;

/// The leases of a worker's claims.
pub(super) struct Leases {
    queue: Arc<dyn Queue>,
    metrics: Arc<Metrics>,
    sink: SinkId,
    lease: Duration,
    held: Mutex<Held>,
}

impl Leases {
    pub(super) fn new(shared: &Shared, sink: &Sink) -> Self {
        Self {
            queue: Arc::clone(&shared.queue),
            metrics: Arc::clone(&shared.metrics),
            sink: sink.id.clone(),
            lease: sink.delivery.lease(),
            held: Mutex::default(),
        }
    }

    /// Keeps the leases of these claims from now on; `lost` is cancelled when one of them is lost.
    pub(super) fn keep(&self, claims: &[Claim], lost: &CancellationToken) {
        let mut held = self.lock();
        for claim in claims {
            held.insert(claim.contact.clone(), (claim.token, lost.clone()));
        }
    }

    /// These claims are settled.
    pub(super) fn end<'c>(&self, claims: impl Iterator<Item = &'c Claim>) {
        let mut held = self.lock();
        for claim in claims {
            held.remove(&claim.contact);
        }
    }

    /// Renews each lease after a third of it.
    pub(super) async fn renew_until_aborted(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            let held = self.all();
            if held.is_empty() {
                continue;
            }
            match self.queue.renew(&self.sink, &held, self.lease).await {
                Ok(kept) => {
                    for ((contact, token), kept) in held.iter().zip(kept) {
                        if !kept {
                            self.lost(contact, *token);
                        }
                    }
                }
                Err(error) => {
                    self.metrics.queue_errors.inc();
                    tracing::debug!(sink = %self.sink, %error, "failed to renew leases");
                }
            }
        }
    }

    fn all(&self) -> Vec<(Contact, Token)> {
        self.lock()
            .iter()
            .map(|(contact, (token, _))| (contact.clone(), *token))
            .collect()
    }

    /// Tells a claim's attempt that another worker has the lead now.
    fn lost(&self, contact: &Contact, token: Token) {
        if let Some((held, lost)) = self.lock().get(contact)
            && *held == token
        {
            lost.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
