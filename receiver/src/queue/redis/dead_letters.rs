//! What waits for a person: reject, list, show, discard, prune.

use std::{collections::BTreeSet, time::Duration};

use redis::{Value, cmd};

use super::{
    RedisQueue,
    codec::{dead_letter, put_reason},
    keys::id_sink,
    reply::{Items, bytes, items, number, strange, text},
    script::{self, millis},
    server_info::ServerInfo,
    waiting::Cursor,
};
use crate::queue::ledger;
use crate::queue::{
    Contact, DeadLetter, DeadLetterPage, DeadLetterSet, Identity, LeadId, ListFilter, NewRejected,
    QueueError, Removal, SinkId, WebhookId,
};

/// Members that one script looks at, and dead letters that one prune removes from a set.
const MAX_SCANNED: usize = 1000;
const MAX_PRUNED: usize = 200;

impl RedisQueue {
    pub(super) async fn keep_rejected(
        &self,
        rejected: &NewRejected,
        keep: Duration,
    ) -> Result<bool, QueueError> {
        let mut reason = Vec::new();
        put_reason(&mut reason, &rejected.why);
        let mut call = script::REJECT.call(&self.keys, 5, rejected.body.len() + reason.len() + 256);
        call.arg(self.keys.webhooks())
            .arg(&self.keys.dead_letters(DeadLetterSet::Rejected));
        call.arg(rejected.id.as_str())
            .arg(rejected.webhook.as_str())
            .arg(millis(keep));
        let key = self.options.ledger_key.as_ref();
        call.arg(reason).arg(&rejected.body[..]).arg(rejected.room);
        call.arg(ledger::rest_of(&rejected.why.reason, key, &rejected.people));
        let one: &[Identity] = if rejected.is_of_one() {
            &rejected.people
        } else {
            &[]
        };
        call.arg(ledger::offered(key, one));
        let kept = self.link.run_repeatable(&script::REJECT, &call).await?;
        Ok(number(&kept) == Some(1))
    }

    pub(super) async fn list_page(
        &self,
        set: DeadLetterSet,
        filter: &ListFilter,
    ) -> Result<DeadLetterPage, QueueError> {
        let limit = filter.limit.clamp(1, 1000);
        if filter.by_acceptance {
            return self.list_by_acceptance(set, filter, limit).await;
        }
        let mut items: Vec<DeadLetter> = Vec::new();
        // A cursor is the time and name of the last member seen; what is none starts at the beginning.
        let after = filter.after.as_deref().and_then(|after| after.split_once(' '));
        let mut after = after.map_or_else(Default::default, |(at, member)| {
            (at.to_owned(), member.to_owned())
        });
        loop {
            // One more than asked for tells whether there is a next page.
            let wanted = limit + 1 - items.len();
            let (next, found) = self.list_part(set, filter, &after, wanted).await?;
            let fits = |lead: &DeadLetter| {
                filter
                    .reason
                    .as_ref()
                    .is_none_or(|reason| *reason == lead.why.reason)
            };
            items.extend(found.into_iter().filter(fits));
            after = next;
            if after.1.is_empty() || items.len() > limit {
                break;
            }
        }
        let next = (items.len() > limit)
            .then(|| Some(cursor_behind(set, false, items.get(limit - 1)?)))
            .flatten();
        items.truncate(limit);
        Ok(DeadLetterPage { items, next })
    }

