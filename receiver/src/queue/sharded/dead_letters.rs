//! What can be looked at: a lead is in the shard of its contact, a rejected request in that of its webhook, which bounds them.

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use std::time::Duration;

use super::{ShardedQueue, merge};
use crate::queue::redis::cursor_behind;
use crate::queue::{
    Contact, DeadLetter, DeadLetterPage, DeadLetterSet, DeadLetters, LeadId, ListFilter, NewRejected,
    QueueError, Removal, Requeue, Requeued, SinkId,
};

#[async_trait]
impl DeadLetters for ShardedQueue {
    async fn reject(&self, rejected: NewRejected, keep: Duration) -> Result<bool, QueueError> {
        self.confirm().await?;
        let shard = self.of_name(rejected.webhook.as_str())?;
        shard.reject(rejected, keep).await
    }

    async fn list(&self, set: DeadLetterSet, filter: &ListFilter) -> Result<DeadLetterPage, QueueError> {
        let after = merge::Cursors::parse(filter.after.as_deref(), self.shards.len());
        let pages = try_join_all(self.shards.iter().zip(after.each()).map(async |(shard, after)| {
            let filter = ListFilter {
                after: after.clone(),
                ..filter.clone()
            };
            shard.list(set, &filter).await
        }))
        .await?;
        let cursor = |lead: &DeadLetter| cursor_behind(set, filter.by_acceptance, lead);
        Ok(merge::page(set, filter, after, pages, cursor))
    }

    async fn show(&self, id: &LeadId) -> Result<Vec<DeadLetter>, QueueError> {
        let all = try_join_all(self.shards.iter().map(|shard| shard.show(id))).await?;
        Ok(all.into_iter().flatten().collect())
    }

    async fn requeue(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
        to: &[SinkId],
        how: Requeue<'_>,
    ) -> Result<Requeued, QueueError> {
        for shard in &self.shards {
            let done = shard.requeue(set, sink, id, to, how).await?;
            if done != Requeued::Absent {
                return Ok(done);
            }
        }
        Ok(Requeued::Absent)
    }

    async fn expedite(&self, sink: &SinkId, id: &LeadId) -> Result<bool, QueueError> {
        let done = join_all(self.shards.iter().map(|shard| shard.expedite(sink, id))).await;
        merge::any(done)
    }

    async fn remove(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
        why: Removal,
        by: &str,
    ) -> Result<bool, QueueError> {
        let done = join_all(
            self.shards
                .iter()
                .map(|shard| shard.remove(set, sink, id, why, by)),
        )
        .await;
        merge::any(done)
    }

    async fn forget(&self, contact: &Contact, sinks: &[SinkId]) -> Result<(), QueueError> {
        let all = self.shards.iter().map(|shard| shard.forget(contact, sinks));
        try_join_all(all).await.map(drop)
    }

    async fn scrub(&self) -> Result<Vec<String>, QueueError> {
        let all = try_join_all(self.shards.iter().map(|shard| shard.scrub())).await?;
        Ok(merge::union(all))
    }
}
