//! The ledger: rows in a hash for each webhook, and a stream of their ids.

use std::collections::HashMap;
use std::sync::PoisonError;

use redis::cmd;

use super::{
    RedisQueue,
    reply::{Items, bytes, items, number, strange, text},
    script::{self, millis},
};
use crate::queue::ledger::{self, outcome_field};
use crate::queue::{
    Before, Entry, EntryFilter, EntryPage, Identity, LeadId, LedgerBounds, NewEntry, Place, QueueError,
    WebhookId,
};

/// Entries that one script looks at, and removes.
const MAX_SCANNED: usize = 1000;
const MAX_PRUNED: usize = 500;

impl RedisQueue {
    pub(super) async fn enter(&self, entries: &[NewEntry]) -> Result<(), QueueError> {
        let mut call = script::LEDGER_NOTE.call(&self.keys, 1, 200 * entries.len());
        call.arg(self.keys.webhooks());
        for entry in entries {
            let key = self.options.ledger_key.as_ref();
            call.arg(entry.webhook.as_str())
                .arg(entry.id.as_str())
                .arg(outcome_field(entry.outcome))
                .arg(ledger::rest_of(&entry.reason, key, &entry.people));
        }
        self.link
            .run_repeatable(&script::LEDGER_NOTE, &call)
            .await
            .map(drop)
    }

    /// Marks the store with the key that its newest entries are hashed with.
    pub(super) async fn move_mark(&self) -> Result<(), QueueError> {
        let Some(key) = &self.options.ledger_key else {
            return Ok(());
        };
        let mut get = cmd("GET");
        get.arg(self.keys.ledger_key());
        let of = text(self.link.query(&get).await?);
        if let Some(mark) = of.and_then(|of| ledger::moved(key, &of)) {
            let mut set = cmd("SET");
            set.arg(self.keys.ledger_key()).arg(mark);
            self.link.query(&set).await?;
        }
        Ok(())
    }

    pub(super) async fn clear_one(
        &self,
        webhook: &WebhookId,
        id: &LeadId,
        by: &str,
    ) -> Result<bool, QueueError> {
        let [rows, _] = self.keys.ledger(webhook);
        let mut call = script::LEDGER_CLEAR.call(&self.keys, 2, 256);
        call.arg(self.keys.webhooks()).arg(rows);
        call.arg(webhook.as_str()).arg(id.as_str()).arg(by);
        let cleared = self.link.run_repeatable(&script::LEDGER_CLEAR, &call).await?;
        Ok(number(&cleared) == Some(1))
    }

    pub(super) async fn identify_one(
        &self,
        webhook: &WebhookId,
        id: &LeadId,
        people: &[Identity],
    ) -> Result<bool, QueueError> {
        let [rows, _] = self.keys.ledger(webhook);
        let mut call = script::LEDGER_IDENTIFY.call(&self.keys, 2, 256);
        call.arg(self.keys.webhooks()).arg(rows);
        call.arg(webhook.as_str()).arg(id.as_str());
        call.arg(ledger::offered(self.options.ledger_key.as_ref(), people));
        let suppressed = self.link.run_repeatable(&script::LEDGER_IDENTIFY, &call).await?;
        Ok(number(&suppressed) == Some(1))
    }

