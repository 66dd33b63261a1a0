//! On the way in: leads, and requests that did not become one.

use std::time::Duration;

use rusqlite::OptionalExtension;

use super::writer::{Failure, Tx, millis};
use crate::queue::{Admission, LeadId, NewLead, NewRejected, ParkedSet};

/// Deduplicates, stores and enqueues the leads of one request.
pub(super) fn accept(tx: &mut Tx<'_>, leads: &[NewLead]) -> Result<Vec<Admission>, Failure> {
    leads.iter().map(|lead| accept_one(tx, lead)).collect()
}

fn accept_one(tx: &mut Tx<'_>, lead: &NewLead) -> Result<Admission, Failure> {
    if let Some(holder) = remember(tx, lead)? {
        if holder == lead.id {
            // A repeated call: the lead landed the first time.
            return Ok(Admission::Accepted);
        }
        tx.tally.webhook(&lead.webhook).duplicates += 1;
        return Ok(Admission::Duplicate(holder));
    }
    for sink in lead.sinks.iter() {
        enqueue(
            tx,
            &Enqueued {
                sink: sink.as_str(),
                contact: lead.contact.as_str(),
                id: lead.id.as_str(),
                webhook: lead.webhook.as_str(),
                accepted_at: tx.now,
                body: &lead.body,
            },
        )?;
        tx.tally.sink(sink, &lead.webhook).queued += 1;
    }
    tx.tally.webhook(&lead.webhook).accepted += 1;
    Ok(Admission::Accepted)
}

/// Takes the dedupe key for the lead, or tells who holds it.
fn remember(tx: &Tx<'_>, lead: &NewLead) -> rusqlite::Result<Option<LeadId>> {
    let taken = tx
        .sql
        .prepare_cached(
            "INSERT INTO dedupe VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE \
             SET id = excluded.id, expires_at = excluded.expires_at WHERE expires_at <= ?4",
        )?
        .execute((
            lead.dedupe.as_str(),
            lead.id.as_str(),
            tx.now + millis(lead.window).max(1),
            tx.now,
        ))?;
    if taken > 0 {
        return Ok(None);
    }
    tx.sql
        .prepare_cached("SELECT id FROM dedupe WHERE key = ?1")?
        .query_row([lead.dedupe.as_str()], |row| row.get::<_, String>(0))
        .optional()
        .map(|id| id.map(LeadId::new))
}

/// A lead that joins a line.
pub(super) struct Enqueued<'a> {
    pub(super) sink: &'a str,
    pub(super) contact: &'a str,
    pub(super) id: &'a str,
    pub(super) webhook: &'a str,
    pub(super) accepted_at: i64,
    pub(super) body: &'a [u8],
}

/// Puts a lead at the end of its contact's line, and the contact among those that are due if it was not.
pub(super) fn enqueue(tx: &Tx<'_>, lead: &Enqueued<'_>) -> rusqlite::Result<()> {
    tx.sql
        .prepare_cached(
            "INSERT INTO line (sink, contact, id, webhook, accepted_at, queued_at, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            lead.sink,
            lead.contact,
            lead.id,
            lead.webhook,
            lead.accepted_at,
            tx.now,
            lead.body,
        ))?;
    tx.sql
        .prepare_cached(
            "INSERT INTO head (sink, contact, due, queued_at) VALUES (?1, ?2, ?3, ?3) \
             ON CONFLICT DO NOTHING",
        )?
        .execute((lead.sink, lead.contact, tx.now))?;
    Ok(())
}

/// Keeps a request that could not become a lead.
pub(super) fn reject(tx: &mut Tx<'_>, rejected: &NewRejected, keep: Duration) -> Result<(), Failure> {
    let why = &rejected.why;
    let kept = tx
        .sql
        .prepare_cached(
            "INSERT INTO parked VALUES (?1, ?2, ?3, '', '', ?4, ?2, ?5, 0, ?6, ?7, ?8, ?9) \
             ON CONFLICT DO NOTHING",
        )?
        .execute((
            ParkedSet::Rejected.as_str(),
            tx.now,
            rejected.id.as_str(),
            rejected.webhook.as_str(),
            tx.now + millis(keep),
            &why.reason,
            &why.message,
            &why.answer,
            &rejected.body[..],
        ))?;
    if kept > 0 {
        tx.tally.webhook(&rejected.webhook).rejected += 1;
    }
    Ok(())
}
