//! A queue made of queues: leads are spread over shards by the hash of their contact, so that several primaries of a Redis
//! Cluster share the work.
//!
//! * A contact's leads are in one shard, which keeps their order and what is remembered of them. A throttle, and requests
//!   that have no contact, belong to the shard of the hash of a name. Figures are summed, lists merged ([`merge`]).
//! * Each shard recognises resends among its own leads. A resend whose contact has changed, because the mapping has, belongs
//!   to another shard than the lead that it repeats: the others are asked before a lead is accepted, and the one that knows
//!   it takes it. One that does not answer is not waited for.
//! * Leads of one request may go to several shards. If one fails, the request does, and a resend completes the rest.
//! * A replay with a corrected mapping leaves a lead in its shard, even if it is another contact's now. So the token of a
//!   claim tells the shard: it is the shard's own, times the number of shards, plus the number of the shard.

mod accept;
mod dead_letters;
mod ledger;
mod merge;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{join_all, select_all, try_join_all};
use tokio::sync::OnceCell;

use super::slots::shard_of;
use super::{
    Access, Admission, Breaker, Claims, Contact, CrmHealth, Grant, Jobs, LedgerBound, LedgerBounds, NewLead,
    OpenError, PauseReason, Queue, QueueError, RateLimit, Settled, Settlement, SinkId, SinkStats,
    StoreReport, StoredJob, Suppressions, ThrottleKey, ThrottleStore, Token, WebhookId, WebhookStats,
};

/// A queue whose leads are in several others.
pub(super) struct ShardedQueue {
    shards: Vec<Arc<dyn Queue>>,
    /// Where the next claim begins.
    turn: AtomicUsize,
    /// The first shard has said that there are so many.
    confirmed: OnceCell<()>,
}

impl ShardedQueue {
    /// `shards` are always the same, in the same order. There must be one.
    pub(super) fn new(shards: Vec<Arc<dyn Queue>>) -> Self {
        Self {
            shards,
            turn: AtomicUsize::new(0),
            confirmed: OnceCell::new(),
        }
    }

    /// Whether the queue has so many shards, as the first one knows whatever their number is: another number would put leads
    /// where nobody finds them. Asked until it is known, before anything is put into a shard or taken out.
    async fn confirm(&self) -> Result<(), QueueError> {
        let ask = async || self.shard(0)?.suppressed("").await.map(drop);
        self.confirmed.get_or_try_init(ask).await.copied()
    }

    fn number_of(&self, text: &str) -> usize {
        shard_of(text, self.shards.len())
    }

    /// Where the leads of a contact are.
    fn of_contact(&self, contact: &Contact) -> usize {
        self.number_of(contact.as_str())
    }

    /// What has a name, and no contact, is in the shard of its name.
    fn of_name(&self, name: &str) -> Result<&dyn Queue, QueueError> {
        self.shard(self.number_of(name))
    }

    fn shard(&self, number: usize) -> Result<&dyn Queue, QueueError> {
        let shard = self.shards.get(number).map(|shard| &**shard);
        shard.ok_or_else(|| QueueError::Unavailable("the queue has no shards".to_owned()))
    }

    /// What belongs to each shard, with its place among all.
    fn parts<T>(
        &self,
        all: impl IntoIterator<Item = T>,
        of: impl Fn(&T) -> usize,
    ) -> Vec<(usize, Vec<(usize, T)>)> {
        let mut parts: Vec<Vec<(usize, T)>> = self.shards.iter().map(|_| Vec::new()).collect();
        for (place, item) in all.into_iter().enumerate() {
            if let Some(part) = parts.get_mut(of(&item)) {
                part.push((place, item));
            }
        }
        parts
            .into_iter()
            .enumerate()
            .filter(|(_, part)| !part.is_empty())
            .collect()
    }

    /// Which shard gave a token.
    fn of_token(&self, token: Token) -> usize {
        usize::try_from(token % self.count()).unwrap_or(0)
    }

    fn count(&self) -> u64 {
        self.shards.len().max(1) as u64
    }

