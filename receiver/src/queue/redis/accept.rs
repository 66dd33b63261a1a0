//! Accepts in batches: what waits while one script is under way goes into the next one. Nothing lingers.

use std::{collections::HashMap, sync::Arc, time::Duration};

use redis::{Cmd, Value};
use tokio::sync::{mpsc, oneshot};

use super::{
    codec::{put_lead, put_reason},
    connection::Link,
    keys::Keys,
    reply::items,
    script::{self, millis},
};
use crate::queue::{
    Admission, DeadLetterReason, DeadLetterSet, LeadId, NewLead, Original, QueueError, SinkId, WebhookId,
    backpressure::Reservation,
    ledger::{self, LedgerKey},
};

/// A script takes at most so many leads and bytes, unless one request alone holds more.
const MAX_BATCH_LEADS: usize = 256;
const MAX_BATCH_BYTES: usize = 1 << 20;

/// The leads of one request, and who waits for the answer.
pub(super) struct Offer {
    pub(super) leads: Arc<[NewLead]>,
    pub(super) bytes: usize,
    pub(super) answer: oneshot::Sender<Result<Vec<Admission>, QueueError>>,
    pub(super) _room: Reservation,
}

/// Sends what is offered, a batch at a time, until all senders have gone.
///
/// One batch is in flight: with `appendfsync always` a second one would only split the group that one sync of
/// the disk serves.
pub(super) async fn send_batches(
    link: Link,
    keys: Keys,
    key: Option<LedgerKey>,
    mut offers: mpsc::UnboundedReceiver<Offer>,
) {
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(offer) => offer,
            None => match offers.recv().await {
                Some(offer) => offer,
                None => return,
            },
        };
        let (mut leads, mut bytes) = (first.leads.len(), first.bytes);
        let mut batch = vec![first];
        while let Ok(offer) = offers.try_recv() {
            leads += offer.leads.len();
            bytes += offer.bytes;
            if leads > MAX_BATCH_LEADS || bytes > MAX_BATCH_BYTES {
                next = Some(offer);
                break;
            }
            batch.push(offer);
        }
        // Whoever has given up was told that the outcome is unknown: leaving it out is one.
        batch.retain(|offer| !offer.answer.is_closed());
        if !batch.is_empty() {
            send(&link, &keys, key.as_ref(), batch).await;
        }
    }
}

async fn send(link: &Link, keys: &Keys, key: Option<&LedgerKey>, batch: Vec<Offer>) {
    let call = Layout::of(&batch).call(keys, key, &batch);
    let outcome = link.run_repeatable(&script::ACCEPT, &call).await;
    let mut answers = match outcome.and_then(|value| items(value, "accept")) {
        Ok(answers) => answers.into_iter(),
        Err(error) => {
            for offer in batch {
                // Those that have stopped waiting need no answer, here and below.
                let _ = offer.answer.send(Err(error.clone()));
            }
            return;
        }
    };
    for offer in batch {
        let admissions = offer.leads.iter().map(|_| admission(answers.next())).collect();
        let _ = offer.answer.send(admissions);
    }
}

fn admission(answer: Option<Value>) -> Result<Admission, QueueError> {
    match answer {
        Some(Value::Int(1)) => Ok(Admission::Accepted),
        Some(Value::Int(2)) => Ok(Admission::KeyConflict),
        Some(Value::BulkString(id)) => Ok(Admission::Duplicate(LeadId::new(
            String::from_utf8_lossy(&id).as_ref(),
        ))),
        _ => Err(super::reply::strange("accept")),
    }
}

/// What leads of a batch have in common: told once, and then named by a number.
type Kind<'b> = (&'b WebhookId, Duration, Duration, &'b [SinkId], Option<Original>);

/// The sinks and kinds of leads of a batch, numbered from 1.
#[derive(Default)]
struct Layout<'b> {
    sinks: Vec<&'b SinkId>,
    sink_numbers: HashMap<&'b SinkId, usize>,
    kinds: Vec<Kind<'b>>,
    kind_numbers: HashMap<Kind<'b>, usize>,
    keys: usize,
    bytes: usize,
}

impl<'b> Layout<'b> {
    fn of(batch: &'b [Offer]) -> Self {
        let mut layout = Self::default();
        for lead in batch.iter().flat_map(|offer| offer.leads.iter()) {
            layout.keys += 1 + lead.sinks.len();
            layout.bytes += lead.body.len() + 400;
            let kind = kind(lead);
            if !layout.kind_numbers.contains_key(&kind) {
                layout.kinds.push(kind);
                layout.kind_numbers.insert(kind, layout.kinds.len());
                layout.number_sinks(&lead.sinks);
            }
        }
        layout.keys += 6 + layout.sinks.len();
        layout
    }

    fn number_sinks(&mut self, sinks: &'b [SinkId]) {
        for sink in sinks {
            let Self {
                sinks, sink_numbers, ..
            } = self;
            sink_numbers.entry(sink).or_insert_with(|| {
                sinks.push(sink);
                sinks.len()
            });
        }
    }

    /// The call, in the order that accept.lua describes.
    fn call(&self, keys: &Keys, key: Option<&LedgerKey>, batch: &[Offer]) -> Cmd {
        let leads = || batch.iter().flat_map(|offer| offer.leads.iter());
        let mut call = script::ACCEPT.call(self.keys, self.bytes);
        call.arg(keys.counts())
            .arg(keys.webhooks())
            .arg(&keys.dead_letters(DeadLetterSet::Unrouted));
        for sink in &self.sinks {
            call.arg(keys.due(sink));
        }
        for lead in leads() {
            call.arg(keys.dedupe(&lead.dedupe));
            for sink in lead.sinks.iter() {
                call.arg(keys.line(sink, &lead.contact));
            }
        }
        self.put_kinds(keys, &mut call);
        let (mut entry, mut holder) = (Vec::new(), Vec::new());
        for lead in leads() {
            entry.clear();
            put_lead(&mut entry, &lead.id, &lead.webhook, &lead.body);
            call.arg(self.kind_numbers.get(&kind(lead)).copied().unwrap_or_default());
            holder.clear();
            holder.extend_from_slice(&lead.content.to_bytes());
            holder.extend_from_slice(lead.id.as_str().as_bytes());
            call.arg(&holder[..]).arg(lead.contact.as_str());
            call.arg(ledger::people(key, &lead.people)).arg(&entry[..]);
        }
        call
    }

    fn put_kinds(&self, keys: &Keys, call: &mut Cmd) {
        let mut reason = Vec::new();
        if self.kinds.iter().any(|(.., sinks, _)| sinks.is_empty()) {
            put_reason(&mut reason, &DeadLetterReason::unrouted());
        }
        call.arg(keys.channel()).arg(reason).arg(self.sinks.len());
        for sink in &self.sinks {
            call.arg(sink.as_str());
        }
        call.arg(self.kinds.len());
        for (webhook, window, keep, sinks, original) in &self.kinds {
            call.arg(webhook.as_str())
                .arg(millis(*window).max(1))
                .arg(millis(*keep))
                .arg(ledger::rest_of_accepted(sinks));
            match original {
                Some(original) => call.arg(original.accepted_at).arg(original.newest),
                None => call.arg("").arg(0),
            };
            call.arg(sinks.len());
            for sink in *sinks {
                call.arg(self.sink_numbers.get(sink).copied().unwrap_or_default());
            }
        }
    }
}

fn kind(lead: &NewLead) -> Kind<'_> {
    (&lead.webhook, lead.window, lead.keep, &lead.sinks, lead.original)
}
