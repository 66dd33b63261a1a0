//! What people look at and decide about: the set-aside leads, and those that wait.

use std::time::Duration;

use async_trait::async_trait;

use super::waiting::Place;
use super::{SqliteQueue, accept, dead_letters, prune, requeue, waiting};
use crate::queue::{
    Contact, DeadLetter, DeadLetterPage, DeadLetterSet, DeadLetters, Instead, LeadId, ListFilter,
    NewRejected, QueueError, Removal, Requeue, Requeued, SinkId, WebhookId,
};

impl SqliteQueue {
    /// Where a lead waits. The rows are looked through in parts, so that nobody waits for the whole of it.
    async fn places(&self, id: &LeadId, sink: Option<&SinkId>) -> Result<Vec<Place>, QueueError> {
        let (mut places, mut from) = (Vec::new(), 0);
        loop {
            let name = id.clone();
            let (found, next) = self.call(move |tx| waiting::find(tx, &name, from)).await?;
            places.extend(
                found
                    .into_iter()
                    .filter(|place: &Place| sink.is_none_or(|sink| place.sink == *sink)),
            );
            match next {
                Some(next) => from = next,
                None => return Ok(places),
            }
        }
    }
}

#[async_trait]
impl DeadLetters for SqliteQueue {
    async fn reject(&self, rejected: NewRejected, keep: Duration) -> Result<bool, QueueError> {
        let room = self.intake.admit(1, rejected.body.len())?;
        let key = self.ledger_key.clone();
        self.writer()?
            .call(room, false, move |tx| {
                accept::reject(tx, &rejected, keep, key.as_ref())
            })
            .await
    }

    async fn list(&self, set: DeadLetterSet, filter: &ListFilter) -> Result<DeadLetterPage, QueueError> {
        let filter = filter.clone();
        self.call(move |tx| match set {
            DeadLetterSet::Pending => waiting::list(tx, &filter),
            _ => dead_letters::list(tx, set, &filter),
        })
        .await
    }

    async fn show(&self, id: &LeadId) -> Result<Vec<DeadLetter>, QueueError> {
        let name = id.clone();
        let mut found = self.call(move |tx| dead_letters::show(tx, &name)).await?;
        for place in self.places(id, None).await? {
            found.extend(self.call(move |tx| waiting::show(tx, &place)).await?);
        }
        Ok(found)
    }

    async fn requeue(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
        to: &[SinkId],
        how: Requeue<'_>,
    ) -> Result<Requeued, QueueError> {
        let place = match (set, sink) {
            (DeadLetterSet::Pending, Some(sink)) if !how.copy => self.places(id, Some(sink)).await?.pop(),
            _ => None,
        };
        let (from, id, targets, how) = (sink.cloned(), id.clone(), to.to_vec(), OwnedRequeue::of(how));
        let done = self
            .call(move |tx| {
                let (how, from) = (how.borrow(), from.as_ref());
                // Looked at first: what is refused must not have been touched.
                let found = match &place {
                    Some(place) => waiting::look_at(tx, place)?,
                    None => dead_letters::take_out(tx, set, from, &id, true)?,
                };
                let Some(lead) = found else {
                    return Ok(Requeued::Absent);
                };
                if let Some(refused) = requeue::refused(tx, &lead, from, &targets, how)? {
                    return Ok(refused);
                }
                let taken = match &place {
                    Some(place) => waiting::take_out(tx, place)?,
                    None if how.copy => Some(lead),
                    None => dead_letters::take_out(tx, set, from, &id, false)?,
                };
                let Some(lead) = taken else {
                    return Ok(Requeued::Absent);
                };
                requeue::put_in(tx, set, from, &lead, &targets, how)?;
                Ok(Requeued::Done)
            })
            .await?;
        if done.is_done() {
            to.iter().chain(sink).for_each(|sink| self.wake.push(sink));
        }
        Ok(done)
    }

    async fn expedite(&self, sink: &SinkId, id: &LeadId) -> Result<bool, QueueError> {
        let Some(place) = self.places(id, Some(sink)).await?.pop() else {
            return Ok(false);
        };
        let done = self.call(move |tx| waiting::expedite(tx, &place)).await?;
        if done {
            self.wake.push(sink);
        }
        Ok(done)
    }

    async fn remove(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
        why: Removal,
        by: &str,
    ) -> Result<bool, QueueError> {
        let by = by.to_owned();
        if set == DeadLetterSet::Pending {
            let place = match sink {
                Some(sink) => self.places(id, Some(sink)).await?.pop(),
                None => None,
            };
            let Some(place) = place else { return Ok(false) };
            let done = self.call(move |tx| waiting::remove(tx, &place, why, &by)).await?;
            if let Some(sink) = sink {
                self.wake.push(sink);
            }
            return Ok(done);
        }
        let (sink, id) = (sink.cloned(), id.clone());
        self.call(move |tx| dead_letters::remove(tx, set, sink.as_ref(), &id, why, &by))
            .await
    }

    async fn forget(&self, contact: &Contact, sinks: &[SinkId]) -> Result<(), QueueError> {
        let (contact, sinks) = (contact.clone(), sinks.to_vec());
        self.call(move |tx| dead_letters::forget(tx, &contact, &sinks))
            .await
    }

    async fn scrub(&self) -> Result<Vec<String>, QueueError> {
        // What is removed is overwritten (secure_delete); the log and the free pages go with it.
        while self.call(prune::scrub).await? {}
        Ok(vec![
            "copies and snapshots of the queue file that were made before now: until they are deleted, or the encryption keys \
             that they need are"
                .to_owned(),
        ])
    }
}

/// A [`Requeue`] that another thread can take along.
struct OwnedRequeue {
    record: Option<(String, Duration)>,
    instead: Option<(Contact, WebhookId, Vec<u8>)>,
    by: String,
    force: bool,
    copy: bool,
}

impl OwnedRequeue {
    fn of(how: Requeue<'_>) -> Self {
        Self {
            record: how.record.map(|(record, keep)| (record.to_owned(), keep)),
            instead: how
                .instead
                .map(|lead| (lead.contact.clone(), lead.webhook.clone(), lead.body.to_vec())),
            by: how.by.to_owned(),
            force: how.force,
            copy: how.copy,
        }
    }

    fn borrow(&self) -> Requeue<'_> {
        Requeue {
            record: self
                .record
                .as_ref()
                .map(|(record, keep)| (record.as_str(), *keep)),
            instead: self.instead.as_ref().map(|(contact, webhook, body)| Instead {
                contact,
                webhook,
                body,
            }),
            by: &self.by,
            force: self.force,
            copy: self.copy,
        }
    }
}
