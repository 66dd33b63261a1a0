//! Sinks that are not configured, although leads wait for them: renamed or removed ones. They are told of, not forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::queue::{Queue, QueueError, SinkId, SinkStats};

/// How often it is looked again when the configuration does not change.
const EVERY: Duration = Duration::from_mins(1);

/// The sinks of which leads wait or are set aside, and which are not configured; of a store that others use too, those of
/// the namespaces that are configured.
pub(super) async fn orphaned(queue: &dyn Queue, config: &Config) -> Result<Vec<SinkId>, QueueError> {
    let configured: BTreeSet<&SinkId> = config.sinks().map(|sink| &sink.id).collect();
    let own: BTreeSet<String> = config
        .webhooks()
        .map(|webhook| webhook.id.namespace().to_owned())
        .chain(configured.iter().map(|sink| sink.namespace().to_owned()))
        .collect();
    let mut sinks = queue.occupied_sinks().await?;
    sinks.retain(|sink| !configured.contains(sink) && (!queue.is_shared() || own.contains(sink.namespace())));
    Ok(sinks)
}

/// What is wrong, and the remedy.
pub(super) fn orphan_problem(id: &SinkId, stats: &SinkStats) -> String {
    let SinkStats {
        pending, held, dead, ..
    } = stats;
    format!(
        "{pending} pending, {held} held and {dead} dead leads are for the CrmSink {id}, which is not configured: add it again \
         (no webhook needs to name it), or move them to another sink or discard them (/api/v1/leads?set=pending&sink={id})"
    )
}

/// Logs each such sink once, when it is found; runs until stopped.
pub(crate) async fn watch_orphans(
    queue: Arc<dyn Queue>,
    mut config: watch::Receiver<Arc<Config>>,
    stop: CancellationToken,
) {
    let mut known = BTreeSet::new();
    loop {
        let current = Arc::clone(&config.borrow_and_update());
        // Before the manifests are read every sink would be one.
        let unread = current.incomplete && current.problems.is_empty();
        if !unread {
            match tell(queue.as_ref(), &current, &mut known).await {
                Ok(()) => {}
                Err(error) => tracing::debug!(%error, "failed to list the sinks of pending leads"),
            }
        }
        tokio::select! {
            changed = config.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn tell(queue: &dyn Queue, config: &Config, known: &mut BTreeSet<SinkId>) -> Result<(), QueueError> {
    let found = orphaned(queue, config).await?;
    let stats = queue.sink_stats(&found).await?;
    for (id, stats) in found.iter().zip(&stats) {
        if !known.contains(id) {
            tracing::warn!(sink = %id, "{}", orphan_problem(id, stats));
        }
    }
    *known = found.into_iter().collect();
    Ok(())
}
