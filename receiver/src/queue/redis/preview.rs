//! What an accept would answer.

use futures::future::try_join_all;
use redis::cmd;

use super::{
    RedisQueue,
    reply::{bytes, items, number},
};
use crate::queue::{Admission, Content, Identity, LeadId, NewLead, QueueError, WebhookId};

impl RedisQueue {
    pub(super) async fn preview_all(&self, leads: &[NewLead]) -> Result<Vec<Admission>, QueueError> {
        let keys: Vec<Vec<u8>> = leads
            .iter()
            .map(|lead| self.keys.dedupe(&lead.dedupe).into_bytes())
            .collect();
        let holders = self.holders(&keys).await?;
        let each = leads
            .iter()
            .zip(&keys)
            .zip(holders)
            .map(async |((lead, key), holder)| {
                if self.is_suppressed(&lead.webhook, &lead.people).await? {
                    return Ok(Admission::Suppressed);
                }
                let Some((content, first)) = holder else {
                    return Ok(Admission::Accepted);
                };
                if content.is_like(&lead.content) {
                    return Ok(Admission::Duplicate(first));
                }
                let beside = [key, &b":"[..], &lead.content.mapped].concat();
                let known = self.holders(&[beside]).await?.pop().flatten();
                Ok(known.map_or(Admission::KeyConflict, |(_, id)| Admission::Duplicate(id)))
            });
        try_join_all(each).await
    }

    /// What the leads that hold dedupe keys say, and their ids.
    async fn holders(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<(Content, LeadId)>>, QueueError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = cmd("MGET");
        get.arg(keys);
        let held = items(self.link.query(&get).await?, "preview")?;
        held.into_iter()
            .map(bytes)
            .map(|held| held.as_deref().map(holder).transpose())
            .collect()
    }

    /// As the scripts ask.
    async fn is_suppressed(&self, webhook: &WebhookId, people: &[Identity]) -> Result<bool, QueueError> {
        let Some(key) = &self.options.ledger_key else {
            return Ok(false);
        };
        for hash in people.iter().flat_map(|person| key.hashes(person)) {
            for namespace in [webhook.namespace(), ""] {
                let mut ask = cmd("SISMEMBER");
                ask.arg(self.keys.suppressed()).arg(format!("{namespace}/{hash}"));
                if number(&self.link.query(&ask).await?) == Some(1) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

fn holder(held: &[u8]) -> Result<(Content, LeadId), QueueError> {
    let content = held.first_chunk().copied().map(Content::from_bytes);
    let id = held.get(Content::LENGTH..).map(std::str::from_utf8);
    match (content, id) {
        (Some(content), Some(Ok(id))) => Ok((content, LeadId::from(id))),
        _ => Err(QueueError::Corrupt("a dedupe key is unreadable".to_owned())),
    }
}
