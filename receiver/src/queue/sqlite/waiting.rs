//! Leads that wait, one by one: list, find, show, take out of the line, put into one.

use bytes::Bytes;
use rusqlite::OptionalExtension;

use super::{
    claims::next_head,
    ledger as entries, stats,
    tx::{Failure, Tx, unsigned},
};
use crate::queue::ledger::Event;
use crate::queue::{
    Contact, DeadLetter, DeadLetterPage, DeadLetterReason, DeadLetterSet, Due, LeadId, ListFilter, Removal,
    SinkId, WebhookId,
};

/// Rows that one call looks through for an id, and leads that one page looks at.
const MAX_SCANNED: i64 = 5000;

/// A lead's place in a line.
pub(super) struct Place {
    pub(super) sink: SinkId,
    contact: Contact,
    seq: i64,
}

/// A lead between two places.
pub(super) struct Loose {
    pub(super) contact: Contact,
    pub(super) id: LeadId,
    pub(super) webhook: String,
    pub(super) accepted_at: i64,
    pub(super) newest: i64,
    pub(super) body: Vec<u8>,
}

pub(super) const LOOSE: &str = "contact, id, webhook, accepted_at, newest, body";

pub(super) fn loose(row: &rusqlite::Row<'_>) -> rusqlite::Result<Loose> {
    Ok(Loose {
        contact: Contact::new(row.get::<_, String>(0)?),
        id: LeadId::new(row.get::<_, String>(1)?),
        webhook: row.get(2)?,
        accepted_at: row.get(3)?,
        newest: row.get(4)?,
        body: row.get(5)?,
    })
}

/// A contact's line as its head says.
pub(super) struct Head {
    contact: String,
    due: i64,
    pub(super) first: i64,
    token: i64,
    attempts: i64,
    pub(super) touched: bool,
    why: DeadLetterReason,
}

const SELECT_HEAD: &str = "SELECT contact, due, first, token, attempts, touched, reason, message FROM head";

fn head(row: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        contact: row.get(0)?,
        due: row.get(1)?,
        first: row.get(2)?,
        token: row.get(3)?,
        attempts: row.get(4)?,
        touched: row.get(5)?,
        why: DeadLetterReason {
            reason: row.get(6)?,
            message: row.get(7)?,
            answer: String::new(),
        },
    })
}

pub(super) fn head_of(tx: &Tx<'_>, sink: &SinkId, contact: &Contact) -> rusqlite::Result<Option<Head>> {
    tx.sql
        .prepare_cached(&format!("{SELECT_HEAD} WHERE sink = ?1 AND contact = ?2"))?
        .query_row((sink.as_str(), contact.as_str()), head)
        .optional()
}

/// A page of the leads that wait.
pub(super) fn list(tx: &mut Tx<'_>, filter: &ListFilter) -> Result<DeadLetterPage, Failure> {
    tx.index_all()?;
    let limit = filter.limit.clamp(1, 1000);
    let after = Cursor::parse(filter.after.as_deref());
    let sinks = match &filter.sink {
        Some(sink) => vec![sink.clone()],
        None => stats::occupied(tx)?,
    };
    let (mut items, mut looks) = (Vec::new(), MAX_SCANNED);
    for sink in sinks
        .into_iter()
        .filter(|sink| sink.as_str() >= after.sink.as_str())
    {
        let begun = sink.as_str() == after.sink;
        let (due, contact) = if begun {
            (after.due, after.contact.as_str())
        } else {
            (i64::MIN, "")
        };
        let heads: Vec<Head> = tx
            .sql
            .prepare_cached(&format!(
                "{SELECT_HEAD} WHERE sink = ?1 AND (due, contact) >= (?2, ?3) ORDER BY due, contact LIMIT ?4"
            ))?
            // One more than is looked at tells that there is a next page.
            .query_map((sink.as_str(), due, contact, looks + 1), head)?
            .collect::<rusqlite::Result<_>>()?;
        for head in heads {
            let skip = if begun && head.contact == after.contact && head.due == after.due {
                after.skip
            } else {
                0
            };
            let (mut next, mut behind) = (Some(head.first), 0);
            while let Some(seq) = next {
                if behind >= skip && (items.len() == limit || looks == 0) {
                    let cursor = format!("{} {behind} {sink} {}", head.due, head.contact);
                    return Ok(DeadLetterPage {
                        items,
                        next: Some(cursor),
                    });
                }
                let (item, behind_it) = read(tx, &sink, &head, seq, behind, filter.bodies)?;
                next = behind_it;
                looks -= 1;
                let fits = filter
                    .webhook
                    .as_ref()
                    .is_none_or(|webhook| *webhook == item.webhook)
                    && filter
                        .reason
                        .as_ref()
                        .is_none_or(|reason| *reason == item.why.reason);
                if behind >= skip && fits {
                    items.push(item);
                }
                behind += 1;
            }
        }
    }
    Ok(DeadLetterPage { items, next: None })
}

