//! What a worker writes down of an attempt, and what it tells: counts, log lines, the sink's status.

use std::sync::Arc;
use std::time::Duration;

use leadgate_crds::reason::FailureReason;
use opentelemetry::trace::TraceId;

use super::closed::Closed;
use super::decide::Decision;
use super::shared::Shared;
use crate::config::Sink;
use crate::crm::{Failure, RefusedProperty};
use crate::metrics::{DeliveryLabels, WebhookLabels};
use crate::outcomes::DeliveryOutcome;
use crate::queue::{Claim, Disposition, QueueError, Settled, Settlement, WebhookId};
use crate::throttle::{PauseReason, ThrottleKey};
use crate::time::since;
use crate::trace::Processing;

/// Kept when a webhook is gone: what its leads' retention was is not known any more.
const DEFAULT_RETENTION: Duration = Duration::from_hours(720);
/// How often a settlement is tried before it is left to the lease.
const MAX_SETTLE_TRIES: u32 = 5;

/// How long leads are kept.
pub(super) struct Retention {
    /// Those that are dead.
    pub(super) dead: Duration,
    /// Those that are held.
    pub(super) held: Duration,
    /// The payloads of those that are delivered.
    pub(super) payload: Duration,
}

/// The end of a worker's attempts.
pub(super) struct Settler {
    shared: Shared,
    sink: Arc<Sink>,
    closed: Arc<Closed>,
}

impl Settler {
    pub(super) fn new(shared: Shared, sink: Arc<Sink>, closed: Arc<Closed>) -> Self {
        Self { shared, sink, closed }
    }

    /// How long a lead's webhook keeps what becomes of its leads.
    pub(super) fn retention(&self, claim: &Claim) -> Retention {
        let config = self.shared.config.borrow();
        let of_webhook = config.webhook(&claim.webhook).map(|webhook| Retention {
            dead: webhook.keep_dead,
            held: webhook.keep_held,
            payload: webhook.keep_payloads,
        });
        of_webhook.unwrap_or(Retention {
            dead: DEFAULT_RETENTION,
            held: DEFAULT_RETENTION,
            payload: Duration::ZERO,
        })
    }

    /// Counts and tells what was decided, pauses the sink if that is part of it, and writes the outcomes down.
    /// `took`: how long the attempt was.
    pub(super) async fn finish(&self, decided: &[(Claim, Decision)], took: Duration, spans: &mut Processing) {
        let mut pause: Option<(Duration, &Failure)> = None;
        for (place, (claim, decision)) in decided.iter().enumerate() {
            self.count(decision.label);
            let reason = decision.failure.as_ref().map(|failure| failure.reason.as_str());
            spans.decided(place, decision.label, reason);
            if let Some(failure) = &decision.failure {
                self.shared.metrics.failed(
                    &claim.webhook,
                    &self.sink.id,
                    failure.reason.as_str(),
                    &failure.message,
                );
                let reason = failure.reason.as_str();
                self.shared
                    .metrics
                    .lead_failed(&claim.webhook, &claim.id, Some(&self.sink.id), reason);
                tracing::warn!(
                    sink = %self.sink.id, webhook = %claim.webhook, lead = %claim.id, attempt = claim.attempt,
                    trace_id = spans.id(place).map(tracing::field::display), outcome = decision.label.as_str(), reason = failure.reason.as_str(), "{}", failure.message
                );
            }
            if let (Some(asked), Some(why)) = (decision.pause, &decision.failure)
                && pause.is_none_or(|(longest, _)| asked > longest)
            {
                pause = Some((asked, why));
            }
        }
        if let Some((pause, why)) = pause
            && let Err(error) = self.pause(pause, &PauseReason::from(why)).await
        {
            tracing::warn!(sink = %self.sink.id, %error, "failed to store the pause");
        }
        let settling = spans.settle(&self.sink.id);
        let settled = self.settle(decided, took, spans).await;
        drop(settling);
        for (place, ((claim, decision), settled)) in decided.iter().zip(settled).enumerate() {
            if settled && let Disposition::Delivered { record, .. } = &decision.settle {
                // What was replayed or imported says nothing about speed.
                if claim.queued_at == claim.accepted_at {
                    self.tell_speed(&claim.webhook, since(claim.accepted_at), spans.id(place));
                }
                tracing::info!(
                    sink = %self.sink.id, webhook = %claim.webhook, lead = %claim.id, attempt = claim.attempt,
                    trace_id = spans.id(place).map(tracing::field::display), record = record.as_deref().unwrap_or_default(), "delivered"
                );
                self.tell_open().await;
            }
        }
    }

    fn tell_speed(&self, id: &WebhookId, took: Duration, trace: Option<TraceId>) {
        let metrics = &self.shared.metrics;
        metrics.delivered(id, &self.sink.id, took, trace);
        let config = self.shared.config.borrow();
        let objective = config.webhook(id).and_then(|webhook| webhook.objective);
        if objective.is_some_and(|objective| took > objective) {
            let webhook = id.to_string();
            metrics
                .objective_missed
                .get_or_create(&WebhookLabels { webhook })
                .inc();
        }
    }

