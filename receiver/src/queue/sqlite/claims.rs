//! Claim, renew, settle.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::OptionalExtension;

use super::ledger as entries;
use super::tx::{Failure, Tx, millis, unsigned};
use crate::queue::ledger::Event;
use crate::queue::{
    Attempt, Claim, Claims, Contact, DeadLetterReason, DeadLetterSet, Disposition, LastError, LeadId,
    NEWEST_KEPT, Settled, Settlement, SinkId, Token, WebhookId,
};

/// A claim hands out at most about so many bytes, so that large leads do not pile up in memory.
pub(super) const MAX_CLAIM_BYTES: usize = 8 << 20;

/// How many contacts are looked at for those whose first lead has not been tried.
const MAX_LOOKED_AT: usize = 1000;

/// A contact whose first lead is due.
struct DueHead {
    contact: String,
    first: i64,
    token: i64,
    attempts: i64,
    /// 0: it is not.
    in_doubt_since: i64,
    lost: i64,
    queued_at: i64,
}

/// Hands out the first lead of up to `max` contacts that are due.
pub(super) fn claim(tx: &mut Tx<'_>, sink: &SinkId, max: usize, lease: Duration) -> Result<Claims, Failure> {
    tx.index_all()?;
    let heads = due_heads(
        tx,
        sink,
        max,
        "SELECT contact, first, token, attempts, in_doubt_since, lost, queued_at FROM head WHERE sink = ?1 AND due <= ?2 \
         ORDER BY due LIMIT ?3",
    )?;
    claim_heads(tx, sink, heads, lease)
}

/// The same, of the contacts that became due last, those whose first lead has not been tried.
pub(super) fn claim_untried(
    tx: &mut Tx<'_>,
    sink: &SinkId,
    max: usize,
    lease: Duration,
) -> Result<Claims, Failure> {
    tx.index_all()?;
    let mut heads = due_heads(
        tx,
        sink,
        MAX_LOOKED_AT,
        "SELECT contact, first, token, attempts, in_doubt_since, lost, queued_at FROM head WHERE sink = ?1 AND due <= ?2 \
         ORDER BY due DESC LIMIT ?3",
    )?;
    heads.retain(|head| head.attempts == 0);
    // Not by when they are due: what was put back is due last.
    heads.sort_by_key(|head| std::cmp::Reverse(head.queued_at));
    heads.truncate(max);
    claim_heads(tx, sink, heads, lease)
}

fn claim_heads(
    tx: &mut Tx<'_>,
    sink: &SinkId,
    heads: Vec<DueHead>,
    lease: Duration,
) -> Result<Claims, Failure> {
    let mut claims = Vec::new();
    let mut bytes = 0;
    let mut token = reserve_tokens(tx, sink, heads.len())?;
    for head in heads {
        token += 1;
        if bytes >= MAX_CLAIM_BYTES {
            break;
        }
        if let Some(claim) = claim_head(tx, sink, &head, token, lease)? {
            bytes += claim.body.len();
            claims.push(claim);
        }
    }
    let next: Option<i64> = tx
        .sql
        .prepare_cached("SELECT min(due) FROM head WHERE sink = ?1")?
        .query_row([sink.as_str()], |row| row.get(0))?;
    let next_due = next.map(|due| Duration::from_millis(unsigned(due - tx.now)));
    Ok(Claims { claims, next_due })
}

fn due_heads(tx: &Tx<'_>, sink: &SinkId, max: usize, select: &str) -> rusqlite::Result<Vec<DueHead>> {
    tx.sql
        .prepare_cached(select)?
        .query_map(
            (sink.as_str(), tx.now, i64::try_from(max).unwrap_or(i64::MAX)),
            |row| {
                Ok(DueHead {
                    contact: row.get(0)?,
                    first: row.get(1)?,
                    token: row.get(2)?,
                    attempts: row.get(3)?,
                    in_doubt_since: row.get(4)?,
                    lost: row.get(5)?,
                    queued_at: row.get(6)?,
                })
            },
        )?
        .collect()
}