/// The first lead of the next page. A text that is no cursor starts at the beginning.
struct Cursor {
    due: i64,
    skip: u64,
    sink: String,
    contact: String,
}

impl Cursor {
    fn parse(text: Option<&str>) -> Self {
        let parsed = text.and_then(|text| {
            let mut parts = text.splitn(4, ' ');
            Some(Self {
                due: parts.next()?.parse().ok()?,
                skip: parts.next()?.parse().ok()?,
                sink: parts.next()?.to_owned(),
                contact: parts.next()?.to_owned(),
            })
        });
        parsed.unwrap_or(Self {
            due: i64::MIN,
            skip: 0,
            sink: String::new(),
            contact: String::new(),
        })
    }
}

/// A lead of a line, and the one behind it.
fn read(
    tx: &Tx<'_>,
    sink: &SinkId,
    head: &Head,
    seq: i64,
    behind: u64,
    body: bool,
) -> rusqlite::Result<(DeadLetter, Option<i64>)> {
    let first = behind == 0;
    tx.sql
        .prepare_cached(
            "SELECT id, webhook, accepted_at, queued_at, newest, next, iif(?2, body, x'') FROM pending WHERE seq = ?1",
        )?
        .query_row((seq, body), |row| {
            let accepted_at: i64 = row.get(2)?;
            let item = DeadLetter {
                set: DeadLetterSet::Pending,
                id: LeadId::new(row.get::<_, String>(0)?),
                webhook: WebhookId::new(row.get::<_, String>(1)?),
                sink: Some(sink.clone()),
                contact: Some(Contact::from(head.contact.as_str())),
                accepted_at: unsigned(accepted_at),
                dead_lettered_at: unsigned(row.get(3)?),
                expires_at: None,
                due: Some(Due {
                    at: unsigned(head.due),
                    claimed: first && head.token != 0 && head.due > tx.now,
                    behind,
                }),
                attempts: if first { u32::try_from(head.attempts).unwrap_or(u32::MAX) } else { 0 },
                overtaken: row.get::<_, i64>(4)? > accepted_at,
                why: if first { head.why.clone() } else { DeadLetterReason::none() },
                key_missing: false,
                body: Bytes::from(row.get::<_, Vec<u8>>(6)?),
            };
            Ok((item, row.get(5)?))
        })
}