    async fn pause(&self, pause: Duration, why: &PauseReason) -> Result<(), QueueError> {
        let key = ThrottleKey::Sink(self.sink.id.clone());
        self.shared.queue.pause(&key, pause, why).await
    }

    /// Writes the outcomes down; which of them took effect. If the store stays away, the leases end and the leads are
    /// tried again: the upsert is made so that this makes no second record.
    async fn settle(&self, decided: &[(Claim, Decision)], took: Duration, spans: &Processing) -> Vec<bool> {
        let settlements: Vec<Settlement> = decided
            .iter()
            .enumerate()
            .map(|(place, (claim, decision))| {
                let mut settlement = Settlement::of(claim, decision.settle.clone());
                settlement.attempt.took = took;
                settlement.attempt.trace = spans.id(place).map(|id| id.to_string()).unwrap_or_default();
                settlement.attempt.status = decision.failure.as_ref().and_then(|why| why.status);
                settlement
            })
            .collect();
        for attempt in 1..=MAX_SETTLE_TRIES {
            match self.shared.queue.settle(&self.sink.id, settlements.clone()).await {
                Ok(settled) => {
                    return decided
                        .iter()
                        .zip(settled)
                        .map(|((claim, _), settled)| {
                            // After an unknown first try, "stale" may mean that it landed.
                            if settled == Settled::Stale && attempt == 1 {
                                self.count(DeliveryOutcome::Stale);
                                tracing::warn!(sink = %self.sink.id, lead = %claim.id, "lease expired before the delivery was settled; another worker owns the lead");
                            }
                            settled == Settled::Done || attempt > 1
                        })
                        .collect();
                }
                Err(error) => {
                    self.shared.metrics.queue_errors.inc();
                    tracing::debug!(sink = %self.sink.id, %error, "failed to settle deliveries; will retry");
                    tokio::time::sleep(Duration::from_millis(200) * attempt).await;
                }
            }
        }
        if let Some(left_out) = self.shared.queue_log.admit() {
            tracing::warn!(sink = %self.sink.id, leads = decided.len(), more = left_out, "deliveries could not be settled; they are retried when their leases expire");
        }
        vec![false; decided.len()]
    }

    /// One line when deliveries stop, with what waits meanwhile.
    pub(super) async fn tell_paused(&self, why: &PauseReason) {
        if !self.closed.tell_paused(&why.reason) {
            return;
        }
        let failure = || Err(Failure::new(why.reason.clone(), why.message.as_str()));
        let preflights = &self.shared.preflights;
        match why.reason {
            FailureReason::CircuitOpen => preflights.seen(&self.sink.id, failure(), None),
            FailureReason::InvalidCredentials => {
                preflights.seen(&self.sink.id, Ok(()), Some(failure()));
            }
            _ => {}
        }
        let waiting = self.waiting().await;
        tracing::warn!(sink = %self.sink.id, reason = why.reason.as_str(), waiting, "deliveries paused: {}", why.message);
    }

    /// One line when a lead arrives again.
    async fn tell_open(&self) {
        if self.closed.tell_open() {
            self.shared.preflights.seen(&self.sink.id, Ok(()), Some(Ok(())));
            let waiting = self.waiting().await;
            tracing::info!(sink = %self.sink.id, waiting, "the CRM accepts leads again; deliveries resumed");
        }
    }

    /// How many leads wait; 0 if the store cannot say.
    async fn waiting(&self) -> u64 {
        let stats = self
            .shared
            .queue
            .sink_stats(std::slice::from_ref(&self.sink.id))
            .await;
        stats
            .ok()
            .and_then(|stats| stats.first().map(|stats| stats.pending))
            .unwrap_or_default()
    }

    /// Counts and lists what a lead was delivered without.
    pub(super) fn tell_refused(&self, claim: &Claim, refused: &[RefusedProperty]) {
        for RefusedProperty {
            property,
            reason,
            instead,
        } in refused
        {
            let reason = reason.as_str();
            self.shared.metrics.refused(&self.sink.id, property, reason);
            tracing::info!(
                sink = %self.sink.id, lead = %claim.id, property, reason, in_part = instead.is_some(),
                "delivered without a property that the CRM rejects, or with a part of it"
            );
        }
    }

    /// Passes on what the CRM's client has to say, and logs it when it is news.
    pub(super) fn tell_notice(&self, notice: Option<Failure>) {
        if self.shared.preflights.note(&self.sink.id, notice.as_ref()) {
            match notice {
                Some(notice) => {
                    tracing::warn!(sink = %self.sink.id, reason = notice.reason.as_str(), "{}", notice.message);
                }
                None => {
                    tracing::info!(sink = %self.sink.id, "deliveries are back to normal speed");
                }
            }
        }
    }

    fn count(&self, outcome: DeliveryOutcome) {
        self.shared
            .metrics
            .deliveries
            .get_or_create(&DeliveryLabels {
                sink: self.sink.id.to_string(),
                outcome,
            })
            .inc();
    }
}