fn claim_head(
    tx: &Tx<'_>,
    sink: &SinkId,
    head: &DueHead,
    token: i64,
    lease: Duration,
) -> rusqlite::Result<Option<Claim>> {
    let attempt = head.attempts + 1;
    // A claim whose lease ran out: its worker died or hangs, and may have reached the CRM.
    let ran_out = head.token != 0;
    let in_doubt_since = if ran_out { tx.now } else { head.in_doubt_since };
    let lost = head.lost + i64::from(ran_out);
    let claim = tx
        .sql
        .prepare_cached(
            "SELECT id, webhook, accepted_at, queued_at, newest, body, \
             (SELECT nullif(record, '') FROM record WHERE sink = ?1 AND contact = ?2 AND expires_at > ?3) \
             FROM pending WHERE seq = ?4",
        )?
        .query_row((sink.as_str(), &head.contact, tx.now, head.first), |row| {
            Ok(Claim {
                contact: Contact::new(head.contact.as_str()),
                token: unsigned(token),
                id: LeadId::new(row.get::<_, String>(0)?),
                webhook: WebhookId::new(row.get::<_, String>(1)?),
                attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
                in_doubt: (in_doubt_since > 0)
                    .then(|| Duration::from_millis(unsigned(tx.now - in_doubt_since))),
                lost: u32::try_from(lost).unwrap_or(u32::MAX),
                overtaken: row.get::<_, i64>(4)? > row.get(2)?,
                accepted_at: unsigned(row.get(2)?),
                queued_at: unsigned(row.get(3)?),
                body: Bytes::from(row.get::<_, Vec<u8>>(5)?),
                record: row.get(6)?,
            })
        })
        .optional()?;
    if claim.is_none() {
        // No line behind this head; nothing to hand out, and nothing to come back to.
        drop_head(tx, sink, &head.contact)?;
        return Ok(None);
    }
    tx.sql
        .prepare_cached(
            "UPDATE head SET due = ?3, token = ?4, attempts = ?5, in_doubt_since = ?6, lost = ?7, touched = 1 \
             WHERE sink = ?1 AND contact = ?2",
        )?
        .execute((
            sink.as_str(),
            &head.contact,
            tx.now + millis(lease),
            token,
            attempt,
            in_doubt_since,
            lost,
        ))?;
    Ok(claim)
}

/// Takes so many numbers from the sink's counter; tells the one before the first.
fn reserve_tokens(tx: &Tx<'_>, sink: &SinkId, tokens: usize) -> rusqlite::Result<i64> {
    if tokens == 0 {
        return Ok(0);
    }
    let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
    tx.sql
        .prepare_cached(
            "INSERT INTO throttle (sink, token) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET token = token + ?2 \
             RETURNING token - ?2",
        )?
        .query_row((sink.as_str(), tokens), |row| row.get(0))
}

fn drop_head(tx: &Tx<'_>, sink: &SinkId, contact: &str) -> rusqlite::Result<usize> {
    tx.sql
        .prepare_cached("DELETE FROM head WHERE sink = ?1 AND contact = ?2")?
        .execute((sink.as_str(), contact))
}

/// Extends leases that are still held.
pub(super) fn renew(
    tx: &mut Tx<'_>,
    sink: &SinkId,
    claims: &[(Contact, Token)],
    lease: Duration,
) -> Result<Vec<bool>, Failure> {
    let mut update = tx.sql.prepare_cached(
        "UPDATE head SET due = ?4 WHERE sink = ?1 AND contact = ?2 AND token = ?3 AND token <> 0",
    )?;
    let until = tx.now + millis(lease);
    let mut renewed = Vec::with_capacity(claims.len());
    for (contact, token) in claims {
        renewed.push(update.execute((sink.as_str(), contact.as_str(), signed(*token), until))? > 0);
    }
    Ok(renewed)
}

/// Ends claims; the flag says whether any line has more.
pub(super) fn settle(
    tx: &mut Tx<'_>,
    sink: &SinkId,
    settlements: &[Settlement],
) -> Result<(Vec<Settled>, bool), Failure> {
    let mut waits = false;
    let mut settled = Vec::with_capacity(settlements.len());
    for settlement in settlements {
        settled.push(settle_one(tx, sink, settlement, &mut waits)?);
    }
    Ok((settled, waits))
}

