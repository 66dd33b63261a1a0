//! Asks a CRM before the first lead, and every ten minutes: does it answer, does it take the credentials, does it have
//! the properties? What it says stands in `/status`, so that a mistake shows before a lead fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use leadgate_crds::reason::FailureReason;
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use super::throttle::{permit, report};
use crate::config::Sink;
use crate::crm::{Crm, PreflightReport, Throttle, Throttled};
use crate::queue::CrmHealth;
use crate::throttle::ThrottleKey;

/// Between checks.
const PREFLIGHT_INTERVAL: Duration = Duration::from_mins(10);
/// After a check that did not get through.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// How long what was found is good enough to judge a lead by.
const MAX_AGE_OF_EVIDENCE: Duration = Duration::from_secs(5);

/// Checks a sink until stopped.
pub(super) async fn run(shared: Shared, sink: Arc<Sink>, crm: Arc<dyn Crm>, stop: CancellationToken) {
    loop {
        let checked = tokio::select! {
            found = check(&shared, &sink, crm.as_ref()) => matches!(found.reachable, Some(Ok(()))),
            () = stop.cancelled() => return,
        };
        // Replicas that started together do not ask together for ever.
        let wait =
            if checked { PREFLIGHT_INTERVAL } else { RETRY_AFTER }.mul_f64(rand::random_range(0.9..1.1));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.preflights.asked_again(&sink.id) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// What the CRM says about the account now, or said a moment ago.
pub(super) async fn ask(shared: &Shared, sink: &Sink, crm: &dyn Crm) -> PreflightReport {
    match shared.preflights.of(&sink.id) {
        Some(known) if known.at.elapsed().is_ok_and(|age| age < MAX_AGE_OF_EVIDENCE) => known.found,
        _ => check(shared, sink, crm).await,
    }
}

async fn check(shared: &Shared, sink: &Sink, crm: &dyn Crm) -> PreflightReport {
    let throttle = PreflightThrottle {
        shared,
        sink,
        correctable_pause: AtomicBool::new(false),
    };
    let properties: Vec<&str> = sink.mapping.names().collect();
    let create_only: Vec<&str> = sink.create_only.names().collect();
    let found = crm.preflight(&properties, &create_only, &throttle).await;
    if found.reachable.is_none() {
        return found;
    }
    let fine = found.reachable == Some(Ok(())) && found.credentials == Some(Ok(()));
    if fine && throttle.correctable_pause.load(Ordering::Relaxed) {
        match shared.queue.resume(&ThrottleKey::Sink(sink.id.clone())).await {
            Ok(()) => {
                tracing::info!(sink = %sink.id, "the CRM accepts the credentials again; ending the pause");
            }
            Err(error) => tracing::debug!(sink = %sink.id, %error, "failed to end the pause"),
        }
    }
    if shared.preflights.keep(&sink.id, found.clone()).as_ref() != Some(&found) {
        tell(sink, &found);
    }
    found
}

/// One line for each thing that is wrong, when it is found.
fn tell(sink: &Sink, found: &PreflightReport) {
    for check in [&found.reachable, &found.credentials] {
        if let Some(Err(why)) = check {
            tracing::warn!(sink = %sink.id, reason = why.reason.as_str(), "{}", why.message);
        }
    }
    for problem in &found.problems {
        tracing::warn!(sink = %sink.id, reason = FailureReason::PropertyProblem.as_str(), "{problem}");
    }
}

/// Whether a pause for this reason ends as soon as a person has put something right.
fn is_correctable(reason: &FailureReason) -> bool {
    matches!(
        reason,
        FailureReason::InvalidCredentials
            | FailureReason::MissingScopes
            | FailureReason::MissingPermission
            | FailureReason::ForeignAnswer
            | FailureReason::Redirected
            | FailureReason::UnknownObject
    )
}

/// The sink's throttle, but for a pause that a person can end: a check is how it ends.
struct PreflightThrottle<'a> {
    shared: &'a Shared,
    sink: &'a Sink,
    correctable_pause: AtomicBool,
}

#[async_trait]
impl Throttle for PreflightThrottle<'_> {
    async fn acquire(&self) -> Result<(), Throttled> {
        let grant = permit(self.shared.queue.as_ref(), self.sink).await?;
        if grant
            .paused
            .as_ref()
            .is_some_and(|paused| is_correctable(&paused.reason))
        {
            self.correctable_pause.store(true, Ordering::Relaxed);
            return Ok(());
        }
        if grant.granted == 0 {
            return Err(Throttled {
                wait: grant.wait,
                paused: grant.paused,
            });
        }
        Ok(())
    }

    async fn report(&self, health: CrmHealth, _elapsed: Duration) {
        report(self.shared.queue.as_ref(), self.sink, health).await;
    }
}
