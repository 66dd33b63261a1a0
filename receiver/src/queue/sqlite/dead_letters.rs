//! What waits for a person: list, show, take out, discard.

use bytes::Bytes;
use rusqlite::{OptionalExtension, Row};

use super::{
    ledger as entries,
    tx::{Failure, Tx, unsigned},
    waiting::{LOOSE, Loose, loose},
};
use crate::queue::ledger::Event;
use crate::queue::{
    Contact, DeadLetter, DeadLetterPage, DeadLetterReason, DeadLetterSet, LeadId, LedgerEventKind,
    ListFilter, QueueError, Removal, SinkId, WebhookId,
};

/// Why a lead was removed whose retention ended.
const EXPIRED: &str = "RetentionEnded";

const COLUMNS: &str = "kind, dead_lettered_at, id, sink, contact, webhook, accepted_at, expires_at, attempts, \
                       newest, reason, message, answer, body";

/// A page of a set, newest first.
pub(super) fn list(
    tx: &mut Tx<'_>,
    set: DeadLetterSet,
    filter: &ListFilter,
) -> Result<DeadLetterPage, Failure> {
    let limit = filter.limit.clamp(1, 1000);
    if filter.by_acceptance {
        return by_acceptance(tx, set, filter, limit);
    }
    let after = Cursor::parse(filter.after.as_deref());
    let sql = format!(
        "SELECT {COLUMNS} FROM dead_letters WHERE kind = ?1 AND (dead_lettered_at, id, sink) < (?2, ?3, ?4) \
         AND (?5 IS NULL OR sink = ?5) AND (?6 IS NULL OR webhook = ?6) \
         AND (?8 IS NULL OR reason = ?8) ORDER BY dead_lettered_at DESC, id DESC, sink DESC LIMIT ?7"
    );
    let mut items = Vec::new();
    let mut rows = tx.sql.prepare_cached(&sql)?;
    let mut rows = rows.query((
        set.as_str(),
        after.dead_lettered_at,
        &after.id,
        &after.sink,
        filter.sink.as_ref().map(SinkId::as_str),
        filter.webhook.as_ref().map(WebhookId::as_str),
        // One more than asked for tells whether there is a next page.
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
        filter.reason.as_deref(),
    ))?;
    while let Some(row) = rows.next()? {
        items.push(dead_letter(row)?);
    }
    let next = (items.len() > limit)
        .then(|| items.get(limit - 1).map(Cursor::behind))
        .flatten();
    items.truncate(limit);
    Ok(DeadLetterPage { items, next })
}

/// A page in the order of ids. A cursor is the last id and sink.
fn by_acceptance(
    tx: &mut Tx<'_>,
    set: DeadLetterSet,
    filter: &ListFilter,
    limit: usize,
) -> Result<DeadLetterPage, Failure> {
    let after = filter.after.as_deref().and_then(|after| after.split_once(' '));
    let (id, sink) = after.unwrap_or_default();
    let sql = format!(
        "SELECT {COLUMNS} FROM dead_letters WHERE kind = ?1 AND (id > ?2 OR (id = ?2 AND sink > ?3)) AND id >= ?2 \
         AND (?4 IS NULL OR sink = ?4) AND (?5 IS NULL OR webhook = ?5) AND (?6 IS NULL OR reason = ?6) \
         ORDER BY id, sink LIMIT ?7"
    );
    let mut items = Vec::new();
    let mut rows = tx.sql.prepare_cached(&sql)?;
    let mut rows = rows.query((
        set.as_str(),
        id,
        sink,
        filter.sink.as_ref().map(SinkId::as_str),
        filter.webhook.as_ref().map(WebhookId::as_str),
        filter.reason.as_deref(),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    ))?;
    while let Some(row) = rows.next()? {
        items.push(dead_letter(row)?);
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|item| {
        let sink = item.sink.as_ref().map_or("", SinkId::as_str);
        format!("{} {sink}", item.id)
    });
    Ok(DeadLetterPage { items, next })
}

/// Where a page ended. A text that is no cursor starts at the beginning.
struct Cursor {
    dead_lettered_at: i64,
    id: String,
    sink: String,
}

