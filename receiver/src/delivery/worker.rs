//! The loop of one sink.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Shared;
use super::attempt::{Tools, attempt};
use super::decide::{Caution, Circumstances, Decision, caution, crashed, decide, step_aside};
use super::gate::SinkGate;
use super::in_flight::InFlight;
use crate::config::Sink;
use crate::crm::{self, Crm, Failure};
use crate::metrics::{DeliveryLabels, SinkLabels};
use crate::queue::{Claim, Millis, Outcome, QueueError, Settled, Settlement};

/// How long to sleep when nothing is due: a push wakes earlier.
const IDLE: Duration = Duration::from_secs(30);
/// Kept when a webhook is gone: what its leads' retention was is not known any more.
const KEEP: Duration = Duration::from_hours(720);
/// How long to wait when the store does not answer.
const STORE_DOWN: Duration = Duration::from_secs(1);
/// The least wait when nothing could be claimed.
const BREATH: Duration = Duration::from_millis(5);
/// While the gate is closed, one lead in so long asks whether it is open again: a pause may be lifted early.
const KNOCK: Duration = Duration::from_secs(5);
/// How long a lead steps aside while another that may kill the worker is tried.
const ASIDE: Duration = Duration::from_secs(1);
/// How often a settlement is tried before it is left to the lease.
const SETTLE_TRIES: u32 = 5;

/// Delivers the leads of one sink.
pub(super) struct Worker {
    shared: Shared,
    sink: Arc<Sink>,
    crm: Arc<dyn Crm>,
    gate: Arc<SinkGate>,
    in_flight: Arc<InFlight>,
    /// No lead is claimed before this: the gate was found closed.
    closed_until: Mutex<Option<Instant>>,
    stop: CancellationToken,
}

/// Leads that go to the CRM in one call.
struct Call {
    claims: Vec<Claim>,
    /// Cancelled when the claim of one of them is lost.
    lost: CancellationToken,
    /// Of a lead that is tried alone.
    _alone: Option<OwnedSemaphorePermit>,
}

impl Worker {
    pub(super) fn new(shared: Shared, sink: Arc<Sink>, crm: Arc<dyn Crm>, stop: CancellationToken) -> Self {
        let labels = SinkLabels {
            sink: sink.id.to_string(),
        };
        let latency: Histogram = shared.metrics.crm_latency.get_or_create(&labels).clone();
        let gate = Arc::new(SinkGate::new(
            Arc::clone(&shared.queue),
            Arc::clone(&sink),
            latency,
        ));
        Self {
            shared,
            sink,
            crm,
            gate,
            in_flight: Arc::default(),
            closed_until: Mutex::new(None),
            stop,
        }
    }

