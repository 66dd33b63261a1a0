//! When the newest lead of each person was accepted, as far as the ledger reaches back: what an import does not overwrite.
//!
//! The ledger has no index of people, which would cost every accept. An import reads it every few minutes, and what is
//! new with each request.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::leads::FOREVER;
use crate::admin::dead_letters::Realm;
use crate::admin::shared::Admin;
use crate::queue::{
    Before, Entry, EntryFilter, EntryOutcome, LedgerEventKind, Millis, NewLead, Queue, QueueError, WebhookId,
};

/// Then the ledger is read anew: a dead lead may have been replayed meanwhile.
const STANDS: Duration = Duration::from_mins(5);

/// An entry may become visible so much later (ms) than one with a later id.
const OVERLAP: Millis = 5000;

/// Entries that are read at a time, and for how many times as long as that took others have the store.
const PAGE: usize = 1000;
const REST: u32 = 2;

/// What is known; `None` between imports.
#[derive(Default)]
pub(crate) struct Newer(Arc<Mutex<Option<Known>>>);

/// What the ledger tells. A request keeps it, whatever comes after.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<Mutex<Times>>);

#[derive(Default)]
struct Times {
    /// By the hash of a person and a sink.
    newest: HashMap<u64, Millis, RandomState>,
    /// The time of the newest entry of each webhook that was read.
    until: HashMap<WebhookId, Millis>,
}

impl Newer {
    /// Reads what the ledger has got since the last time.
    pub(super) async fn read_on(&self, admin: &Admin) -> Result<Known, QueueError> {
        let known = {
            let mut held = self.0.lock().await;
            if held.is_none() {
                let shared = Arc::clone(&self.0);
                tokio::spawn(async move {
                    sleep(STANDS).await;
                    *shared.lock().await = None;
                });
            }
            held.get_or_insert_default().clone()
        };
        if admin.queue.knows_people() {
            known.0.lock().await.read_on(admin).await?;
        }
        Ok(known)
    }
}

impl Known {
    /// Tells each lead of the past when the newest one of its person was accepted; if they are `stored`, those before it among
    /// them.
    pub(super) async fn mark(&self, queue: &dyn Queue, leads: &mut [NewLead], stored: bool) {
        let mut times = self.0.lock().await;
        for lead in leads {
            times.mark(queue, lead, stored);
        }
    }
}

impl Times {
    async fn read_on(&mut self, admin: &Admin) -> Result<(), QueueError> {
        let realm = Realm::of_admin(admin);
        let mut webhooks = admin.queue.ledger_webhooks().await?;
        webhooks.retain(|webhook| realm.has(webhook.as_str()));
        for webhook in webhooks {
            let known = self.until.get(&webhook).copied();
            let filter = EntryFilter {
                since: known.map_or(0, |until| until.saturating_sub(OVERLAP)),
                outcome: Some(EntryOutcome::Accepted),
                ..EntryFilter::default()
            };
            let (mut next, mut until) = (Some(Before::Time(FOREVER)), known.unwrap_or_default());
            while let Some(before) = next {
                let began = Instant::now();
                let page = admin.queue.entries(&webhook, &before, &filter, PAGE).await?;
                for entry in &page.items {
                    until = until.max(entry.place.at);
                    self.enter(entry);
                }
                next = page.next.map(Before::Place);
                if next.is_some() {
                    sleep(began.elapsed() * REST).await;
                }
            }
            // Not before all are read: if this is interrupted, the webhook is read again.
            self.until.insert(webhook, until);
        }
        Ok(())
    }

    /// A lead that waits will be delivered; one that is dead or was removed has written nothing.
    fn enter(&mut self, entry: &Entry) {
        let events = entry.events.iter().filter_map(|event| event.sink.as_ref());
        for sink in entry.sinks.iter().chain(events) {
            let mut of_sink = entry
                .events
                .iter()
                .filter(|event| event.sink.as_ref() == Some(sink));
            let was_delivered = of_sink
                .clone()
                .any(|event| event.what == LedgerEventKind::Delivered);
            let waits = of_sink.next_back().is_none_or(|last| {
                matches!(
                    last.what,
                    LedgerEventKind::Retried
                        | LedgerEventKind::Replayed
                        | LedgerEventKind::Moved
                        | LedgerEventKind::Copied
                )
            });
            if was_delivered || waits {
                // What stands besides may be another one's.
                let own = entry.people.iter().filter(|hash| !entry.besides.contains(hash));
                for person in own {
                    self.note(person, sink.as_str(), entry.at);
                }
            }
        }
    }

    fn mark(&mut self, queue: &dyn Queue, lead: &mut NewLead, stored: bool) {
        let Some(original) = &mut lead.original else {
            return;
        };
        for person in lead
            .people
            .iter()
            .filter(|identity| identity.is_a_person() && !identity.is_besides())
        {
            let hashes = queue.hashes_of(person);
            for (hash, sink) in hashes
                .iter()
                .flat_map(|hash| lead.sinks.iter().map(move |sink| (hash, sink)))
            {
                let at = if stored { original.accepted_at } else { 0 };
                let known = self.note(hash, sink.as_str(), at);
                original.newest = original.newest.max(known);
            }
        }
    }

    /// Enters that a person's lead was accepted at a time; tells when the newest one was before.
    fn note(&mut self, person: &str, sink: &str, at: Millis) -> Millis {
        let key = self.newest.hasher().hash_one((person, sink));
        let newest = self.newest.entry(key).or_default();
        std::mem::replace(newest, at.max(*newest))
    }
}
