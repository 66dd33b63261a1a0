//! The loop of one sink: wait for a slot, claim, attempt, decide, settle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use leadgate_crds::reason::FailureReason;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attempt::{Attempted, attempt};
use super::claimer::{Call, Claimer};
use super::closed::{Closed, Wait};
use super::context::Context;
use super::decide::{Circumstances, Decision, decide};
use super::judge::{Evidence, judge};
use super::leases::Leases;
use super::preflight::ask;
use super::settle::{Retention, Settler};
use super::shared::Shared;
use super::throttle::SinkThrottle;
use crate::config::Sink;
use crate::crm::{self, Crm, Failure};
use crate::queue::Claim;
use crate::throttle::{PauseReason, ThrottleKey};
use crate::time::since;
use crate::trace::Processing;

/// How long to sleep when nothing is due: a push wakes earlier.
const IDLE_WAIT: Duration = Duration::from_secs(30);
/// How long to wait when the store does not answer.
const RETRY_AFTER_STORE_DOWN: Duration = Duration::from_secs(1);
/// The least wait when nothing could be claimed.
const MIN_WAIT: Duration = Duration::from_millis(5);
/// While the throttle is closed, it is asked again after so long at the latest: a pause may be lifted early.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// What arrived so lately speaks for the account when another lead is refused.
const MAX_AGE_OF_EVIDENCE: Duration = Duration::from_mins(1);

/// Delivers the leads of one sink.
pub(super) struct Worker {
    shared: Shared,
    sink: Arc<Sink>,
    crm: Arc<dyn Crm>,
    throttle: Arc<SinkThrottle>,
    leases: Arc<Leases>,
    closed: Arc<Closed>,
    claimer: Claimer,
    settler: Arc<Settler>,
    /// When a lead arrived last.
    passed: Mutex<Option<Instant>>,
    /// The circuit was open, and a probe may go.
    half_open: AtomicBool,
    stop: CancellationToken,
}

impl Worker {
    pub(super) fn new(shared: Shared, sink: Arc<Sink>, crm: Arc<dyn Crm>, stop: CancellationToken) -> Self {
        let leases = Arc::new(Leases::new(&shared, &sink));
        let closed = Arc::new(Closed::default());
        let settler = Arc::new(Settler::new(
            shared.clone(),
            Arc::clone(&sink),
            Arc::clone(&closed),
        ));
        let throttle = Arc::new(SinkThrottle::new(
            Arc::clone(&shared.queue),
            Arc::clone(&sink),
            Arc::clone(&shared.metrics),
        ));
        Self {
            claimer: Claimer {
                shared: shared.clone(),
                sink: Arc::clone(&sink),
                crm: Arc::clone(&crm),
                leases: Arc::clone(&leases),
                settler: Arc::clone(&settler),
                stop: stop.clone(),
            },
            settler,
            shared,
            sink,
            crm,
            throttle,
            leases,
            closed,
            passed: Mutex::new(None),
            half_open: AtomicBool::new(false),
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
        let keeper = tokio::spawn(Arc::clone(&this.leases).renew_until_aborted());
        while let Some(free) = this.free_slots(&slots).await {
            if this.waited_for_throttle().await {
                continue;
            }
            let probes = this.half_open.swap(false, Ordering::Relaxed);
            let claimed = if probes {
                this.claimer.claim_probe().await
            } else {
                this.claimer.claim(free).await
            };
            match claimed {
                Ok((calls, next_due)) => {
                    let next_due = next_due.unwrap_or(IDLE_WAIT).min(IDLE_WAIT);
                    let none = calls.is_empty();
                    for call in calls {
                        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                            break;
                        };
                        let worker = Arc::clone(&this);
                        let attempt = attempts.spawn(async move {
                            worker.deliver(call).await;
                            drop(slot);
                        });
                        if probes {
                            // Nothing else is granted meanwhile: the others are not claimed only to be put back.
                            let _ = attempt.await;
                        }
                    }
                    if none {
                        this.until_woken(next_due.max(MIN_WAIT)).await;
                    }
                }
                Err(error) => {
                    this.shared.metrics.queue_errors.inc();
                    tracing::debug!(sink = %this.sink.id, %error, "failed to claim leads");
                    this.until_stopped(RETRY_AFTER_STORE_DOWN).await;
                }
            }
        }
        attempts.close();
        attempts.wait().await;
        keeper.abort();
    }

