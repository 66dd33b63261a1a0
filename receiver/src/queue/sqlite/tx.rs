//! A transaction as the operations of the queue see it: the file, the store's time, and what is written at its end.

use std::time::Duration;

use rusqlite::Connection;

use super::counters::Counters;
use super::pending_index::{Holder, NewRow, PendingIndex};
use crate::queue::{DedupeKey, Millis, QueueError};

/// More pages than a file can have.
const UNLIMITED_PAGES: i64 = 4_294_967_294;

/// Why an operation failed.
pub(super) enum Failure {
    /// Only this operation, and before it wrote anything.
    Own(QueueError),
    /// SQLite refused a statement: nothing of the transaction may stay.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// A transaction as operations see it.
pub(super) struct Tx<'c> {
    pub(super) sql: &'c Connection,
    /// The store's time, the same for the whole transaction.
    pub(super) now: i64,
    pub(super) counters: Counters,
    pub(super) index: &'c mut PendingIndex,
    /// After the commit the write-ahead log is to be emptied.
    pub(super) empty_log: bool,
    /// How large the file may become.
    pub(super) max_pages: Option<i64>,
    /// Why nothing may come in.
    pub(super) refuses: Option<QueueError>,
}

impl Tx<'_> {
    /// Writes what comes in. Only that is limited: a full file must not keep leads from leaving it.
    pub(super) fn limited<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some(why) = &self.refuses {
            return Err(Failure::Own(why.clone()));
        }
        let Some(limit) = self.max_pages else {
            return work(self);
        };
        limit_pages(self.sql, limit)?;
        let done = work(self);
        limit_pages(self.sql, UNLIMITED_PAGES)?;
        done
    }

    /// Who holds a dedupe key.
    pub(super) fn holder(&self, key: &DedupeKey) -> rusqlite::Result<Option<Holder>> {
        self.index.holder(self.sql, self.now, key)
    }

    /// Gives a key to a lead that has no row in `pending`.
    pub(super) fn hold_now(&mut self, key: &DedupeKey, holder: &Holder) -> rusqlite::Result<()> {
        self.index.hold_now(self.sql, key, holder)
    }

    /// Writes a lead behind all others; it is indexed later.
    pub(super) fn append(&mut self, lead: &NewRow<'_>) -> rusqlite::Result<()> {
        self.index.append(self.sql, self.now, lead)
    }

    /// Writes a lead into its line before the one at `next`. All others must have been indexed.
    pub(super) fn insert(
        &mut self,
        lead: &NewRow<'_>,
        before: Option<i64>,
        next: i64,
    ) -> rusqlite::Result<()> {
        self.index.insert(self.sql, self.now, lead, before, next)
    }

    /// Files a part of what waits, if it is enough for a batch.
    pub(super) fn index_some(&mut self) -> rusqlite::Result<()> {
        self.index.index_some(self.sql)
    }

    /// Files all that waits, so that every lead can be found by its contact.
    pub(super) fn index_all(&mut self) -> rusqlite::Result<()> {
        self.index.index_all(self.sql)
    }

    /// Writes what was counted so far.
    pub(super) fn flush_counters(&mut self) -> rusqlite::Result<()> {
        self.counters.flush(self.sql, self.now)
    }
}

fn limit_pages(sql: &Connection, pages: i64) -> rusqlite::Result<()> {
    sql.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
}

/// A duration as SQLite keeps it; far enough from the end of the range to be added to a time.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis())
        .unwrap_or(i64::MAX)
        .min(i64::MAX / 4)
}

/// A stored number that cannot be negative.
pub(super) fn unsigned(value: i64) -> Millis {
    u64::try_from(value).unwrap_or(0)
}
