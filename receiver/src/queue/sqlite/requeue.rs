//! Leads go back into lines: which of them may, and where they stand there.

use rusqlite::OptionalExtension;

use super::{
    claims::remember,
    ledger as entries,
    pending_index::NewRow,
    tx::{Failure, Tx},
    waiting::{self, Loose, head_of},
};
use crate::queue::ledger::{self, Event};
use crate::queue::{Contact, DeadLetterSet, LeadId, LedgerEventKind, Requeue, Requeued, SinkId, WebhookId};

/// Puts a lead that was taken out of `set` into lines, and counts it there instead.
pub(super) fn put_in(
    tx: &mut Tx<'_>,
    set: DeadLetterSet,
    from: Option<&SinkId>,
    lead: &Loose,
    to: &[SinkId],
    how: Requeue<'_>,
) -> Result<(), Failure> {
    let webhook = WebhookId::from(lead.webhook.as_str());
    match from {
        // It stays where it is counted.
        _ if how.copy || set == DeadLetterSet::Delivered => {}
        None => tx.counters.webhook(&webhook).unrouted -= 1,
        Some(sink) => {
            let delta = tx.counters.sink(sink, &webhook);
            delta.queued -= 1;
            delta.dead_letters(set, -1);
        }
    }
    for sink in to {
        // What the sink that it leaves has delivered of this contact says nothing.
        let known = !how.force && from.is_none_or(|from| from == sink);
        let (contact, body) = match &how.instead {
            Some(instead) => (instead.contact, instead.body),
            None => (&lead.contact, &lead.body[..]),
        };
        let row = NewRow {
            sink,
            contact,
            id: &lead.id,
            webhook: &lead.webhook,
            accepted_at: lead.accepted_at,
            newest: if known { lead.newest } else { 0 },
            key: None,
            body,
        };
        link_by_age(tx, &row)?;
        if let Some((record, keep)) = how.record {
            remember(tx, sink, contact, Some((record, keep)), 0)?;
        }
        tx.counters.sink(sink, &webhook).queued += 1;
        let what = how.what(from, sink);
        // Of a move, the reason is where it comes from.
        let left = from.filter(|_| what == LedgerEventKind::Moved);
        let event = Event::act(what, Some(sink), left.map_or("", SinkId::as_str), how.by);
        entries::add(tx, &webhook, &lead.id, &event, false)?;
    }
    Ok(())
}

/// Why a lead may not join these lines: a sink gets it once, and not after a newer one of its contact.
pub(super) fn refused(
    tx: &mut Tx<'_>,
    lead: &Loose,
    from: Option<&SinkId>,
    to: &[SinkId],
    how: Requeue<'_>,
) -> Result<Option<Requeued>, Failure> {
    let entry = entries::entry(tx, &WebhookId::from(lead.webhook.as_str()), &lead.id)?;
    let whose = how.instead.map_or(&lead.contact, |instead| instead.contact);
    for sink in to.iter().filter(|sink| how.copy || from != Some(*sink)) {
        let is_known = entry.as_ref().is_some_and(|entry| ledger::has(entry, sink))
            || is_set_aside(tx, sink, &lead.id)?
            || waiting::stands(tx, sink, whose, &lead.id)?;
        if is_known {
            return Ok(Some(Requeued::Known));
        }
        if !how.force && newest(tx, sink, whose)? > lead.accepted_at {
            return Ok(Some(Requeued::Overtaken));
        }
    }
    Ok(None)
}

/// Whether a sink's lead is in a set of dead letters.
fn is_set_aside(tx: &Tx<'_>, sink: &SinkId, id: &LeadId) -> rusqlite::Result<bool> {
    tx.sql
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM dead_letters WHERE id = ?1 AND sink = ?2)")?
        .query_row((id.as_str(), sink.as_str()), |row| row.get(0))
}

/// When the newest lead of a contact was accepted that a sink has delivered of late; 0: it has not.
fn newest(tx: &Tx<'_>, sink: &SinkId, contact: &Contact) -> rusqlite::Result<i64> {
    let newest = tx
        .sql
        .prepare_cached("SELECT newest FROM record WHERE sink = ?1 AND contact = ?2 AND expires_at > ?3")?
        .query_row((sink.as_str(), contact.as_str(), tx.now), |row| row.get(0))
        .optional()?;
    Ok(newest.unwrap_or_default())
}

/// Puts a lead before the first one that was accepted later and has not been tried; behind all if there is none.
fn link_by_age(tx: &mut Tx<'_>, lead: &NewRow<'_>) -> rusqlite::Result<()> {
    tx.index_all()?;
    let Some(head) = head_of(tx, lead.sink, lead.contact)? else {
        return tx.append(lead);
    };
    let mut before = None;
    let mut at = Some(head.first);
    while let Some(seq) = at {
        let (accepted_at, next): (i64, Option<i64>) = tx
            .sql
            .prepare_cached("SELECT accepted_at, next FROM pending WHERE seq = ?1")?
            .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let tried = before.is_none() && head.touched;
        if accepted_at > lead.accepted_at && !tried {
            return tx.insert(lead, before, seq);
        }
        before = Some(seq);
        at = next;
    }
    tx.append(lead)?;
    // Linked at once: whoever settles the lead before it hands on when the newest delivered one was accepted.
    tx.index_all()
}
