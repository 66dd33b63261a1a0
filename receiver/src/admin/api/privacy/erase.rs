//! The loop that runs erasures, each to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use leadgate_crds::api::{CrmRecord, ErasedLeads, ErasureState, RecordErasure, Set};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::records::{self, Rounds};
use super::stored::Kept;
use super::walk;
use crate::admin::dead_letters::Realm;
use crate::admin::shared::Admin;
use crate::delivery::Errands;
use crate::queue::{
    Contact, DeadLetter, Entry, LeadId, LedgerEventKind, QueueError, Removal, SinkId, WebhookId,
};

/// How often a receiver looks for erasures that nobody runs.
const LOOK: Duration = Duration::from_secs(10);

/// Between two walks, while a lead of the person is being delivered.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// So many entries are looked up or cleared until it is written down again that this receiver is at it.
const KEPT_EVERY: usize = 500;

/// So many walks in a row must find nothing: a lead that changes its place during one is met in the next.
const CLEAN_WALKS: u32 = 2;

/// Why an erasure stops before its end.
enum Stop {
    /// The store failed.
    Queue(QueueError),
    /// Another receiver goes on with it, or this one ends.
    NotMine,
}

impl From<QueueError> for Stop {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

/// Runs erasures until stopped.
pub(crate) async fn run_erasures(admin: Arc<Admin>, errands: Errands, stop: CancellationToken) {
    let worker = LeadId::generate().to_string();
    loop {
        tokio::select! {
            () = admin.erasures.notified() => {}
            () = sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
        // What is not read yet would look as if it were not this receiver's.
        if !admin.loaded.load(Ordering::Relaxed) || admin.config.borrow().incomplete {
            continue;
        }
        let found = match admin.queue.jobs().await {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::debug!(%error, "failed to look for erasures; will retry");
                continue;
            }
        };
        let realm = Realm::of_admin(&admin);
        for kept in found.iter().filter_map(Kept::read) {
            if kept.has_gone_by(jiff::Timestamp::now()) {
                if let Err(error) = admin.queue.remove_job(&kept.erasure.id).await {
                    tracing::debug!(%error, "failed to remove an erasure that ended long ago; will retry");
                }
                continue;
            }
            let is_open = kept.erasure.state == ErasureState::Running
                && kept.lease.is_free_for(&worker)
                && kept.rounds.is_due()
                && realm.has_all(kept.namespaces.as_ref());
            if !is_open {
                continue;
            }
            let id = kept.erasure.id.clone();
            let run = Run {
                admin: &admin,
                errands: &errands,
                worker: &worker,
                stop: &stop,
                kept,
            };
            if let Err(Stop::Queue(error)) = run.finish().await {
                tracing::warn!(erasure = id, %error, "the erasure waits until the queue is available");
            }
        }
    }
}

struct Run<'a> {
    admin: &'a Admin,
    errands: &'a Errands,
    worker: &'a str,
    stop: &'a CancellationToken,
    kept: Kept,
}

