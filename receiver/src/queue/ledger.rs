//! An entry of the ledger as both stores hold it: a row of fields, to which each event adds its own.
//!
//! A row is outcome, time, reason, sinks (with commas) and people (hashes with commas), then for each event kind, time, sink,
//! attempt, milliseconds, status, record, reason and who did it; or of an attempt, which nobody did, the lead's trace. The
//! store puts the times in.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::fields::{Fields, put};
pub use super::ledger_key::LedgerKey;
pub(super) use super::ledger_key::{BESIDES, is_another, moved};
use super::{
    DeadLetterSet, Disposition, Entry, EntryFilter, EntryOutcome, Identity, LeadId, LedgerEvent,
    LedgerEventKind, Millis, NewLead, Place, Settlement, SinkId, WebhookId,
};
use crate::outcomes::Unwanted;

/// A row that is longer than this takes no more failed attempts: a lead that is tried for days must not make each attempt
/// dearer.
pub(super) const LONGEST_WITH_RETRIES: usize = 3000;

/// Of what a CRM calls its record.
const LONGEST_RECORD: usize = 128;

/// Of who did something.
const LONGEST_NAME: usize = 128;

/// Why a request left nothing but its entry: its person is suppressed.
pub(super) const SUPPRESSED: &str = Unwanted::Suppressed.reason();

/// What stands behind the time in the row of a lead that goes to sinks, or is unrouted; its people apart, because the other
/// parts are the same for many leads.
pub(super) fn rest_of_accepted(sinks: &[SinkId]) -> Vec<u8> {
    let sinks: Vec<&str> = sinks.iter().map(SinkId::as_str).collect();
    let mut rest = Vec::new();
    put(&mut rest, b"");
    put(&mut rest, sinks.join(",").as_bytes());
    rest
}

/// The same of a lead that is known under an earlier id.
pub(super) fn rest_of_duplicate(first: &LeadId) -> Vec<u8> {
    let mut rest = Vec::new();
    put(&mut rest, first.as_str().as_bytes());
    put(&mut rest, b"");
    rest
}

/// What becomes of a lead that is new.
pub(super) fn outcome_of(lead: &NewLead) -> EntryOutcome {
    if lead.sinks.is_empty() {
        EntryOutcome::Unrouted
    } else {
        EntryOutcome::Accepted
    }
}

/// The field of a lead's people; empty without a key.
pub(super) fn people(key: Option<&LedgerKey>, people: &[Identity]) -> Vec<u8> {
    let mut packed = Vec::new();
    let hashes = key.map(|key| key.people(people)).unwrap_or_default();
    put(&mut packed, hashes.as_bytes());
    packed
}

/// The same for a script that also looks whether one of them is suppressed, perhaps under a former key: its hashes are marked,
/// and no entry gets them.
pub(super) fn offered(key: Option<&LedgerKey>, people: &[Identity]) -> Vec<u8> {
    let mut packed = Vec::new();
    let hashes = key.map(|key| key.offered(people)).unwrap_or_default();
    put(&mut packed, hashes.as_bytes());
    packed
}

/// What stands behind the time in the row of a request that goes nowhere.
pub(super) fn rest_of(reason: &str, of: Option<&LedgerKey>, whom: &[Identity]) -> Vec<u8> {
    let mut rest = Vec::new();
    put(&mut rest, reason.as_bytes());
    put(&mut rest, b"");
    rest.extend(people(of, whom));
    rest
}

/// The field before the time.
pub(super) fn outcome_field(outcome: EntryOutcome) -> &'static str {
    match outcome {
        EntryOutcome::Accepted => "1:A",
        EntryOutcome::Duplicate => "1:D",
        EntryOutcome::Ignored => "1:I",
        EntryOutcome::Unrouted => "1:U",
        EntryOutcome::Rejected => "1:R",
    }
}

fn outcome(letter: &str) -> Option<EntryOutcome> {
    Some(match letter {
        "A" => EntryOutcome::Accepted,
        "D" => EntryOutcome::Duplicate,
        "I" => EntryOutcome::Ignored,
        "U" => EntryOutcome::Unrouted,
        "R" => EntryOutcome::Rejected,
        _ => return None,
    })
}

