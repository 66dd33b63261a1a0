//! The queue file: opening it, its schema, what its errors mean.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::pending_index::PendingIndex;
use crate::queue::{OpenError, QueueError};

const SCHEMA: &str = include_str!("schema.sql");

/// What a file's `user_version` says when its schema is this one.
const SCHEMA_VERSION: i64 = 8;

/// Marks a file as a Leadgate queue ("LdgQ"), so that another program's database is refused, not altered.
const APPLICATION_ID: i32 = 0x4C64_6751;

/// A predecessor that is just ending may hold the file for so long.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Checking every page takes about a second per 256 MB; larger files are checked as they are read.
const MAX_CHECKED_AT_OPEN: u64 = 64 << 20;

/// Pages in the WAL before it is copied to the file: large enough to be rare, small enough (some 40 ms) not to be felt.
const CHECKPOINT_PAGES: u32 = 8000;

/// An open queue file.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) index: PendingIndex,
    /// How large the file may become.
    pub(super) max_pages: Option<i64>,
}

/// Where the queue lives.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pub(super) path: PathBuf,
    pub(super) max_bytes: Option<u64>,
}

impl Database {
    /// Opens the file at the start, waiting a little for a predecessor to let go of it.
    pub(super) fn open_first(&self) -> Result<Opened, OpenError> {
        let began = Instant::now();
        loop {
            match self.open() {
                Err(OpenError::InUse(_)) if began.elapsed() < LOCK_TIMEOUT => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                outcome => return outcome,
            }
        }
    }

    /// Opens the file, takes it for this process alone, and gives a new one its schema.
    pub(super) fn open(&self) -> Result<Opened, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection =
            Connection::open_with_flags(&self.path, flags).map_err(|error| self.open_error(&error))?;
        let max_pages = self
            .configure(&connection)
            .map_err(|error| self.open_error(&error))?;
        self.prepare(&mut connection)?;
        self.quick_check(&connection)?;
        let index = PendingIndex::load(&connection).map_err(|error| self.open_error(&error))?;
        Ok(Opened {
            connection,
            index,
            max_pages,
        })
    }

    /// Tells how large the file may become.
    fn configure(&self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        connection.busy_timeout(Duration::ZERO)?;
        connection.set_prepared_statement_cache_capacity(64);
        // Exclusive before the first access in WAL mode: then no shared memory is used, and none can be shared.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        // Only takes effect in a new file, before its first table.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
        // What was delivered or discarded is overwritten, not only unlinked.
        connection.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?;
        connection.pragma_update(None, "cache_size", -8192)?;
        let Some(max_bytes) = self.max_bytes else {
            return Ok(None);
        };
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = (i64::try_from(max_bytes).unwrap_or(i64::MAX) / page.max(1)).max(1);
        Ok(Some(pages))
    }

    fn prepare(&self, connection: &mut Connection) -> Result<(), OpenError> {
        let failed = |error: &rusqlite::Error| self.open_error(error);
        // A write transaction, even when the file has its schema: from here on it is ours.
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| failed(&error))?;
        let read = |name: &str| -> rusqlite::Result<i64> {
            transaction.pragma_query_value(None, name, |row| row.get(0))
        };
        let version = read("user_version").map_err(|error| failed(&error))?;
        let application = read("application_id").map_err(|error| failed(&error))?;
        let tables: i64 = transaction
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(|error| failed(&error))?;
        if tables > 0 && application != i64::from(APPLICATION_ID) {
            return Err(self.unusable("it is another program's database"));
        }
        if tables > 0 && version != SCHEMA_VERSION {
            return Err(self.unusable(&format!(
                "it was written by another version (schema {version}, this one knows {SCHEMA_VERSION})"
            )));
        }
        let made = if tables == 0 {
            transaction.execute_batch(SCHEMA)
        } else {
            Ok(())
        };
        made.and_then(|()| transaction.pragma_update(None, "application_id", APPLICATION_ID))
            .and_then(|()| transaction.pragma_update(None, "user_version", SCHEMA_VERSION))
            .and_then(|()| transaction.commit())
            .map_err(|error| failed(&error))
    }

    fn quick_check(&self, connection: &Connection) -> Result<(), OpenError> {
        if std::fs::metadata(&self.path).is_ok_and(|file| file.len() > MAX_CHECKED_AT_OPEN) {
            return Ok(());
        }
        let verdict: String = connection
            .pragma_query_value(None, "quick_check", |row| row.get(0))
            .map_err(|error| self.open_error(&error))?;
        if verdict == "ok" {
            return Ok(());
        }
        Err(self.unusable(&format!(
            "it is damaged ({verdict}); restore a copy, or move it away and start with an empty one"
        )))
    }

    fn open_error(&self, error: &rusqlite::Error) -> OpenError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse(self.path.clone()),
            _ => self.unusable(&in_words(error)),
        }
    }

    fn unusable(&self, why: &str) -> OpenError {
        OpenError::File {
            path: self.path.clone(),
            why: why.to_owned(),
        }
    }

    /// What a failed transaction is to those who wait for it.
    pub(super) fn queue_error(&self, error: &rusqlite::Error) -> QueueError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                QueueError::Corrupt(format!("{}: {}", self.path.display(), in_words(error)))
            }
            _ => QueueError::Unavailable(format!("{}: {}", self.path.display(), in_words(error))),
        }
    }

    /// What is wrong with the file's place on disk, seen from outside.
    pub(super) fn place_problems(&self, opened: Option<u64>) -> Vec<String> {
        let path = self.path.display();
        match (file_number(&self.path), opened) {
            (None, _) => vec![format!(
                "the queue file {path} was removed while in use: queued leads are lost at the next restart; \
                 let deliveries finish, then restart the receiver"
            )],
            (Some(now), Some(then)) if now != then => vec![format!(
                "the queue file {path} was replaced while in use: restart the receiver"
            )],
            _ => Vec::new(),
        }
    }
}

/// Tells one file from another that took its name.
pub(super) fn file_number(path: &Path) -> Option<u64> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    return Some(std::os::unix::fs::MetadataExt::ino(&metadata));
    #[cfg(not(unix))]
    return Some(u64::from(metadata.is_file()));
}

/// Whether the disk or the file is at fault: then every operation of the group would fail alike, and the file should be
/// opened anew. Not when it is full: what makes room, such as a delivered lead, may still pass.
pub(super) fn is_the_stores_fault(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                | ErrorCode::DiskFull
        ) | None
    )
}

fn in_words(error: &rusqlite::Error) -> String {
    let remedy = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk (or the file's limit) is full",
        Some(ErrorCode::SystemIoFailure) => "the disk failed",
        Some(ErrorCode::ReadOnly) => "it is read-only: check the volume and its permissions",
        Some(ErrorCode::CannotOpen) => "it cannot be opened: check that its folder exists and is writable",
        Some(ErrorCode::PermissionDenied) => "access is denied: check the file's permissions",
        _ => return error.to_string(),
    };
    format!("{remedy} ({error})")
}
