//! Figures, and clearing away what has outlived its use.

use rusqlite::OptionalExtension;

use super::{
    dead_letters, throttle,
    tx::{Failure, Tx, unsigned},
};
use crate::queue::{SinkId, SinkShare, SinkStats, WebhookId, WebhookStats};

/// Rows of one kind removed in one call of prune.
const MAX_PRUNED: i64 = 500;

/// Dedupe keys looked at in one call of prune.
const MAX_SCANNED: u32 = 5000;

/// Free pages given back to the disk in one call of prune.
const MAX_PAGES_RETURNED: i64 = 2000;

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

/// Figures of webhooks.
pub(super) fn webhooks(tx: &mut Tx<'_>, webhooks: &[WebhookId]) -> Result<Vec<WebhookStats>, Failure> {
    tx.flush_counters()?;
    let mut select = tx.sql.prepare_cached(
        "SELECT accepted, duplicates, key_conflicts, rejected, unrouted, discarded, last_accepted_at, rejected_dropped \
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

/// What [`prune`] did.
pub(super) struct Pruned {
    /// There may be more to remove.
    pub(super) more: bool,
    /// The dedupe key that it came to; empty when it came round.
    pub(super) key: String,
}

/// Removes a bounded number of rows whose time is over; of the dedupe keys, among those behind `key`.
pub(super) fn prune(tx: &mut Tx<'_>, key: &str) -> Result<Pruned, Failure> {
    let dead_letter = dead_letters::expire(tx, MAX_PRUNED)?;
    let (keys, end) = forget_keys(tx, key)?;
    let records = expire(
        tx,
        "DELETE FROM record WHERE (sink, contact) IN \
         (SELECT sink, contact FROM record WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    )?;
    let full = usize::try_from(MAX_PRUNED).unwrap_or(usize::MAX);
    let worth_it = usize::try_from(MAX_SCANNED / 2).unwrap_or(usize::MAX);
    // As long as half of them have expired, it is worth to go on.
    let more = give_pages_back(tx)? || dead_letter.max(records) >= full || keys >= worth_it;
    // Once a minute, not after each step.
    tx.empty_log = !more;
    Ok(Pruned { more, key: end })
}

/// Looks at some dedupe keys behind `key` and removes those that have expired. Tells how many these were, and how far it
/// came: to the empty key at the end.
fn forget_keys(tx: &Tx<'_>, key: &str) -> rusqlite::Result<(usize, String)> {
    let end: Option<String> = tx
        .sql
        .prepare_cached("SELECT key FROM dedupe WHERE key > ?1 ORDER BY key LIMIT 1 OFFSET ?2")?
        .query_row((key, MAX_SCANNED), |row| row.get(0))
        .optional()?;
    let forgotten = tx
        .sql
        .prepare_cached(
            "DELETE FROM dedupe WHERE key > ?1 AND (?2 IS NULL OR key <= ?2) AND expires_at <= ?3",
        )?
        .execute((key, &end, tx.now))?;
    Ok((forgotten, end.unwrap_or_default()))
}

fn expire(tx: &Tx<'_>, sql: &str) -> rusqlite::Result<usize> {
    tx.sql.prepare_cached(sql)?.execute((tx.now, MAX_PRUNED))
}

/// Shrinks a file that is mostly empty, a little at a time.
fn give_pages_back(tx: &Tx<'_>) -> rusqlite::Result<bool> {
    let free: i64 = tx
        .sql
        .pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    let pages: i64 = tx.sql.pragma_query_value(None, "page_count", |row| row.get(0))?;
    if free < MAX_PAGES_RETURNED || free < pages / 2 {
        return Ok(false);
    }
    tx.sql
        .execute_batch(&format!("PRAGMA incremental_vacuum({MAX_PAGES_RETURNED})"))?;
    Ok(true)
}