impl Cursor {
    fn parse(text: Option<&str>) -> Self {
        let parsed = text.and_then(|text| {
            let (dead_lettered_at, rest) = text.split_once(' ')?;
            let (id, sink) = rest.split_once(' ')?;
            Some(Self {
                dead_lettered_at: dead_lettered_at.parse().ok()?,
                id: id.into(),
                sink: sink.into(),
            })
        });
        parsed.unwrap_or(Self {
            dead_lettered_at: i64::MAX,
            id: String::new(),
            sink: String::new(),
        })
    }

    fn behind(item: &DeadLetter) -> String {
        let sink = item.sink.as_ref().map_or("", SinkId::as_str);
        format!("{} {} {sink}", item.dead_lettered_at, item.id)
    }
}

fn dead_letter(row: &Row<'_>) -> Result<DeadLetter, Failure> {
    let kind: String = row.get(0)?;
    let id: String = row.get(2)?;
    let Some(set) = set_named(&kind) else {
        return Err(Failure::Own(QueueError::Corrupt(format!(
            "dead letter {id} is in the unknown set {kind}"
        ))));
    };
    let sink: String = row.get(3)?;
    let contact: String = row.get(4)?;
    Ok(DeadLetter {
        set,
        id: LeadId::new(id),
        webhook: WebhookId::new(row.get::<_, String>(5)?),
        sink: (!sink.is_empty()).then(|| SinkId::new(sink)),
        contact: (!contact.is_empty()).then(|| Contact::new(contact)),
        accepted_at: unsigned(row.get(6)?),
        dead_lettered_at: unsigned(row.get(1)?),
        expires_at: Some(unsigned(row.get(7)?)),
        due: None,
        attempts: u32::try_from(row.get::<_, i64>(8)?).unwrap_or(u32::MAX),
        overtaken: row.get::<_, i64>(9)? > row.get(6)?,
        why: DeadLetterReason {
            reason: row.get(10)?,
            message: row.get(11)?,
            answer: row.get(12)?,
        },
        key_missing: false,
        body: Bytes::from(row.get::<_, Vec<u8>>(13)?),
    })
}

fn set_named(name: &str) -> Option<DeadLetterSet> {
    [
        DeadLetterSet::Held,
        DeadLetterSet::Dead,
        DeadLetterSet::Unrouted,
        DeadLetterSet::Rejected,
        DeadLetterSet::Delivered,
    ]
    .into_iter()
    .find(|set| set.as_str() == name)
}

