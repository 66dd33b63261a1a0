//! Jobs.

use super::tx::{Failure, Tx, unsigned};
use crate::queue::StoredJob;

/// All of them.
pub(super) fn all(tx: &Tx<'_>) -> Result<Vec<StoredJob>, Failure> {
    let jobs = tx
        .sql
        .prepare_cached("SELECT id, version, body FROM job ORDER BY id")?
        .query_map([], |row| {
            Ok(StoredJob {
                id: row.get(0)?,
                version: unsigned(row.get(1)?),
                body: row.get(2)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(jobs)
}

/// Writes one in place of the version before it.
pub(super) fn put(tx: &Tx<'_>, job: &StoredJob) -> Result<bool, Failure> {
    let version = i64::try_from(job.version).unwrap_or(i64::MAX);
    let written = if version == 1 {
        tx.sql
            .prepare_cached("INSERT INTO job VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute((&job.id, version, &job.body))?
    } else {
        tx.sql
            .prepare_cached("UPDATE job SET version = ?2, body = ?3 WHERE id = ?1 AND version = ?2 - 1")?
            .execute((&job.id, version, &job.body))?
    };
    Ok(written > 0)
}

/// Removes one.
pub(super) fn remove(tx: &Tx<'_>, id: &str) -> Result<(), Failure> {
    tx.sql
        .prepare_cached("DELETE FROM job WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}
