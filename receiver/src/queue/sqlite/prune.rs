//! Clearing away what has outlived its use.

use std::collections::HashMap;

use rusqlite::OptionalExtension;

use super::{
    accept, dead_letters, ledger,
    tx::{Failure, Tx},
};

use crate::queue::{LedgerBounds, WebhookId};

/// Rows of one kind removed in one call of prune.
const MAX_PRUNED: i64 = 500;

/// Dedupe keys looked at in one call of prune.
const MAX_SCANNED: u32 = 5000;

/// Free pages given back to the disk in one call of prune.
const MAX_PAGES_RETURNED: i64 = 2000;

/// How far [`prune`] has come; empty texts when it came round.
#[derive(Clone, Default)]
pub(super) struct Walk {
    /// The dedupe key.
    key: String,
    /// The ledger's entry of each webhook.
    entries: HashMap<WebhookId, String>,
}

/// Removes a bounded number of rows whose time is over; of the dedupe keys and the ledger's entries, among those behind where
/// it has come to. Whether there may be more.
pub(super) fn prune(tx: &mut Tx<'_>, mut walk: Walk, bounds: &LedgerBounds) -> Result<(Walk, bool), Failure> {
    let (mut entries, mut reached) = (false, HashMap::new());
    for webhook in ledger::webhooks(tx)? {
        let from = walk.entries.remove(&webhook).unwrap_or_default();
        let pruned = ledger::prune(tx, &webhook, bounds.of(&webhook), &from)?;
        entries |= pruned.more;
        reached.insert(webhook, pruned.next);
    }
    let dead_letter = dead_letters::expire(tx, MAX_PRUNED)?;
    let (keys, end) = forget_keys(tx, &walk.key)?;
    let records = expire(
        tx,
        "DELETE FROM record WHERE (sink, contact) IN \
         (SELECT sink, contact FROM record WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    )?;
    let full = usize::try_from(MAX_PRUNED).unwrap_or(usize::MAX);
    let worth_it = usize::try_from(MAX_SCANNED / 2).unwrap_or(usize::MAX);
    // As long as half of them have expired, it is worth to go on.
    let more = give_pages_back(tx)? || entries || dead_letter.max(records) >= full || keys >= worth_it;
    // Once a minute, not after each step.
    tx.empty_log = !more;
    let reached = Walk {
        key: end,
        entries: reached,
    };
    Ok((reached, more))
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
    vacuum(tx, MAX_PAGES_RETURNED)?;
    Ok(true)
}

/// Gives some free pages back. The statement makes a step for each page, so that it must be run to its end.
fn vacuum(tx: &Tx<'_>, pages: i64) -> rusqlite::Result<()> {
    let mut pragma = tx.sql.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = pragma.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// A step towards room on a full disk, of about so many bytes: the oldest copies of rejected requests go, and free pages.
/// Whether there is more.
pub(super) fn make_room(tx: &mut Tx<'_>, bytes: u64) -> rusqlite::Result<bool> {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let dropped = accept::drop_rejected(tx, None, bytes)?;
    let page: i64 = tx.sql.pragma_query_value(None, "page_size", |row| row.get(0))?;
    vacuum(tx, (bytes / page.max(1)).max(1))?;
    let free: i64 = tx
        .sql
        .pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    Ok(dropped >= bytes || free > 0)
}

/// Gives all free pages back to the disk, a part at a time, and empties the write-ahead log; whether there is more.
pub(super) fn scrub(tx: &mut Tx<'_>) -> Result<bool, Failure> {
    vacuum(tx, MAX_PAGES_RETURNED)?;
    let free: i64 = tx
        .sql
        .pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    tx.empty_log = free == 0;
    Ok(free > 0)
}