const KINDS: [(&str, LedgerEventKind); 9] = [
    ("r", LedgerEventKind::Retried),
    ("d", LedgerEventKind::Delivered),
    ("h", LedgerEventKind::Held),
    ("x", LedgerEventKind::Dead),
    ("p", LedgerEventKind::Replayed),
    ("m", LedgerEventKind::Moved),
    ("c", LedgerEventKind::Copied),
    ("g", LedgerEventKind::Discarded),
    ("e", LedgerEventKind::Erased),
];

/// The letter of a kind of event.
pub(super) fn letter(what: LedgerEventKind) -> &'static str {
    let known = KINDS.iter().find(|(_, kind)| *kind == what);
    known.map_or("", |(letter, _)| letter)
}

/// An event before it has a time: the field before it, and those behind it.
pub(super) struct Event {
    pub(super) kind: Vec<u8>,
    pub(super) rest: Vec<u8>,
}

impl Event {
    fn new(what: LedgerEventKind, rest: [&str; 7]) -> Self {
        let mut kind = Vec::new();
        put(&mut kind, letter(what).as_bytes());
        let mut packed = Vec::new();
        for field in rest {
            put(&mut packed, field.as_bytes());
        }
        Self { kind, rest: packed }
    }

    /// What a person or a job did.
    pub(super) fn act(what: LedgerEventKind, sink: Option<&SinkId>, reason: &str, by: &str) -> Self {
        let sink = sink.map_or("", SinkId::as_str);
        Self::new(what, [sink, "", "", "", "", reason, cut(by, LONGEST_NAME)])
    }

    /// What came of an attempt; `None`: none was made.
    pub(super) fn of(sink: &SinkId, settlement: &Settlement) -> Option<Self> {
        let (what, record, reason) = match &settlement.outcome {
            Disposition::Delivered { record, .. } => (
                LedgerEventKind::Delivered,
                record.as_deref().unwrap_or_default(),
                "",
            ),
            Disposition::Retry { why, .. } => (LedgerEventKind::Retried, "", why.reason.as_str()),
            Disposition::DeadLetter { set, why, .. } => {
                let what = match set {
                    DeadLetterSet::Held => LedgerEventKind::Held,
                    _ => LedgerEventKind::Dead,
                };
                (what, "", why.reason.as_str())
            }
            Disposition::Unwanted(why) => (LedgerEventKind::Discarded, "", why.reason()),
            Disposition::Release { .. } => return None,
        };
        let attempt = &settlement.attempt;
        Some(Self::new(
            what,
            [
                sink.as_str(),
                itoa::Buffer::new().format(attempt.number),
                itoa::Buffer::new().format(u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX)),
                &attempt
                    .status
                    .map(|status| status.to_string())
                    .unwrap_or_default(),
                cut(record, LONGEST_RECORD),
                reason,
                &attempt.trace,
            ],
        ))
    }
}

fn cut(text: &str, longest: usize) -> &str {
    text.get(..text.floor_char_boundary(longest)).unwrap_or_default()
}

/// Reads a row.
pub(super) fn entry(webhook: &WebhookId, id: LeadId, place: Place, row: Bytes) -> Option<Entry> {
    let mut fields = Fields::of(row);
    let outcome = outcome(&fields.text()?)?;
    let at = fields.number()?;
    let reason = fields.text()?;
    let sinks = fields.text()?;
    let people = fields.text()?;
    let mut events = Vec::new();
    while !fields.is_at_end() {
        events.push(event(&mut fields)?);
    }
    Some(Entry {
        id,
        webhook: webhook.clone(),
        outcome,
        at,
        reason,
        people: parts(&people)
            .map(|hash| hash.trim_start_matches(BESIDES).to_owned())
            .collect(),
        besides: parts(&people)
            .filter_map(|hash| hash.strip_prefix(BESIDES))
            .map(str::to_owned)
            .collect(),
        sinks: parts(&sinks).map(SinkId::from).collect(),
        events,
        place,
    })
}

/// Whether a lead waits in a sink, is set aside there, or was delivered to it, as its entry tells.
pub(super) fn has(entry: &Entry, sink: &SinkId) -> bool {
    let mut has = entry.sinks.contains(sink);
    for event in &entry.events {
        let is_here = event.sink.as_ref() == Some(sink);
        match event.what {
            LedgerEventKind::Delivered if is_here => return true,
            LedgerEventKind::Discarded | LedgerEventKind::Erased if is_here => has = false,
            // Of a move, the reason is where it comes from.
            LedgerEventKind::Moved if event.reason == sink.as_str() => has = false,
            _ => has |= is_here,
        }
    }
    has
}

