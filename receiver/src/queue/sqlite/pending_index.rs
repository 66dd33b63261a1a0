//! A lead is written at the end of the file, next to those that came with it. Where its contact and its dedupe key
//! belong is elsewhere for each lead, and would cost a page of the disk each: so they are indexed later, in rounds of
//! many leads, sorted, so that leads share pages; and a batch is spread over transactions, so that nobody waits for
//! the whole of it. What is not indexed is kept in memory; after a crash it is read from the leads' rows.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use crate::queue::{Contact, Content, DedupeKey, LeadId, SinkId};

/// So many leads make a batch, if nothing asks for them earlier.
const BATCH_LEADS: usize = 8192;

/// So many leads of a batch, at least, are indexed in one transaction: the indices that follow time are the same few
/// pages for all of them. More would make the others of the transaction wait longer.
const MIN_INDEXED_AT_ONCE: usize = 1024;

/// What is in the file, and not yet indexed.
pub(super) struct PendingIndex {
    leads: Vec<QueuedLead>,
    keys: HashMap<DedupeKey, Holder>,
    next_seq: i64,
    /// So many of `leads` the running transaction has indexed.
    indexed: usize,
    /// The leads after those, on their way to where they belong.
    batch: Batch,
    /// So many more of the batch should be indexed by now.
    backlog: usize,
    /// What a rollback goes back to.
    before: Before,
}

/// Places in `leads`, counted from the first that is not indexed.
#[derive(Default)]
struct Batch {
    by_key: Vec<usize>,
    by_contact: Vec<usize>,
    /// How many of each are where they belong.
    done: usize,
}

/// How things stood when the transaction began.
#[derive(Default)]
struct Before {
    leads: usize,
    batch: usize,
    done: usize,
    backlog: usize,
}

/// A lead that joins its contact's line.
struct QueuedLead {
    seq: i64,
    sink: SinkId,
    contact: Contact,
    queued_at: i64,
    key: Option<(DedupeKey, Holder)>,
}

/// Who holds a dedupe key, what that lead says, and until when.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) id: LeadId,
    pub(super) content: Content,
    pub(super) until: i64,
}

/// A lead for one sink, as it is written.
pub(super) struct NewRow<'a> {
    pub(super) sink: &'a SinkId,
    pub(super) contact: &'a Contact,
    pub(super) id: &'a LeadId,
    pub(super) webhook: &'a str,
    pub(super) accepted_at: i64,
    pub(super) newest: i64,
    /// The key to be indexed with it, what the lead says, and until when the key is held.
    pub(super) key: Option<(&'a DedupeKey, Content, i64)>,
    pub(super) body: &'a [u8],
}