impl Run<'_> {
    async fn finish(mut self) -> Result<(), Stop> {
        if !self.kept.is_gone {
            self.erase().await?;
        }
        if let Some(wait) = self.delete_records().await? {
            if self.kept.rounds.wait(wait) {
                return self.keep().await;
            }
            let left = self.kept.erasure.records.iter_mut();
            for record in left.filter(|record| record.erasure == RecordErasure::Pending) {
                record.erasure = RecordErasure::Failed;
            }
        }
        let erasure = &mut self.kept.erasure;
        erasure.missing.extend(records::missing(&erasure.records));
        erasure.state = if erasure.missing.is_empty() {
            ErasureState::Completed
        } else {
            ErasureState::Incomplete
        };
        self.keep().await?;
        let (id, state) = (&self.kept.erasure.id, self.kept.erasure.state);
        tracing::info!(
            erasure = id,
            ?state,
            entries = self.kept.erasure.entries,
            "erasure ended"
        );
        Ok(())
    }

    /// All that is held, until nothing is left.
    async fn erase(&mut self) -> Result<(), Stop> {
        if self.kept.erasure.suppressed {
            // Once more: a failover may have lost it since it was asked for.
            let namespaces = self.kept.namespaces.as_ref();
            self.kept.targets.suppress(self.admin, namespaces).await?;
        }
        let (mut clean, mut closed) = (0, 0);
        while clean < CLEAN_WALKS {
            let walked = self.walk().await?;
            closed = walked.closed;
            clean = if walked.found { 0 } else { clean + 1 };
            if walked.waits {
                sleep(AGAIN_AFTER).await;
            }
        }
        self.forget_records().await?;
        self.clear_entries().await?;
        self.kept.erasure.remains = self.admin.queue.scrub().await?;
        if closed > 0 {
            self.kept.erasure.missing = vec![format!(
                "{closed} leads could not be looked at, because the keys that sealed them are missing (reason KeyMissing): add the \
                 keys again, and repeat the erasure; or discard the leads"
            )];
        }
        records::plan(&mut self.kept.erasure.records, &self.admin.config.borrow());
        self.kept.targets = super::Targets::default();
        self.kept.is_gone = true;
        self.kept.rounds = Rounds::begin();
        self.keep().await
    }

    /// Asks CRMs once for each record that is to be deleted. Tells how long to wait, if some are left.
    async fn delete_records(&mut self) -> Result<Option<Duration>, Stop> {
        let (mut longest, mut errands) = (None, BTreeMap::new());
        for place in 0..self.kept.erasure.records.len() {
            let Some(record) = self.kept.erasure.records.get_mut(place) else {
                break;
            };
            if record.erasure != RecordErasure::Pending {
                continue;
            }
            let config = self.admin.config.borrow().clone();
            let sink = match records::sink_of(record, &config) {
                Ok(sink) => sink,
                Err(why) => {
                    if records::leave(record, &config, why) {
                        longest = longest.max(Some(Duration::ZERO));
                    }
                    continue;
                }
            };
            let errand = errands
                .entry(sink.id.clone())
                .or_insert_with(|| self.errands.of(sink));
            let answer = errand.delete(&record.record).await;
            longest = longest.max(records::take(record, answer));
            // Each at once: what is deleted must not be asked for again, as far as that can be helped.
            self.keep().await?;
        }
        Ok(longest)
    }

    /// Writes down how far it is; it stays with this receiver.
    async fn keep(&mut self) -> Result<(), Stop> {
        if self.stop.is_cancelled() {
            return Err(Stop::NotMine);
        }
        self.kept.lease.take(self.worker);
        self.kept.erasure.updated_at = jiff::Timestamp::now();
        if self.admin.queue.put_job(&self.kept.stored()).await? {
            Ok(())
        } else {
            Err(Stop::NotMine)
        }
    }

    /// Once through everything.
    async fn walk(&mut self) -> Result<Walked, Stop> {
        let mut walked = Walked::default();
        let entered = walk::entered(self.admin, &self.kept.targets).await?;
        for (set, told) in walk::SETS {
            let mut after = None;
            loop {
                self.keep().await?;
                let part = walk::part(self.admin, &self.kept.targets, &entered, set, after).await?;
                walked.closed += part.closed;
                // Before they go, else a receiver that dies here leaves their entries.
                if self.note(&part.found) {
                    self.keep().await?;
                }
                for lead in part.found {
                    walked.found = true;
                    let by = self.kept.erasure.by.as_str();
                    let gone = self
                        .admin
                        .queue
                        .remove(set, lead.sink.as_ref(), &lead.id, Removal::Erased, by)
                        .await?;
                    if gone {
                        count(&mut self.kept.erasure.leads, told);
                    } else {
                        walked.waits = true;
                    }
                }
                after = part.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(walked)
    }

    /// Notes whose entries and contacts are still to be cleared; whether there are new ones.
    fn note(&mut self, leads: &[DeadLetter]) -> bool {
        let mut is_new = false;
        for lead in leads {
            let entry = (lead.webhook.to_string(), lead.id.to_string());
            is_new |= self.kept.erased.insert(entry);
            if let Some(contact) = &lead.contact {
                is_new |= self.kept.contacts.insert(contact.to_string());
            }
        }
        is_new
    }

    /// Which CRM records its leads go to, as the queue remembers it for the next one.
    async fn forget_records(&mut self) -> Result<(), Stop> {
        let sinks: Vec<SinkId> = {
            let config = self.admin.config.borrow();
            config.sinks().map(|sink| sink.id.clone()).collect()
        };
        for contact in self.kept.targets.contacts.union(&self.kept.contacts) {
            let contact = Contact::from(contact.as_str());
            self.admin.queue.forget(&contact, &sinks).await?;
        }
        Ok(())
    }

    async fn clear_entries(&mut self) -> Result<(), Stop> {
        let mut found = Vec::new();
        for webhook in walk::webhooks(self.admin).await? {
            self.keep().await?;
            found.extend(walk::entries(self.admin, &self.kept.targets, &webhook).await?);
        }
        let known: BTreeSet<String> = found.iter().map(|entry| entry.id.to_string()).collect();
        // Others only mention the person: their records are of somebody else.
        let own = found.len();
        let erased: Vec<_> = self.kept.erased.iter().cloned().collect();
        for (number, (webhook, id)) in erased.iter().enumerate() {
            if number % KEPT_EVERY == 0 {
                self.keep().await?;
            }
            if !known.contains(id) {
                let id = LeadId::from(id.as_str());
                let entry = self
                    .admin
                    .queue
                    .entry(&WebhookId::from(webhook.as_str()), &id)
                    .await?;
                found.extend(entry);
            }
        }
        let mut records: BTreeSet<CrmRecord> = self.kept.erasure.records.drain(..).collect();
        for (number, entry) in found.iter().enumerate() {
            let addresses = &self.kept.targets.addresses;
            let is_theirs = |hash: &String| addresses.contains(hash) && !entry.besides.contains(hash);
            let why = if number >= own {
                Some(records::MENTIONED)
            } else if entry.people.iter().any(is_theirs) {
                None
            } else if entry
                .besides
                .iter()
                .any(|hash| self.kept.targets.hashes.contains(hash))
            {
                Some(records::BESIDES)
            } else {
                Some(records::SHARED_NUMBER)
            };
            records.extend(records_of(entry, why));
        }
        self.kept.erasure.records = records::each_once(records);
        // Written down before the entries cease to tell.
        self.keep().await?;
        for (number, entry) in found.iter().enumerate() {
            if number % KEPT_EVERY == 0 {
                self.keep().await?;
            }
            let by = self.kept.erasure.by.as_str();
            if self
                .admin
                .queue
                .clear_entry(&entry.webhook, &entry.id, by)
                .await?
            {
                self.kept.erasure.entries += 1;
            }
        }
        self.kept.erased.clear();
        self.kept.contacts.clear();
        Ok(())
    }
}

/// What came of a walk.
#[derive(Default)]
struct Walked {
    /// There was something of the person.
    found: bool,
    /// Some of it is being delivered.
    waits: bool,
    /// Leads that nobody can look at.
    closed: u64,
}

fn count(counts: &mut Vec<ErasedLeads>, set: Set) {
    match counts.iter_mut().find(|count| count.set == set) {
        Some(count) => count.leads += 1,
        None => counts.push(ErasedLeads { set, leads: 1 }),
    }
}

/// What an entry's lead became in CRMs; `why` it is to be left as it is.
fn records_of(entry: &Entry, why: Option<&str>) -> Vec<CrmRecord> {
    let delivered = entry
        .events
        .iter()
        .filter(|event| event.what == LedgerEventKind::Delivered && !event.record.is_empty());
    delivered
        .filter_map(|event| {
            Some(CrmRecord {
                sink: event.sink.as_ref()?.to_string(),
                record: event.record.clone(),
                erasure: RecordErasure::default(),
                reason: why.map(str::to_owned),
            })
        })
        .collect()
}
