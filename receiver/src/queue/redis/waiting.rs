//! Leads that wait, one by one: list, find, put into other lines, expedite, discard.

use redis::{Value, cmd};

use super::{
    RedisQueue,
    claims::MAX_CLAIM_BYTES,
    codec::{Entry, put_lead},
    reply::{Items, bytes, items, number, strange, text},
    script::{self, millis},
};
use crate::queue::fields::Fields;
use crate::queue::ledger;
use crate::queue::{
    Contact, DeadLetter, DeadLetterPage, DeadLetterReason, DeadLetterSet, Due, LeadId, ListFilter, Millis,
    QueueError, Removal, Requeue, Requeued, SinkId,
};

/// Contacts of which one script looks at the lines.
const MAX_CONTACTS_PER_SCRIPT: usize = 200;

/// Leads that one page looks at.
const MAX_SCANNED: usize = 5000;

/// A contact and when it is due.
type DueContact = (Contact, Millis);

/// Where a page begins.
pub(super) struct Cursor {
    pub(super) due: Millis,
    /// How many leads of the contact were told.
    pub(super) skip: usize,
    pub(super) sink: String,
    pub(super) contact: String,
}

impl Cursor {
    /// A text that is no cursor starts at the beginning.
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
            due: 0,
            skip: 0,
            sink: String::new(),
            contact: String::new(),
        })
    }

    pub(super) fn text(&self) -> String {
        format!("{} {} {} {}", self.due, self.skip, self.sink, self.contact)
    }
}

impl RedisQueue {
    pub(super) async fn list_waiting(&self, filter: &ListFilter) -> Result<DeadLetterPage, QueueError> {
        let limit = filter.limit.clamp(1, 1000);
        let mut cursor = Cursor::parse(filter.after.as_deref());
        let sinks = match &filter.sink {
            Some(sink) => vec![sink.clone()],
            None => self.occupied().await?,
        };
        let (mut found, mut looks) = (Vec::new(), MAX_SCANNED);
        for sink in sinks {
            if sink.as_str() < cursor.sink.as_str() {
                continue;
            }
            if sink.as_str() > cursor.sink.as_str() {
                cursor = Cursor {
                    sink: sink.to_string(),
                    ..Cursor::parse(None)
                };
            }
            loop {
                let contacts = self.due_from(&sink, &cursor).await?;
                let Some((last, last_due)) = contacts.last() else {
                    break;
                };
                if limit == found.len() || looks == 0 {
                    // There is more: a contact waits behind the last one that was read.
                    return Ok(page(found, Some(&cursor)));
                }
                // The skipped leads are the first contact's, if it is still the one.
                let same = contacts
                    .first()
                    .is_some_and(|(contact, due)| contact.as_str() == cursor.contact && *due == cursor.due);
                let skip = if same { cursor.skip } else { 0 };
                let wanted = (limit - found.len()).min(looks);
                let (reached, leads) = self
                    .read_lines(&sink, &contacts, wanted, skip, None, filter.bodies)
                    .await?;
                looks -= leads.len();
                let fits = |lead: &DeadLetter| {
                    filter.webhook.as_ref().is_none_or(|of| *of == lead.webhook)
                        && filter.reason.as_ref().is_none_or(|of| *of == lead.why.reason)
                };
                found.extend(leads.into_iter().filter(fits));
                match reached.and_then(|(number, skip)| contacts.get(number).map(|at| (at, skip))) {
                    Some(((contact, due), skip)) => {
                        cursor = Cursor {
                            due: *due,
                            skip,
                            sink: sink.to_string(),
                            contact: contact.to_string(),
                        };
                    }
                    None => {
                        // Behind the last one's whole line.
                        cursor = Cursor {
                            due: *last_due,
                            skip: usize::MAX >> 1,
                            sink: sink.to_string(),
                            contact: last.to_string(),
                        };
                    }
                }
            }
        }
        Ok(page(found, None))
    }

    /// The contacts of a sink that are due at or behind a cursor, in order.
    async fn due_from(&self, sink: &SinkId, cursor: &Cursor) -> Result<Vec<DueContact>, QueueError> {
        let (mut contacts, mut offset) = (Vec::new(), 0);
        while contacts.is_empty() {
            let mut range = cmd("ZRANGE");
            range
                .arg(self.keys.due(sink))
                .arg(cursor.due)
                .arg("+inf")
                .arg("BYSCORE");
            range
                .arg("LIMIT")
                .arg(offset)
                .arg(MAX_CONTACTS_PER_SCRIPT)
                .arg("WITHSCORES");
            let found = pairs(self.link.query(&range).await?)?;
            let end = found.len() < MAX_CONTACTS_PER_SCRIPT;
            // Those that are due at the same time come in the order of their names.
            contacts.extend(found.into_iter().filter(|(contact, due)| {
                *due > cursor.due
                    || (contact.as_str() > cursor.contact.as_str())
                    || (contact.as_str() == cursor.contact && cursor.skip < usize::MAX >> 1)
            }));
            if end {
                break;
            }
            offset += MAX_CONTACTS_PER_SCRIPT;
        }
        Ok(contacts)
    }