impl PendingIndex {
    /// Reads what a predecessor left.
    pub(super) fn load(sql: &Connection) -> rusqlite::Result<Self> {
        let indexed: i64 = sql.query_row("SELECT seq FROM indexed", [], |row| row.get(0))?;
        let leads = sql
            .prepare(
                "SELECT seq, sink, contact, queued_at, dedupe, id, content, remembered_until FROM pending \
                 WHERE seq > ?1 ORDER BY seq",
            )?
            .query_map([indexed], |row| {
                let key = match row.get::<_, Option<String>>(4)? {
                    Some(key) => {
                        let holder = Holder {
                            id: LeadId::new(row.get::<_, String>(5)?),
                            content: Content::from_bytes(row.get(6)?),
                            until: row.get(7)?,
                        };
                        Some((DedupeKey::new(key), holder))
                    }
                    None => None,
                };
                Ok(QueuedLead {
                    seq: row.get(0)?,
                    sink: SinkId::new(row.get::<_, String>(1)?),
                    contact: Contact::new(row.get::<_, String>(2)?),
                    queued_at: row.get(3)?,
                    key,
                })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut index = Self {
            next_seq: leads.last().map_or(indexed, |lead| lead.seq) + 1,
            leads,
            keys: HashMap::new(),
            indexed: 0,
            batch: Batch::default(),
            backlog: 0,
            before: Before::default(),
        };
        index.index();
        Ok(index)
    }

    /// A transaction begins.
    pub(super) fn begin(&mut self) {
        self.before = Before {
            leads: self.leads.len(),
            batch: self.batch.by_key.len(),
            done: self.batch.done,
            backlog: self.backlog,
        };
    }

    /// It is on disk.
    pub(super) fn committed(&mut self) {
        if self.indexed > 0 {
            self.leads.drain(..self.indexed);
            self.indexed = 0;
            self.index();
        }
    }

    /// It never happened.
    pub(super) fn rolled_back(&mut self) {
        self.leads.truncate(self.before.leads);
        self.index();
        self.indexed = 0;
        self.batch = Batch::over(self.leads.get(..self.before.batch).unwrap_or_default());
        self.batch.done = self.before.done;
        self.backlog = self.before.backlog;
    }

    fn waiting(&self) -> &[QueuedLead] {
        self.leads.get(self.indexed..).unwrap_or_default()
    }

    fn index(&mut self) {
        self.keys.clear();
        self.keys
            .extend(self.leads.iter().filter_map(|lead| lead.key.clone()));
    }

    /// Who holds a dedupe key.
    pub(super) fn holder(
        &self,
        sql: &Connection,
        now: i64,
        key: &DedupeKey,
    ) -> rusqlite::Result<Option<Holder>> {
        if let Some(holder) = self.keys.get(key) {
            return Ok((holder.until > now).then(|| holder.clone()));
        }
        sql.prepare_cached("SELECT id, content, expires_at FROM dedupe WHERE key = ?1 AND expires_at > ?2")?
            .query_row((key.as_str(), now), |row| {
                Ok(Holder {
                    id: LeadId::new(row.get::<_, String>(0)?),
                    content: Content::from_bytes(row.get(1)?),
                    until: row.get(2)?,
                })
            })
            .optional()
    }

    /// Gives a key to a lead that has no row in `pending`: at once, and after those that are to be indexed with it.
    pub(super) fn hold_now(
        &mut self,
        sql: &Connection,
        key: &DedupeKey,
        holder: &Holder,
    ) -> rusqlite::Result<()> {
        if self.keys.contains_key(key) {
            self.index_all(sql)?;
            self.keys.clear();
        }
        hold(sql, key, holder)?;
        Ok(())
    }

    /// Writes a lead into its line before the one at `next`. All others must have been indexed.
    pub(super) fn insert(
        &mut self,
        sql: &Connection,
        now: i64,
        lead: &NewRow<'_>,
        before: Option<i64>,
        next: i64,
    ) -> rusqlite::Result<()> {
        let seq = self.write(sql, now, lead, Some(next))?;
        match before {
            Some(before) => sql
                .prepare_cached("UPDATE pending SET next = ?2 WHERE seq = ?1")?
                .execute((before, seq))?,
            None => sql
                .prepare_cached("UPDATE head SET first = ?3 WHERE sink = ?1 AND contact = ?2")?
                .execute((lead.sink.as_str(), lead.contact.as_str(), seq))?,
        };
        // It is where it belongs.
        filed_to(sql, seq)
    }

    /// Writes a lead's row behind all others.
    fn write(
        &mut self,
        sql: &Connection,
        now: i64,
        lead: &NewRow<'_>,
        next: Option<i64>,
    ) -> rusqlite::Result<i64> {
        let seq = self.next_seq;
        sql.prepare_cached(
            "INSERT INTO pending VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?13, ?9, ?10, ?11, ?12)",
        )?
        .execute((
            seq,
            lead.sink.as_str(),
            lead.contact.as_str(),
            lead.id.as_str(),
            lead.webhook,
            lead.accepted_at,
            now,
            lead.newest,
            lead.key.map(|(key, ..)| key.as_str()),
            lead.key.map(|(_, content, _)| content.to_bytes()),
            lead.key.map(|(.., until)| until),
            lead.body,
            next,
        ))?;
        self.next_seq += 1;
        Ok(seq)
    }

    /// Writes a lead behind all others; it is indexed later.
    pub(super) fn append(&mut self, sql: &Connection, now: i64, lead: &NewRow<'_>) -> rusqlite::Result<()> {
        let seq = self.write(sql, now, lead, None)?;
        let key = lead.key.map(|(key, content, until)| {
            let id = lead.id.clone();
            (key.clone(), Holder { id, content, until })
        });
        self.keys.extend(key.clone());
        self.leads.push(QueuedLead {
            seq,
            sink: lead.sink.clone(),
            contact: lead.contact.clone(),
            queued_at: now,
            key,
        });
        Ok(())
    }

    /// At the end of a transaction: files a part of what waits, if it is enough for a batch.
    pub(super) fn index_some(&mut self, sql: &Connection) -> rusqlite::Result<()> {
        if self.batch.by_key.is_empty() && self.waiting().len() < BATCH_LEADS {
            return Ok(());
        }
        let came_in = self.leads.len().saturating_sub(self.before.leads);
        // A little more than came in: the next batch is not much larger than this one.
        self.backlog += came_in + came_in / 8;
        if self.backlog < MIN_INDEXED_AT_ONCE {
            return Ok(());
        }
        let backlog = std::mem::take(&mut self.backlog);
        self.step(sql, backlog)
    }

    /// Files all that waits, so that every lead can be found by its contact.
    pub(super) fn index_all(&mut self, sql: &Connection) -> rusqlite::Result<()> {
        while !self.waiting().is_empty() {
            self.step(sql, usize::MAX)?;
        }
        Ok(())
    }

    /// Files so many more of the batch; begins one if there is none.
    fn step(&mut self, sql: &Connection, leads: usize) -> rusqlite::Result<()> {
        if self.batch.by_key.is_empty() {
            self.batch = Batch::over(self.waiting());
        }
        let (waiting, batch) = (self.waiting(), &self.batch);
        let end = batch.done.saturating_add(leads).min(batch.by_key.len());
        let part = |order: &'_ [usize]| -> Vec<&QueuedLead> {
            let places = order.get(batch.done..end).unwrap_or_default();
            places.iter().filter_map(|&place| waiting.get(place)).collect()
        };
        for lead in part(&batch.by_key) {
            if let Some((key, holder)) = &lead.key {
                hold(sql, key, holder)?;
            }
        }
        for lead in part(&batch.by_contact) {
            link(sql, lead)?;
        }
        if end < batch.by_key.len() {
            self.batch.done = end;
            return Ok(());
        }
        if let Some(last) = end.checked_sub(1).and_then(|last| waiting.get(last)) {
            filed_to(sql, last.seq)?;
        }
        self.indexed += end;
        self.batch = Batch::default();
        Ok(())
    }
}

impl Batch {
    /// Sorted, and stable: one contact's leads stay in their order.
    fn over(leads: &[QueuedLead]) -> Self {
        let mut by_key: Vec<usize> = (0..leads.len()).collect();
        let mut by_contact = by_key.clone();
        let lead = |&place: &usize| leads.get(place);
        by_key.sort_by_key(|place| lead(place).and_then(|lead| lead.key.as_ref()).map(|(key, _)| key));
        by_contact.sort_by_key(|place| lead(place).map(|lead| (&lead.sink, &lead.contact)));
        Self {
            by_key,
            by_contact,
            done: 0,
        }
    }
}

/// Notes that leads up to this one are indexed.
fn filed_to(sql: &Connection, seq: i64) -> rusqlite::Result<()> {
    sql.prepare_cached("UPDATE indexed SET seq = ?1")?
        .execute([seq])?;
    Ok(())
}

/// Files a dedupe key.
pub(super) fn hold(sql: &Connection, key: &DedupeKey, holder: &Holder) -> rusqlite::Result<usize> {
    sql.prepare_cached("INSERT OR REPLACE INTO dedupe VALUES (?1, ?2, ?3, ?4)")?
        .execute((
            key.as_str(),
            holder.id.as_str(),
            holder.content.to_bytes(),
            holder.until,
        ))
}

/// Puts a lead at the end of its contact's line, and the contact among those that are due if it was not. Does nothing
/// if that was done before a crash.
fn link(sql: &Connection, lead: &QueuedLead) -> rusqlite::Result<()> {
    let (sink, contact) = (lead.sink.as_str(), lead.contact.as_str());
    let alone = sql
        .prepare_cached(
            "INSERT INTO head (sink, contact, first, last, due, queued_at) VALUES (?1, ?2, ?3, ?3, ?4, ?4) \
             ON CONFLICT DO NOTHING",
        )?
        .execute((sink, contact, lead.seq, lead.queued_at))?;
    if alone > 0 {
        return Ok(());
    }
    let linked = sql
        .prepare_cached(
            "UPDATE pending SET next = ?3 WHERE seq = \
             (SELECT last FROM head WHERE sink = ?1 AND contact = ?2 AND last < ?3)",
        )?
        .execute((sink, contact, lead.seq))?;
    if linked > 0 {
        sql.prepare_cached("UPDATE head SET last = ?3 WHERE sink = ?1 AND contact = ?2")?
            .execute((sink, contact, lead.seq))?;
    }
    Ok(())
}
