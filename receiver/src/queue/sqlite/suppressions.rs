//! Whose leads are refused.

use super::tx::{Failure, Tx, unsigned};
use crate::queue::ledger::LedgerKey;
use crate::queue::{Identity, WebhookId};

/// Whether one of these people is among them, for a webhook.
pub(super) fn include(
    tx: &Tx<'_>,
    webhook: &WebhookId,
    key: Option<&LedgerKey>,
    people: &[Identity],
) -> rusqlite::Result<bool> {
    let Some(key) = key else { return Ok(false) };
    let anybody: bool = tx
        .sql
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM suppressed)")?
        .query_row([], |row| row.get(0))?;
    if !anybody {
        return Ok(false);
    }
    let mut select = tx.sql.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM suppressed WHERE person IN ('/' || ?1, ?2 || '/' || ?1))",
    )?;
    let people = people.iter().filter(|person| person.is_a_person());
    for hash in people.flat_map(|person| key.hashes(person)) {
        let is_one: bool = select.query_row((hash, webhook.namespace()), |row| row.get(0))?;
        if is_one {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Adds people.
pub(super) fn add(tx: &Tx<'_>, namespace: &str, people: &[String]) -> Result<(), Failure> {
    let mut insert = tx
        .sql
        .prepare_cached("INSERT OR IGNORE INTO suppressed VALUES (?1 || '/' || ?2)")?;
    for person in people {
        insert.execute((namespace, person))?;
    }
    Ok(())
}

/// Removes people; how many were there.
pub(super) fn remove(tx: &Tx<'_>, namespace: &str, people: &[String]) -> Result<u64, Failure> {
    let mut delete = tx
        .sql
        .prepare_cached("DELETE FROM suppressed WHERE person = ?1 || '/' || ?2")?;
    let mut removed = 0;
    for person in people {
        removed += delete.execute((namespace, person))? as u64;
    }
    Ok(removed)
}

/// How many there are for a namespace.
pub(super) fn count(tx: &Tx<'_>, namespace: &str) -> Result<u64, Failure> {
    let count = tx
        .sql
        .prepare_cached("SELECT count(*) FROM suppressed WHERE person >= ?1 || '/' AND person < ?1 || '0'")?
        .query_row([namespace], |row| row.get(0))?;
    Ok(unsigned(count))
}