    /// Leads of some contacts; tells which contact, and how many leads of it, it came to if there are more than wanted.
    async fn read_lines(
        &self,
        sink: &SinkId,
        contacts: &[DueContact],
        wanted: usize,
        skip: usize,
        id: Option<&LeadId>,
        bodies: bool,
    ) -> Result<(Option<(usize, usize)>, Vec<DeadLetter>), QueueError> {
        let mut call = script::WAITING.call(&self.keys, 1 + contacts.len(), 200 * contacts.len());
        call.arg(self.keys.state(sink));
        for (contact, _) in contacts {
            call.arg(self.keys.line(sink, contact));
        }
        call.arg(wanted)
            .arg(MAX_CLAIM_BYTES)
            .arg(skip)
            .arg(id.map_or("", LeadId::as_str))
            .arg(u8::from(bodies));
        for (contact, _) in contacts {
            call.arg(contact.as_str());
        }
        let mut answer = Items::of(
            self.link.run_repeatable(&script::WAITING, &call).await?,
            "waiting",
        )?;
        let mut head = || usize::try_from(answer.unsigned()?).ok();
        let (now, number, behind) = head()
            .zip(head())
            .zip(head())
            .map(|((now, number), behind)| (now, number, behind))
            .ok_or_else(|| strange("waiting"))?;
        let mut found = Vec::new();
        while let Some(lead) = answer.next() {
            let mut lead = Items::of(lead, "waiting")?;
            found
                .push(read(&mut lead, sink, contacts, now as u64, bodies).ok_or_else(|| strange("waiting"))?);
        }
        Ok((number.checked_sub(1).map(|number| (number, behind)), found))
    }

    /// Where a lead waits, in full.
    pub(super) async fn find_waiting(
        &self,
        id: &LeadId,
        of: Option<&SinkId>,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let sinks = match of {
            Some(sink) => vec![sink.clone()],
            None => self.occupied().await?,
        };
        let mut found = Vec::new();
        for sink in sinks {
            let mut cursor = Cursor {
                sink: sink.to_string(),
                ..Cursor::parse(None)
            };
            loop {
                let contacts = self.due_from(&sink, &cursor).await?;
                let Some((last, due)) = contacts.last() else { break };
                let (_, leads) = self.read_lines(&sink, &contacts, 1, 0, Some(id), true).await?;
                if !leads.is_empty() {
                    found.extend(leads);
                    break;
                }
                cursor = Cursor {
                    due: *due,
                    skip: usize::MAX >> 1,
                    contact: last.to_string(),
                    ..cursor
                };
            }
        }
        Ok(found)
    }

    /// The contact of a lead that waits for a sink.
    async fn waiting_contact(&self, sink: &SinkId, id: &LeadId) -> Result<Option<Contact>, QueueError> {
        let found = self.find_waiting(id, Some(sink)).await?;
        Ok(found.into_iter().find_map(|lead| lead.contact))
    }

    pub(super) async fn put_into_lines(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
        to: &[SinkId],
        how: Requeue<'_>,
    ) -> Result<Requeued, QueueError> {
        // The contact names the lines, and a script must name its keys: so it is looked up first.
        let contact = match (set, sink) {
            (DeadLetterSet::Rejected, _) | (DeadLetterSet::Pending, None) => None,
            (DeadLetterSet::Pending, _) if how.copy => None,
            (DeadLetterSet::Pending, Some(sink)) => self.waiting_contact(sink, id).await?,
            _ => self.contact_of_dead_letter(set, sink, id).await?,
        };
        let Some(contact) = contact else {
            return Ok(Requeued::Absent);
        };
        let mut call = script::REQUEUE.call(&self.keys, 6 + 4 * to.len(), 512 + 256 * to.len());
        call.arg(self.keys.counts()).arg(self.keys.webhooks());
        match (set, sink) {
            (DeadLetterSet::Pending, Some(sink)) => {
                call.arg(self.keys.due(sink))
                    .arg(self.keys.state(sink))
                    .arg(self.keys.touched(sink))
                    .arg(self.keys.line(sink, &contact));
            }
            _ => {
                call.arg(&self.keys.dead_letters(set));
            }
        }
        let whose = how.instead.map_or(&contact, |instead| instead.contact);
        for sink in to {
            call.arg(self.keys.due(sink))
                .arg(self.keys.state(sink))
                .arg(self.keys.line(sink, whose))
                .arg(self.keys.record(sink, whose));
        }
        call.arg(self.keys.channel())
            .arg(id.as_str())
            .arg(contact.as_str());
        call.arg(set.as_str()).arg(sink.map_or("", SinkId::as_str));
        match how.record {
            Some((record, keep)) => call.arg(record).arg(millis(keep).max(1)),
            None => call.arg("").arg(0),
        };
        call.arg(u8::from(how.force)).arg(u8::from(how.copy));
        // In place of the body alone, because what waits is one string.
        let mut lead = Vec::new();
        if let Some(instead) = how.instead {
            put_lead(&mut lead, id, instead.webhook, instead.body);
        }
        call.arg(lead).arg(whose.as_str()).arg(how.by);
        for target in to {
            call.arg(target.as_str())
                .arg(ledger::letter(how.what(sink, target)));
        }
        match number(&self.link.run(&script::REQUEUE, &call).await?) {
            Some(0) => Ok(Requeued::Absent),
            Some(1) => Ok(Requeued::Done),
            Some(2) => Ok(Requeued::Known),
            Some(3) => Ok(Requeued::Overtaken),
            _ => Err(strange("requeue")),
        }
    }

