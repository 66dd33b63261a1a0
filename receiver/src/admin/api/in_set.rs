//! The leads that are in a set now: a search and a job mean the same by one filter.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};
use leadgate_crds::api::{Lead, Set};

use super::leads::{AT_ONCE, FOREVER, Wanted};
use super::merge::newest;
use super::view;
use crate::admin::dead_letters::Realm;
use crate::admin::shared::Admin;
use crate::queue::{DeadLetter, DeadLetterSet, Entry, ListFilter, QueueError};

/// Leads that are found by what the ledger knows of them.
const MOST_FOUND: usize = 10_000;

/// Pages of a set that one search reads at most: what is rare is found over several calls.
const MAX_PAGES: usize = 50;

/// A page of the leads that fit, and where to go on, if there may be more.
pub(super) async fn page(
    admin: &Admin,
    set: Set,
    wanted: &Wanted,
    mut after: Option<String>,
    limit: usize,
) -> Result<(Vec<Lead>, Option<String>), QueueError> {
    let ids = find(admin, wanted).await?;
    let realm = Realm::of_admin(admin);
    let (mut found, mut told) = (Vec::new(), BTreeSet::new());
    for _ in 0..MAX_PAGES {
        let filter = filter(wanted, after.take(), limit - found.len(), Order::Newest);
        let page = admin.queue.list(stored(set), &filter).await?;
        let meant = page
            .items
            .iter()
            .filter(|lead| fits(lead, wanted, ids.as_deref(), &realm));
        for lead in meant {
            // It may be there for several sinks.
            if told.insert(lead.id.clone()) {
                found.push((lead.webhook.clone(), lead.id.clone()));
            }
        }
        after = page.next;
        if after.is_none() || found.len() == limit {
            break;
        }
    }
    let entries: Vec<Option<Entry>> = futures::stream::iter(found)
        .map(|(webhook, id)| async move { admin.queue.entry(&webhook, &id).await })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    // As long as a lead is there, it has an entry.
    Ok((entries.iter().flatten().map(view::lead).collect(), after))
}

/// Whether a lead of a set is meant; `ids` is what [`find`] found.
pub(super) fn fits(lead: &DeadLetter, wanted: &Wanted, ids: Option<&[String]>, realm: &Realm) -> bool {
    realm.has(lead.webhook.as_str())
        && (wanted.stored.since..wanted.until).contains(&lead.accepted_at)
        && ids.is_none_or(|ids| ids.iter().any(|id| id == lead.id.as_str()))
}

/// The leads that a filter means by what only the ledger knows; `None`: it asks for no such thing.
pub(super) async fn find(admin: &Admin, wanted: &Wanted) -> Result<Option<Vec<String>>, QueueError> {
    let filter = &wanted.filter;
    if wanted.stored.people.is_empty() && filter.record.is_none() {
        return Ok(filter.id.as_ref().map(|id| vec![id.clone()]));
    }
    let fits = |entry: &Entry| view::fits(entry, filter, wanted.sink.as_ref());
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (entries, next) = newest(
            admin.queue.as_ref(),
            wanted.webhooks.clone(),
            &wanted.stored,
            FOREVER,
            after.as_ref(),
            MOST_FOUND,
            fits,
        )
        .await?;
        found.extend(entries.into_iter().map(|entry| entry.id.to_string()));
        after = next;
        if after.is_none() || found.len() >= MOST_FOUND {
            return Ok(Some(found));
        }
    }
}

/// In which order leads are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// In which they were accepted, so that of one person the newest is last.
    Acceptance,
    /// Those that came into the set last first.
    Newest,
}

/// For the queue's list.
pub(super) fn filter(wanted: &Wanted, after: Option<String>, limit: usize, order: Order) -> ListFilter {
    let named = wanted.filter.webhook.as_ref().and(wanted.webhooks.first());
    ListFilter {
        bodies: false,
        sink: wanted.sink.clone(),
        webhook: named.cloned(),
        reason: wanted.filter.reason.clone(),
        by_acceptance: order == Order::Acceptance,
        after,
        limit,
    }
}

/// As the store names it.
pub(super) fn stored(set: Set) -> DeadLetterSet {
    match set {
        Set::Pending => DeadLetterSet::Pending,
        Set::Held => DeadLetterSet::Held,
        Set::Dead => DeadLetterSet::Dead,
        Set::Unrouted => DeadLetterSet::Unrouted,
        Set::Rejected => DeadLetterSet::Rejected,
        Set::Delivered => DeadLetterSet::Delivered,
    }
}