    /// Runs until stopped; returns when the last attempt is settled.
    pub(super) async fn run(self) {
        let this = Arc::new(self);
        if this.sink.suspended {
            this.stop.cancelled().await;
            return;
        }
        let attempts = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(this.sink.delivery.concurrency));
        let keeper = tokio::spawn(Arc::clone(&this).keep_leases());
        while let Some(free) = this.free_slots(&slots).await {
            if let Some(wait) = this.gate_closed() {
                this.until_stopped(wait).await;
                continue;
            }
            match this.claim(free).await {
                Ok((calls, next_due)) => {
                    let next_due = next_due.unwrap_or(IDLE).min(IDLE);
                    let none = calls.is_empty();
                    for call in calls {
                        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                            break;
                        };
                        let worker = Arc::clone(&this);
                        attempts.spawn(async move {
                            worker.deliver(call).await;
                            drop(slot);
                        });
                    }
                    if none {
                        this.until_woken(next_due.max(BREATH)).await;
                    }
                }
                Err(error) => {
                    this.shared.metrics.queue_errors.inc();
                    tracing::debug!(sink = %this.sink.id, %error, "leads cannot be claimed");
                    this.until_stopped(STORE_DOWN).await;
                }
            }
        }
        attempts.close();
        attempts.wait().await;
        keeper.abort();
    }

    /// Claims leads for at most `free` calls. Where calls take several leads, one call is filled at a time: what waits
    /// meanwhile makes the next one fuller.
    async fn claim(&self, free: usize) -> Result<(Vec<Call>, Option<Duration>), QueueError> {
        let (lease, most) = (self.sink.delivery.lease(), self.batch_size());
        let queue = &self.shared.queue;
        let mut found = queue
            .claim(&self.sink.id, if most > 1 { most } else { free }, lease)
            .await?;
        let (claims, suspect) = self.set_suspects_apart(found.claims).await;
        if let Some(suspect) = suspect {
            // The others, too, are better off in calls of their own.
            let calls = claims.into_iter().map(|claim| self.call(vec![claim]));
            return Ok((calls.chain([suspect]).collect(), found.next_due));
        }
        found.claims = claims;
        let count = found.claims.len();
        // No lead waits for a slot of its own while others could share this one's call.
        let together = most > 1 && (count >= self.crm.batch_from() || count > free);
        if !together {
            let calls = found.claims.into_iter().map(|claim| self.call(vec![claim]));
            return Ok((calls.collect(), found.next_due));
        }
        let mut call = self.call(found.claims);
        let linger = self.sink.delivery.linger;
        if count < most && !linger.is_zero() {
            self.until_stopped(linger).await;
            // What is claimed already goes its way, whatever the store says now.
            if let Ok(more) = queue.claim(&self.sink.id, most - count, lease).await {
                let (more, suspect) = self.set_suspects_apart(more.claims).await;
                self.keep(&more, &call.lost);
                call.claims.extend(more);
                return Ok(([call].into_iter().chain(suspect).collect(), found.next_due));
            }
        }
        Ok((vec![call], found.next_due))
    }

    /// Takes out of `claims` the leads of which earlier claims ended without an outcome. One that has no more chances is
    /// settled; of the others at most one is returned, as a call of its own, and only if no other is under way in this
    /// process: if it kills the process, it alone is to blame. The rest steps aside.
    async fn set_suspects_apart(&self, claims: Vec<Claim>) -> (Vec<Claim>, Option<Call>) {
        if claims
            .iter()
            .all(|claim| caution(claim.lost) == Caution::Together)
        {
            return (claims, None);
        }
        let (mut ordinary, mut suspect, mut settled) = (Vec::new(), None, Vec::new());
        for claim in claims {
            match caution(claim.lost) {
                Caution::Together => ordinary.push(claim),
                Caution::Crashed => {
                    let (keep, _) = self.retention(&claim);
                    settled.push((claim, crashed(keep)));
                }
                Caution::Alone => match Arc::clone(&self.shared.suspects).try_acquire_owned() {
                    Ok(alone) => suspect = Some((claim, alone)),
                    Err(_) => settled.push((claim, step_aside(ASIDE))),
                },
            }
        }
        // Before the suspect is tried: what steps aside must not be lost with it.
        self.finish(&settled).await;
        let suspect = suspect.map(|(claim, alone)| Call {
            _alone: Some(alone),
            ..self.call(vec![claim])
        });
        (ordinary, suspect)
    }

    /// Leads that go together. From here on their leases are kept, however long they wait for company.
    fn call(&self, claims: Vec<Claim>) -> Call {
        let lost = CancellationToken::new();
        self.keep(&claims, &lost);
        Call {
            claims,
            lost,
            _alone: None,
        }
    }

    fn keep(&self, claims: &[Claim], lost: &CancellationToken) {
        for claim in claims {
            self.in_flight
                .begin(claim.contact.clone(), claim.token, lost.clone());
        }
    }

    /// The most leads of one call.
    fn batch_size(&self) -> usize {
        self.crm.max_batch().min(self.sink.delivery.batch_size).max(1)
    }

    /// How many more leads may be under way; waits for one, `None` when stopped.
    async fn free_slots(&self, slots: &Semaphore) -> Option<usize> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            permit = slots.acquire() => {
                drop(permit);
                Some(slots.available_permits().max(1))
            }
        }
    }

    /// How long to leave all leads where they are.
    fn gate_closed(&self) -> Option<Duration> {
        let closed_until = *self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
        closed_until?
            .checked_duration_since(Instant::now())
            .filter(|wait| !wait.is_zero())
    }

    /// Remembers that nothing may be sent, so that a backlog is not claimed only to be put back.
    fn close_gate(&self, outcome: &crm::Outcome) {
        let wait = match outcome {
            crm::Outcome::Denied(denied) => denied.wait,
            crm::Outcome::Pause { pause, .. } => *pause,
            _ => return,
        };
        let until = Instant::now() + wait.min(KNOCK);
        let mut closed_until = self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
        *closed_until = Some(closed_until.map_or(until, |known| known.max(until)));
    }

    async fn until_woken(&self, at_most: Duration) {
        tokio::select! {
            () = self.shared.queue.wait(&self.sink.id, at_most) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn until_stopped(&self, at_most: Duration) {
        tokio::select! {
            () = tokio::time::sleep(at_most) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn deliver(&self, Call { claims, lost, _alone }: Call) {
        let config = Arc::clone(&self.shared.config.borrow());
        let tools: Vec<Tools<'_>> = claims
            .iter()
            .map(|claim| Tools {
                sink: &self.sink,
                webhook: config.webhook(&claim.webhook).cloned(),
                queue: self.shared.queue.as_ref(),
                client: &self.shared.client,
            })
            .collect();
        let outcomes = tokio::select! {
            biased;
            () = lost.cancelled() => vec![overtaken(); claims.len()],
            outcomes = attempt(&claims, self.crm.as_ref(), self.gate.as_ref(), &tools) => outcomes,
        };
        let mut settlements = Vec::with_capacity(claims.len());
        for (claim, outcome) in claims.into_iter().zip(outcomes) {
            self.close_gate(&outcome);
            let (keep_dead, keep_held) = self.retention(&claim);
            let circumstances = Circumstances {
                attempt: claim.attempt,
                age: since(claim.queued_at),
                keep_dead,
                keep_held,
                delivery: &self.sink.delivery,
            };
            settlements.push((claim, decide(outcome, circumstances)));
        }
        self.finish(&settlements).await;
        for (claim, _) in &settlements {
            self.in_flight.end(&claim.contact);
        }
    }

    fn retention(&self, claim: &Claim) -> (Duration, Duration) {
        let config = self.shared.config.borrow();
        config
            .webhook(&claim.webhook)
            .map_or((KEEP, KEEP), |webhook| (webhook.keep_dead, webhook.keep_held))
    }

    async fn finish(&self, decided: &[(Claim, Decision)]) {
        let mut pause: Option<(Duration, String)> = None;
        for (claim, decision) in decided {
            self.count(decision.label);
            if let Some(failure) = &decision.failure {
                self.shared
                    .metrics
                    .failed(&claim.webhook, &self.sink.id, failure.reason, &failure.message);
                tracing::warn!(
                    sink = %self.sink.id, webhook = %claim.webhook, lead = %claim.id, attempt = claim.attempt,
                    outcome = decision.label, reason = failure.reason, "{}", failure.message
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
            if settled && matches!(decision.settle, Outcome::Delivered { .. }) {
                self.shared
                    .metrics
                    .delivered(&claim.webhook, &self.sink.id, since(claim.accepted_at));
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
                                self.count("stale");
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

    async fn keep_leases(self: Arc<Self>) {
        let lease = self.sink.delivery.lease();
        loop {
            tokio::time::sleep(lease / 3).await;
            let held = self.in_flight.all();
            if held.is_empty() {
                continue;
            }
            match self.shared.queue.renew(&self.sink.id, &held, lease).await {
                Ok(kept) => {
                    for ((contact, token), kept) in held.iter().zip(kept) {
                        if !kept {
                            self.in_flight.lost(contact, *token);
                        }
                    }
                }
                Err(error) => {
                    self.shared.metrics.queue_errors.inc();
                    tracing::debug!(sink = %self.sink.id, %error, "leases could not be renewed");
                }
            }
        }
    }

    fn count(&self, outcome: &'static str) {
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

/// The outcome of a call that was given up because a claim of it was lost: of that lead another worker decides (its
/// settlement here is stale), the others are tried again.
fn overtaken() -> crm::Outcome {
    crm::Outcome::Retry {
        after: None,
        why: Failure::new(
            "ClaimLost",
            "a claim was lost while the CRM was slow; its lead is with another worker",
        ),
        unknown: true,
    }
}

/// By this machine's clock; a little skew does not matter to hours of patience.
fn since(time: Millis) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(time))
}
