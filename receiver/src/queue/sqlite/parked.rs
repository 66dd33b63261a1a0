//! What waits for a person: list, show, replay, discard, erase.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::{OptionalExtension, Row};

use super::{
    filing::NewLine,
    lines::{remember, take},
    writer::{Failure, Tx, unsigned},
};
use crate::queue::{
    Contact, LeadId, ListFilter, ParkReason, Parked, ParkedPage, ParkedSet, QueueError, SinkId, WebhookId,
};

const COLUMNS: &str = "kind, parked_at, id, sink, contact, webhook, accepted_at, expires_at, attempts, \
                       reason, message, answer, body";

/// A page of a set, newest first.
pub(super) fn list(tx: &mut Tx<'_>, set: ParkedSet, filter: &ListFilter) -> Result<ParkedPage, Failure> {
    let limit = filter.limit.clamp(1, 1000);
    let after = Cursor::parse(filter.after.as_deref());
    let sql = format!(
        "SELECT {COLUMNS} FROM parked WHERE kind = ?1 AND (parked_at, id, sink) < (?2, ?3, ?4) \
         AND (?5 IS NULL OR sink = ?5) AND (?6 IS NULL OR webhook = ?6) \
         ORDER BY parked_at DESC, id DESC, sink DESC LIMIT ?7"
    );
    let mut items = Vec::new();
    let mut rows = tx.sql.prepare_cached(&sql)?;
    let mut rows = rows.query((
        set.as_str(),
        after.parked_at,
        &after.id,
        &after.sink,
        filter.sink.as_ref().map(SinkId::as_str),
        filter.webhook.as_ref().map(WebhookId::as_str),
        // One more than asked for tells whether there is a next page.
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    ))?;
    while let Some(row) = rows.next()? {
        items.push(parked(row)?);
    }
    let next = (items.len() > limit)
        .then(|| items.get(limit - 1).map(Cursor::behind))
        .flatten();
    items.truncate(limit);
    Ok(ParkedPage { items, next })
}

/// Where a page ended. A text that is no cursor starts at the beginning.
struct Cursor {
    parked_at: i64,
    id: String,
    sink: String,
}

impl Cursor {
    fn parse(text: Option<&str>) -> Self {
        let parsed = text.and_then(|text| {
            let (parked_at, rest) = text.split_once(' ')?;
            let (id, sink) = rest.split_once(' ')?;
            Some(Self {
                parked_at: parked_at.parse().ok()?,
                id: id.into(),
                sink: sink.into(),
            })
        });
        parsed.unwrap_or(Self {
            parked_at: i64::MAX,
            id: String::new(),
            sink: String::new(),
        })
    }

    fn behind(item: &Parked) -> String {
        let sink = item.sink.as_ref().map_or("", SinkId::as_str);
        format!("{} {} {sink}", item.parked_at, item.id)
    }
}

fn parked(row: &Row<'_>) -> Result<Parked, Failure> {
    let kind: String = row.get(0)?;
    let id: String = row.get(2)?;
    let Some(set) = set_named(&kind) else {
        return Err(Failure::Own(QueueError::Corrupt(format!(
            "parked lead {id} is in the unknown set {kind}"
        ))));
    };
    let sink: String = row.get(3)?;
    let contact: String = row.get(4)?;
    Ok(Parked {
        set,
        id: LeadId::new(id),
        webhook: WebhookId::new(row.get::<_, String>(5)?),
        sink: (!sink.is_empty()).then(|| SinkId::new(sink)),
        contact: (!contact.is_empty()).then(|| Contact::new(contact)),
        accepted_at: unsigned(row.get(6)?),
        parked_at: unsigned(row.get(1)?),
        expires_at: unsigned(row.get(7)?),
        attempts: u32::try_from(row.get::<_, i64>(8)?).unwrap_or(u32::MAX),
        why: ParkReason {
            reason: row.get(9)?,
            message: row.get(10)?,
            answer: row.get(11)?,
        },
        body: Bytes::from(row.get::<_, Vec<u8>>(12)?),
    })
}

fn set_named(name: &str) -> Option<ParkedSet> {
    [
        ParkedSet::Held,
        ParkedSet::Dead,
        ParkedSet::Unrouted,
        ParkedSet::Rejected,
    ]
    .into_iter()
    .find(|set| set.as_str() == name)
}

