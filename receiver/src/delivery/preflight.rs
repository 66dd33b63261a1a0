//! Asks a CRM before the first lead, and every ten minutes: does it answer, does it take the credentials, does it have
//! the properties? What it says stands in `/status`, so that a mistake shows before a lead fails.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::gate::{permit, report};
use crate::config::Sink;
use crate::crm::{Crm, Denied, Gate, Inspection};
use crate::queue::{CrmHealth, SinkId};

/// Between checks.
const EVERY: Duration = Duration::from_mins(10);
/// After a check that did not get through.
const AGAIN: Duration = Duration::from_secs(30);

/// What the last check of each sink found.
#[derive(Debug, Default)]
pub struct Inspections(Mutex<BTreeMap<SinkId, Inspected>>);

/// What a check found, and when.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// By this machine's clock.
    pub at: SystemTime,
    /// What it found.
    pub found: Inspection,
}

impl Inspections {
    /// The last check of a sink, if there was one.
    pub fn of(&self, sink: &SinkId) -> Option<Inspected> {
        self.lock().get(sink).cloned()
    }

    /// Keeps what was found; what was not found out this time stays as it was. Tells what was known before.
    fn keep(&self, sink: &SinkId, mut found: Inspection) -> Option<Inspection> {
        let mut all = self.lock();
        let before = all.get(sink).map(|inspected| inspected.found.clone());
        if let Some(before) = &before {
            found.credentials = found.credentials.or_else(|| before.credentials.clone());
            if !matches!(found.reachable, Some(Ok(()))) {
                found.problems.clone_from(&before.problems);
            }
        }
        let at = SystemTime::now();
        all.insert(sink.clone(), Inspected { at, found });
        before
    }

    /// Forgets a sink: what was found speaks of what it was before.
    pub(super) fn forget(&self, sink: &SinkId) {
        self.lock().remove(sink);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<SinkId, Inspected>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks a sink until stopped.
pub(super) async fn run(shared: Shared, sink: Arc<Sink>, crm: Arc<dyn Crm>, stop: CancellationToken) {
    loop {
        let checked = tokio::select! {
            checked = check(&shared, &sink, crm.as_ref()) => checked,
            () = stop.cancelled() => return,
        };
        // Replicas that started together do not ask together for ever.
        let wait = if checked { EVERY } else { AGAIN }.mul_f64(rand::random_range(0.9..1.1));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// `true`: the CRM was asked and answered.
async fn check(shared: &Shared, sink: &Sink, crm: &dyn Crm) -> bool {
    let gate = CheckGate {
        shared,
        sink,
        credentials_pause: Mutex::new(false),
    };
    let properties: Vec<&str> = sink.mapping.names().collect();
    let found = crm.inspect(&properties, &gate).await;
    let Some(reachable) = &found.reachable else {
        return false;
    };
    let answered = reachable.is_ok();
    let paused = *gate
        .credentials_pause
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if paused && found.credentials == Some(Ok(())) {
        match shared.queue.resume(&sink.id).await {
            Ok(()) => tracing::info!(sink = %sink.id, "the CRM takes the credentials now; deliveries go on"),
            Err(error) => tracing::debug!(sink = %sink.id, %error, "the pause could not be lifted"),
        }
    }
    let now = found.clone();
    if shared.inspections.keep(&sink.id, found).as_ref() != Some(&now) {
        tell(sink, &now);
    }
    answered
}

/// One line for each thing that is wrong, when it is found.
fn tell(sink: &Sink, found: &Inspection) {
    for check in [&found.reachable, &found.credentials] {
        if let Some(Err(why)) = check {
            tracing::warn!(sink = %sink.id, reason = why.reason, "{}", why.message);
        }
    }
    for problem in &found.problems {
        tracing::warn!(sink = %sink.id, reason = "PropertyProblem", "{problem}");
    }
}

/// The sink's gate, but for a pause because of credentials: a check is how it ends.
struct CheckGate<'a> {
    shared: &'a Shared,
    sink: &'a Sink,
    credentials_pause: Mutex<bool>,
}

#[async_trait]
impl Gate for CheckGate<'_> {
    async fn pass(&self) -> Result<(), Denied> {
        let grant = permit(self.shared.queue.as_ref(), self.sink).await?;
        let reason = grant.paused.unwrap_or_default();
        if ["InvalidCredentials", "MissingScopes"]
            .iter()
            .any(|word| reason.starts_with(word))
        {
            *self
                .credentials_pause
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = true;
            return Ok(());
        }
        if grant.granted == 0 {
            return Err(Denied {
                wait: grant.wait,
                reason,
            });
        }
        Ok(())
    }

    async fn report(&self, health: CrmHealth, _elapsed: Duration) {
        report(self.shared.queue.as_ref(), self.sink, health).await;
    }
}
