//! What an accept would answer.

use redis::cmd;

use super::{
    RedisQueue,
    reply::{bytes, number},
};
use crate::queue::{Admission, Content, Identity, LeadId, NewLead, QueueError, WebhookId};

impl RedisQueue {
    pub(super) async fn preview_one(&self, lead: &NewLead) -> Result<Admission, QueueError> {
        if self.is_suppressed(&lead.webhook, &lead.people).await? {
            return Ok(Admission::Suppressed);
        }
        let key = self.keys.dedupe(&lead.dedupe).into_bytes();
        let Some((content, first)) = self.holder(&key).await? else {
            return Ok(Admission::Accepted);
        };
        if content.is_like(&lead.content) {
            return Ok(Admission::Duplicate(first));
        }
        let beside = [&key[..], b":", &lead.content.mapped].concat();
        let known = self.holder(&beside).await?;
        Ok(known.map_or(Admission::KeyConflict, |(_, id)| Admission::Duplicate(id)))
    }

    /// What the lead that holds a dedupe key says, and its id.
    async fn holder(&self, key: &[u8]) -> Result<Option<(Content, LeadId)>, QueueError> {
        let mut get = cmd("GET");
        get.arg(key);
        let Some(held) = bytes(self.link.query(&get).await?) else {
            return Ok(None);
        };
        let content = held.first_chunk().copied().map(Content::from_bytes);
        let id = held.get(Content::LENGTH..).map(std::str::from_utf8);
        match (content, id) {
            (Some(content), Some(Ok(id))) => Ok(Some((content, LeadId::from(id)))),
            _ => Err(QueueError::Corrupt("a dedupe key is unreadable".to_owned())),
        }
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