    pub(super) async fn expedite_line(&self, sink: &SinkId, id: &LeadId) -> Result<bool, QueueError> {
        let Some(contact) = self.waiting_contact(sink, id).await? else {
            return Ok(false);
        };
        let mut call = script::EXPEDITE.call(&self.keys, 3, 512);
        call.arg(self.keys.due(sink))
            .arg(self.keys.state(sink))
            .arg(self.keys.line(sink, &contact));
        call.arg(self.keys.channel()).arg(id.as_str());
        call.arg(contact.as_str()).arg(sink.as_str());
        Ok(number(&self.link.run_repeatable(&script::EXPEDITE, &call).await?) == Some(1))
    }

    pub(super) async fn remove_waiting(
        &self,
        sink: &SinkId,
        id: &LeadId,
        why: Removal,
        by: &str,
    ) -> Result<bool, QueueError> {
        let Some(contact) = self.waiting_contact(sink, id).await? else {
            return Ok(false);
        };
        let mut call = script::DROP.call(&self.keys, 5, 512);
        call.arg(self.keys.counts()).arg(self.keys.due(sink));
        call.arg(self.keys.state(sink)).arg(self.keys.touched(sink));
        call.arg(self.keys.line(sink, &contact));
        call.arg(self.keys.channel()).arg(id.as_str());
        call.arg(contact.as_str()).arg(sink.as_str()).arg(by);
        call.arg(ledger::letter(why.what()));
        Ok(number(&self.link.run(&script::DROP, &call).await?) == Some(1))
    }
}

fn page(items: Vec<DeadLetter>, next: Option<&Cursor>) -> DeadLetterPage {
    DeadLetterPage {
        items,
        next: next.map(Cursor::text),
    }
}

/// Members and scores; RESP3 answers pairs.
fn pairs(value: Value) -> Result<Vec<DueContact>, QueueError> {
    let mut flat = Vec::new();
    for item in items(value, "due")? {
        match item {
            Value::Array(pair) => flat.extend(pair),
            item => flat.push(item),
        }
    }
    let mut flat = flat.into_iter();
    let mut found = Vec::new();
    while let (Some(contact), Some(due)) = (flat.next(), flat.next()) {
        let due = match due {
            // What is kept are whole milliseconds, which a double holds exactly.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Value::Double(due) => Some(due as u64),
            due => text(due).and_then(|due| due.parse().ok()),
        };
        let contact = text(contact).map(Contact::new);
        found.push(contact.zip(due).ok_or_else(|| strange("due"))?);
    }
    Ok(found)
}

fn read(
    lead: &mut Items,
    sink: &SinkId,
    contacts: &[DueContact],
    now: Millis,
    whole: bool,
) -> Option<DeadLetter> {
    let number = usize::try_from(lead.unsigned()?).ok()?;
    let behind = lead.unsigned()?;
    let state = lead.next().and_then(bytes).unwrap_or_default();
    let entry = Entry::read(bytes(lead.next()?)?, bytes(lead.next()?)?)?;
    let (contact, due) = contacts.get(number.checked_sub(1)?)?;
    let (token, attempts, why) = read_state(&state);
    Some(DeadLetter {
        set: DeadLetterSet::Pending,
        id: entry.id,
        webhook: entry.webhook,
        sink: Some(sink.clone()),
        contact: Some(contact.clone()),
        accepted_at: entry.accepted_at,
        dead_lettered_at: entry.queued_at,
        expires_at: None,
        due: Some(Due {
            at: *due,
            claimed: token != 0 && *due > now,
            behind,
        }),
        attempts,
        overtaken: entry.newest > entry.accepted_at,
        key_missing: false,
        why,
        body: if whole { entry.body } else { bytes::Bytes::new() },
    })
}

/// Token, attempts and the last error of `token attempts in_doubt lost why`; all empty if it was never claimed.
fn read_state(state: &bytes::Bytes) -> (u64, u32, DeadLetterReason) {
    let mut parts = state.splitn(5, |&byte| byte == b' ');
    let mut next = || std::str::from_utf8(parts.next()?).ok()?.parse::<u64>().ok();
    let (token, attempts) = (next().unwrap_or(0), next().unwrap_or(0));
    let (_, _) = (next(), next());
    let mut why = DeadLetterReason::none();
    if let Some(packed) = parts.next() {
        let mut fields = Fields::of(state.slice_ref(packed));
        why.reason = fields.text().unwrap_or_default();
        why.message = fields.text().unwrap_or_default();
    }
    (token, u32::try_from(attempts).unwrap_or(u32::MAX), why)
}
