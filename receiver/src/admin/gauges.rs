//! What is read from the store, or begins at 0, when metrics are asked for.

use std::sync::Arc;

use super::shared::Admin;
use super::status::{count, figures, oldest};
use crate::config::Config;
use crate::metrics::{DeliveryLabels, RequestLabels, SinkLabels, WebhookLabels};
use crate::outcomes::{DeliveryOutcome, RequestOutcome};

/// What alerts look for. These series are there before the first event: Prometheus' `increase()` does not see one that makes
/// its series.
const COUNTED: [RequestOutcome; 9] = [
    RequestOutcome::Accepted,
    RequestOutcome::Busy,
    RequestOutcome::Full,
    RequestOutcome::Ignored,
    RequestOutcome::Insecure,
    RequestOutcome::Rejected,
    RequestOutcome::TooLarge,
    RequestOutcome::Unauthorized,
    RequestOutcome::Unavailable,
];

/// Reads from the store what only it knows. While it is away, the last figures stand.
pub(super) async fn refresh_gauges(admin: &Admin) {
    let config = Arc::clone(&admin.config.borrow());
    let Ok((webhooks, sinks)) = figures(admin, &config).await else {
        admin.metrics.queue_errors.inc();
        return;
    };
    // Of a webhook that is gone, nothing is told any more.
    admin.metrics.unrouted.clear();
    for (id, stats) in &webhooks {
        let labels = WebhookLabels {
            webhook: id.to_string(),
        };
        let unrouted = admin.metrics.unrouted.get_or_create(&labels);
        unrouted.set(count(stats.unrouted));
        let _ = admin.metrics.key_conflicts.get_or_create(&labels);
        let _ = admin.metrics.items_rejected.get_or_create(&labels);
        for outcome in COUNTED {
            let webhook = labels.webhook.clone();
            let _ = admin
                .metrics
                .requests
                .get_or_create(&RequestLabels { webhook, outcome });
        }
    }
    admin.metrics.objective.clear();
    for webhook in config.webhooks() {
        if let Some(objective) = webhook.objective {
            let labels = WebhookLabels {
                webhook: webhook.id.to_string(),
            };
            let gauge = admin.metrics.objective.get_or_create(&labels);
            gauge.set(objective.as_secs_f64());
            let _ = admin.metrics.objective_missed.get_or_create(&labels);
        }
    }
    admin.metrics.sink_rate_limit.clear();
    for sink in config.sinks() {
        let labels = SinkLabels {
            sink: sink.id.to_string(),
        };
        let limit = sink.delivery.limit;
        let gauge = admin.metrics.sink_rate_limit.get_or_create(&labels);
        gauge.set(f64::from(limit.requests) / limit.per.as_secs_f64());
    }
    refresh_audits(admin, &config);
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
                .set(count(stats.pending + stats.held + stats.dead));
        }
        metrics
            .queue_depth
            .get_or_create(&labels)
            .set(count(stats.pending));
        metrics
            .queue_age
            .get_or_create(&labels)
            .set(oldest(stats).as_secs_f64());
        metrics.dead.get_or_create(&labels).set(count(stats.dead));
        metrics.held.get_or_create(&labels).set(count(stats.held));
        metrics
            .paused
            .get_or_create(&labels)
            .set(i64::from(stats.paused.is_some()));
        if number < configured {
            for &outcome in DeliveryOutcome::ALL {
                let sink = labels.sink.clone();
                let _ = metrics
                    .deliveries
                    .get_or_create(&DeliveryLabels { sink, outcome });
            }
        }
    }
}

/// What the last audits found; nothing of sinks that are not audited.
fn refresh_audits(admin: &Admin, config: &Config) {
    let metrics = &admin.metrics;
    metrics.audited_records.clear();
    metrics.duplicate_records.clear();
    metrics.audit_end.clear();
    for sink in config.sinks().filter(|sink| sink.audit.is_some()) {
        let Some(found) = admin.audits.of(&sink.id) else {
            continue;
        };
        if let Some(ended) = found.last_time {
            let labels = SinkLabels {
                sink: sink.id.to_string(),
            };
            metrics.audited_records.get_or_create(&labels).set(found.audited);
            metrics
                .duplicate_records
                .get_or_create(&labels)
                .set(found.duplicates);
            let ended = ended.0.as_duration().as_secs_f64();
            metrics.audit_end.get_or_create(&labels).set(ended);
        }
    }
}