/// Whether a lead waits in a sink or is set aside there, as its entry tells. What was delivered does not wait, whether its
/// payload is kept or not.
pub(super) fn waits(entry: &Entry) -> bool {
    let mut sinks: BTreeSet<&str> = entry.sinks.iter().map(SinkId::as_str).collect();
    for event in &entry.events {
        let Some(sink) = &event.sink else { continue };
        if event.what == LedgerEventKind::Moved {
            // The reason is where it comes from.
            sinks.remove(event.reason.as_str());
        }
        match event.what {
            LedgerEventKind::Delivered | LedgerEventKind::Discarded | LedgerEventKind::Erased => {
                sinks.remove(sink.as_str());
            }
            _ => {
                sinks.insert(sink.as_str());
            }
        }
    }
    !sinks.is_empty()
}

/// Where the people stand in a row.
const PEOPLE: usize = 4;

/// A row with further people; `None`: it is unreadable.
pub(super) fn with_people(row: Bytes, hashes: &[String]) -> Option<Vec<u8>> {
    let (mut fields, mut row, mut number) = (Fields::of(row), Vec::new(), 0);
    while !fields.is_at_end() {
        let field = fields.bytes()?;
        if number == PEOPLE {
            let mut people: Vec<&str> = parts(std::str::from_utf8(&field).ok()?).collect();
            for hash in hashes {
                if !people.contains(&hash.as_str()) {
                    people.push(hash);
                }
            }
            put(&mut row, people.join(",").as_bytes());
        } else {
            put(&mut row, &field);
        }
        number += 1;
    }
    Some(row)
}

/// A row without whom it is about, which submission it is and which records it became.
pub(super) fn cleared(row: Bytes) -> Option<Vec<u8>> {
    /// How many fields are before the events, and the record's place in the nine of an event.
    const BEFORE: usize = 5;
    const RECORD: usize = 6;
    let (mut fields, mut cleared, mut number) = (Fields::of(row), Vec::new(), 0);
    while !fields.is_at_end() {
        let field = fields.bytes()?;
        let is_record = number >= BEFORE && (number - BEFORE) % 9 == RECORD;
        put(
            &mut cleared,
            if number == PEOPLE || is_record {
                b""
            } else {
                &field
            },
        );
        number += 1;
    }
    Some(cleared)
}

fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|part| !part.is_empty())
}

fn event(fields: &mut Fields) -> Option<LedgerEvent> {
    let kind = fields.text()?;
    let (_, what) = *KINDS.iter().find(|(letter, _)| *letter == kind)?;
    let at: Millis = fields.number()?;
    let sink = fields.text()?;
    let numbers = [fields.text()?, fields.text()?, fields.text()?];
    let [attempt, took, status] = &numbers;
    let attempt = attempt.parse().unwrap_or_default();
    let (record, reason, last) = (fields.text()?, fields.text()?, fields.text()?);
    let (by, trace) = if attempt == 0 {
        (last, String::new())
    } else {
        (String::new(), last)
    };
    Some(LedgerEvent {
        at,
        what,
        sink: (!sink.is_empty()).then(|| SinkId::new(sink)),
        attempt,
        took: Duration::from_millis(took.parse().unwrap_or_default()),
        status: status.parse().ok(),
        record,
        reason,
        by,
        trace,
    })
}

/// What a row must contain, as plain text: of each group one; the first may only stand at its beginning. Whoever asks for a
/// person without a key gets nothing.
pub(super) fn needles(filter: &EntryFilter, key: Option<&LedgerKey>) -> (String, Vec<Vec<String>>) {
    let start = filter.outcome.map_or("", outcome_field).to_owned();
    let hashes = |person: &Identity| key.map_or_else(|| vec!["no key".to_owned()], |key| key.hashes(person));
    let people = filter.people.iter();
    let people = people.map(|group| group.iter().flat_map(hashes).collect());
    let words = filter.words.iter().map(|word| vec![word.clone()]);
    (start, people.chain(words).collect())
}