    /// Waits while the throttle is known to be closed; `false`: it is not.
    async fn waited_for_throttle(&self) -> bool {
        match self.closed.wait() {
            Wait::No => return false,
            Wait::Limited(wait) => self.until_stopped(wait).await,
            Wait::Paused(wait) => {
                self.until_stopped(wait).await;
                self.look().await;
            }
        }
        true
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
    async fn note_closed(&self, outcome: &crm::Outcome) {
        match outcome {
            crm::Outcome::Throttled(denied) => {
                self.closed
                    .close(denied.wait.min(PROBE_INTERVAL), denied.paused.is_some());
                if let Some(why) = &denied.paused {
                    self.settler.tell_paused(why).await;
                }
            }
            crm::Outcome::Pause { why, .. } | crm::Outcome::Suspect { why, .. } => {
                self.closed.close(PROBE_INTERVAL, true);
                self.settler.tell_paused(&PauseReason::from(why)).await;
            }
            _ => {}
        }
    }

    /// Asks whether a pause is over; it may have been lifted early.
    async fn look(&self) {
        let breaker = self.sink.delivery.breaker;
        let key = ThrottleKey::Sink(self.sink.id.clone());
        let left = match self.shared.queue.permits(&key, 0, None, breaker).await {
            Ok(grant) => {
                let half_open = grant.paused.is_none() && grant.failures > 0;
                self.half_open.store(half_open, Ordering::Relaxed);
                grant.paused.map(|_| grant.wait)
            }
            Err(_) => Some(RETRY_AFTER_STORE_DOWN),
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

    /// Attempts a call, decides what becomes of its leads, and settles their claims.
    async fn deliver(&self, call: Call) {
        let began = Instant::now();
        let mut spans = self.shared.traces.process(&self.sink.id, &call.claims);
        let attempted = self.attempt(&call, &spans).await;
        let took = began.elapsed();
        self.settler.tell_notice(self.crm.notice());
        let decided = self.decide(call.claims, attempted).await;
        self.settler.finish(&decided, took, &mut spans).await;
        self.leases.end(decided.iter().map(|(claim, _)| claim));
    }

    /// One result for each lead of a call.
    async fn attempt(&self, call: &Call, spans: &Processing) -> Vec<Attempted> {
        let Call { claims, lost, .. } = call;
        let config = Arc::clone(&self.shared.config.borrow());
        let contexts: Vec<Context<'_>> = claims
            .iter()
            .enumerate()
            .map(|(place, claim)| Context {
                sink: &self.sink,
                webhook: config.webhook(&claim.webhook).cloned(),
                queue: self.shared.queue.as_ref(),
                client: &self.shared.client,
                metrics: &self.shared.metrics,
                spans,
                place,
            })
            .collect();
        let throttle = self.throttle.for_leads(claims, spans);
        tokio::select! {
            biased;
            () = lost.cancelled() => vec![overtaken(); claims.len()],
            attempted = attempt(claims, self.crm.as_ref(), &throttle, &contexts) => attempted,
        }
    }

    /// What becomes of each lead.
    async fn decide(&self, claims: Vec<Claim>, attempted: Vec<Attempted>) -> Vec<(Claim, Decision)> {
        let evidence = self.evidence(&attempted).await;
        let mut decided = Vec::with_capacity(claims.len());
        for (claim, attempted) in claims.into_iter().zip(attempted) {
            let outcome = judge(attempted.outcome, &evidence);
            if !attempted.before_crm {
                self.note_closed(&outcome).await;
            }
            if matches!(outcome, crm::Outcome::Delivered { .. }) {
                self.settler.tell_refused(&claim, &attempted.without);
            }
            let Retention { dead, held, payload } = self.settler.retention(&claim);
            let circumstances = Circumstances {
                attempt: claim.attempt,
                age: since(claim.queued_at),
                before_crm: attempted.before_crm,
                keep_dead: dead,
                keep_held: held,
                keep_payload: payload,
                delivery: &self.sink.delivery,
                account: &self.sink.account,
            };
            decided.push((claim, decide(outcome, circumstances)));
        }
        decided
    }

    /// What speaks for or against the leads of a call that are suspect; empty if none is.
    async fn evidence(&self, attempted: &[Attempted]) -> Evidence {
        let any = |holds: fn(&crm::Outcome) -> bool| attempted.iter().any(|one| holds(&one.outcome));
        if any(|outcome| matches!(outcome, crm::Outcome::Delivered { .. })) {
            *self.passed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        if !any(|outcome| matches!(outcome, crm::Outcome::Suspect { in_doubt: false, .. })) {
            return Evidence::default();
        }
        let passed = *self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if passed.is_some_and(|at| at.elapsed() < MAX_AGE_OF_EVIDENCE) {
            return Evidence {
                others_pass: true,
                preflight: None,
            };
        }
        Evidence {
            others_pass: false,
            preflight: Some(ask(&self.shared, &self.sink, self.crm.as_ref()).await),
        }
    }
}

/// The outcome of a call that was given up because a claim of it was lost: of that lead another worker decides (its
/// settlement here is stale), the others are tried again.
fn overtaken() -> Attempted {
    Attempted {
        outcome: crm::Outcome::Retry {
            after: None,
            why: Failure::new(
                FailureReason::ClaimLost,
                "lease expired while the CRM was slow; another worker owns the lead",
            ),
            in_doubt: true,
        },
        without: Vec::new(),
        before_crm: false,
    }
}
