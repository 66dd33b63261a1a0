//! The ledger: the entry of a lead is in the shard of its contact, that of a request that leaves no lead in the shard of its
//! id.

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};

use super::{ShardedQueue, merge};
use crate::queue::{
    Before, Entry, EntryFilter, EntryPage, Identity, LeadId, Ledger, NewEntry, QueueError, WebhookId,
};

#[async_trait]
impl Ledger for ShardedQueue {
    async fn note(&self, entries: Vec<NewEntry>) -> Result<(), QueueError> {
        self.confirm().await?;
        let parts = self.parts(entries, |entry| self.number_of(entry.id.as_str()));
        let done = parts.into_iter().map(async |(number, part)| {
            let part = part.into_iter().map(|(_, entry)| entry).collect();
            self.shard(number)?.note(part).await
        });
        try_join_all(done).await.map(drop)
    }

    async fn entries(
        &self,
        webhook: &WebhookId,
        before: &Before,
        filter: &EntryFilter,
        limit: usize,
    ) -> Result<EntryPage, QueueError> {
        let pages = try_join_all(self.shards.iter().enumerate().map(async |(number, shard)| {
            let before = merge::before_in(before, number);
            shard.entries(webhook, &before, filter, limit).await
        }))
        .await?;
        Ok(merge::entries(pages, limit))
    }

    async fn entry(&self, webhook: &WebhookId, id: &LeadId) -> Result<Option<Entry>, QueueError> {
        let all = try_join_all(self.shards.iter().map(|shard| shard.entry(webhook, id))).await?;
        Ok(all.into_iter().flatten().next())
    }

    async fn clear_entry(&self, webhook: &WebhookId, id: &LeadId, by: &str) -> Result<bool, QueueError> {
        merge::any(join_all(self.shards.iter().map(|shard| shard.clear_entry(webhook, id, by))).await)
    }

    async fn identify(
        &self,
        webhook: &WebhookId,
        id: &LeadId,
        people: &[Identity],
    ) -> Result<bool, QueueError> {
        merge::any(
            join_all(
                self.shards
                    .iter()
                    .map(|shard| shard.identify(webhook, id, people)),
            )
            .await,
        )
    }

    async fn ledger_webhooks(&self) -> Result<Vec<WebhookId>, QueueError> {
        let all = try_join_all(self.shards.iter().map(|shard| shard.ledger_webhooks())).await?;
        Ok(merge::union(all))
    }

    fn hashes_of(&self, person: &Identity) -> Vec<String> {
        self.shards
            .first()
            .map(|shard| shard.hashes_of(person))
            .unwrap_or_default()
    }
}
