//! The queue file: opening it, its schema, what its errors mean.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use super::{pending_index::PendingIndex, place::Place, reserve::Reserve};
use crate::queue::ledger::{LedgerKey, is_another};
use crate::queue::{OpenError, QueueError};

const SCHEMA: &str = include_str!("schema.sql");

/// What a file's `user_version` says when its schema is this one.
const SCHEMA_VERSION: i64 = 9;

/// Marks a file as a Leadgate queue ("LdgQ"), so that another program's database is refused, not altered.
const APPLICATION_ID: i32 = 0x4C64_6751;

/// A predecessor that is just ending may hold the file for so long.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Checking every page takes about a second per 256 MB; larger files are checked as they are read.
const MAX_CHECKED_AT_OPEN: u64 = 64 << 20;

/// A new file's.
const PAGE_BYTES: i64 = 4096;

/// An open queue file.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) index: PendingIndex,
    /// How large the file may become.
    pub(super) max_pages: Option<i64>,
    /// Which files these are.
    pub(super) place: Place,
}

/// Where the queue lives.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) path: PathBuf,
    pub(super) max_bytes: Option<u64>,
    pub(super) reserve: Reserve,
    pub(super) ledger_key: Option<LedgerKey>,
}

impl Database {
    pub(super) fn new(path: PathBuf, max_bytes: Option<u64>, ledger_key: Option<LedgerKey>) -> Self {
        Self {
            ledger_key,
            reserve: Reserve::beside(&path),
            path,
            max_bytes,
        }
    }

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
            place: Place::of(&self.path),
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
        // The log is copied to the file while the reserve is large enough for what that adds to the file: half of it for
        // what stood in the log when the disk became full, half for what was still free then.
        let reserve = i64::try_from(self.reserve.bytes()).unwrap_or(i64::MAX);
        connection.pragma_update(None, "wal_autocheckpoint", (reserve / 2 / PAGE_BYTES).max(1))?;
        connection.pragma_update(None, "journal_size_limit", reserve)?;
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
        let known: Option<String> = if tables == 0 {
            None
        } else {
            transaction
                .query_row("SELECT check_value FROM ledger_key", [], |row| row.get(0))
                .optional()
                .map_err(|error| failed(&error))?
        };
        if let Some(why) = known
            .as_deref()
            .and_then(|of| is_another(self.ledger_key.as_ref(), of))
        {
            return Err(self.unusable(&format!(
                "{why}. If it is lost: sqlite3 FILE 'DELETE FROM ledger_key' lets the receiver start without what it hid"
            )));
        }
        // A file that has its schema is not written to: the disk may be full.
        let made = if tables == 0 {
            transaction
                .execute_batch(SCHEMA)
                .and_then(|()| transaction.pragma_update(None, "application_id", APPLICATION_ID))
                .and_then(|()| transaction.pragma_update(None, "user_version", SCHEMA_VERSION))
        } else {
            Ok(())
        };
        let enter =
            |key: &LedgerKey| transaction.execute("INSERT INTO ledger_key VALUES (1, ?1)", [key.mark()]);
        let new_key = self.ledger_key.as_ref().filter(|_| known.is_none());
        made.and_then(|()| new_key.map_or(Ok(0), enter))
            .and_then(|_| transaction.commit())
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

    /// Writes all that the queue holds to a file that does not exist yet, and is on disk when this returns. The log is empty
    /// then: whatever takes this file's place, none is read with it.
    pub(super) fn write_again(connection: &Connection, to: &Path) -> Result<(), String> {
        let new = beside(to, "-new");
        let written = || {
            gone(&new).map_err(|error| error.to_string())?;
            let name = new.to_str().ok_or("its path is not UTF-8")?;
            connection
                .execute("VACUUM INTO ?1", [name])
                .map_err(|error| in_words(&error))?;
            empty(connection).map_err(|error| in_words(&error))?;
            File::open(&new)
                .and_then(|file| file.sync_all())
                .and_then(|()| gone(&beside(to, "-wal")))
                .map_err(|error| error.to_string())?;
            if to.exists() {
                return Err("another file took its place".to_owned());
            }
            let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
            fs::rename(&new, to)
                .and_then(|()| File::open(folder.unwrap_or(Path::new("."))))
                .and_then(|folder| folder.sync_all())
                .map_err(|error| error.to_string())
        };
        let written = written();
        if written.is_err() {
            // What is left of it takes room, and is of no use.
            let _ = gone(&new);
        }
        written
    }
}

/// A file whose name goes on.
pub(super) fn beside(path: &Path, with: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(with);
    name.into()
}

/// Removes a file, if it is there.
fn gone(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies the write-ahead log into the file and empties it.
pub(super) fn empty(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Whether there is no room for what was to be written.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
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