fn settle_one(
    tx: &mut Tx<'_>,
    sink: &SinkId,
    settlement: &Settlement,
    waits: &mut bool,
) -> Result<Settled, Failure> {
    let contact = &settlement.contact;
    let held: Option<(i64, i64, i64)> = tx
        .sql
        .prepare_cached("SELECT token, attempts, first FROM head WHERE sink = ?1 AND contact = ?2")?
        .query_row((sink.as_str(), contact.as_str()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((token, attempts, first)) = held else {
        return Ok(Settled::Stale);
    };
    if token == 0 || token != signed(settlement.token) {
        return Ok(Settled::Stale);
    }
    if let Some(event) = Event::of(sink, settlement) {
        let is_final = !matches!(settlement.outcome, Disposition::Retry { .. });
        let Attempt { webhook, id, .. } = &settlement.attempt;
        entries::add(tx, webhook, id, &event, !is_final)?;
    }
    match &settlement.outcome {
        Disposition::Retry { after, in_doubt, why } => {
            let back = Back {
                after: *after,
                attempts,
                in_doubt: *in_doubt,
                an_outcome: true,
                why: Some(why),
            };
            put_back(tx, sink, contact, &back)?;
            *waits = true;
        }
        Disposition::Release { after, why } => {
            let back = Back {
                after: *after,
                attempts: attempts - 1,
                in_doubt: false,
                an_outcome: false,
                why: why.as_ref(),
            };
            put_back(tx, sink, contact, &back)?;
            *waits = true;
        }
        Disposition::Delivered {
            remember: record,
            keep,
            ..
        } => {
            let kept = (!keep.is_zero()).then(DeadLetterReason::none);
            let kept = kept.as_ref().map(|why| DeadLettering {
                set: DeadLetterSet::Delivered,
                why,
                expires_at: tx.now + millis(*keep),
                attempts,
            });
            let gone = take(tx, first, kept.as_ref())?;
            let newest = gone.newest.max(gone.accepted_at);
            overtake(tx, sink, contact, gone.accepted_at)?;
            tx.counters.sink(sink, &gone.webhook).delivered += 1;
            let record = record.as_ref().map(|(record, keep)| (record.as_str(), *keep));
            remember(tx, sink, contact, record, newest)?;
            *waits |= next_head(tx, sink, contact, gone.next, newest)?;
        }
        Disposition::Unwanted(_) => {
            let gone = take(tx, first, None)?;
            tx.counters.sink(sink, &gone.webhook).discarded += 1;
            *waits |= next_head(tx, sink, contact, gone.next, gone.newest)?;
        }
        Disposition::DeadLetter { set, why, keep } => {
            let set = if *set == DeadLetterSet::Held {
                DeadLetterSet::Held
            } else {
                DeadLetterSet::Dead
            };
            let dead_letter = DeadLettering {
                set,
                why,
                expires_at: tx.now + millis(*keep),
                attempts,
            };
            let gone = take(tx, first, Some(&dead_letter))?;
            tx.counters.sink(sink, &gone.webhook).dead_letters(set, 1);
            *waits |= next_head(tx, sink, contact, gone.next, gone.newest)?;
        }
    }
    Ok(Settled::Done)
}

/// Marks what is set aside of a contact, if it is older than a lead that was delivered.
fn overtake(tx: &Tx<'_>, sink: &SinkId, contact: &Contact, delivered: i64) -> rusqlite::Result<usize> {
    tx.sql
        .prepare_cached(
            "UPDATE dead_letters SET newest = max(newest, ?3) WHERE contact = ?2 AND contact <> '' \
             AND sink IN (?1, '') AND accepted_at < ?3",
        )?
        .execute((sink.as_str(), contact.as_str(), delivered))
}

/// Keeps which record a contact's leads go to, if that is known, and when the newest of those that were delivered was
/// accepted (0: none was).
pub(super) fn remember(
    tx: &Tx<'_>,
    sink: &SinkId,
    contact: &Contact,
    record: Option<(&str, Duration)>,
    newest: i64,
) -> rusqlite::Result<usize> {
    let (record, keep) = record.unwrap_or(("", NEWEST_KEPT));
    tx.sql
        .prepare_cached(
            // Without a record, the one that is remembered stays.
            "INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET \
             record = iif(?3 <> '' OR expires_at <= ?6, ?3, record), \
             expires_at = iif(?3 <> '', ?4, max(expires_at, ?4)), newest = max(newest, ?5)",
        )?
        .execute((
            sink.as_str(),
            contact.as_str(),
            record,
            tx.now + millis(keep),
            newest,
            tx.now,
        ))
}

/// A lead that goes back to the head of its line.
struct Back<'a> {
    after: Duration,
    attempts: i64,
    in_doubt: bool,
    /// Whether the claim had one.
    an_outcome: bool,
    why: Option<&'a LastError>,
}

fn put_back(tx: &Tx<'_>, sink: &SinkId, contact: &Contact, back: &Back<'_>) -> rusqlite::Result<usize> {
    tx.sql
        .prepare_cached(
            "UPDATE head SET due = ?3, token = 0, attempts = max(?4, 0), in_doubt_since = coalesce(?5, in_doubt_since), \
             lost = iif(?6, 0, lost), reason = coalesce(?7, reason), message = coalesce(?8, message) \
             WHERE sink = ?1 AND contact = ?2",
        )?
        .execute((
            sink.as_str(),
            contact.as_str(),
            tx.now + millis(back.after),
            back.attempts,
            back.in_doubt.then_some(tx.now),
            back.an_outcome,
            back.why.map(|why| &why.reason),
            back.why.map(|why| &why.message),
        ))
}

pub(super) struct DeadLettering<'a> {
    set: DeadLetterSet,
    why: &'a DeadLetterReason,
    expires_at: i64,
    attempts: i64,
}

