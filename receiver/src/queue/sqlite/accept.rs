//! On the way in: leads, and requests that did not become one.

use std::time::Duration;

use rusqlite::OptionalExtension;

use super::{
    ledger as entries,
    pending_index::{Holder, NewRow, hold},
    suppressions,
    tx::{Failure, Tx, millis},
};
use crate::queue::ledger::{self, LedgerKey, SUPPRESSED};
use crate::queue::{
    Admission, DeadLetterReason, DeadLetterSet, EntryOutcome, Millis, NewLead, NewRejected, WebhookId,
};

/// Deduplicates, stores and enqueues the leads of one request.
pub(super) fn accept(
    tx: &mut Tx<'_>,
    leads: &[NewLead],
    key: Option<&LedgerKey>,
) -> Result<Vec<Admission>, Failure> {
    tx.limited(|tx| leads.iter().map(|lead| accept_one(tx, lead, key)).collect())
}

fn accept_one(tx: &mut Tx<'_>, lead: &NewLead, key: Option<&LedgerKey>) -> Result<Admission, Failure> {
    if suppressions::include(tx, &lead.webhook, key, &lead.people)? {
        let rest = ledger::rest_of(SUPPRESSED, None, &[]);
        let (webhook, id) = (&lead.webhook, &lead.id);
        // A repeated call counts once.
        if entries::open(tx, webhook, id, EntryOutcome::Ignored, tx.now, &[&rest])? {
            tx.counters.webhook(webhook).suppressed += 1;
        }
        return Ok(Admission::Suppressed);
    }
    let people = ledger::people(key, &lead.people);
    let mut admission = Admission::Accepted;
    if let Some(first) = tx.holder(&lead.dedupe)? {
        let own = lead.content.key_beside(&lead.dedupe);
        let known = if first.content.is_like(&lead.content) {
            Some(first.id)
        } else if let Some(holder) = tx.holder(&own)? {
            Some(holder.id)
        } else {
            // The newest lead has the key, since it is remembered longest; the one before keeps a key of its own.
            hold(tx.sql, &first.content.key_beside(&lead.dedupe), &first)?;
            None
        };
        match known {
            // A repeated call: the lead landed the first time.
            Some(id) if id == lead.id => return Ok(admission),
            Some(id) => {
                tx.counters.webhook(&lead.webhook).duplicates += 1;
                let repeats = ledger::rest_of_duplicate(&id);
                entries::open(
                    tx,
                    &lead.webhook,
                    &lead.id,
                    EntryOutcome::Duplicate,
                    tx.now,
                    &[&repeats, &people],
                )?;
                return Ok(Admission::Duplicate(id));
            }
            None => {
                tx.counters.webhook(&lead.webhook).key_conflicts += 1;
                admission = Admission::KeyConflict;
            }
        }
    }
    let until = tx.now + millis(lead.window).max(1);
    if lead.sinks.is_empty() {
        let (id, content) = (lead.id.clone(), lead.content);
        tx.hold_now(&lead.dedupe, &Holder { id, content, until })?;
        keep_unrouted(tx, lead)?;
    }
    let (accepted_at, newest) = times(tx, lead);
    let mut key = Some((&lead.dedupe, lead.content, until));
    for sink in lead.sinks.iter() {
        tx.append(&NewRow {
            sink,
            contact: &lead.contact,
            id: &lead.id,
            webhook: lead.webhook.as_str(),
            accepted_at,
            newest,
            key: key.take(),
            body: &lead.body,
        })?;
        tx.counters.sink(sink, &lead.webhook).queued += 1;
    }
    tx.counters.webhook(&lead.webhook).accepted += 1;
    let outcome = ledger::outcome_of(lead);
    let rest = ledger::rest_of_accepted(&lead.sinks);
    entries::open(
        tx,
        &lead.webhook,
        &lead.id,
        outcome,
        accepted_at,
        &[&rest, &people],
    )?;
    Ok(admission)
}

/// What [`accept`] would answer for each lead alone.
pub(super) fn preview(
    tx: &mut Tx<'_>,
    leads: &[NewLead],
    key: Option<&LedgerKey>,
) -> Result<Vec<Admission>, Failure> {
    leads.iter().map(|lead| preview_one(tx, lead, key)).collect()
}

fn preview_one(tx: &mut Tx<'_>, lead: &NewLead, key: Option<&LedgerKey>) -> Result<Admission, Failure> {
    if suppressions::include(tx, &lead.webhook, key, &lead.people)? {
        return Ok(Admission::Suppressed);
    }
    let Some(first) = tx.holder(&lead.dedupe)? else {
        return Ok(Admission::Accepted);
    };
    if first.content.is_like(&lead.content) {
        return Ok(Admission::Duplicate(first.id));
    }
    let beside = tx.holder(&lead.content.key_beside(&lead.dedupe))?;
    Ok(beside.map_or(Admission::KeyConflict, |known| Admission::Duplicate(known.id)))
}

