//! What a worker writes down of an attempt, and what it tells: counts, log lines, the sink's status.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::decide::Decision;
use super::worker::Worker;
use crate::crm::{Failure, RefusedProperty};
use crate::metrics::DeliveryLabels;
use crate::outcomes::DeliveryOutcome;
use crate::queue::{Claim, Disposition, Millis, Settled, Settlement};

/// Kept when a webhook is gone: what its leads' retention was is not known any more.
const KEEP: Duration = Duration::from_hours(720);
/// How often a settlement is tried before it is left to the lease.
const SETTLE_TRIES: u32 = 5;

impl Worker {
    pub(super) fn retention(&self, claim: &Claim) -> (Duration, Duration) {
        let config = self.shared.config.borrow();
        config
            .webhook(&claim.webhook)
            .map_or((KEEP, KEEP), |webhook| (webhook.keep_dead, webhook.keep_held))
    }

    pub(super) async fn finish(&self, decided: &[(Claim, Decision)]) {
        let mut pause: Option<(Duration, String)> = None;
        for (claim, decision) in decided {
            self.count(decision.label);
            if let Some(failure) = &decision.failure {
                self.shared
                    .metrics
                    .failed(&claim.webhook, &self.sink.id, failure.reason, &failure.message);
                tracing::warn!(
                    sink = %self.sink.id, webhook = %claim.webhook, lead = %claim.id, attempt = claim.attempt,
                    outcome = decision.label.as_str(), reason = failure.reason, "{}", failure.message
                );
            }
            if let Some(asked) = decision.pause
                && pause.as_ref().is_none_or(|(longest, _)| asked > *longest)
            {
                let why = decision.failure.as_ref().map(Failure::for_pause);
                pause = Some((asked, why.unwrap_or_default()));
            }
        }
        if let Some((pause, reason)) = pause
            && let Err(error) = self.shared.queue.pause(&self.sink.id, pause, &reason).await
        {
            tracing::warn!(sink = %self.sink.id, %error, "the pause could not be stored");
        }
        let settled = self.settle(decided).await;
        for ((claim, decision), settled) in decided.iter().zip(settled) {
            if settled && let Disposition::Delivered { remember } = &decision.settle {
                self.shared
                    .metrics
                    .delivered(&claim.webhook, &self.sink.id, since(claim.accepted_at));
                let record = remember
                    .as_ref()
                    .map(|(record, _)| record.trim_start_matches('~'));
                tracing::info!(
                    sink = %self.sink.id, webhook = %claim.webhook, lead = %claim.id, attempt = claim.attempt,
                    record = record.unwrap_or_default(), "delivered"
                );
                self.tell_open().await;
            }
        }
    }

    /// Writes the outcomes down; which of them took effect. If the store stays away, the leases end and the leads are
    /// tried again: the upsert is made so that this makes no second record.
    async fn settle(&self, decided: &[(Claim, Decision)]) -> Vec<bool> {
        let settlements: Vec<Settlement> = decided
            .iter()
            .map(|(claim, decision)| Settlement {
                contact: claim.contact.clone(),
                token: claim.token,
                outcome: decision.settle.clone(),
            })
            .collect();
        for attempt in 1..=SETTLE_TRIES {
            match self.shared.queue.settle(&self.sink.id, settlements.clone()).await {
                Ok(settled) => {
                    return decided
                        .iter()
                        .zip(settled)
                        .map(|((claim, _), settled)| {
                            // After an unknown first try, "stale" may mean that it landed.
                            if settled == Settled::Stale && attempt == 1 {
                                self.count(DeliveryOutcome::Stale);
                                tracing::warn!(sink = %self.sink.id, lead = %claim.id, "the claim had ended before the outcome was written; another worker has the lead");
                            }
                            settled == Settled::Done || attempt > 1
                        })
                        .collect();
                }
                Err(error) => {
                    self.shared.metrics.queue_errors.inc();
                    tracing::debug!(sink = %self.sink.id, %error, "outcomes could not be written yet");
                    tokio::time::sleep(Duration::from_millis(200) * attempt).await;
                }
            }
        }
        if let Some(left_out) = self.shared.queue_log.admit() {
            tracing::warn!(sink = %self.sink.id, leads = decided.len(), more = left_out, "outcomes could not be written; the leads come back when their leases end");
        }
        vec![false; decided.len()]
    }

    /// One line when deliveries stop, with what waits meanwhile.
    pub(super) async fn tell_paused(&self, reason: &str, message: &str) {
        if !self.closed.tell_paused(reason) {
            return;
        }
        let why = |word: &'static str| Err(Failure::new(word, message));
        match reason {
            "CircuitOpen" => self
                .shared
                .inspections
                .seen(&self.sink.id, why("CircuitOpen"), None),
            "InvalidCredentials" => {
                let refused = Some(why("InvalidCredentials"));
                self.shared.inspections.seen(&self.sink.id, Ok(()), refused);
            }
            _ => {}
        }
        let waiting = self.waiting().await;
        tracing::warn!(sink = %self.sink.id, reason, waiting, "deliveries pause: {message}");
    }

    /// One line when a lead arrives again.
    async fn tell_open(&self) {
        if self.closed.tell_open() {
            self.shared.inspections.seen(&self.sink.id, Ok(()), Some(Ok(())));
            let waiting = self.waiting().await;
            tracing::info!(sink = %self.sink.id, waiting, "the CRM takes leads again; deliveries go on");
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
        for RefusedProperty { property, reason } in refused {
            self.shared.metrics.refused(&self.sink.id, property, reason);
            tracing::info!(
                sink = %self.sink.id, lead = %claim.id, property, reason,
                "delivered without a property that the CRM does not take"
            );
        }
    }

    /// Passes on what the CRM's client has to say, and logs it when it is news.
    pub(super) fn tell_notice(&self) {
        let notice = self.crm.notice();
        if self.shared.inspections.note(&self.sink.id, notice.as_ref()) {
            match notice {
                Some(notice) => {
                    tracing::warn!(sink = %self.sink.id, reason = notice.reason, "{}", notice.message);
                }
                None => {
                    tracing::info!(sink = %self.sink.id, "deliveries are as fast as they should be again");
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

/// By this machine's clock; a little skew does not matter to hours of patience.
pub(super) fn since(time: Millis) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(time))
}
