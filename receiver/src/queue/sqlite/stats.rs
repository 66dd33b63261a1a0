//! Figures.

use rusqlite::OptionalExtension;

use super::{
    throttle,
    tx::{Failure, Tx, unsigned},
};
use crate::queue::{SinkId, SinkShare, SinkStats, WebhookId, WebhookStats};

/// Figures of sinks.
pub(super) fn sinks(tx: &mut Tx<'_>, sinks: &[SinkId]) -> Result<Vec<SinkStats>, Failure> {
    tx.index_all()?;
    tx.flush_counters()?;
    sinks.iter().map(|sink| Ok(sink_stats(tx, sink)?)).collect()
}

/// Sinks of which leads wait or are set aside.
pub(super) fn occupied(tx: &mut Tx<'_>) -> Result<Vec<SinkId>, Failure> {
    tx.flush_counters()?;
    let mut sinks = tx.sql.prepare_cached(
        "SELECT DISTINCT sink FROM sink_count WHERE queued > delivered + discarded ORDER BY sink",
    )?;
    let sinks = sinks.query_map([], |row| Ok(SinkId::new(row.get::<_, String>(0)?)))?;
    Ok(sinks.collect::<rusqlite::Result<_>>()?)
}

fn sink_stats(tx: &Tx<'_>, sink: &SinkId) -> rusqlite::Result<SinkStats> {
    let mut stats = SinkStats {
        now: unsigned(tx.now),
        oldest_accepted_at: oldest(tx, sink)?.map(unsigned),
        paused: throttle::paused(tx, sink.as_str())?,
        ..SinkStats::default()
    };
    stats.by_webhook = tx
        .sql
        .prepare_cached(
            "SELECT webhook, queued - delivered - discarded - held - dead, held, dead, delivered, \
             discarded, last_delivered_at FROM sink_count WHERE sink = ?1 ORDER BY webhook",
        )?
        .query_map([sink.as_str()], |row| {
            let at: i64 = row.get(6)?;
            let share = SinkShare {
                pending: unsigned(row.get(1)?),
                held: unsigned(row.get(2)?),
                dead: unsigned(row.get(3)?),
                delivered: unsigned(row.get(4)?),
                discarded: unsigned(row.get(5)?),
                last_delivered_at: (at > 0).then_some(unsigned(at)),
            };
            Ok((WebhookId::new(row.get::<_, String>(0)?), share))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (_, share) in &stats.by_webhook {
        stats.pending += share.pending;
        stats.held += share.held;
        stats.dead += share.dead;
        stats.delivered += share.delivered;
        stats.discarded += share.discarded;
    }
    Ok(stats)
}

/// The oldest lead that waits. A contact never claimed is due since its lead came; the others are indexed by
/// their lead's time, and are due later than that: so the smaller of the two firsts is the oldest.
fn oldest(tx: &Tx<'_>, sink: &SinkId) -> rusqlite::Result<Option<i64>> {
    let first = |sql: &str| -> rusqlite::Result<Option<i64>> {
        tx.sql
            .prepare_cached(sql)?
            .query_row([sink.as_str()], |row| row.get(0))
    };
    let fresh = first("SELECT min(due) FROM head WHERE sink = ?1")?;
    let touched = first("SELECT min(queued_at) FROM head WHERE sink = ?1 AND touched = 1")?;
    Ok(fresh.into_iter().chain(touched).min())
}

/// Deliveries that wait or are being made.
pub(super) fn pending(tx: &mut Tx<'_>, routes: &[(SinkId, WebhookId)]) -> Result<Vec<u64>, Failure> {
    tx.flush_counters()?;
    let mut select = tx.sql.prepare_cached(
        "SELECT queued - delivered - discarded - held - dead FROM sink_count WHERE sink = ?1 AND webhook = ?2",
    )?;
    let mut of = |(sink, webhook): &(SinkId, WebhookId)| -> rusqlite::Result<u64> {
        let found = select.query_row([sink.as_str(), webhook.as_str()], |row| row.get(0));
        Ok(found.optional()?.map_or(0, unsigned))
    };
    Ok(routes.iter().map(&mut of).collect::<rusqlite::Result<_>>()?)
}

/// Figures of webhooks.
pub(super) fn webhooks(tx: &mut Tx<'_>, webhooks: &[WebhookId]) -> Result<Vec<WebhookStats>, Failure> {
    tx.flush_counters()?;
    let mut select = tx.sql.prepare_cached(
        "SELECT accepted, duplicates, key_conflicts, rejected, unrouted, discarded, last_accepted_at, rejected_dropped, ledger_dropped, suppressed \
         FROM webhook_count WHERE webhook = ?1",
    )?;
    let mut stats = Vec::with_capacity(webhooks.len());
    for webhook in webhooks {
        let found = select
            .query_row([webhook.as_str()], |row| {
                let at: i64 = row.get(6)?;
                Ok(WebhookStats {
                    accepted: unsigned(row.get(0)?),
                    duplicates: unsigned(row.get(1)?),
                    key_conflicts: unsigned(row.get(2)?),
                    rejected: unsigned(row.get(3)?),
                    rejected_dropped: unsigned(row.get(7)?),
                    ledger_dropped: unsigned(row.get(8)?),
                    suppressed: unsigned(row.get(9)?),
                    unrouted: unsigned(row.get(4)?),
                    discarded: unsigned(row.get(5)?),
                    last_accepted_at: (at > 0).then_some(unsigned(at)),
                })
            })
            .optional()?;
        stats.push(found.unwrap_or_default());
    }
    Ok(stats)
}
