//! How many deliveries wait of each webhook that has a limit of them. Requests do not ask the store: they add to what it
//! said a moment ago, so that a limit costs them nothing, and several receivers may exceed it by what they take meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Served};
use crate::queue::{Queue, QueueError, SinkId, WebhookId};

/// How often the store is asked, while anything waits.
const EVERY: Duration = Duration::from_secs(1);

/// Asks the store until stopped.
pub(crate) async fn count_pending(
    queue: Arc<dyn Queue>,
    mut config: watch::Receiver<Arc<Config>>,
    stop: CancellationToken,
) {
    loop {
        let current = Arc::clone(&config.borrow_and_update());
        // What is known stays known: while the store does not answer, it takes no leads either.
        if let Err(error) = ask(queue.as_ref(), &current).await {
            tracing::debug!(%error, "failed to count pending deliveries");
        }
        let is_limited = current
            .served()
            .any(|served| served.share.allowance.pending_deliveries.is_some());
        tokio::select! {
            () = tokio::time::sleep(EVERY), if is_limited => {}
            changed = config.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}

async fn ask(queue: &dyn Queue, config: &Config) -> Result<(), QueueError> {
    let counted: Vec<(&Arc<Served>, u64)> = config
        .served()
        .filter_map(|served| Some((served, served.share.to_count()?)))
        .collect();
    if counted.is_empty() {
        return Ok(());
    }
    let routes: Vec<(SinkId, WebhookId)> = counted
        .iter()
        .flat_map(|(served, _)| {
            let webhook = &served.webhook;
            let sinks = webhook.sinks.iter();
            sinks.map(|route| (route.sink.clone(), webhook.id.clone()))
        })
        .collect();
    let mut pending = queue.pending(&routes).await?.into_iter();
    for (served, added) in counted {
        let own = pending.by_ref().take(served.webhook.sinks.len());
        served.share.counted(own.sum(), added);
    }
    Ok(())
}
