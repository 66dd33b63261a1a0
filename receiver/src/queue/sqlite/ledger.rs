//! The ledger: a row per request, by webhook and id, so that each webhook's rows are written behind each other.

use bytes::Bytes;
use memchr::memmem::Finder;
use rusqlite::OptionalExtension;
use ulid::Ulid;

use super::tx::{Failure, Tx, millis};
use crate::queue::ledger::{self, Event, LONGEST_WITH_RETRIES, LedgerKey, outcome_field};
use crate::queue::{
    Before, Entry, EntryFilter, EntryOutcome, EntryPage, Identity, LeadId, LedgerBound, LedgerEventKind,
    NewEntry, Place, QueueError, WebhookId,
};

/// Rows that one page looks at, and removes.
const MAX_SCANNED: usize = 5000;
const MAX_PRUNED: i64 = 1000;

/// Opens an entry of something that happened at a time: `rest` is what stands behind it. A repeated call changes nothing;
/// whether it was new.
pub(super) fn open(
    tx: &mut Tx<'_>,
    webhook: &WebhookId,
    id: &LeadId,
    outcome: EntryOutcome,
    at: i64,
    rest: &[&[u8]],
) -> rusqlite::Result<bool> {
    let mut row = Vec::with_capacity(100);
    row.extend_from_slice(outcome_field(outcome).as_bytes());
    put_time(&mut row, at);
    for part in rest {
        row.extend_from_slice(part);
    }
    let made = tx
        .sql
        .prepare_cached("INSERT INTO ledger VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute((webhook.as_str(), id.as_str(), &row))?;
    if made > 0 {
        tx.counters.webhook(webhook).ledger_bytes += length(row.len());
    }
    Ok(made > 0)
}

/// Adds an event to an entry, if there is one. One that `may_go` is left out of a row that is long already.
pub(super) fn add(
    tx: &mut Tx<'_>,
    webhook: &WebhookId,
    id: &LeadId,
    event: &Event,
    may_go: bool,
) -> rusqlite::Result<()> {
    let mut packed = event.kind.clone();
    put_time(&mut packed, tx.now);
    packed.extend_from_slice(&event.rest);
    let longest = if may_go {
        length(LONGEST_WITH_RETRIES)
    } else {
        i64::MAX
    };
    let added = tx
        .sql
        .prepare_cached(
            "UPDATE ledger SET row = CAST(row || ?3 AS BLOB) WHERE webhook = ?1 AND id = ?2 AND length(row) <= ?4",
        )?
        .execute((webhook.as_str(), id.as_str(), &packed, longest))?;
    if added > 0 {
        tx.counters.webhook(webhook).ledger_bytes += length(packed.len());
    }
    Ok(())
}

fn put_time(row: &mut Vec<u8>, now: i64) {
    let mut digits = itoa::Buffer::new();
    crate::queue::fields::put(row, digits.format(now).as_bytes());
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Enters requests that leave nothing else.
pub(super) fn note(tx: &mut Tx<'_>, entries: &[NewEntry], key: Option<&LedgerKey>) -> Result<(), Failure> {
    tx.limited(|tx| {
        for entry in entries {
            let rest = ledger::rest_of(&entry.reason, key, &entry.people);
            open(tx, &entry.webhook, &entry.id, entry.outcome, tx.now, &[&rest])?;
        }
        Ok(())
    })
}

/// Marks the file with the key that its newest entries are hashed with.
pub(super) fn move_mark(tx: &Tx<'_>, key: Option<&LedgerKey>) -> Result<(), Failure> {
    let Some(key) = key else { return Ok(()) };
    let of: Option<String> = tx
        .sql
        .prepare_cached("SELECT check_value FROM ledger_key")?
        .query_row([], |row| row.get(0))
        .optional()?;
    if let Some(mark) = of.and_then(|of| ledger::moved(key, &of)) {
        tx.sql.execute("UPDATE ledger_key SET check_value = ?1", [mark])?;
    }
    Ok(())
}

/// A page of a webhook's entries. Ids sort by time, so they are the order.
pub(super) fn page(
    tx: &Tx<'_>,
    webhook: &WebhookId,
    before: &Before,
    filter: &EntryFilter,
    limit: usize,
    key: Option<&LedgerKey>,
) -> Result<EntryPage, Failure> {
    let (start, needles) = ledger::needles(filter, key);
    let needles: Vec<Vec<Finder<'_>>> = needles
        .iter()
        .map(|group| group.iter().map(Finder::new).collect())
        .collect();
    let before = match before {
        Before::Time(at) => Ulid::from_parts(*at, 0).to_string(),
        Before::Place(place) => place.key.clone(),
    };
    let since = Ulid::from_parts(filter.since, 0).to_string();
    let mut statement = tx.sql.prepare_cached(
        "SELECT id, row FROM ledger WHERE webhook = ?1 AND id < ?2 AND id >= ?3 ORDER BY id DESC LIMIT ?4",
    )?;
    let mut rows = statement.query((webhook.as_str(), before, since, length(MAX_SCANNED)))?;
    let (mut page, mut looked) = (EntryPage::default(), 0);
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        looked += 1;
        let bytes = row.get_ref(1)?.as_blob().unwrap_or_default();
        let place = place_of(&id);
        let has = |group: &Vec<Finder<'_>>| group.iter().any(|needle| needle.find(bytes).is_some());
        if bytes.starts_with(start.as_bytes()) && needles.iter().all(has) {
            page.items.push(read(webhook, &id, bytes)?);
        }
        if page.items.len() == limit || looked == MAX_SCANNED {
            page.next = Some(place);
            break;
        }
    }
    Ok(page)
}

/// An id that is no ULID stands at the beginning of time.
fn place_of(id: &str) -> Place {
    Place {
        at: Ulid::from_string(id).map_or(0, |id| id.timestamp_ms()),
        key: id.to_owned(),
    }
}

fn read(webhook: &WebhookId, id: &str, row: &[u8]) -> Result<Entry, Failure> {
    ledger::entry(
        webhook,
        LeadId::from(id),
        place_of(id),
        Bytes::copy_from_slice(row),
    )
    .ok_or_else(|| {
        Failure::Own(QueueError::Corrupt(format!(
            "the ledger's entry of {id} is unreadable"
        )))
    })
}

/// One entry.
pub(super) fn entry(tx: &Tx<'_>, webhook: &WebhookId, id: &LeadId) -> Result<Option<Entry>, Failure> {
    let row: Option<Vec<u8>> = tx
        .sql
        .prepare_cached("SELECT row FROM ledger WHERE webhook = ?1 AND id = ?2")?
        .query_row((webhook.as_str(), id.as_str()), |row| row.get(0))
        .optional()?;
    row.map(|row| read(webhook, id.as_str(), &row)).transpose()
}

/// Makes an entry say nothing of a person.
pub(super) fn clear(tx: &mut Tx<'_>, webhook: &WebhookId, id: &LeadId, by: &str) -> Result<bool, Failure> {
    let row: Option<Vec<u8>> = tx
        .sql
        .prepare_cached("SELECT row FROM ledger WHERE webhook = ?1 AND id = ?2")?
        .query_row((webhook.as_str(), id.as_str()), |row| row.get(0))
        .optional()?;
    let Some(row) = row else { return Ok(false) };
    let before = length(row.len());
    let Some(cleared) = ledger::cleared(row.into()) else {
        return Err(Failure::Own(QueueError::Corrupt(format!(
            "the ledger's entry of {id} is unreadable"
        ))));
    };
    tx.sql
        .prepare_cached("UPDATE ledger SET row = ?3 WHERE webhook = ?1 AND id = ?2")?
        .execute((webhook.as_str(), id.as_str(), &cleared))?;
    tx.counters.webhook(webhook).ledger_bytes += length(cleared.len()) - before;
    let event = Event::act(LedgerEventKind::Erased, None, "", by);
    add(tx, webhook, id, &event, false)?;
    Ok(true)
}

/// Makes an entry say of whom it is, too.
pub(super) fn identify(
    tx: &mut Tx<'_>,
    webhook: &WebhookId,
    id: &LeadId,
    key: Option<&LedgerKey>,
    people: &[Identity],
) -> Result<(), Failure> {
    let Some(key) = key else { return Ok(()) };
    let row: Option<Vec<u8>> = tx
        .sql
        .prepare_cached("SELECT row FROM ledger WHERE webhook = ?1 AND id = ?2")?
        .query_row((webhook.as_str(), id.as_str()), |row| row.get(0))
        .optional()?;
    let Some(row) = row else { return Ok(()) };
    let hashes: Vec<String> = people.iter().map(|person| key.entered(person)).collect();
    let before = row.len();
    // What is unreadable stays as it is: nothing of it is lost by that.
    let Some(row) = ledger::with_people(row.into(), &hashes) else {
        return Ok(());
    };
    if row.len() != before {
        tx.sql
            .prepare_cached("UPDATE ledger SET row = ?3 WHERE webhook = ?1 AND id = ?2")?
            .execute((webhook.as_str(), id.as_str(), &row))?;
        tx.counters.webhook(webhook).ledger_bytes += length(row.len()) - length(before);
    }
    Ok(())
}

/// Every webhook that has entries.
pub(super) fn webhooks(tx: &Tx<'_>) -> Result<Vec<WebhookId>, Failure> {
    let found = tx
        .sql
        .prepare_cached("SELECT webhook FROM webhook_count WHERE ledger_bytes > 0 ORDER BY webhook")?
        .query_map([], |row| Ok(WebhookId::new(row.get::<_, String>(0)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

/// What a step of [`prune`] came to.
pub(super) struct Pruned {
    /// The entry to go on behind; empty: it came round.
    pub(super) next: String,
    /// It is worth to go on at once.
    pub(super) more: bool,
}

/// Removes a webhook's oldest entries that have outlived their time or find no room, among some behind `from`. That of a
/// lead that is still kept stays.
pub(super) fn prune(
    tx: &mut Tx<'_>,
    webhook: &WebhookId,
    bound: LedgerBound,
    from: &str,
) -> Result<Pruned, Failure> {
    let held: i64 = tx
        .sql
        .prepare_cached("SELECT ledger_bytes FROM webhook_count WHERE webhook = ?1")?
        .query_row([webhook.as_str()], |row| row.get(0))
        .optional()?
        .unwrap_or_default();
    let most = i64::try_from(bound.bytes).unwrap_or(i64::MAX);
    let oldest = u64::try_from(tx.now - millis(bound.keep)).unwrap_or_default();
    let oldest = Ulid::from_parts(oldest, 0).to_string();
    let (mut freed, mut dropped, mut gone, mut looked, mut last) = (0, 0, Vec::new(), 0, String::new());
    {
        let mut statement = tx.sql.prepare_cached(
            "SELECT id, row FROM ledger WHERE webhook = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
        )?;
        let mut rows = statement.query((webhook.as_str(), from, MAX_PRUNED))?;
        while let Some(row) = rows.next()? {
            last = row.get(0)?;
            let is_old = last < oldest;
            if !is_old && held - freed <= most {
                break;
            }
            looked += 1;
            let bytes = row.get_ref(1)?.as_blob().unwrap_or_default();
            if !is_kept(tx, webhook, &last, bytes)? {
                freed += length(bytes.len());
                dropped += i64::from(!is_old);
                gone.push(last.clone());
            }
        }
    }
    let mut delete = tx
        .sql
        .prepare_cached("DELETE FROM ledger WHERE webhook = ?1 AND id = ?2")?;
    for id in &gone {
        delete.execute((webhook.as_str(), id))?;
    }
    let counts = tx.counters.webhook(webhook);
    counts.ledger_bytes -= freed;
    counts.ledger_dropped += dropped;
    let is_cut = looked == MAX_PRUNED;
    Ok(Pruned {
        next: if is_cut { last } else { String::new() },
        more: is_cut && !gone.is_empty(),
    })
}

/// Whether anything of an entry's lead is still kept: it waits for delivery or for a person, or its payload is kept.
fn is_kept(tx: &Tx<'_>, webhook: &WebhookId, id: &str, row: &[u8]) -> Result<bool, Failure> {
    // One that is unreadable tells nothing, and goes.
    let entry = ledger::entry(
        webhook,
        LeadId::from(id),
        place_of(id),
        Bytes::copy_from_slice(row),
    );
    let Some(entry) = entry else { return Ok(false) };
    if ledger::waits(&entry) {
        return Ok(true);
    }
    let is_there = tx
        .sql
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM dead_letters WHERE id = ?1)")?
        .query_row([id], |row| row.get(0))?;
    Ok(is_there)
}
