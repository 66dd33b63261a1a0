//! An entry of the ledger as the API tells it. Pure.

use leadgate_crds::api::{Delivery, Event, EventKind, Lead, LeadFilter, Outcome, State, Story};

use crate::admin::shared::timestamp;
use crate::queue::{Entry, EntryOutcome, LedgerEvent, LedgerEventKind, Millis, SinkId};

/// A lead, and where it is.
pub(super) fn lead(entry: &Entry) -> Lead {
    Lead {
        id: entry.id.to_string(),
        webhook: entry.webhook.to_string(),
        received_at: time(entry.at),
        outcome: outcome(entry.outcome),
        reason: some(&entry.reason),
        trace_id: entry.events.iter().find_map(|event| some(&event.trace)),
        sinks: deliveries(entry),
    }
}

/// A lead, and all that happened to it.
pub(super) fn story(entry: &Entry) -> Story {
    let received = Event {
        at: time(entry.at),
        event: EventKind::Received,
        sink: None,
        attempt: None,
        took_ms: None,
        status: None,
        reason: some(&entry.reason),
        record: None,
        by: None,
    };
    Story {
        lead: lead(entry),
        events: std::iter::once(received)
            .chain(entry.events.iter().map(event))
            .collect(),
    }
}

/// Whether an entry is meant by what a store cannot look for.
pub(super) fn fits(entry: &Entry, filter: &LeadFilter, sink: Option<&SinkId>) -> bool {
    if filter
        .outcome
        .is_some_and(|wanted| wanted != outcome(entry.outcome))
    {
        return false;
    }
    if filter.id.as_ref().is_some_and(|id| entry.id.as_str() != id) {
        return false;
    }
    // Of a lead of the past, entries stand by when it was imported.
    let at = time(entry.at);
    if filter.since.is_some_and(|since| at < since) || filter.until.is_some_and(|until| at >= until) {
        return false;
    }
    let of_lead = |reason: &String| entry.reason == *reason;
    if sink.is_none() && filter.state.is_none() && filter.record.is_none() {
        return filter.reason.as_ref().is_none_or(|reason| {
            of_lead(reason) || entry.events.iter().any(|event| event.reason == *reason)
        });
    }
    deliveries(entry).iter().any(|delivery| {
        sink.is_none_or(|sink| delivery.sink == sink.as_str())
            && filter.state.is_none_or(|state| delivery.state == state)
            && filter
                .record
                .as_ref()
                .is_none_or(|record| delivery.record.as_ref() == Some(record))
            && filter
                .reason
                .as_ref()
                .is_none_or(|reason| delivery.reason.as_ref() == Some(reason))
    })
}

/// Where a lead is in each sink: what its events come to.
fn deliveries(entry: &Entry) -> Vec<Delivery> {
    let mut found: Vec<Delivery> = entry
        .sinks
        .iter()
        .map(|sink| waiting(sink.as_str(), entry.at))
        .collect();
    for event in &entry.events {
        let Some(sink) = &event.sink else { continue };
        if event.what == LedgerEventKind::Moved {
            // Its reason is where it comes from.
            let left = found.iter_mut().find(|delivery| delivery.sink == event.reason);
            if let Some(left) = left {
                (left.state, left.since) = (State::Moved, time(event.at));
            }
        }
        let known = found.iter().position(|delivery| delivery.sink == sink.as_str());
        let place = known.unwrap_or_else(|| {
            found.push(waiting(sink.as_str(), event.at));
            found.len() - 1
        });
        if let Some(delivery) = found.get_mut(place) {
            apply(delivery, event);
        }
    }
    found
}

fn waiting(sink: &str, since: Millis) -> Delivery {
    Delivery {
        sink: sink.to_owned(),
        state: State::Pending,
        since: time(since),
        attempts: 0,
        reason: None,
        record: None,
    }
}

fn apply(delivery: &mut Delivery, event: &LedgerEvent) {
    let state = match event.what {
        LedgerEventKind::Retried => State::Pending,
        LedgerEventKind::Replayed | LedgerEventKind::Moved | LedgerEventKind::Copied => {
            *delivery = Delivery {
                record: delivery.record.take(),
                ..waiting(&delivery.sink, event.at)
            };
            return;
        }
        LedgerEventKind::Delivered => State::Delivered,
        LedgerEventKind::Held => State::Held,
        LedgerEventKind::Dead => State::Dead,
        LedgerEventKind::Discarded => State::Discarded,
        LedgerEventKind::Erased => State::Erased,
    };
    if event.what != LedgerEventKind::Retried {
        delivery.since = time(event.at);
    }
    delivery.state = state;
    delivery.attempts = delivery.attempts.max(event.attempt);
    delivery.reason = some(&event.reason);
    if !event.record.is_empty() {
        delivery.record = some(&event.record);
    }
}

fn event(event: &LedgerEvent) -> Event {
    let is_attempt = event.attempt > 0;
    Event {
        at: time(event.at),
        event: kind(event.what),
        sink: event.sink.as_ref().map(SinkId::to_string),
        attempt: is_attempt.then_some(event.attempt),
        took_ms: is_attempt.then(|| u64::try_from(event.took.as_millis()).unwrap_or(u64::MAX)),
        status: event.status,
        reason: some(&event.reason),
        record: some(&event.record),
        by: some(&event.by),
    }
}

fn kind(what: LedgerEventKind) -> EventKind {
    match what {
        LedgerEventKind::Retried => EventKind::Retried,
        LedgerEventKind::Delivered => EventKind::Delivered,
        LedgerEventKind::Held => EventKind::Held,
        LedgerEventKind::Dead => EventKind::Dead,
        LedgerEventKind::Replayed => EventKind::Replayed,
        LedgerEventKind::Moved => EventKind::Moved,
        LedgerEventKind::Copied => EventKind::Copied,
        LedgerEventKind::Discarded => EventKind::Discarded,
        LedgerEventKind::Erased => EventKind::Erased,
    }
}

/// As the API names it.
pub(super) fn outcome(outcome: EntryOutcome) -> Outcome {
    match outcome {
        EntryOutcome::Accepted => Outcome::Accepted,
        EntryOutcome::Duplicate => Outcome::Duplicate,
        EntryOutcome::Ignored => Outcome::Ignored,
        EntryOutcome::Unrouted => Outcome::Unrouted,
        EntryOutcome::Rejected => Outcome::Rejected,
    }
}

/// As the store names it.
pub(super) fn stored_outcome(outcome: Outcome) -> EntryOutcome {
    match outcome {
        Outcome::Accepted => EntryOutcome::Accepted,
        Outcome::Duplicate => EntryOutcome::Duplicate,
        Outcome::Ignored => EntryOutcome::Ignored,
        Outcome::Unrouted => EntryOutcome::Unrouted,
        Outcome::Rejected => EntryOutcome::Rejected,
    }
}

/// A store's time; one that cannot be is the beginning of time.
pub(super) fn time(millis: Millis) -> jiff::Timestamp {
    timestamp(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
