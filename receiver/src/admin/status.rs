//! `/status`: what the resources' status needs, and the gauges that are read from the store when asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use problem_details::ProblemDetails;
use serde_json::{Value, json};

use super::orphans::{orphan_problem, orphaned};
use super::{Admin, time};
use crate::config::{Config, Sink};
use crate::crm::Failure;
use crate::delivery::LastPreflight;
use crate::metrics::{KEY_CONFLICT, RequestLabels, SinkLabels, WebhookLabels};
use crate::queue::{QueueError, SinkId, SinkShare, SinkStats, WebhookId, WebhookStats};
use crate::source::Webhook;

/// `GET /status`.
pub(super) async fn status(State(admin): State<Arc<Admin>>) -> Response {
    let config = Arc::clone(&admin.config.borrow());
    let problems: Vec<Value> = config.problems.iter().map(|problem| json!(problem)).collect();
    let (webhooks, by_sink) = match figures(&admin, &config).await {
        Ok(figures) => figures,
        Err(error) => {
            return ProblemDetails::from_status_code(StatusCode::SERVICE_UNAVAILABLE)
                .with_detail(error.to_string())
                .with_extensions(json!({"problems": problems}))
                .into_response();
        }
    };
    let store = match admin.queue.check().await {
        Ok(report) => {
            json!({"ready": true, "problems": report.problems, "writeLatency": milliseconds(report.write_latency),
                "bytes": report.room.map(|(used, _)| used), "maxBytes": report.room.map(|(_, most)| most)})
        }
        Err(error) => json!({"ready": false, "problems": [error.to_string()]}),
    };
    let orphans = by_sink.get(config.sinks().count()..).unwrap_or_default();
    let sinks = config
        .sinks()
        .zip(&by_sink)
        .map(|(s, (_, stats))| sink(&admin, &config, s, stats));
    Json(json!({
        "loaded": admin.loaded.load(Ordering::Relaxed),
        "queue": store,
        "problems": problems,
        "warnings": config.warnings,
        "webhooks": config.webhooks().zip(&webhooks).map(|(w, (_, stats))| webhook(&admin, w, stats, &by_sink)).collect::<Vec<_>>(),
        "sinks": sinks.chain(orphans.iter().map(|(id, stats)| orphan(id, stats))).collect::<Vec<_>>(),
    }))
    .into_response()
}

/// Figures of every webhook, and of every sink: the configured ones, then those that are not although leads wait for them.
async fn figures(
    admin: &Admin,
    config: &Config,
) -> Result<(Vec<(WebhookId, WebhookStats)>, Vec<(SinkId, SinkStats)>), QueueError> {
    let webhooks: Vec<WebhookId> = config.webhooks().map(|webhook| webhook.id.clone()).collect();
    let mut sinks: Vec<SinkId> = config.sinks().map(|sink| sink.id.clone()).collect();
    sinks.extend(orphaned(admin.queue.as_ref(), config).await?);
    let of_webhooks = admin.queue.webhook_stats(&webhooks).await?;
    let of_sinks = admin.queue.sink_stats(&sinks).await?;
    Ok((
        webhooks.into_iter().zip(of_webhooks).collect(),
        sinks.into_iter().zip(of_sinks).collect(),
    ))
}

fn webhook(admin: &Admin, webhook: &Webhook, stats: &WebhookStats, sinks: &[(SinkId, SinkStats)]) -> Value {
    let count = |outcome: &'static str| {
        let labels = RequestLabels {
            webhook: webhook.id.to_string(),
            outcome,
        };
        admin.metrics.requests.get_or_create(&labels).get()
    };
    let share_of = |sink: &SinkId| {
        let (_, stats) = sinks.iter().find(|(id, _)| id == sink)?;
        let (_, share) = stats.by_webhook.iter().find(|(id, _)| *id == webhook.id)?;
        Some(share.clone())
    };
    let is_named = |sink: &SinkId| webhook.sinks.iter().any(|route| route.sink == *sink);
    // Then those of which leads wait although the webhook does not name them any more.
    let left = sinks.iter().map(|(id, _)| id).filter(|id| {
        let waits = |share: SinkShare| share.pending + share.held + share.dead > 0;
        !is_named(id) && share_of(id).is_some_and(waits)
    });
    let routes: Vec<Value> = webhook
        .sinks
        .iter()
        .map(|route| &route.sink)
        .chain(left)
        .map(|sink| {
            let share = share_of(sink).unwrap_or_default();
            let latency = admin.metrics.latency(&webhook.id, sink);
            json!({
                "name": sink.name(),
                "named": is_named(sink),
                "pending": share.pending,
                "held": share.held,
                "dead": share.dead,
                "delivered": share.delivered,
                "discarded": share.discarded,
                "latency": latency.map(|(p50, p99)| json!({"p50": milliseconds(p50), "p99": milliseconds(p99)})),
                "lastDeliveredTime": share.last_delivered_at.and_then(time),
                "lastError": admin.metrics.last_error(&webhook.id, sink),
            })
        })
        .collect();
    json!({
        "name": webhook.id.as_str(),
        "path": webhook.path,
        "suspended": webhook.suspended,
        "leads": {
            "accepted": stats.accepted,
            "duplicates": stats.duplicates,
            "keyConflicts": stats.key_conflicts,
            "rejected": stats.rejected,
            "rejectedDropped": stats.rejected_dropped,
            "unrouted": stats.unrouted,
            "discarded": stats.discarded,
            "unauthorized": count("unauthorized"),
            "ignored": count("ignored"),
            "lastAcceptedTime": stats.last_accepted_at.and_then(time),
        },
        "proofs": match webhook.verifier.secrets() {
            secrets @ 2.. => admin.metrics.proofs(&webhook.id, secrets),
            _ => Vec::new(),
        },
        "hints": hints(stats),
        "sinks": routes,
    })
}