    pub(super) async fn page_of_entries(
        &self,
        webhook: &WebhookId,
        before: &Before,
        filter: &EntryFilter,
        limit: usize,
    ) -> Result<EntryPage, QueueError> {
        let (start, needles) = ledger::needles(filter, self.options.ledger_key.as_ref());
        let (newest, from) = match before {
            Before::Time(0) => return Ok(EntryPage::default()),
            // A time without a number stands for its greatest one.
            Before::Time(at) => ((at - 1).to_string(), ""),
            Before::Place(place) => {
                let (newest, from) = place.key.split_once('.').unwrap_or((&place.key, "1"));
                (newest.to_owned(), from)
            }
        };
        let mut call = script::LEDGER_PAGE.call(&self.keys, 2, 256);
        call.arg(&self.keys.ledger(webhook))
            .arg(newest)
            .arg(filter.since)
            .arg(from)
            .arg(limit.clamp(1, MAX_SCANNED))
            .arg(MAX_SCANNED)
            .arg(start);
        // Neither a hash nor a word has such a byte.
        for group in needles {
            call.arg(group.join("\0"));
        }
        let strange = || strange("ledger_page");
        let answer = self.link.run_repeatable(&script::LEDGER_PAGE, &call).await?;
        let mut answer = Items::of(answer, "ledger_page")?;
        let looked_at = answer.text().ok_or_else(strange)?;
        let mut page = EntryPage::default();
        while let Some(found) = answer.next() {
            let mut found = Items::of(found, "ledger_page")?;
            let place = found.text().and_then(place).ok_or_else(strange)?;
            let id = LeadId::new(found.text().ok_or_else(strange)?);
            let row = found.next().and_then(bytes).ok_or_else(strange)?;
            page.items
                .push(ledger::entry(webhook, id.clone(), place, row).ok_or_else(|| unreadable(&id))?);
        }
        page.next = place(looked_at);
        Ok(page)
    }

    pub(super) async fn one_entry(
        &self,
        webhook: &WebhookId,
        id: &LeadId,
    ) -> Result<Option<Entry>, QueueError> {
        let [rows, _] = self.keys.ledger(webhook);
        let mut get = cmd("HGET");
        get.arg(rows).arg(id.as_str());
        let Some(row) = bytes(self.link.query(&get).await?) else {
            return Ok(None);
        };
        // Where it stands is of no interest for one.
        let place = Place {
            at: 0,
            key: String::new(),
        };
        ledger::entry(webhook, id.clone(), place, row)
            .map(Some)
            .ok_or_else(|| unreadable(id))
    }

    pub(super) async fn webhooks_with_entries(&self) -> Result<Vec<WebhookId>, QueueError> {
        let mut names = cmd("HKEYS");
        names.arg(self.keys.webhooks());
        let names = items(self.link.query(&names).await?, "webhooks")?;
        let mut found: Vec<WebhookId> = names
            .into_iter()
            .filter_map(text)
            .filter_map(|name| name.strip_suffix("|ledger_bytes").map(WebhookId::from))
            .collect();
        found.sort();
        Ok(found)
    }

    pub(super) async fn prune_entries(&self, bounds: &LedgerBounds) -> Result<bool, QueueError> {
        let walk = || self.pruned_to.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut more, mut reached) = (false, HashMap::new());
        for webhook in self.webhooks_with_entries().await? {
            let bound = bounds.of(&webhook);
            let from = walk().get(&webhook).cloned().unwrap_or_default();
            let mut call = script::LEDGER_PRUNE.call(&self.keys, 3, 256);
            call.arg(self.keys.webhooks())
                .arg(&self.keys.ledger(&webhook))
                .arg(webhook.as_str())
                .arg(millis(bound.keep))
                .arg(bound.bytes)
                .arg(MAX_PRUNED)
                .arg(from);
            let answer = self.link.run_repeatable(&script::LEDGER_PRUNE, &call).await?;
            let mut answer = Items::of(answer, "ledger_prune")?;
            let removed = answer.number().unwrap_or_default();
            let next = answer.text().ok_or_else(|| strange("ledger_prune"))?;
            more |= removed > 0 && !next.is_empty();
            reached.insert(webhook, next);
        }
        *walk() = reached;
        Ok(more)
    }
}

/// The id of an element of the stream, a point, and which of its entries; `None`: it is empty.
fn place(key: String) -> Option<Place> {
    let at = key.split('-').next()?.parse().ok()?;
    Some(Place { at, key })
}

fn unreadable(id: &LeadId) -> QueueError {
    QueueError::Corrupt(format!("the ledger's entry of {id} is unreadable"))
}
