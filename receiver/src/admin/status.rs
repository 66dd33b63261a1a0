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

use super::{Admin, time};
use crate::config::{Config, Sink};
use crate::crm::Failure;
use crate::delivery::Inspected;
use crate::metrics::{KEY_CONFLICT, RequestLabels, SinkLabels, WebhookLabels};
use crate::queue::{QueueError, SinkId, SinkStats, WebhookId, WebhookStats};
use crate::source::Webhook;

/// `GET /status`.
pub(super) async fn status(State(admin): State<Arc<Admin>>) -> Response {
    let config = Arc::clone(&admin.config.borrow());
    let problems: Vec<Value> = config.problems.iter().map(|problem| json!(problem)).collect();
    let (webhooks, sinks) = match figures(&admin, &config).await {
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
    let by_sink: Vec<(SinkId, SinkStats)> = config.sinks().map(|sink| sink.id.clone()).zip(sinks).collect();
    Json(json!({
        "loaded": admin.loaded.load(Ordering::Relaxed),
        "queue": store,
        "problems": problems,
        "warnings": config.warnings,
        "webhooks": config.webhooks().zip(webhooks).map(|(w, stats)| webhook(&admin, w, &stats, &by_sink)).collect::<Vec<_>>(),
        "sinks": config.sinks().zip(&by_sink).map(|(s, (_, stats))| sink(&admin, &config, s, stats)).collect::<Vec<_>>(),
    }))
    .into_response()
}

async fn figures(admin: &Admin, config: &Config) -> Result<(Vec<WebhookStats>, Vec<SinkStats>), QueueError> {
    let webhooks: Vec<WebhookId> = config.webhooks().map(|webhook| webhook.id.clone()).collect();
    let sinks: Vec<SinkId> = config.sinks().map(|sink| sink.id.clone()).collect();
    Ok((
        admin.queue.webhook_stats(&webhooks).await?,
        admin.queue.sink_stats(&sinks).await?,
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
    let routes: Vec<Value> = webhook
        .sinks
        .iter()
        .map(|route| {
            let share = sinks
                .iter()
                .find(|(id, _)| *id == route.sink)
                .and_then(|(_, stats)| stats.by_webhook.iter().find(|(id, _)| *id == webhook.id))
                .map(|(_, share)| share.clone())
                .unwrap_or_default();
            let latency = admin.metrics.latency(&webhook.id, &route.sink);
            json!({
                "name": route.sink.as_str().split_once('/').map_or(route.sink.as_str(), |(_, name)| name),
                "pending": share.pending,
                "held": share.held,
                "dead": share.dead,
                "delivered": share.delivered,
                "discarded": share.discarded,
                "latency": latency.map(|(p50, p99)| json!({"p50": milliseconds(p50), "p99": milliseconds(p99)})),
                "lastDeliveredTime": share.last_delivered_at.and_then(time),
                "lastError": admin.metrics.last_error(&webhook.id, &route.sink),
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
            "unrouted": stats.unrouted,
            "discarded": stats.discarded,
            "unauthorized": count("unauthorized"),
            "ignored": count("ignored"),
            "lastAcceptedTime": stats.last_accepted_at.and_then(time),
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
            "{} leads are kept because no sink takes them (sinks[].when): see /deadletters?set=unrouted; correct the \
             conditions or give one sink otherwise: true, then replay them",
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
    let paused = stats
        .paused
        .as_ref()
        .map(|(_, reason)| reason_and_message(reason));
    let inspected = admin.inspections.of(&sink.id);
    json!({
        "name": sink.id.as_str(),
        "suspended": sink.suspended,
        "webhooks": webhooks.len(),
        "leads": {
            "pending": stats.pending,
            "held": stats.held,
            "dead": stats.dead,
            "delivered": stats.delivered,
            "discarded": stats.discarded,
            "oldestPendingSeconds": oldest(stats).as_secs(),
        },
        "pausedUntil": stats.paused.as_ref().and_then(|(until, _)| time(*until)),
        "pausedReason": paused.map(|(word, _)| word),
        "pausedMessage": paused.map(|(_, message)| message),
        "inspection": inspected.as_ref().map(inspection),
        "notice": inspected.as_ref().and_then(|inspected| inspected.notice.as_ref()).map(|notice| json!({
            "reason": notice.reason, "message": notice.message,
        })),
        "deliveredWithoutProperties": admin.metrics.refusals(&sink.id),
        "lastError": last_error,
    })
}

/// What the last check of a CRM found.
fn inspection(inspected: &Inspected) -> Value {
    let told = |check: &Option<Result<(), Failure>>| match check {
        None => Value::Null,
        Some(Ok(())) => json!({"ok": true}),
        Some(Err(why)) => json!({"ok": false, "reason": why.reason, "message": why.message}),
    };
    let at = inspected.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "time": time(u64::try_from(at.as_millis()).unwrap_or_default()),
        "reachable": told(&inspected.found.reachable),
        "credentials": told(&inspected.found.credentials),
        "problems": inspected.found.problems,
    })
}

/// A pause's reason is one text in the store: a CamelCase word, then the words for a person.
fn reason_and_message(text: &str) -> (&str, &str) {
    text.split_once(": ")
        .filter(|(word, _)| word.bytes().all(|b| b.is_ascii_alphanumeric()))
        .unwrap_or(("Paused", text))
}

/// Reads from the store what only it knows. While it is away, the last figures stand.
pub(super) async fn refresh_gauges(admin: &Admin) {
    let config = Arc::clone(&admin.config.borrow());
    let sinks: Vec<SinkId> = config.sinks().map(|sink| sink.id.clone()).collect();
    let webhooks: Vec<WebhookId> = config.webhooks().map(|webhook| webhook.id.clone()).collect();
    let (Ok(stats), Ok(counts)) = (
        admin.queue.sink_stats(&sinks).await,
        admin.queue.webhook_stats(&webhooks).await,
    ) else {
        admin.metrics.queue_errors.inc();
        return;
    };
    let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    for (id, stats) in webhooks.iter().zip(&counts) {
        let labels = WebhookLabels {
            webhook: id.to_string(),
        };
        let unrouted = admin.metrics.unrouted.get_or_create(&labels);
        unrouted.set(gauge(stats.unrouted));
    }
    for (id, stats) in sinks.iter().zip(&stats) {
        let labels = SinkLabels { sink: id.to_string() };
        let metrics = &admin.metrics;
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