/// What a person should look at, in words.
fn hints(stats: &WebhookStats) -> Vec<String> {
    let mut hints = Vec::new();
    if stats.key_conflicts > 0 {
        hints.push(format!("{} {}", stats.key_conflicts, KEY_CONFLICT));
    }
    if stats.unrouted > 0 {
        hints.push(format!(
            "{} leads are kept because no sink receives them (sinks[].when): see /deadletters?set=unrouted; correct the \
             conditions or set otherwise: true on one sink, then replay them",
            stats.unrouted
        ));
    }
    hints
}

fn sink(admin: &Admin, config: &Config, sink: &Sink, stats: &SinkStats) -> Value {
    let webhooks: Vec<_> = config
        .webhooks()
        .filter(|w| w.sinks.iter().any(|route| route.sink == sink.id))
        .collect();
    let last_error = webhooks
        .iter()
        .filter_map(|w| admin.metrics.last_error(&w.id, &sink.id))
        .max_by(|a, b| a.time.cmp(&b.time));
    let paused = stats.paused.as_ref().map(|(_, why)| why);
    let last = admin.preflights.of(&sink.id);
    json!({
        "name": sink.id.as_str(),
        "orphaned": false,
        "problem": null,
        "suspended": sink.suspended,
        "webhooks": webhooks.len(),
        "leads": leads(stats),
        "pausedUntil": stats.paused.as_ref().and_then(|(until, _)| time(*until)),
        "pausedReason": paused.map(|why| &why.reason),
        "pausedMessage": paused.map(|why| &why.message),
        "preflight": last.as_ref().map(preflight),
        "notice": last.as_ref().and_then(|last| last.notice.as_ref()).map(|notice| json!({
            "reason": notice.reason, "message": notice.message,
        })),
        "deliveredWithoutProperties": admin.metrics.refusals(&sink.id),
        "lastError": last_error,
    })
}

/// A sink that is not configured although leads wait for it: the same members, and a problem.
fn orphan(id: &SinkId, stats: &SinkStats) -> Value {
    json!({
        "name": id.as_str(),
        "orphaned": true,
        "problem": orphan_problem(id, stats),
        "suspended": false,
        "webhooks": 0,
        "leads": leads(stats),
        "pausedUntil": null,
        "pausedReason": null,
        "pausedMessage": null,
        "preflight": null,
        "notice": null,
        "deliveredWithoutProperties": [],
        "lastError": null,
    })
}

fn leads(stats: &SinkStats) -> Value {
    json!({
        "pending": stats.pending,
        "held": stats.held,
        "dead": stats.dead,
        "delivered": stats.delivered,
        "discarded": stats.discarded,
        "oldestPendingSeconds": oldest(stats).as_secs(),
    })
}

/// What the last check of a CRM found.
fn preflight(last: &LastPreflight) -> Value {
    let told = |check: &Option<Result<(), Failure>>| match check {
        None => Value::Null,
        Some(Ok(())) => json!({"ok": true}),
        Some(Err(why)) => json!({"ok": false, "reason": why.reason, "message": why.message}),
    };
    let at = last.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "time": time(u64::try_from(at.as_millis()).unwrap_or_default()),
        "reachable": told(&last.found.reachable),
        "credentials": told(&last.found.credentials),
        "problems": last.found.problems,
    })
}

/// Reads from the store what only it knows. While it is away, the last figures stand.
pub(super) async fn refresh_gauges(admin: &Admin) {
    let config = Arc::clone(&admin.config.borrow());
    let Ok((webhooks, sinks)) = figures(admin, &config).await else {
        admin.metrics.queue_errors.inc();
        return;
    };
    let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    for (id, stats) in &webhooks {
        let labels = WebhookLabels {
            webhook: id.to_string(),
        };
        let unrouted = admin.metrics.unrouted.get_or_create(&labels);
        unrouted.set(gauge(stats.unrouted));
    }
    // A sink that is gone, with all its leads, must not keep its last figures.
    let metrics = &admin.metrics;
    for family in [
        &metrics.queue_depth,
        &metrics.dead,
        &metrics.held,
        &metrics.paused,
        &metrics.orphaned,
    ] {
        family.clear();
    }
    metrics.queue_age.clear();
    let configured = config.sinks().count();
    for (number, (id, stats)) in sinks.iter().enumerate() {
        let labels = SinkLabels { sink: id.to_string() };
        if number >= configured {
            metrics
                .orphaned
                .get_or_create(&labels)
                .set(gauge(stats.pending + stats.held + stats.dead));
        }
        metrics
            .queue_depth
            .get_or_create(&labels)
            .set(gauge(stats.pending));
        metrics
            .queue_age
            .get_or_create(&labels)
            .set(oldest(stats).as_secs_f64());
        metrics.dead.get_or_create(&labels).set(gauge(stats.dead));
        metrics.held.get_or_create(&labels).set(gauge(stats.held));
        metrics
            .paused
            .get_or_create(&labels)
            .set(i64::from(stats.paused.is_some()));
    }
}

fn oldest(stats: &SinkStats) -> Duration {
    Duration::from_millis(
        stats
            .oldest_accepted_at
            .map_or(0, |at| stats.now.saturating_sub(at)),
    )
}

fn milliseconds(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.1}ms")
    } else {
        format!("{ms:.0}ms")
    }
}
