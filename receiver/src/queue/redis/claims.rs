//! Claim, renew, settle.

use std::time::Duration;

use redis::Value;

use super::{
    RedisQueue,
    codec::{Entry, put_error, put_reason},
    reply::{Items, bytes, items, number, strange, text},
    script::{self, millis},
};
use crate::queue::ledger::Event;
use crate::queue::{
    Attempt, Claim, Claims, Contact, DeadLetterSet, Disposition, LastError, MAX_SHARDS, NEWEST_KEPT,
    QueueError, Settled, Settlement, SinkId, Token,
};

/// A claim hands out at most about so many bytes, so that large leads do not pile up in memory.
pub(super) const MAX_CLAIM_BYTES: usize = 8 << 20;

/// Contacts in one script.
const MAX_CLAIMS_PER_SCRIPT: usize = 1000;

/// How many contacts are looked at for those whose first lead has not been tried.
const MAX_LOOKED_AT: usize = 1000;

/// Other workers may take what was seen to be due; then it is worth looking again, a few times.
const MAX_CLAIM_ROUNDS: usize = 4;

impl RedisQueue {
    /// A script must name its keys, so it takes a look first (who is due? of `untried`: with a lead that was not tried) and
    /// then a claim for those.
    pub(super) async fn claim_due(
        &self,
        sink: &SinkId,
        max: usize,
        lease: Duration,
        untried: bool,
    ) -> Result<Claims, QueueError> {
        let mut found = Claims::default();
        for _ in 0..MAX_CLAIM_ROUNDS {
            let (next_due, contacts) = self.peek(sink, max.min(MAX_CLAIMS_PER_SCRIPT), untried).await?;
            found.next_due = next_due;
            if contacts.is_empty() {
                break;
            }
            found = self.claim_contacts(sink, &contacts, lease).await?;
            if !found.claims.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    async fn peek(
        &self,
        sink: &SinkId,
        max: usize,
        untried: bool,
    ) -> Result<(Option<Duration>, Vec<String>), QueueError> {
        let mut call = script::PEEK.call(&self.keys, 3, 128);
        call.arg(self.keys.due(sink)).arg(self.keys.state(sink));
        call.arg(self.keys.touched(sink));
        call.arg(max).arg(if untried { MAX_LOOKED_AT } else { 0 });
        let mut answer = Items::of(self.link.run_repeatable(&script::PEEK, &call).await?, "peek")?;
        let next_due = until(answer.number().ok_or_else(|| strange("peek"))?);
        let mut contacts = Vec::new();
        while let Some(contact) = answer.text() {
            contacts.push(contact);
        }
        Ok((next_due, contacts))
    }

    async fn claim_contacts(
        &self,
        sink: &SinkId,
        contacts: &[String],
        lease: Duration,
    ) -> Result<Claims, QueueError> {
        let mut call = script::CLAIM.call(&self.keys, 3 + 2 * contacts.len(), 300 * contacts.len());
        call.arg(self.keys.due(sink)).arg(self.keys.state(sink));
        call.arg(self.keys.touched(sink));
        for contact in contacts {
            let contact = Contact::from(contact.as_str());
            call.arg(self.keys.line(sink, &contact))
                .arg(self.keys.record(sink, &contact));
        }
        call.arg(millis(lease)).arg(MAX_CLAIM_BYTES);
        call.arg(new_token()).arg(contacts);
        let mut answer = Items::of(self.link.run(&script::CLAIM, &call).await?, "claim")?;
        let next_due = until(answer.number().ok_or_else(|| strange("claim"))?);
        let mut claims = Vec::with_capacity(contacts.len());
        while let Some(lead) = answer.next() {
            if let Some(claim) = read_claim(lead) {
                claims.push(claim);
            } else {
                // It stays leased and comes back; the others must not wait for it.
                tracing::error!(%sink, "a lead in the queue is unreadable and was not removed");
            }
        }
        Ok(Claims { claims, next_due })
    }

    /// Extends leases.
    pub(super) async fn renew_leases(
        &self,
        sink: &SinkId,
        claims: &[(Contact, Token)],
        lease: Duration,
    ) -> Result<Vec<bool>, QueueError> {
        let mut renewed = Vec::with_capacity(claims.len());
        for part in claims.chunks(MAX_CLAIMS_PER_SCRIPT) {
            let mut call = script::RENEW.call(&self.keys, 2, 128 * part.len());
            call.arg(self.keys.due(sink))
                .arg(self.keys.state(sink))
                .arg(millis(lease));
            for (contact, token) in part {
                call.arg(contact.as_str()).arg(*token);
            }
            let answers = items(self.link.run_repeatable(&script::RENEW, &call).await?, "renew")?;
            renewed.extend(answers.iter().map(|answer| number(answer) == Some(1)));
        }
        Ok(renewed)
    }

    /// Ends claims.
    pub(super) async fn settle_claims(
        &self,
        sink: &SinkId,
        settlements: &[Settlement],
    ) -> Result<Vec<Settled>, QueueError> {
        let mut settled = Vec::with_capacity(settlements.len());
        for part in settlements.chunks(MAX_CLAIMS_PER_SCRIPT) {
            let answers = items(self.settle_part(sink, part).await?, "settle")?;
            settled.extend(answers.iter().map(|answer| match number(answer) {
                Some(1) => Settled::Done,
                _ => Settled::Stale,
            }));
        }
        Ok(settled)
    }

    async fn settle_part(&self, sink: &SinkId, settlements: &[Settlement]) -> Result<Value, QueueError> {
        let mut call = script::SETTLE.call(&self.keys, 20 + 2 * settlements.len(), 500 * settlements.len());
        call.arg(self.keys.counts()).arg(self.keys.due(sink));
        call.arg(self.keys.state(sink)).arg(self.keys.touched(sink));
        for set in [
            DeadLetterSet::Held,
            DeadLetterSet::Dead,
            DeadLetterSet::Unrouted,
            DeadLetterSet::Delivered,
        ] {
            call.arg(&self.keys.dead_letters(set));
        }
        for Settlement { contact, .. } in settlements {
            call.arg(self.keys.line(sink, contact))
                .arg(self.keys.record(sink, contact));
        }
        call.arg(self.keys.channel()).arg(sink.as_str());
        for settlement in settlements {
            call.arg(settlement.contact.as_str()).arg(settlement.token);
            let Attempt { webhook, id, .. } = &settlement.attempt;
            call.arg(webhook.as_str()).arg(id.as_str());
            match Event::of(sink, settlement) {
                Some(event) => call.arg(event.kind).arg(event.rest),
                None => call.arg("").arg(""),
            };
            match &settlement.outcome {
                Disposition::Delivered { remember, keep, .. } => {
                    let (record, for_so_long) = match remember {
                        Some((record, keep)) => (record.as_str(), millis(*keep).max(1)),
                        None => ("", millis(NEWEST_KEPT)),
                    };
                    call.arg("delivered")
                        .arg(record)
                        .arg(for_so_long)
                        .arg(millis(*keep))
                }
                Disposition::Retry { after, in_doubt, why } => call
                    .arg("retry")
                    .arg(millis(*after))
                    .arg(packed_error(Some(why)))
                    .arg(if *in_doubt { "1" } else { "" }),
                Disposition::Release { after, why } => call
                    .arg("release")
                    .arg(millis(*after))
                    .arg(packed_error(why.as_ref()))
                    .arg(""),
                Disposition::Unwanted(_) => call.arg("discarded").arg("0").arg("").arg(""),
                Disposition::DeadLetter { set, why, keep } => {
                    let mut reason = Vec::new();
                    put_reason(&mut reason, why);
                    let set = if *set == DeadLetterSet::Held {
                        "held"
                    } else {
                        "dead"
                    };
                    call.arg(set).arg(millis(*keep)).arg(reason).arg("")
                }
            };
        }
        self.link.run(&script::SETTLE, &call).await
    }
}

/// Unlike any other. A counter in the store would repeat itself after a failover that lost its last steps.
fn new_token() -> Token {
    // What fits the numbers that scripts answer, also with the number of a shard in it.
    rand::random_range(1..=(Token::MAX >> 1) / Token::from(MAX_SHARDS))
}

fn packed_error(why: Option<&LastError>) -> Vec<u8> {
    let mut packed = Vec::new();
    if let Some(why) = why {
        put_error(&mut packed, why);
    }
    packed
}

fn read_claim(lead: Value) -> Option<Claim> {
    let mut fields = Items::of(lead, "claim").ok()?;
    let contact = Contact::new(fields.text()?);
    let token = fields.unsigned()?;
    let attempt = u32::try_from(fields.unsigned()?).unwrap_or(u32::MAX);
    let in_doubt = until(fields.number()?);
    let lost = u32::try_from(fields.unsigned()?).unwrap_or(u32::MAX);
    let record = fields.next().and_then(text);
    let entry = Entry::read(bytes(fields.next()?)?, bytes(fields.next()?)?)?;
    Some(Claim {
        contact,
        token,
        id: entry.id,
        webhook: entry.webhook,
        attempt,
        in_doubt,
        lost,
        overtaken: entry.newest > entry.accepted_at,
        accepted_at: entry.accepted_at,
        queued_at: entry.queued_at,
        record,
        body: entry.body,
    })
}

/// A script's "-1: none, else so many milliseconds".
fn until(milliseconds: i64) -> Option<Duration> {
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}
