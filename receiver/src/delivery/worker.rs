//! The loop of one sink.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Shared;
use super::attempt::{Attempted, Tools, attempt};
use super::closed::{Closed, Wait};
use super::decide::{Caution, Circumstances, caution, crashed, decide, step_aside, superseded};
use super::groups::groups;
use super::in_flight::InFlight;
use super::judge::{Evidence, judge};
use super::preflight::ask;
use super::settle::since;
use super::throttle::SinkThrottle;
use crate::config::Sink;
use crate::crm::{self, Crm, Failure};
use crate::metrics::SinkLabels;
use crate::queue::{Claim, QueueError};

/// How long to sleep when nothing is due: a push wakes earlier.
const IDLE: Duration = Duration::from_secs(30);
/// How long to wait when the store does not answer.
const STORE_DOWN: Duration = Duration::from_secs(1);
/// The least wait when nothing could be claimed.
const BREATH: Duration = Duration::from_millis(5);
/// While the throttle is closed, it is asked again after so long at the latest: a pause may be lifted early.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// How long a lead steps aside while another that may kill the worker is tried.
const ASIDE: Duration = Duration::from_secs(1);
/// What arrived so lately speaks for the account when another lead is refused.
const LATELY: Duration = Duration::from_mins(1);

/// Delivers the leads of one sink.
pub(super) struct Worker {
    pub(super) shared: Shared,
    pub(super) sink: Arc<Sink>,
    pub(super) crm: Arc<dyn Crm>,
    throttle: Arc<SinkThrottle>,
    in_flight: Arc<InFlight>,
    pub(super) closed: Closed,
    /// When a lead arrived last.
    passed: Mutex<Option<Instant>>,
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
        let throttle = Arc::new(SinkThrottle::new(
            Arc::clone(&shared.queue),
            Arc::clone(&sink),
            latency,
        ));
        Self {
            shared,
            sink,
            crm,
            throttle,
            in_flight: Arc::default(),
            closed: Closed::default(),
            passed: Mutex::new(None),
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
            match this.closed.wait() {
                Wait::No => {}
                Wait::Limited(wait) => {
                    this.until_stopped(wait).await;
                    continue;
                }
                Wait::Paused(wait) => {
                    this.until_stopped(wait).await;
                    this.look().await;
                    continue;
                }
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
                    tracing::debug!(sink = %this.sink.id, %error, "failed to claim leads");
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
        let (claims, suspect) = self.set_apart(found.claims).await;
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
        let mut groups = grouped(found.claims, most).into_iter();
        let Some(first) = groups.next() else {
            return Ok((Vec::new(), found.next_due));
        };
        let mut calls = vec![self.call(first)];
        calls.extend(groups.map(|claims| self.call(claims)));
        let linger = self.sink.delivery.linger;
        if count < most && !linger.is_zero() {
            self.until_stopped(linger).await;
            // What is claimed already goes its way, whatever the store says now.
            if let Ok(more) = queue.claim(&self.sink.id, most - count, lease).await {
                let (more, suspect) = self.set_apart(more.claims).await;
                for claims in grouped(more, most) {
                    self.join(&mut calls, claims, most);
                }
                calls.extend(suspect);
            }
        }
        Ok((calls, found.next_due))
    }

    /// Lets leads that have not failed yet join a call of such; others have calls of their own.
    fn join(&self, calls: &mut Vec<Call>, claims: Vec<Claim>, most: usize) {
        let fresh = |claims: &[Claim]| claims.iter().all(|claim| claim.attempt <= 1);
        let found = calls
            .iter_mut()
            .find(|call| fresh(&call.claims) && fresh(&claims) && call.claims.len() + claims.len() <= most);
        match found {
            Some(call) => {
                self.keep(&claims, &call.lost);
                call.claims.extend(claims);
            }
            None => calls.push(self.call(claims)),
        }
    }

    /// Takes out of `claims` the leads that a newer one has overtaken, and those of which earlier claims ended without an
    /// outcome. Of the latter one that has no more chances is settled; of the others at most one is returned, as a call of its own, and only if no other is under way in this
    /// process: if it kills the process, it alone is to blame. The rest steps aside.
    async fn set_apart(&self, claims: Vec<Claim>) -> (Vec<Claim>, Option<Call>) {
        if claims
            .iter()
            .all(|claim| caution(claim.lost) == Caution::Together && !claim.overtaken)
        {
            return (claims, None);
        }
        let (mut ordinary, mut suspect, mut settled) = (Vec::new(), None, Vec::new());
        for claim in claims {
            match caution(claim.lost) {
                _ if claim.overtaken => {
                    let (keep, _) = self.retention(&claim);
                    settled.push((claim, superseded(keep)));
                }
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

    /// Remembers that nothing may be sent, so that a backlog is not claimed only to be put back.
    async fn close_gate(&self, outcome: &crm::Outcome) {
        match outcome {
            crm::Outcome::Throttled(denied) => {
                self.closed
                    .close(denied.wait.min(PROBE_INTERVAL), denied.paused().is_some());
                if let Some((reason, message)) = denied.paused() {
                    self.tell_paused(reason, message).await;
                }
            }
            crm::Outcome::Pause { why, .. } | crm::Outcome::Suspect { why, .. } => {
                self.closed.close(PROBE_INTERVAL, true);
                self.tell_paused(why.reason, &why.message).await;
            }
            _ => {}
        }
    }

    /// Asks whether a pause is over; it may have been lifted early.
    async fn look(&self) {
        let breaker = self.sink.delivery.breaker;
        let left = match self.shared.queue.permits(&self.sink.id, 0, None, breaker).await {
            Ok(grant) => grant.paused.map(|_| grant.wait),
            Err(_) => Some(STORE_DOWN),
        };
        self.closed.seen(left);
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
                metrics: &self.shared.metrics,
            })
            .collect();
        let throttle = self
            .throttle
            .for_leads(claims.iter().map(|claim| claim.id.clone()).collect());
        let attempted = tokio::select! {
            biased;
            () = lost.cancelled() => vec![overtaken(); claims.len()],
            attempted = attempt(&claims, self.crm.as_ref(), &throttle, &tools) => attempted,
        };
        self.tell_notice();
        let evidence = self.evidence(&attempted).await;
        let mut settlements = Vec::with_capacity(claims.len());
        for (claim, attempted) in claims.into_iter().zip(attempted) {
            let outcome = judge(attempted.outcome, &evidence);
            if !attempted.before_crm {
                self.close_gate(&outcome).await;
            }
            if matches!(outcome, crm::Outcome::Delivered { .. }) {
                self.tell_refused(&claim, &attempted.without);
            }
            let (keep_dead, keep_held) = self.retention(&claim);
            let circumstances = Circumstances {
                attempt: claim.attempt,
                age: since(claim.queued_at),
                before_crm: attempted.before_crm,
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

    /// What speaks for or against the leads of a call that are suspect; empty if none is.
    async fn evidence(&self, attempted: &[Attempted]) -> Evidence {
        let any = |holds: fn(&crm::Outcome) -> bool| attempted.iter().any(|one| holds(&one.outcome));
        if any(|outcome| matches!(outcome, crm::Outcome::Delivered { .. })) {
            *self.passed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        if !any(|outcome| matches!(outcome, crm::Outcome::Suspect { unknown: false, .. })) {
            return Evidence::default();
        }
        let passed = *self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if passed.is_some_and(|at| at.elapsed() < LATELY) {
            return Evidence {
                others_pass: true,
                inspection: None,
            };
        }
        Evidence {
            others_pass: false,
            inspection: Some(ask(&self.shared, &self.sink, self.crm.as_ref()).await),
        }
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
                    tracing::debug!(sink = %self.sink.id, %error, "failed to renew leases");
                }
            }
        }
    }
}

fn grouped(claims: Vec<Claim>, most: usize) -> Vec<Vec<Claim>> {
    groups(claims, |claim| claim.attempt, most)
}

/// The outcome of a call that was given up because a claim of it was lost: of that lead another worker decides (its
/// settlement here is stale), the others are tried again.
fn overtaken() -> Attempted {
    Attempted {
        outcome: crm::Outcome::Retry {
            after: None,
            why: Failure::new(
                "ClaimLost",
                "lease expired while the CRM was slow; another worker owns the lead",
            ),
            unknown: true,
        },
        without: Vec::new(),
        before_crm: false,
    }
}