/// Looks for a lead in the rows behind `from`; tells where to go on.
pub(super) fn find(tx: &mut Tx<'_>, id: &LeadId, from: i64) -> Result<(Vec<Place>, Option<i64>), Failure> {
    tx.index_all()?;
    let end: Option<i64> = tx
        .sql
        .prepare_cached("SELECT seq FROM pending WHERE seq > ?1 ORDER BY seq LIMIT 1 OFFSET ?2")?
        .query_row((from, MAX_SCANNED), |row| row.get(0))
        .optional()?;
    let found = tx
        .sql
        .prepare_cached(
            "SELECT sink, contact, seq FROM pending WHERE seq > ?1 AND seq <= ?2 AND id = ?3 ORDER BY sink",
        )?
        .query_map((from, end.unwrap_or(i64::MAX), id.as_str()), |row| {
            Ok(Place {
                sink: SinkId::new(row.get::<_, String>(0)?),
                contact: Contact::new(row.get::<_, String>(1)?),
                seq: row.get(2)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok((found, end))
}

/// The lead at a place, and how many are before it, if it is there still.
fn look(tx: &Tx<'_>, place: &Place) -> rusqlite::Result<Option<(Head, Option<i64>, u64)>> {
    let Some(head) = head_of(tx, &place.sink, &place.contact)? else {
        return Ok(None);
    };
    let mut next = tx.sql.prepare_cached("SELECT next FROM pending WHERE seq = ?1")?;
    let (mut before, mut behind, mut at) = (None, 0, Some(head.first));
    while let Some(seq) = at {
        if seq == place.seq {
            return Ok(Some((head, before, behind)));
        }
        before = Some(seq);
        behind += 1;
        at = next.query_row([seq], |row| row.get(0))?;
    }
    Ok(None)
}

/// A lead that waits, in full.
pub(super) fn show(tx: &mut Tx<'_>, place: &Place) -> Result<Option<DeadLetter>, Failure> {
    let Some((head, _, behind)) = look(tx, place)? else {
        return Ok(None);
    };
    Ok(Some(read(tx, &place.sink, &head, place.seq, behind, true)?.0))
}

/// A lead that waits, as it is taken out.
pub(super) fn look_at(tx: &Tx<'_>, place: &Place) -> rusqlite::Result<Option<Loose>> {
    tx.sql
        .prepare_cached(&format!("SELECT {LOOSE} FROM pending WHERE seq = ?1"))?
        .query_row([place.seq], loose)
        .optional()
}

/// Whether a lead stands in a contact's line.
pub(super) fn stands(
    tx: &mut Tx<'_>,
    sink: &SinkId,
    contact: &Contact,
    id: &LeadId,
) -> rusqlite::Result<bool> {
    tx.index_all()?;
    let Some(head) = head_of(tx, sink, contact)? else {
        return Ok(false);
    };
    let mut select = tx
        .sql
        .prepare_cached("SELECT id = ?2, next FROM pending WHERE seq = ?1")?;
    let mut at = Some(head.first);
    while let Some(seq) = at {
        let (is_it, next) = select.query_row((seq, id.as_str()), |row| Ok((row.get(0)?, row.get(1)?)))?;
        if is_it {
            return Ok(true);
        }
        at = next;
    }
    Ok(false)
}

/// Takes a lead out of its line; `None` if it is not there, or is being delivered.
pub(super) fn take_out(tx: &mut Tx<'_>, place: &Place) -> Result<Option<Loose>, Failure> {
    let Some((head, before, _)) = look(tx, place)? else {
        return Ok(None);
    };
    if before.is_none() && head.token != 0 && head.due > tx.now {
        return Ok(None);
    }
    let (lead, next) = tx
        .sql
        .prepare_cached(&format!(
            "DELETE FROM pending WHERE seq = ?1 RETURNING {LOOSE}, next"
        ))?
        .query_row([place.seq], |row| {
            Ok((loose(row)?, row.get::<_, Option<i64>>(6)?))
        })?;
    match before {
        None => {
            next_head(tx, &place.sink, &place.contact, next, lead.newest)?;
        }
        Some(before) => {
            tx.sql
                .prepare_cached("UPDATE pending SET next = ?2 WHERE seq = ?1")?
                .execute((before, next))?;
            if next.is_none() {
                tx.sql
                    .prepare_cached("UPDATE head SET last = ?3 WHERE sink = ?1 AND contact = ?2")?
                    .execute((place.sink.as_str(), place.contact.as_str(), before))?;
            }
        }
    }
    Ok(Some(lead))
}

/// Removes a lead that waits for good.
pub(super) fn remove(tx: &mut Tx<'_>, place: &Place, why: Removal, by: &str) -> Result<bool, Failure> {
    let Some(lead) = take_out(tx, place)? else {
        return Ok(false);
    };
    let webhook = WebhookId::new(lead.webhook);
    tx.counters.sink(&place.sink, &webhook).discarded += 1;
    let event = Event::act(why.what(), Some(&place.sink), "", by);
    entries::add(tx, &webhook, &lead.id, &event, false)?;
    Ok(true)
}

/// Makes a line due now.
pub(super) fn expedite(tx: &mut Tx<'_>, place: &Place) -> Result<bool, Failure> {
    let Some((head, ..)) = look(tx, place)? else {
        return Ok(false);
    };
    if head.token != 0 && head.due > tx.now {
        return Ok(false);
    }
    tx.sql
        .prepare_cached("UPDATE head SET due = min(due, ?3) WHERE sink = ?1 AND contact = ?2")?
        .execute((place.sink.as_str(), place.contact.as_str(), tx.now))?;
    Ok(true)
}