/// When a lead was accepted, and the newest delivered one of its person: one of the past has times of its own.
fn times(tx: &Tx<'_>, lead: &NewLead) -> (i64, i64) {
    lead.original.map_or((tx.now, 0), |original| {
        (signed(original.accepted_at), signed(original.newest))
    })
}

fn signed(at: Millis) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// Sets a lead aside that goes nowhere.
fn keep_unrouted(tx: &mut Tx<'_>, lead: &NewLead) -> rusqlite::Result<()> {
    let why = DeadLetterReason::unrouted();
    let (accepted_at, newest) = times(tx, lead);
    tx.sql
        .prepare_cached(
            "INSERT INTO dead_letters VALUES (?1, ?2, ?3, '', ?4, ?5, ?10, ?6, 0, ?11, ?7, ?8, '', ?9)",
        )?
        .execute((
            DeadLetterSet::Unrouted.as_str(),
            tx.now,
            lead.id.as_str(),
            lead.contact.as_str(),
            lead.webhook.as_str(),
            tx.now + millis(lead.keep),
            &why.reason,
            &why.message,
            &lead.body[..],
            accepted_at,
            newest,
        ))?;
    tx.counters.webhook(&lead.webhook).unrouted += 1;
    Ok(())
}

/// Keeps a request that could not become a lead; the webhook's oldest ones make room.
pub(super) fn reject(
    tx: &mut Tx<'_>,
    rejected: &NewRejected,
    keep: Duration,
    key: Option<&LedgerKey>,
) -> Result<bool, Failure> {
    let why = &rejected.why;
    if rejected.is_of_one() && suppressions::include(tx, &rejected.webhook, key, &rejected.people)? {
        let rest = ledger::rest_of(SUPPRESSED, None, &[]);
        let (webhook, id) = (&rejected.webhook, &rejected.id);
        entries::open(tx, webhook, id, EntryOutcome::Rejected, tx.now, &[&rest])?;
        tx.counters.webhook(webhook).rejected += 1;
        return Ok(false);
    }
    let kept = tx.limited(|tx| {
        Ok(tx
            .sql
            .prepare_cached(
                "INSERT INTO dead_letters VALUES (?1, ?2, ?3, '', '', ?4, ?2, ?5, 0, 0, ?6, ?7, ?8, ?9) \
                 ON CONFLICT DO NOTHING",
            )?
            .execute((
                DeadLetterSet::Rejected.as_str(),
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
        let rest = ledger::rest_of(&why.reason, key, &rejected.people);
        entries::open(
            tx,
            &rejected.webhook,
            &rejected.id,
            EntryOutcome::Rejected,
            tx.now,
            &[&rest],
        )?;
        let counts = tx.counters.webhook(&rejected.webhook);
        counts.rejected += 1;
        counts.rejected_bytes += length(rejected.body.len());
        let room = i64::try_from(rejected.room).unwrap_or(i64::MAX);
        make_room(tx, &rejected.webhook, room)?;
    }
    Ok(true)
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Removes a webhook's oldest rejected requests until the others fit.
fn make_room(tx: &mut Tx<'_>, webhook: &WebhookId, most: i64) -> rusqlite::Result<()> {
    let on_disk: Option<i64> = tx
        .sql
        .prepare_cached("SELECT rejected_bytes FROM webhook_count WHERE webhook = ?1")?
        .query_row([webhook.as_str()], |row| row.get(0))
        .optional()?;
    let too_much = on_disk.unwrap_or(0) + tx.counters.webhook(webhook).rejected_bytes - most;
    drop_rejected(tx, Some(webhook), too_much)?;
    Ok(())
}

/// Removes the oldest rejected requests, of one webhook or of all, until so many bytes are free. Tells how many that are.
pub(super) fn drop_rejected(tx: &mut Tx<'_>, of: Option<&WebhookId>, bytes: i64) -> rusqlite::Result<i64> {
    let mut freed = 0;
    while freed < bytes {
        let gone: Option<(String, i64)> = tx
            .sql
            .prepare_cached(match of {
                Some(_) => {
                    "DELETE FROM dead_letters WHERE rowid = (SELECT rowid FROM dead_letters WHERE kind = 'rejected' \
                     AND webhook = ?1 ORDER BY dead_lettered_at LIMIT 1) RETURNING webhook, length(body)"
                }
                None => {
                    "DELETE FROM dead_letters WHERE rowid = (SELECT rowid FROM dead_letters WHERE kind = 'rejected' \
                     AND ?1 IS NULL ORDER BY dead_lettered_at LIMIT 1) RETURNING webhook, length(body)"
                }
            })?
            .query_row([of.map(WebhookId::as_str)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((webhook, bytes)) = gone else { break };
        freed += bytes;
        let counts = tx.counters.webhook(&WebhookId::new(webhook));
        counts.rejected_bytes -= bytes;
        counts.rejected_dropped += 1;
    }
    Ok(freed)
}
