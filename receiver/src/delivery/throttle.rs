//! The shared limiter, pause and circuit breaker, as a CRM's client sees them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use prometheus_client::metrics::histogram::Histogram;

use crate::config::Sink;
use crate::crm::{Throttle, Throttled};
use crate::metrics::{Metrics, ResponseLabels, SinkLabels};
use crate::queue::{Claim, CrmHealth, Grant, LeadId, Queue};
use crate::throttle::ThrottleKey;
use crate::trace::{Call, Processing};

/// A wait this short is waited here, with the lead in hand; for longer ones the lead goes back.
const MAX_WAIT_IN_PLACE: Duration = Duration::from_millis(1500);
/// More failing leads are not told apart: that a CRM fails does not hang on one of so many.
const MAX_FAILING_LEADS: usize = 1000;
/// How long a lead or a check goes back when the store cannot be asked.
const RETRY_AFTER_STORE_DOWN: Duration = Duration::from_secs(1);

/// The throttle of one sink.
pub(super) struct SinkThrottle {
    queue: Arc<dyn Queue>,
    sink: Arc<Sink>,
    latency: Histogram,
    metrics: Arc<Metrics>,
    /// Failures in a row as last heard: a success needs reporting only if there were some.
    failures: AtomicU32,
    failing: Mutex<Failing>,
}

/// What speaks against the CRM.
#[derive(Default)]
struct Failing {
    /// Whether the CRM has answered since the process began.
    answered: bool,
    /// Leads whose calls failed since it answered last.
    leads: HashSet<LeadId>,
}

impl Failing {
    fn answered(&mut self) {
        self.answered = true;
        self.leads.clear();
    }

    /// Whether failures of these leads' calls speak against the CRM. One lead alone does so once, since it may be what the
    /// CRM fails at. So may be a lead that failed `before` the CRM's last answer: it must fail twice after it.
    fn speaks(&mut self, leads: &[LeadId], before: bool) -> bool {
        let mut news = false;
        for lead in leads {
            if self.leads.len() < MAX_FAILING_LEADS {
                news |= self.leads.insert(lead.clone());
            }
        }
        if news && before && self.answered {
            return false;
        }
        news || self.leads.len() > 1
    }
}

/// The throttle for one call: it knows whose failures it reports.
pub(super) struct CallThrottle<'a> {
    throttle: &'a SinkThrottle,
    leads: Vec<LeadId>,
    /// Whether all of them have been tried before.
    retried: bool,
    spans: &'a Processing,
}

impl SinkThrottle {
    pub(super) fn new(queue: Arc<dyn Queue>, sink: Arc<Sink>, metrics: Arc<Metrics>) -> Self {
        let labels = SinkLabels {
            sink: sink.id.to_string(),
        };
        let latency = metrics.crm_latency.get_or_create(&labels).clone();
        Self {
            queue,
            sink,
            latency,
            metrics,
            failures: AtomicU32::new(0),
            failing: Mutex::default(),
        }
    }

    /// For a call about these leads.
    pub(super) fn for_leads<'a>(&'a self, claims: &[Claim], spans: &'a Processing) -> CallThrottle<'a> {
        CallThrottle {
            throttle: self,
            leads: claims.iter().map(|claim| claim.id.clone()).collect(),
            retried: claims.iter().all(|claim| claim.attempt > 1),
            spans,
        }
    }

    /// Waits for a permit of a call about so many leads.
    async fn acquire_for(&self, leads: usize) -> Result<(), Throttled> {
        let mut waited = Duration::ZERO;
        loop {
            let grant = permit(self.queue.as_ref(), &self.sink).await?;
            self.failures.store(grant.failures, Ordering::Relaxed);
            if grant.granted > 0 {
                self.metrics.called(&self.sink.id, leads);
                return Ok(());
            }
            let wait = grant.wait.max(Duration::from_millis(5));
            if grant.paused.is_some() || waited + wait > MAX_WAIT_IN_PLACE {
                return Err(Throttled {
                    wait,
                    paused: grant.paused,
                });
            }
            waited += wait;
            tokio::time::sleep(wait).await;
        }
    }

