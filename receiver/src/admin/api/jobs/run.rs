//! The loop that runs jobs: takes one, does a page of it, writes down how far it came, waits for room.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use leadgate_crds::api::JobState;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::step;
use super::stored::Kept;
use crate::admin::dead_letters::Realm;
use crate::admin::shared::Admin;
use crate::queue::{LeadId, QueueError};

/// How often a receiver looks for jobs that nobody runs.
const LOOK: Duration = Duration::from_secs(10);

/// How long a job waits for room in a line.
const SHORTEST_IDLE: Duration = Duration::from_millis(250);
const LONGEST_IDLE: Duration = Duration::from_secs(4);

/// Jobs that a receiver runs at once: one that waits for a sink keeps no other waiting.
const AT_ONCE: usize = 8;

/// Runs jobs until stopped.
pub(crate) async fn run_jobs(admin: Arc<Admin>, stop: CancellationToken) {
    let worker = LeadId::generate().to_string();
    let (mut tasks, mut running) = (JoinSet::new(), BTreeSet::new());
    loop {
        tokio::select! {
            () = admin.jobs.notified() => {}
            () = sleep(LOOK) => {}
            Some(ended) = tasks.join_next() => {
                match ended {
                    Ok(id) => {
                        running.remove(&id);
                    }
                    // It panicked, and which it was is not known: those that run all the same take their next step first.
                    Err(_) => running.clear(),
                }
            }
            () = stop.cancelled() => break,
        }
        // What is not read yet, or cannot be read, would look as if it did not exist.
        if !admin.loaded.load(Ordering::Relaxed) || admin.config.borrow().incomplete {
            continue;
        }
        let realm = Realm::of_admin(&admin);
        let found = match admin.queue.jobs().await {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::debug!(%error, "failed to look for jobs; will retry");
                continue;
            }
        };
        for kept in found.iter().filter_map(Kept::read) {
            let id = kept.job.id.clone();
            let is_open = kept.job.state == JobState::Running
                && kept.lease.is_free_for(&worker)
                && realm.has_all(kept.namespaces.as_ref());
            if !is_open || tasks.len() >= AT_ONCE || !running.insert(id.clone()) {
                continue;
            }
            let (admin, worker, stop) = (Arc::clone(&admin), worker.clone(), stop.clone());
            tasks.spawn(async move {
                if let Err(error) = run(&admin, kept, &worker, &stop).await {
                    tracing::warn!(job = id, %error, "the job waits until the queue is available");
                }
                id
            });
        }
    }
    // Each writes down how far it came.
    while tasks.join_next().await.is_some() {}
}

/// Runs a job to its end, or until somebody else has changed it.
async fn run(
    admin: &Admin,
    mut kept: Kept,
    worker: &str,
    stop: &CancellationToken,
) -> Result<(), QueueError> {
    let (mut next, mut idle) = (Instant::now(), SHORTEST_IDLE);
    loop {
        // Written before each step: the job stays with this receiver, and how far it is is known if the receiver dies.
        kept.lease.take(worker);
        if !admin.queue.put_job(&kept.stored()).await? {
            return Ok(());
        }
        if kept.job.state != JobState::Running {
            let (done, left) = (kept.job.done, kept.job.kept);
            tracing::info!(job = kept.job.id, done, kept = left, "job completed");
            return Ok(());
        }
        if stop.is_cancelled() {
            return Ok(());
        }
        let rest = next.saturating_duration_since(Instant::now());
        if !rest.is_zero() {
            tokio::select! {
                () = sleep(rest.min(LOOK)) => {}
                () = stop.cancelled() => {}
            }
            continue;
        }
        if let Some(pause) = step::page(admin, &mut kept, stop).await? {
            kept.job.updated_at = jiff::Timestamp::now();
            (next, idle) = (Instant::now() + pause, SHORTEST_IDLE);
        } else {
            next = Instant::now() + idle;
            idle = (idle * 2).min(LONGEST_IDLE);
        }
    }
}