/// Every dead letter with an id.
pub(super) fn show(tx: &mut Tx<'_>, id: &LeadId) -> Result<Vec<DeadLetter>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE id = ?1 ORDER BY kind, sink");
    let mut statement = tx.sql.prepare_cached(&sql)?;
    let mut rows = statement.query([id.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(dead_letter(row)?);
    }
    Ok(found)
}

/// Takes a lead out of a set, to be put into a line; a copy leaves it there.
pub(super) fn take_out(
    tx: &mut Tx<'_>,
    set: DeadLetterSet,
    sink: Option<&SinkId>,
    id: &LeadId,
    copy: bool,
) -> Result<Option<Loose>, Failure> {
    if set == DeadLetterSet::Rejected {
        return Ok(None);
    }
    let sql = if copy {
        format!("SELECT {LOOSE} FROM dead_letters WHERE id = ?1 AND kind = ?2 AND sink = ?3")
    } else {
        format!("DELETE FROM dead_letters WHERE id = ?1 AND kind = ?2 AND sink = ?3 RETURNING {LOOSE}")
    };
    let taken = tx
        .sql
        .prepare_cached(&sql)?
        .query_row(
            (id.as_str(), set.as_str(), sink.map_or("", SinkId::as_str)),
            loose,
        )
        .optional()?;
    Ok(taken)
}

/// Removes a dead letter for good.
pub(super) fn remove(
    tx: &mut Tx<'_>,
    set: DeadLetterSet,
    sink: Option<&SinkId>,
    id: &LeadId,
    why: Removal,
    by: &str,
) -> Result<bool, Failure> {
    let gone = tx
        .sql
        .prepare_cached(&format!(
            "DELETE FROM dead_letters WHERE id = ?1 AND kind = ?2 AND sink = ?3 RETURNING {REMOVED_COLUMNS}"
        ))?
        .query_row(
            (id.as_str(), set.as_str(), sink.map_or("", SinkId::as_str)),
            read_gone,
        )
        .optional()?;
    count_gone(tx, gone.as_slice(), why.what(), "", by)?;
    Ok(gone.is_some())
}

/// What left its set for good.
struct Gone {
    kind: String,
    sink: String,
    webhook: String,
    bytes: i64,
    id: LeadId,
}

const REMOVED_COLUMNS: &str = "kind, sink, webhook, length(body), id";

fn read_gone(row: &Row<'_>) -> rusqlite::Result<Gone> {
    Ok(Gone {
        kind: row.get(0)?,
        sink: row.get(1)?,
        webhook: row.get(2)?,
        bytes: row.get(3)?,
        id: LeadId::new(row.get::<_, String>(4)?),
    })
}

/// Moves a lead from its set's count to the discarded ones.
fn count_discarded(tx: &mut Tx<'_>, set: DeadLetterSet, gone: &Gone) {
    let (sink, webhook) = (gone.sink.as_str(), &WebhookId::from(gone.webhook.as_str()));
    match set {
        DeadLetterSet::Held | DeadLetterSet::Dead => {
            let delta = tx.counters.sink(&SinkId::from(sink), webhook);
            delta.dead_letters(set, -1);
            delta.discarded += 1;
        }
        DeadLetterSet::Unrouted => {
            let delta = tx.counters.webhook(webhook);
            delta.unrouted -= 1;
            delta.discarded += 1;
        }
        // Only ever counted as rejected.
        DeadLetterSet::Rejected => tx.counters.webhook(webhook).rejected_bytes -= gone.bytes,
        // Not set aside, or counted where it was delivered.
        DeadLetterSet::Pending | DeadLetterSet::Delivered => {}
    }
}

/// Removes dead letters that have outlived their retention, at most `limit`.
pub(super) fn expire(tx: &mut Tx<'_>, limit: i64) -> rusqlite::Result<usize> {
    let gone: Vec<Gone> = tx
        .sql
        .prepare_cached(&format!(
            "DELETE FROM dead_letters WHERE rowid IN \
             (SELECT rowid FROM dead_letters WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2) RETURNING {REMOVED_COLUMNS}"
        ))?
        .query_map((tx.now, limit), read_gone)?
        .collect::<rusqlite::Result<_>>()?;
    count_gone(tx, &gone, LedgerEventKind::Discarded, EXPIRED, "")?;
    Ok(gone.len())
}

/// Counts what has gone for good, and enters it: what was delivered stays delivered, whatever becomes of its payload.
fn count_gone(
    tx: &mut Tx<'_>,
    gone: &[Gone],
    what: LedgerEventKind,
    reason: &str,
    by: &str,
) -> rusqlite::Result<()> {
    for gone in gone {
        let Some(set) = set_named(&gone.kind) else {
            continue;
        };
        count_discarded(tx, set, gone);
        if set != DeadLetterSet::Delivered || what == LedgerEventKind::Erased {
            let sink = (!gone.sink.is_empty()).then(|| SinkId::from(gone.sink.as_str()));
            let event = Event::act(what, sink.as_ref(), reason, by);
            entries::add(
                tx,
                &WebhookId::from(gone.webhook.as_str()),
                &gone.id,
                &event,
                false,
            )?;
        }
    }
    Ok(())
}

/// Forgets the records of a contact in some sinks.
pub(super) fn forget(tx: &mut Tx<'_>, contact: &Contact, sinks: &[SinkId]) -> Result<(), Failure> {
    let mut delete = tx
        .sql
        .prepare_cached("DELETE FROM record WHERE sink = ?1 AND contact = ?2")?;
    for sink in sinks {
        delete.execute((sink.as_str(), contact.as_str()))?;
    }
    Ok(())
}