/// A lead that left its line.
pub(super) struct Taken {
    pub(super) webhook: WebhookId,
    accepted_at: i64,
    newest: i64,
    /// The contact's next lead.
    pub(super) next: Option<i64>,
}

/// Takes a lead out of its line (into a set of dead letters, if one is given).
pub(super) fn take(
    tx: &Tx<'_>,
    seq: i64,
    dead_letter: Option<&DeadLettering<'_>>,
) -> rusqlite::Result<Taken> {
    if let Some(dead_letter) = dead_letter {
        tx.sql
            .prepare_cached(
                "INSERT OR REPLACE INTO dead_letters SELECT ?2, ?3, id, sink, contact, webhook, accepted_at, ?4, \
                 ?5, newest, ?6, ?7, ?8, body FROM pending WHERE seq = ?1",
            )?
            .execute((
                seq,
                dead_letter.set.as_str(),
                tx.now,
                dead_letter.expires_at,
                dead_letter.attempts,
                &dead_letter.why.reason,
                &dead_letter.why.message,
                &dead_letter.why.answer,
            ))?;
    }
    tx.sql
        .prepare_cached("DELETE FROM pending WHERE seq = ?1 RETURNING webhook, accepted_at, newest, next")?
        .query_row([seq], |row| {
            Ok(Taken {
                webhook: WebhookId::new(row.get::<_, String>(0)?),
                accepted_at: row.get(1)?,
                newest: row.get(2)?,
                next: row.get(3)?,
            })
        })
}

/// Makes the contact's next lead due since it came, or forgets the contact. `newest`: when the newest of its delivered leads
/// was accepted. `true`: there is a next lead.
pub(super) fn next_head(
    tx: &Tx<'_>,
    sink: &SinkId,
    contact: &Contact,
    next: Option<i64>,
    newest: i64,
) -> rusqlite::Result<bool> {
    let Some(next) = next else {
        drop_head(tx, sink, contact.as_str())?;
        return Ok(false);
    };
    let queued_at: i64 = tx
        .sql
        .prepare_cached("UPDATE pending SET newest = max(newest, ?2) WHERE seq = ?1 RETURNING queued_at")?
        .query_row([next, newest], |row| row.get(0))?;
    tx.sql
        .prepare_cached(
            "UPDATE head SET first = ?3, due = ?4, queued_at = ?4, token = 0, attempts = 0, in_doubt_since = 0, \
             lost = 0, touched = 0, reason = '', message = '' WHERE sink = ?1 AND contact = ?2",
        )?
        .execute((sink.as_str(), contact.as_str(), next, queued_at))?;
    Ok(true)
}

fn signed(token: Token) -> i64 {
    i64::try_from(token).unwrap_or(0)
}
