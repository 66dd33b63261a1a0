//! On the way in: leads, and requests that did not become one.

use std::time::Duration;

use super::{
    filing::{Holder, NewLine, hold},
    writer::{Failure, Tx, millis},
};
use crate::queue::{Admission, NewLead, NewRejected, ParkedSet};

/// Deduplicates, stores and enqueues the leads of one request.
pub(super) fn accept(tx: &mut Tx<'_>, leads: &[NewLead]) -> Result<Vec<Admission>, Failure> {
    tx.limited(|tx| leads.iter().map(|lead| accept_one(tx, lead)).collect())
}

fn accept_one(tx: &mut Tx<'_>, lead: &NewLead) -> Result<Admission, Failure> {
    if let Some(holder) = tx.holder(&lead.dedupe)? {
        if holder == lead.id {
            // A repeated call: the lead landed the first time.
            return Ok(Admission::Accepted);
        }
        tx.tally.webhook(&lead.webhook).duplicates += 1;
        return Ok(Admission::Duplicate(holder));
    }
    let until = tx.now + millis(lead.window).max(1);
    if lead.sinks.is_empty() {
        let id = lead.id.clone();
        hold(tx.sql, &lead.dedupe, &Holder { id, until })?;
    }
    let mut key = Some((&lead.dedupe, until));
    for sink in lead.sinks.iter() {
        tx.append(&NewLine {
            sink,
            contact: &lead.contact,
            id: &lead.id,
            webhook: lead.webhook.as_str(),
            accepted_at: tx.now,
            key: key.take(),
            body: &lead.body,
        })?;
        tx.tally.sink(sink, &lead.webhook).queued += 1;
    }
    tx.tally.webhook(&lead.webhook).accepted += 1;
    Ok(Admission::Accepted)
}

/// Keeps a request that could not become a lead.
pub(super) fn reject(tx: &mut Tx<'_>, rejected: &NewRejected, keep: Duration) -> Result<(), Failure> {
    let why = &rejected.why;
    let kept = tx.limited(|tx| {
        Ok(tx
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
            ))?)
    })?;
    if kept > 0 {
        tx.tally.webhook(&rejected.webhook).rejected += 1;
    }
    Ok(())
}
