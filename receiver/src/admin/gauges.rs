//! The gauges that are read from the store when they are asked for.

use std::sync::Arc;

use super::shared::Admin;
use super::status::{count, figures, oldest};
use crate::metrics::{SinkLabels, WebhookLabels};

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
    }
}
