//! The entries of several webhooks, merged into one list: newest first, of one time by webhook.

use std::cmp::Reverse;
use std::collections::VecDeque;

use futures::StreamExt;

use crate::queue::{Before, Entry, EntryFilter, Millis, Place, Queue, QueueError, WebhookId};

/// Webhooks that are asked at once.
const AT_ONCE: usize = 16;

/// Pages that one search reads at most: what is rare is found over several calls.
const MAX_PAGES: usize = 400;

/// Entries asked for at a time.
const PAGE: usize = 200;

/// Where a list goes on: behind this entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::admin) struct Mark {
    pub(super) webhook: WebhookId,
    pub(super) place: Place,
}

/// What of one webhook has been read.
struct Source {
    webhook: WebhookId,
    read: VecDeque<Entry>,
    /// Where its next page begins; `None`: there is none.
    next: Option<Before>,
}

/// The newest entries of all `webhooks` that fit, behind `after` and older than `until`; where to go on, if there may be more.
pub(in crate::admin) async fn newest(
    queue: &dyn Queue,
    webhooks: Vec<WebhookId>,
    filter: &EntryFilter,
    until: Millis,
    after: Option<&Mark>,
    limit: usize,
    fits: impl Fn(&Entry) -> bool,
) -> Result<(Vec<Entry>, Option<Mark>), QueueError> {
    let mut sources: Vec<Source> = webhooks
        .into_iter()
        .map(|webhook| Source {
            next: Some(start(&webhook, until, after)),
            webhook,
            read: VecDeque::new(),
        })
        .collect();
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        pages += read_on(queue, &mut sources, filter, &fits).await?;
        // Of a source that has nothing yet it is known only that it has nothing newer than where it stands.
        let front = sources
            .iter()
            .enumerate()
            .filter_map(|(number, source)| Some((key(source)?, number)))
            .max_by(|(a, at), (b, than)| a.cmp(b).then(than.cmp(at)));
        let Some((_, number)) = front else {
            return Ok((found, None));
        };
        let Some(source) = sources.get_mut(number) else {
            return Ok((found, None));
        };
        if let Some(entry) = source.read.pop_front() {
            let mark = Mark {
                webhook: entry.webhook.clone(),
                place: entry.place.clone(),
            };
            found.push(entry);
            if found.len() == limit {
                return Ok((found, Some(mark)));
            }
        } else if pages >= MAX_PAGES
            && let Some(Before::Place(place)) = &source.next
        {
            let mark = Mark {
                webhook: source.webhook.clone(),
                place: place.clone(),
            };
            return Ok((found, Some(mark)));
        }
    }
}

/// Reads a page of each source that has nothing and may have more; how many it read.
async fn read_on(
    queue: &dyn Queue,
    sources: &mut [Source],
    filter: &EntryFilter,
    fits: impl Fn(&Entry) -> bool,
) -> Result<usize, QueueError> {
    let empty = sources
        .iter()
        .enumerate()
        .filter(|(_, source)| source.read.is_empty());
    let asked: Vec<(usize, WebhookId, Before)> = empty
        .filter_map(|(number, source)| Some((number, source.webhook.clone(), source.next.clone()?)))
        .collect();
    let read = asked.len();
    let mut pages = futures::stream::iter(asked)
        .map(|(number, webhook, before)| async move {
            let page = queue.entries(&webhook, &before, filter, PAGE).await;
            (number, page)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((number, page)) = pages.next().await {
        let page = page?;
        if let Some(source) = sources.get_mut(number) {
            source.read = page.items.into_iter().filter(&fits).collect();
            source.next = page.next.map(Before::Place);
        }
    }
    Ok(read)
}

/// How new the next of a source is, at most; then the webhook that comes first. `None`: it has come to its end.
fn key(source: &Source) -> Option<(Millis, Reverse<WebhookId>)> {
    let at = match (source.read.front(), &source.next) {
        (Some(entry), _) => entry.place.at,
        (None, Some(Before::Place(place))) => place.at,
        (None, Some(Before::Time(at))) => *at,
        (None, None) => return None,
    };
    Some((at, Reverse(source.webhook.clone())))
}

/// Where a webhook's entries go on: behind the mark in the list of all.
fn start(webhook: &WebhookId, until: Millis, after: Option<&Mark>) -> Before {
    match after {
        None => Before::Time(until),
        Some(mark) if mark.webhook == *webhook => Before::Place(mark.place.clone()),
        // Of the same time, those of the webhooks before it have been told.
        Some(mark) if *webhook < mark.webhook => Before::Time(mark.place.at),
        Some(mark) => Before::Time(mark.place.at.saturating_add(1)),
    }
}