    fn failing(&self) -> MutexGuard<'_, Failing> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Throttle for CallThrottle<'_> {
    fn count(&self, status: Option<u16>) {
        self.throttle.count(status);
    }

    fn trace(&self, request: &reqwest::Request, peer: &str) -> Call {
        self.spans.call(None, request, peer)
    }

    async fn acquire(&self) -> Result<(), Throttled> {
        self.throttle.acquire_for(self.leads.len()).await
    }

    async fn report(&self, health: CrmHealth, elapsed: Duration) {
        if health == CrmHealth::Up || self.throttle.failing().speaks(&self.leads, self.retried) {
            self.throttle.report(health, elapsed).await;
        } else {
            self.throttle.latency.observe(elapsed.as_secs_f64());
        }
    }
}

#[async_trait]
impl Throttle for SinkThrottle {
    fn count(&self, status: Option<u16>) {
        let labels = ResponseLabels::of(self.sink.id.as_str(), status);
        self.metrics.crm_responses.get_or_create(&labels).inc();
    }

    async fn acquire(&self) -> Result<(), Throttled> {
        self.acquire_for(0).await
    }

    async fn report(&self, health: CrmHealth, elapsed: Duration) {
        self.latency.observe(elapsed.as_secs_f64());
        if health == CrmHealth::Up {
            self.failing().answered();
        }
        if health == CrmHealth::Up && self.failures.load(Ordering::Relaxed) == 0 {
            return;
        }
        report(self.queue.as_ref(), &self.sink, health).await;
    }
}

/// The throttle for calls that no lead needs: they take what is left, wait for nothing, and are counted.
pub(super) struct SpareThrottle<'a> {
    throttle: &'a SinkThrottle,
    pub(super) calls: AtomicU32,
}

impl<'a> SpareThrottle<'a> {
    pub(super) fn new(throttle: &'a SinkThrottle) -> Self {
        Self {
            throttle,
            calls: AtomicU32::new(0),
        }
    }
}

#[async_trait]
impl Throttle for SpareThrottle<'_> {
    fn count(&self, status: Option<u16>) {
        self.throttle.count(status);
    }

    async fn acquire(&self) -> Result<(), Throttled> {
        let SinkThrottle {
            queue,
            sink,
            metrics,
            failures,
            ..
        } = self.throttle;
        let grant = permit(queue.as_ref(), sink).await?;
        failures.store(grant.failures, Ordering::Relaxed);
        if grant.granted == 0 {
            return Err(Throttled {
                wait: grant.wait,
                paused: grant.paused,
            });
        }
        metrics.called(&sink.id, 0);
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn report(&self, health: CrmHealth, elapsed: Duration) {
        self.throttle.report(health, elapsed).await;
    }
}

/// Asks for one permit of the sink's.
pub(super) async fn permit(queue: &dyn Queue, sink: &Sink) -> Result<Grant, Throttled> {
    let delivery = &sink.delivery;
    queue
        .permits(
            &ThrottleKey::Sink(sink.id.clone()),
            1,
            Some(delivery.limit),
            delivery.breaker,
        )
        .await
        .map_err(|_| Throttled {
            wait: RETRY_AFTER_STORE_DOWN,
            paused: None,
        })
}

/// Tells the sink's circuit breaker how the CRM fared.
pub(super) async fn report(queue: &dyn Queue, sink: &Sink, health: CrmHealth) {
    let key = ThrottleKey::Sink(sink.id.clone());
    if let Err(error) = queue.report(&key, health, sink.delivery.breaker).await {
        tracing::debug!(sink = %sink.id, %error, "failed to update the circuit breaker");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(names: std::ops::Range<usize>) -> Vec<LeadId> {
        names.map(|name| LeadId::new(name.to_string())).collect()
    }

    #[test]
    fn one_lead_speaks_once_and_several_speak_each_time() {
        let mut failing = Failing::default();
        let (one, other) = (leads(0..1), leads(1..2));
        assert!(failing.speaks(&one, false));
        assert!(!failing.speaks(&one, true));
        assert!(failing.speaks(&other, false));
        assert!(failing.speaks(&one, true));
        failing.answered();
        assert!(failing.speaks(&one, false));
    }

    #[test]
    fn a_form_that_the_crm_fails_at_says_nothing_while_others_pass_but_a_crm_that_is_down_is_noticed() {
        // Given 150 leads that failed, and a CRM that has answered since,
        let (mut failing, form) = (Failing::default(), leads(0..150));
        failing.answered();
        // when each of them fails again, then none of it speaks against the CRM;
        for lead in &form {
            assert!(!failing.speaks(std::slice::from_ref(lead), true));
        }
        // when they fail once more, and nothing passed meanwhile, then it does, as do leads that never failed before.
        assert!(failing.speaks(&form[..1], true));
        assert!(failing.speaks(&leads(200..201), false));
    }

    #[test]
    fn leads_that_failed_in_an_earlier_process_speak_for_a_crm_that_has_not_answered_in_this_one() {
        assert!(Failing::default().speaks(&leads(0..1), true));
    }
}
