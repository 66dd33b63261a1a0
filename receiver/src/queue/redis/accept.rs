//! Accepts in batches: what waits while one script is under way goes into the next one. Nothing lingers.
//!
//! A batch that fails for a passing reason is sent again with the same ids until its senders have waited long enough, to
//! whichever server is the primary by then.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use redis::{Cmd, Value};
use tokio::{
    select,
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use super::{
    acknowledge::{self, Request},
    codec::{put_lead, put_reason},
    connection::{ANSWER_TIMEOUT, Connected, Link, Trouble},
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

/// Between two attempts.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// A primary that was silent for so long may be replaced, and a replica that still follows it would acknowledge leads that
/// the next primary does not have. Sentinels wait longer (`down-after-milliseconds`) before they replace one.
const SILENCE: Duration = Duration::from_millis(500);

/// The leads of one request, and who waits for the answer.
pub(super) struct Offer {
    pub(super) leads: Arc<[NewLead]>,
    pub(super) bytes: usize,
    /// How long the sender waits.
    pub(super) deadline: Instant,
    /// `None` once it is answered.
    pub(super) answer: Option<oneshot::Sender<Result<Vec<Admission>, QueueError>>>,
    pub(super) _room: Reservation,
}

impl Offer {
    fn answer(&mut self, answer: Result<Vec<Admission>, QueueError>) {
        if let Some(sender) = self.answer.take() {
            // Those that have stopped waiting need no answer.
            let _ = sender.send(answer);
        }
    }

    /// Whoever has given up was told that the outcome is unknown: leaving it out is one.
    fn is_over(&self) -> bool {
        self.answer.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

/// Sends what is offered.
pub(super) struct Sender {
    pub(super) link: Link,
    pub(super) keys: Keys,
    pub(super) ledger_key: Option<LedgerKey>,
    /// How many replicas must acknowledge a batch.
    pub(super) replicas: u32,
    /// When the server of which connection was last known to be the primary.
    pub(super) sure: Option<(u64, Instant)>,
    /// Why the last attempt failed, until one succeeds.
    pub(super) trouble: Option<String>,
}

impl Sender {
    /// A batch at a time, until all who offer have gone.
    ///
    /// One batch is in flight: with `appendfsync always` a second one would only split the group that one sync of
    /// the disk serves.
    pub(super) async fn run(mut self, mut offers: mpsc::UnboundedReceiver<Offer>) {
        let (mut batch, mut next) = (Vec::new(), None);
        loop {
            if batch.is_empty() {
                match next.take() {
                    Some(offer) => batch.push(offer),
                    None => match offers.recv().await {
                        Some(offer) => batch.push(offer),
                        None => return,
                    },
                }
            }
            fill(&mut batch, &mut next, &mut offers);
            batch.retain(|offer| !offer.is_over());
            if !batch.is_empty() {
                self.send(&mut batch).await;
            }
        }
    }

    /// One attempt; whoever is still waiting afterwards stays in the batch.
    async fn send(&mut self, batch: &mut Vec<Offer>) {
        let call = Layout::of(batch).call(&self.keys, self.ledger_key.as_ref(), batch);
        let latest = batch.iter().map(|offer| offer.deadline).max();
        let latest = latest.unwrap_or_else(Instant::now);
        let (link, trouble) = (self.link.clone(), self.trouble.take());
        let outcome = {
            let mut attempt = pin!(self.attempt(call, latest));
            loop {
                let waiting = batch.iter().filter(|offer| !offer.is_over());
                let Some(first) = waiting.map(|offer| offer.deadline).min() else {
                    break Err(Trouble::Later("Redis did not answer in time".into()));
                };
                select! {
                    biased;
                    outcome = &mut attempt => break outcome,
                    () = sleep_until(first) => {
                        let down = link.is_down();
                        let why = down.as_deref().or(trouble.as_deref());
                        expire(batch, why.unwrap_or("Redis did not answer in time"));
                    }
                }
            }
        };
        match outcome {
            Ok(value) => answer(batch, value),
            Err(Trouble::Broke(why) | Trouble::Later(why)) => {
                // An attempt that only ran out of time says less than the one before.
                let why = trouble.filter(|_| latest <= Instant::now()).unwrap_or(why);
                expire(batch, &why);
                self.trouble = Some(why);
                sleep(AGAIN_AFTER).await;
            }
            Err(trouble) => {
                let error = trouble.told();
                batch
                    .drain(..)
                    .for_each(|mut offer| offer.answer(Err(error.clone())));
            }
        }
    }

    async fn attempt(&mut self, call: Cmd, deadline: Instant) -> Result<Value, Trouble> {
        let connected = self.link.connected_at_last(deadline).await?;
        let now = Instant::now();
        // Two waits, and what the server and the way there take.
        let patience = deadline.saturating_duration_since(now) / 3;
        let mark = self.keys.probe();
        let request = Request::new(call, &mark, self.replicas, connected.waits_for_disks, patience);
        let limit = match request {
            Request::Plain(_) => deadline.min(now + ANSWER_TIMEOUT),
            Request::Acknowledged(..) => deadline,
        };
        let value = select! {
            value = self.ask(&connected, &request) => value?,
            () = connected.gone.cancelled() => {
                return Err(Trouble::Broke("the connection to Redis broke".into()));
            }
            () = sleep_until(limit) => return Err(self.link.late(connected.number)),
        };
        if self.replicas > 0 {
            self.make_sure(&connected).await?;
        }
        Ok(value)
    }

    async fn ask(&self, connected: &Connected, request: &Request) -> Result<Value, Trouble> {
        let mut connection = connected.accepts.clone();
        let judge = |error| self.link.judge(connected.number, &error);
        let mut outcome = request.send(&mut connection).await;
        if outcome.as_ref().is_err_and(acknowledge::is_unknown_script) {
            let load = script::ACCEPT.load();
            load.exec_async(&mut connection).await.map_err(judge)?;
            outcome = request.send(&mut connection).await;
        }
        outcome.map_err(|short| match short {
            acknowledge::Short::Error(error) => judge(error),
            short => {
                self.link.look();
                Trouble::Later(acknowledge::in_words(&short, self.replicas))
            }
        })
    }

    /// That the server which answered is the primary, and not one that is being replaced.
    async fn make_sure(&mut self, connected: &Connected) -> Result<(), Trouble> {
        let is_sure = self
            .sure
            .is_some_and(|(number, at)| number == connected.number && at.elapsed() < SILENCE);
        if !is_sure {
            let asked = Instant::now();
            self.link.confirm(connected).await?;
            self.sure = Some((connected.number, asked));
        }
        Ok(())
    }
}

/// Adds what is offered, as far as it fits; `next` is what did not.
fn fill(batch: &mut Vec<Offer>, next: &mut Option<Offer>, offers: &mut mpsc::UnboundedReceiver<Offer>) {
    let mut leads: usize = batch.iter().map(|offer| offer.leads.len()).sum();
    let mut bytes: usize = batch.iter().map(|offer| offer.bytes).sum();
    while let Some(offer) = next.take().or_else(|| offers.try_recv().ok()) {
        leads += offer.leads.len();
        bytes += offer.bytes;
        if leads > MAX_BATCH_LEADS || bytes > MAX_BATCH_BYTES {
            *next = Some(offer);
            return;
        }
        batch.push(offer);
    }
}

/// Tells those whose time is over why.
fn expire(batch: &mut [Offer], why: &str) {
    let now = Instant::now();
    for offer in batch.iter_mut().filter(|offer| offer.deadline <= now) {
        offer.answer(Err(QueueError::Unavailable(why.to_owned())));
    }
}

fn answer(batch: &mut Vec<Offer>, value: Value) {
    let mut answers = match items(value, "accept") {
        Ok(answers) => answers.into_iter(),
        Err(error) => {
            batch
                .drain(..)
                .for_each(|mut offer| offer.answer(Err(error.clone())));
            return;
        }
    };
    for mut offer in batch.drain(..) {
        let admissions = offer.leads.iter().map(|_| admission(answers.next())).collect();
        offer.answer(admissions);
    }
}

fn admission(answer: Option<Value>) -> Result<Admission, QueueError> {
    match answer {
        Some(Value::Int(1)) => Ok(Admission::Accepted),
        Some(Value::Int(2)) => Ok(Admission::KeyConflict),
        Some(Value::Int(3)) => Ok(Admission::Suppressed),
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
        let mut call = script::ACCEPT.call(keys, self.keys, self.bytes);
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
            call.arg(ledger::offered(key, &lead.people)).arg(&entry[..]);
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