/// Everything parked under an id.
pub(super) fn show(tx: &mut Tx<'_>, id: &LeadId) -> Result<Vec<Parked>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM parked WHERE id = ?1 ORDER BY kind, sink");
    let mut statement = tx.sql.prepare_cached(&sql)?;
    let mut rows = statement.query([id.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(parked(row)?);
    }
    Ok(found)
}

/// Puts a held or dead lead back at the end of its contact's line.
pub(super) fn replay(
    tx: &mut Tx<'_>,
    set: ParkedSet,
    sink: &SinkId,
    id: &LeadId,
    record: Option<(&str, Duration)>,
) -> Result<bool, Failure> {
    if matches!(set, ParkedSet::Rejected | ParkedSet::Unrouted) {
        return Ok(false);
    }
    let found: Option<(String, String, i64, Vec<u8>)> = tx
        .sql
        .prepare_cached(
            "DELETE FROM parked WHERE id = ?1 AND kind = ?2 AND sink = ?3 \
             RETURNING contact, webhook, accepted_at, body",
        )?
        .query_row((id.as_str(), set.as_str(), sink.as_str()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((contact, webhook, accepted_at, body)) = found else {
        return Ok(false);
    };
    let contact = Contact::new(contact);
    tx.append(&NewLine {
        sink,
        contact: &contact,
        id,
        webhook: &webhook,
        accepted_at,
        newest: 0,
        key: None,
        body: &body,
    })?;
    if let Some((record, keep)) = record {
        remember(tx, sink, contact.as_str(), record, keep)?;
    }
    tx.tally.sink(sink, &WebhookId::new(webhook)).parked(set, -1);
    Ok(true)
}

/// Removes a parked lead for good.
pub(super) fn discard(
    tx: &mut Tx<'_>,
    set: ParkedSet,
    sink: Option<&SinkId>,
    id: &LeadId,
) -> Result<bool, Failure> {
    let webhook: Option<String> = tx
        .sql
        .prepare_cached("DELETE FROM parked WHERE id = ?1 AND kind = ?2 AND sink = ?3 RETURNING webhook")?
        .query_row(
            (id.as_str(), set.as_str(), sink.map_or("", SinkId::as_str)),
            |row| row.get(0),
        )
        .optional()?;
    let Some(webhook) = webhook else { return Ok(false) };
    let sink = sink.map_or("", SinkId::as_str);
    count_discarded(tx, set, sink, &WebhookId::new(webhook));
    Ok(true)
}

/// Moves one lead from a parked set's count to the discarded ones.
fn count_discarded(tx: &mut Tx<'_>, set: ParkedSet, sink: &str, webhook: &WebhookId) {
    match set {
        ParkedSet::Held | ParkedSet::Dead => {
            let delta = tx.tally.sink(&SinkId::from(sink), webhook);
            delta.parked(set, -1);
            delta.discarded += 1;
        }
        ParkedSet::Unrouted => {
            let delta = tx.tally.webhook(webhook);
            delta.unrouted -= 1;
            delta.discarded += 1;
        }
        // Only ever counted as rejected.
        ParkedSet::Rejected => {}
    }
}

/// Removes parked leads that have outlived their retention, at most `limit`.
pub(super) fn expire(tx: &mut Tx<'_>, limit: i64) -> rusqlite::Result<usize> {
    let gone: Vec<(String, String, String)> = tx
        .sql
        .prepare_cached(
            "DELETE FROM parked WHERE rowid IN \
             (SELECT rowid FROM parked WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2) \
             RETURNING kind, sink, webhook",
        )?
        .query_map((tx.now, limit), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    count_gone(tx, &gone);
    Ok(gone.len())
}

fn count_gone(tx: &mut Tx<'_>, gone: &[(String, String, String)]) {
    for (kind, sink, webhook) in gone {
        if let Some(set) = set_named(kind) {
            count_discarded(tx, set, sink, &WebhookId::from(webhook.as_str()));
        }
    }
}

/// Erases a contact: its lines, what is parked of it, and the records remembered for it.
pub(super) fn erase(tx: &mut Tx<'_>, contact: &Contact) -> Result<u64, Failure> {
    tx.file()?;
    let contact = contact.as_str();
    let parked: Vec<(String, String, String)> = tx
        .sql
        .prepare_cached(
            "DELETE FROM parked WHERE contact = ?1 AND contact <> '' RETURNING kind, sink, webhook",
        )?
        .query_map([contact], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    count_gone(tx, &parked);
    let mut erased = parked.len();
    // A line is found by its sink and contact: there are few sinks.
    let sinks: Vec<String> = tx
        .sql
        .prepare_cached("SELECT DISTINCT sink FROM sink_count")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for sink in sinks {
        erased += erase_line(tx, &SinkId::new(sink), contact)?;
    }
    tx.sql
        .prepare_cached("DELETE FROM record WHERE contact = ?1")?
        .execute([contact])?;
    Ok(erased as u64)
}

fn erase_line(tx: &mut Tx<'_>, sink: &SinkId, contact: &str) -> rusqlite::Result<usize> {
    let mut next: Option<i64> = tx
        .sql
        .prepare_cached("DELETE FROM head WHERE sink = ?1 AND contact = ?2 RETURNING first")?
        .query_row((sink.as_str(), contact), |row| row.get(0))
        .optional()?;
    let mut erased = 0;
    while let Some(seq) = next {
        let (webhook, behind) = take(tx, seq, None)?;
        tx.tally.sink(sink, &webhook).discarded += 1;
        erased += 1;
        next = behind;
    }
    Ok(erased)
}
