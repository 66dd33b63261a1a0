//! The loop that runs jobs: takes one, does a page of it, writes down how far it came, waits for room.

use std::sync::Arc;
use std::time::Duration;

use leadgate_crds::api::JobState;
use tokio_util::sync::CancellationToken;

use super::step;
use super::stored::Kept;
use crate::admin::shared::Admin;
use crate::queue::{LeadId, QueueError};

/// How often a receiver looks for jobs that nobody runs.
const LOOK: Duration = Duration::from_secs(10);

/// Runs jobs until stopped.
pub(crate) async fn run_jobs(admin: Arc<Admin>, stop: CancellationToken) {
    let worker = LeadId::generate().to_string();
    loop {
        tokio::select! {
            () = admin.jobs.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
        let found = match admin.queue.jobs().await {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::debug!(%error, "failed to look for jobs; will retry");
                continue;
            }
        };
        for kept in found.iter().filter_map(Kept::read) {
            if kept.job.state != JobState::Running || !kept.is_free_for(&worker) {
                continue;
            }
            let id = kept.job.id.clone();
            tokio::select! {
                ended = run(&admin, kept, &worker) => if let Err(error) = ended {
                    tracing::warn!(job = id, %error, "the job waits until the queue is available");
                },
                () = stop.cancelled() => return,
            }
        }
    }
}

/// Runs a job to its end, or until somebody else has changed it.
async fn run(admin: &Admin, mut kept: Kept, worker: &str) -> Result<(), QueueError> {
    loop {
        kept = kept.taken_by(worker);
        if !admin.queue.put_job(&kept.stored()).await? {
            return Ok(());
        }
        if kept.job.state != JobState::Running {
            let (done, left) = (kept.job.done, kept.job.kept);
            tracing::info!(job = kept.job.id, done, kept = left, "job completed");
            return Ok(());
        }
        let pause = step::page(admin, &mut kept).await?;
        kept.job.updated_at = jiff::Timestamp::now();
        if !pause.is_zero() {
            // Within the lease, so that the job stays with this receiver.
            tokio::time::sleep(pause.min(Duration::from_secs(5))).await;
        }
    }
}