    /// Claims a share of `max` from each shard, and what is left of it from those that have more.
    async fn claim_from_all(
        &self,
        sink: &SinkId,
        max: usize,
        lease: Duration,
        untried: bool,
    ) -> Result<Claims, QueueError> {
        self.confirm().await?;
        let ask = async |number: usize, most: usize| {
            let shard = self.shard(number)?;
            let mut found = if untried {
                shard.claim_untried(sink, most, lease).await?
            } else {
                shard.claim(sink, most, lease).await?
            };
            for claim in &mut found.claims {
                claim.token = claim.token * self.count() + number as u64;
            }
            Ok(found)
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let shares = merge::shares(max, self.shards.len(), turn);
        let found = join_all(shares.into_iter().map(async |(number, share)| {
            let answer = match share {
                0 => None,
                _ => Some(ask(number, share).await),
            };
            (number, share, answer)
        }));
        let (mut claimed, mut may_have_more) = (merge::Claimed::default(), Vec::new());
        for (number, share, answer) in found.await {
            if answer.is_none_or(|answer| claimed.add(answer, share)) {
                may_have_more.push(number);
            }
        }
        let mut others = may_have_more.into_iter();
        while claimed.len() < max
            && let Some(number) = others.next()
        {
            let missing = max - claimed.len();
            claimed.add(ask(number, missing).await, missing);
        }
        if others.len() > 0 {
            claimed.has_more();
        }
        claimed.finish()
    }
}

#[async_trait]
impl Queue for ShardedQueue {
    async fn accept(&self, leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError> {
        self.accept_in_shards(leads).await
    }

    async fn preview(&self, leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError> {
        self.preview_in_shards(leads).await
    }

    async fn claim(&self, sink: &SinkId, max: usize, lease: Duration) -> Result<Claims, QueueError> {
        self.claim_from_all(sink, max, lease, false).await
    }

    async fn claim_untried(&self, sink: &SinkId, max: usize, lease: Duration) -> Result<Claims, QueueError> {
        self.claim_from_all(sink, max, lease, true).await
    }

    async fn renew(
        &self,
        sink: &SinkId,
        claims: &[(Contact, Token)],
        lease: Duration,
    ) -> Result<Vec<bool>, QueueError> {
        let parts = self.parts(claims.iter().cloned(), |(_, token)| self.of_token(*token));
        let done = try_join_all(parts.into_iter().map(async |(number, part)| {
            let (places, mut part): (Vec<usize>, Vec<_>) = part.into_iter().unzip();
            for (_, token) in &mut part {
                *token /= self.count();
            }
            let renewed = self.shard(number)?.renew(sink, &part, lease).await?;
            Ok::<_, QueueError>(places.into_iter().zip(renewed).collect::<Vec<_>>())
        }));
        Ok(merge::in_places(done.await?))
    }

    async fn settle(&self, sink: &SinkId, settlements: Vec<Settlement>) -> Result<Vec<Settled>, QueueError> {
        let parts = self.parts(settlements, |settlement| self.of_token(settlement.token));
        // All of them have their turn, also if one fails: what is repeated is stale where it was done.
        let done = join_all(parts.into_iter().map(async |(number, part)| {
            let (places, mut part): (Vec<usize>, Vec<_>) = part.into_iter().unzip();
            for settlement in &mut part {
                settlement.token /= self.count();
            }
            let settled = self.shard(number)?.settle(sink, part).await?;
            Ok::<_, QueueError>(places.into_iter().zip(settled).collect::<Vec<_>>())
        }));
        let done: Result<Vec<_>, QueueError> = done.await.into_iter().collect();
        Ok(merge::in_places(done?))
    }

    async fn wait(&self, sink: &SinkId, at_most: Duration) {
        select_all(self.shards.iter().map(|shard| shard.wait(sink, at_most))).await;
    }

    async fn occupied_sinks(&self) -> Result<Vec<SinkId>, QueueError> {
        let all = try_join_all(self.shards.iter().map(|shard| shard.occupied_sinks()));
        Ok(merge::union(all.await?))
    }

    async fn sink_stats(&self, sinks: &[SinkId]) -> Result<Vec<SinkStats>, QueueError> {
        let all = try_join_all(self.shards.iter().map(|shard| shard.sink_stats(sinks)));
        Ok(merge::sums(all.await?, merge::add_sink))
    }

    async fn webhook_stats(&self, webhooks: &[WebhookId]) -> Result<Vec<WebhookStats>, QueueError> {
        let all = try_join_all(self.shards.iter().map(|shard| shard.webhook_stats(webhooks)));
        Ok(merge::sums(all.await?, |sum, more| {
            merge::add_webhook(sum, &more);
        }))
    }

    async fn pending(&self, routes: &[(SinkId, WebhookId)]) -> Result<Vec<u64>, QueueError> {
        let all = try_join_all(self.shards.iter().map(|shard| shard.pending(routes)));
        Ok(merge::sums(all.await?, |sum, more| *sum += more))
    }

    async fn prune(&self, ledger: &LedgerBounds) -> Result<bool, QueueError> {
        let part = |bound: &LedgerBound| LedgerBound {
            bytes: bound.bytes / self.count(),
            ..*bound
        };
        let webhooks = ledger
            .webhooks
            .iter()
            .map(|(webhook, bound)| (webhook.clone(), part(bound)));
        let bounds = LedgerBounds {
            webhooks: webhooks.collect(),
        };
        let more = join_all(self.shards.iter().map(|shard| shard.prune(&bounds))).await;
        more.into_iter().try_fold(false, |any, more| Ok(any | more?))
    }

    async fn check(&self) -> Result<StoreReport, QueueError> {
        self.confirm().await?;
        let reports = join_all(self.shards.iter().map(|shard| shard.check())).await;
        merge::report(reports)
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn renew_access(&self, access: &Access) -> Result<(), OpenError> {
        self.shards
            .iter()
            .try_for_each(|shard| shard.renew_access(access))
    }

    async fn access_refused(&self) {
        select_all(self.shards.iter().map(|shard| shard.access_refused())).await;
    }

    async fn close(&self) {
        join_all(self.shards.iter().map(|shard| shard.close())).await;
    }
}

#[async_trait]
impl ThrottleStore for ShardedQueue {
    async fn permits(
        &self,
        key: &ThrottleKey,
        want: u32,
        limit: Option<RateLimit>,
        breaker: Breaker,
    ) -> Result<Grant, QueueError> {
        self.of_name(&key.stored())?
            .permits(key, want, limit, breaker)
            .await
    }

    async fn report(&self, key: &ThrottleKey, health: CrmHealth, breaker: Breaker) -> Result<(), QueueError> {
        self.of_name(&key.stored())?.report(key, health, breaker).await
    }

    async fn pause(&self, key: &ThrottleKey, pause: Duration, why: &PauseReason) -> Result<(), QueueError> {
        self.of_name(&key.stored())?.pause(key, pause, why).await
    }

    async fn resume(&self, key: &ThrottleKey) -> Result<(), QueueError> {
        self.of_name(&key.stored())?.resume(key).await
    }
}

/// Each shard knows all who are suppressed: it compares the leads that it accepts.
#[async_trait]
impl Suppressions for ShardedQueue {
    async fn suppress(&self, namespace: &str, people: &[String]) -> Result<(), QueueError> {
        let all = self.shards.iter().map(|shard| shard.suppress(namespace, people));
        try_join_all(all).await.map(drop)
    }

    async fn lift(&self, namespace: &str, people: &[String]) -> Result<u64, QueueError> {
        let all = self.shards.iter().map(|shard| shard.lift(namespace, people));
        Ok(try_join_all(all).await?.into_iter().max().unwrap_or(0))
    }

    async fn suppressed(&self, namespace: &str) -> Result<u64, QueueError> {
        let all = self.shards.iter().map(|shard| shard.suppressed(namespace));
        Ok(try_join_all(all).await?.into_iter().max().unwrap_or(0))
    }
}

#[async_trait]
impl Jobs for ShardedQueue {
    async fn jobs(&self) -> Result<Vec<StoredJob>, QueueError> {
        self.shard(0)?.jobs().await
    }

    async fn put_job(&self, job: &StoredJob) -> Result<bool, QueueError> {
        self.shard(0)?.put_job(job).await
    }

    async fn remove_job(&self, id: &str) -> Result<(), QueueError> {
        self.shard(0)?.remove_job(id).await
    }
}
