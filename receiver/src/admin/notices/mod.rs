//! Tells people when leads need someone (`spec.notify`). What was told is kept in the store, so that of several receivers
//! one tells it, and a restart does not tell it again.

mod needs;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use leadgate_crds::reason::{FailureClass, FailureReason};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::shared::Admin;
use super::status::figures;
use crate::config::Config;
use crate::metrics::NoticeLabels;
use crate::notice::{Counts, Notifier, Subject};
use crate::outbound::{Client, NoAnswer, Peer, send};
use crate::queue::{Millis, QueueError, SinkStats, StoredJob, WebhookId, WebhookStats};
use crate::time::epoch_ms;
use needs::{AGAIN, DELIVERED, PAUSE, Told};

/// How often figures are looked at, and before the manifests are read.
const LOOK: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(200);

/// For one notification.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Of an object that no receiver knows any more, what was told is forgotten after so long (ms).
const FORGET: Millis = 30 * 24 * 3_600_000;

/// What their names begin with in the store.
const PREFIX: &str = "notify/";

/// As the store keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    notified: Told,
}

/// Something that may need someone.
struct Watched {
    kind: &'static str,
    id: String,
    notifier: Arc<Notifier>,
    counts: Counts,
}

/// Looks now and then, until told to stop.
pub(crate) async fn run_notices(admin: Arc<Admin>, client: Client, stop: CancellationToken) {
    loop {
        let is_loaded = admin.loaded.load(Ordering::Relaxed);
        let look = async {
            if is_loaded && let Err(error) = look(&admin, &client).await {
                tracing::debug!(%error, "failed to look for leads that need someone; will retry");
            }
            sleep(if is_loaded { LOOK } else { SOON }).await;
        };
        tokio::select! {
            () = look => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn look(admin: &Admin, client: &Client) -> Result<(), QueueError> {
    let config = Arc::clone(&admin.config.borrow());
    let is_wanted = config.webhooks().any(|webhook| webhook.notifier.is_some())
        || config.sinks().any(|sink| sink.notifier.is_some());
    if !is_wanted {
        return Ok(());
    }
    // Before the figures: older ones must not replace what was told of newer ones.
    let jobs = admin.queue.jobs().await?;
    let watched = watched(admin, &config).await?;
    let mut kept: HashMap<String, StoredJob> = jobs
        .into_iter()
        .filter(|job| job.id.starts_with(PREFIX))
        .map(|job| (job.id.clone(), job))
        .collect();
    for object in watched {
        let id = format!("{PREFIX}{}/{}", object.kind, object.id);
        let stored = kept.remove(&id);
        consider(admin, client, &object, Record::of(id, stored, &object.counts)).await?;
    }
    if config.incomplete {
        return Ok(());
    }
    let now = epoch_ms();
    for (id, job) in kept {
        let told = serde_json::from_slice::<Kept>(&job.body);
        if told.map_or(0, |kept| kept.notified.next_at) + FORGET < now {
            admin.queue.remove_job(&id).await?;
        }
    }
    Ok(())
}

/// What was told of an object, and its version in the store.
struct Record {
    id: String,
    version: u64,
    told: Told,
    is_new: bool,
}

impl Record {
    fn of(id: String, stored: Option<StoredJob>, now: &Counts) -> Self {
        let version = stored.as_ref().map_or(0, |job| job.version);
        let told = stored.and_then(|job| serde_json::from_slice::<Kept>(&job.body).ok());
        Self {
            id,
            version,
            is_new: told.is_none(),
            told: told.map_or_else(|| Told::first(now, epoch_ms()), |kept| kept.notified),
        }
    }

    /// Writes it in place of the version before. `false`: another receiver was faster.
    async fn put(&mut self, admin: &Admin, told: Told) -> Result<bool, QueueError> {
        self.version += 1;
        let body = serde_json::to_vec(&Kept {
            notified: told.clone(),
        })
        .unwrap_or_default();
        self.told = told;
        let job = StoredJob {
            id: self.id.clone(),
            version: self.version,
            body,
        };
        admin.queue.put_job(&job).await
    }
}

async fn consider(
    admin: &Admin,
    client: &Client,
    object: &Watched,
    mut record: Record,
) -> Result<(), QueueError> {
    let now = epoch_ms();
    let told = record.told.lowered(&object.counts);
    let Some(news) = told.news(&object.counts, now) else {
        if record.is_new || told != record.told {
            record.put(admin, told).await?;
        }
        return Ok(());
    };
    // Claimed before it is sent: whoever dies in between has told nobody, and nobody is told twice within the hour.
    let claim = Told {
        next_at: now + PAUSE,
        ..told
    };
    if !record.put(admin, claim).await? {
        return Ok(());
    }
    let sent = post(client, object, &news).await;
    let labels = NoticeLabels::of(object.kind, &object.id, sent.is_ok());
    admin.metrics.notifications.get_or_create(&labels).inc();
    let after = match &sent {
        Ok(()) => Told {
            counts: object.counts.clone(),
            next_at: now + PAUSE,
        },
        Err(why) => {
            tracing::warn!(
                kind = object.kind,
                object = object.id,
                "failed to notify; will retry in 5 minutes: {why}"
            );
            Told {
                next_at: now + AGAIN,
                ..record.told.clone()
            }
        }
    };
    record.put(admin, after).await.map(drop)
}

async fn post(client: &Client, object: &Watched, news: &Counts) -> Result<(), String> {
    let subject = Subject {
        kind: object.kind,
        id: &object.id,
    };
    let request = object.notifier.request(client, subject, news)?;
    let peer = Peer {
        name: "the service that is notified",
        address: "notify.urlSecretRef",
        timeout: TIMEOUT,
        timeout_is: "10s",
    };
    match send(request, peer).await {
        Ok(reply) if (200..300).contains(&reply.status) => Ok(()),
        Ok(reply) => Err(format!("it answered {} (spec.notify.urlSecretRef)", reply.status)),
        Err(NoAnswer::Failed(failure, _)) => Err(failure.message),
        Err(NoAnswer::Throttled(_)) => Err("it was not called".to_owned()),
    }
}

/// What somebody wants to be told of, with its counts.
async fn watched(admin: &Admin, config: &Config) -> Result<Vec<Watched>, QueueError> {
    let of_webhooks: HashMap<WebhookId, Arc<Notifier>> = config
        .webhooks()
        .filter_map(|webhook| Some((webhook.id.clone(), Arc::clone(webhook.notifier.as_ref()?))))
        .collect();
    let of_sinks = config
        .sinks()
        .filter_map(|sink| Some((sink.id.clone(), Arc::clone(sink.notifier.as_ref()?))));
    let of_sinks: HashMap<_, _> = of_sinks.collect();
    let (webhooks, sinks) = figures(admin, config).await?;
    let mut found = Vec::new();
    for (id, stats) in &webhooks {
        if let Some(notifier) = of_webhooks.get(id) {
            found.push(Watched {
                kind: "LeadWebhook",
                id: id.to_string(),
                notifier: Arc::clone(notifier),
                counts: of_webhook(id, stats, sinks.iter().map(|(_, stats)| stats)),
            });
        }
    }
    for (id, stats) in &sinks {
        if let Some(notifier) = of_sinks.get(id) {
            found.push(Watched {
                kind: "CrmSink",
                id: id.to_string(),
                notifier: Arc::clone(notifier),
                counts: of_sink(stats),
            });
        }
    }
    Ok(found)
}

fn of_webhook<'a>(
    id: &WebhookId,
    stats: &WebhookStats,
    sinks: impl Iterator<Item = &'a SinkStats>,
) -> Counts {
    let shares = sinks
        .flat_map(|sink| &sink.by_webhook)
        .filter(|(webhook, _)| webhook == id);
    let (dead, held) = shares.fold((0, 0), |(dead, held), (_, share)| {
        (dead + share.dead, held + share.held)
    });
    counts([
        ("dead", dead),
        ("held", held),
        ("rejected", stats.rejected),
        ("unrouted", stats.unrouted),
    ])
}

fn of_sink(stats: &SinkStats) -> Counts {
    let paused = stats
        .paused
        .as_ref()
        .is_some_and(|(_, why)| needs_someone(&why.reason));
    counts([
        ("dead", stats.dead),
        ("held", stats.held),
        ("paused", u64::from(paused)),
        (DELIVERED, stats.delivered),
    ])
}

/// Who paused it knows; limits and failures pass.
fn needs_someone(reason: &FailureReason) -> bool {
    let class = reason.class();
    *reason != FailureReason::PausedByPerson
        && matches!(class, FailureClass::Credentials | FailureClass::Setup)
}

fn counts<const N: usize>(list: [(&str, u64); N]) -> Counts {
    list.into_iter()
        .map(|(what, count)| (what.to_owned(), count))
        .collect()
}