    /// A page in the order of ids. The set is by the time they were set aside, so all names in it are looked at; only those of the page
    /// are kept. A cursor is the last id and sink.
    async fn list_by_acceptance(
        &self,
        set: DeadLetterSet,
        filter: &ListFilter,
        limit: usize,
    ) -> Result<DeadLetterPage, QueueError> {
        let after = filter.after.clone().unwrap_or_default().replacen(' ', "|", 1);
        let [values, times, ..] = self.keys.dead_letters(set);
        let mut after = after;
        let mut found = Vec::new();
        loop {
            let names = self
                .first_names(&times, filter, &after, limit + 1 - found.len())
                .await?;
            let Some(last) = names.last().cloned() else { break };
            let mut get = cmd("HMGET");
            get.arg(&values).arg(&names);
            for value in items(self.link.query(&get).await?, "list")?
                .into_iter()
                .filter_map(bytes)
            {
                let lead = dead_letter(set, value)?;
                if filter
                    .reason
                    .as_ref()
                    .is_none_or(|reason| *reason == lead.why.reason)
                {
                    found.push(lead);
                }
            }
            after = last;
            if found.len() > limit {
                break;
            }
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found
            .last()
            .filter(|_| more)
            .map(|item| cursor_behind(set, true, item));
        Ok(DeadLetterPage { items: found, next })
    }

    /// The first `id|sink` of a set behind `after`, in order.
    async fn first_names(
        &self,
        times: &str,
        filter: &ListFilter,
        after: &str,
        wanted: usize,
    ) -> Result<Vec<String>, QueueError> {
        let (mut names, mut from) = (BTreeSet::new(), 0);
        loop {
            let mut range = cmd("ZRANGE");
            range.arg(times).arg(from).arg(from + MAX_SCANNED - 1);
            let members = items(self.link.query(&range).await?, "list")?;
            from += MAX_SCANNED;
            let end = members.len() < MAX_SCANNED;
            for member in members.into_iter().filter_map(text) {
                let Some((name, webhook)) = member.rsplit_once('|') else {
                    continue;
                };
                let sink = name.split_once('|').map_or("", |(_, sink)| sink);
                let fits = name > after
                    && filter.sink.as_ref().is_none_or(|of| of.as_str() == sink)
                    && filter.webhook.as_ref().is_none_or(|of| of.as_str() == webhook);
                if fits {
                    names.insert(name.to_owned());
                }
                if names.len() > wanted {
                    names.pop_last();
                }
            }
            if end {
                return Ok(names.into_iter().collect());
            }
        }
    }

    async fn list_part(
        &self,
        set: DeadLetterSet,
        filter: &ListFilter,
        after: &(String, String),
        wanted: usize,
    ) -> Result<((String, String), Vec<DeadLetter>), QueueError> {
        let [values, times, ..] = self.keys.dead_letters(set);
        let mut call = script::LIST.call(&self.keys, 2, 256);
        call.arg(values)
            .arg(times)
            .arg(&after.0)
            .arg(&after.1)
            .arg(wanted)
            .arg(MAX_SCANNED);
        call.arg(filter.sink.as_ref().map_or("", SinkId::as_str));
        call.arg(filter.webhook.as_ref().map_or("", WebhookId::as_str));
        let mut answer = Items::of(self.link.run_repeatable(&script::LIST, &call).await?, "list")?;
        let next = answer.text().zip(answer.text()).ok_or_else(|| strange("list"))?;
        let mut found = Vec::new();
        while let Some(value) = answer.next() {
            found.push(dead_letter(set, bytes(value).ok_or_else(|| strange("list"))?)?);
        }
        Ok((next, found))
    }

    pub(super) async fn show_dead_letter(&self, id: &LeadId) -> Result<Vec<DeadLetter>, QueueError> {
        let sinks = self.known_sinks().await?;
        let mut found = Vec::new();
        for set in [
            DeadLetterSet::Dead,
            DeadLetterSet::Held,
            DeadLetterSet::Unrouted,
            DeadLetterSet::Rejected,
            DeadLetterSet::Delivered,
        ] {
            let [values, ..] = self.keys.dead_letters(set);
            let mut get = cmd("HMGET");
            get.arg(values).arg(id_sink(id, None));
            for sink in &sinks {
                get.arg(id_sink(id, Some(sink)));
            }
            for value in items(self.link.query(&get).await?, "show")?
                .into_iter()
                .filter_map(bytes)
            {
                found.push(dead_letter(set, value)?);
            }
        }
        Ok(found)
    }

    /// Every sink that ever got a lead.
    pub(super) async fn known_sinks(&self) -> Result<BTreeSet<SinkId>, QueueError> {
        let mut names = cmd("HKEYS");
        names.arg(self.keys.counts());
        let names = items(self.link.query(&names).await?, "counts")?;
        let sink = |name: String| name.split_once('|').map(|(sink, _)| SinkId::from(sink));
        Ok(names.into_iter().filter_map(text).filter_map(sink).collect())
    }

    /// The contact of what a set holds under an id and sink.
    pub(super) async fn contact_of_dead_letter(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
    ) -> Result<Option<Contact>, QueueError> {
        let found = self.dead_letter_of(set, sink, id).await?;
        Ok(found.and_then(|lead| lead.contact))
    }

    async fn dead_letter_of(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
    ) -> Result<Option<DeadLetter>, QueueError> {
        let [values, ..] = self.keys.dead_letters(set);
        let mut get = cmd("HGET");
        get.arg(values).arg(id_sink(id, sink));
        bytes(self.link.query(&get).await?)
            .map(|value| dead_letter(set, value))
            .transpose()
    }

    pub(super) async fn remove_dead_letter(
        &self,
        set: DeadLetterSet,
        sink: Option<&SinkId>,
        id: &LeadId,
        why: Removal,
        by: &str,
    ) -> Result<bool, QueueError> {
        let mut call = script::DISCARD.call(&self.keys, 6, 256);
        call.arg(self.keys.counts())
            .arg(self.keys.webhooks())
            .arg(&self.keys.dead_letters(set));
        call.arg(set.as_str()).arg(id_sink(id, sink)).arg(by);
        call.arg(ledger::letter(why.what()));
        Ok(number(&self.link.run(&script::DISCARD, &call).await?) == Some(1))
    }

    pub(super) async fn forget_records(&self, contact: &Contact, sinks: &[SinkId]) -> Result<(), QueueError> {
        if sinks.is_empty() {
            return Ok(());
        }
        let mut unlink = cmd("UNLINK");
        for sink in sinks {
            unlink.arg(self.keys.record(sink, contact));
        }
        self.link.query(&unlink).await.map(drop)
    }

    /// Makes the server write its append-only file anew, without what was removed.
    pub(super) async fn rewrite_files(&self) -> Result<Vec<String>, QueueError> {
        let mut remains = vec![
            "backups and snapshots of Redis that were made before now: until they are deleted, or the encryption keys that \
             they need are"
                .to_owned(),
        ];
        if let Err(error) = self.link.query(&cmd("BGREWRITEAOF")).await {
            remains.push(format!(
                "the append-only file of Redis, until it is rewritten: {error}; allow the user BGREWRITEAOF, or run it"
            ));
        }
        let mut info = cmd("INFO");
        info.arg("replication");
        let told = text(self.link.query(&info).await?).unwrap_or_default();
        let replicas = ServerInfo::parse(&told).number("connected_slaves").unwrap_or(0);
        if replicas > 0 {
            remains.push(format!(
                "the append-only files of {replicas} replicas, until each rewrites its own: run BGREWRITEAOF on them"
            ));
        }
        Ok(remains)
    }

    pub(super) async fn prune_dead_letters(&self) -> Result<bool, QueueError> {
        let mut more = false;
        for set in [
            DeadLetterSet::Held,
            DeadLetterSet::Dead,
            DeadLetterSet::Unrouted,
            DeadLetterSet::Rejected,
            DeadLetterSet::Delivered,
        ] {
            let mut call = script::PRUNE.call(&self.keys, 6, 256);
            call.arg(self.keys.counts())
                .arg(self.keys.webhooks())
                .arg(&self.keys.dead_letters(set));
            call.arg(set.as_str()).arg(MAX_PRUNED);
            let removed: Value = self.link.run_repeatable(&script::PRUNE, &call).await?;
            more |= number(&removed) >= i64::try_from(MAX_PRUNED).ok();
        }
        Ok(more)
    }
}

/// Where a list goes on behind a lead of it.
pub(in crate::queue) fn cursor_behind(set: DeadLetterSet, by_acceptance: bool, item: &DeadLetter) -> String {
    let sink = item.sink.as_ref().map_or("", SinkId::as_str);
    match item.due {
        Some(due) if set == DeadLetterSet::Pending => Cursor {
            due: due.at,
            skip: usize::try_from(due.behind).unwrap_or(usize::MAX >> 2) + 1,
            sink: sink.to_owned(),
            contact: item.contact.as_ref().map_or_else(String::new, Contact::to_string),
        }
        .text(),
        _ if by_acceptance => format!("{} {sink}", item.id),
        _ => format!(
            "{} {}|{}",
            item.dead_lettered_at,
            id_sink(&item.id, item.sink.as_ref()),
            item.webhook
        ),
    }
}
