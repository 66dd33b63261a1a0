//! What shards say, put together. Pure.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::queue::{
    Before, Claim, Claims, DeadLetter, DeadLetterPage, DeadLetterSet, Entry, EntryPage, ListFilter, Millis,
    Place, QueueError, SinkShare, SinkStats, StoreReport, WebhookId, WebhookStats,
};

/// Values in the order of their places.
pub(super) fn in_places<T>(parts: Vec<Vec<(usize, T)>>) -> Vec<T> {
    let mut all: Vec<(usize, T)> = parts.into_iter().flatten().collect();
    all.sort_unstable_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, value)| value).collect()
}

/// All names, in order.
pub(super) fn union<T: Ord>(parts: Vec<Vec<T>>) -> Vec<T> {
    let all: BTreeSet<T> = parts.into_iter().flatten().collect();
    all.into_iter().collect()
}

/// Whether one of them did it. One that did stands for all: what failed had nothing to do.
pub(super) fn any(done: Vec<Result<bool, QueueError>>) -> Result<bool, QueueError> {
    if done.iter().any(|done| matches!(done, Ok(true))) {
        return Ok(true);
    }
    done.into_iter().try_fold(false, |any, done| Ok(any | done?))
}

/// Figures of the same things, added up by place.
pub(super) fn sums<T>(parts: Vec<Vec<T>>, add: impl Fn(&mut T, T)) -> Vec<T> {
    let mut parts = parts.into_iter();
    let mut sums = parts.next().unwrap_or_default();
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, more)| add(sum, more));
    }
    sums
}

pub(super) fn add_sink(sum: &mut SinkStats, more: SinkStats) {
    sum.pending += more.pending;
    sum.held += more.held;
    sum.dead += more.dead;
    sum.delivered += more.delivered;
    sum.discarded += more.discarded;
    sum.oldest_accepted_at = sum
        .oldest_accepted_at
        .into_iter()
        .chain(more.oldest_accepted_at)
        .min();
    sum.now = sum.now.max(more.now);
    // Only one of the shards keeps it.
    sum.paused = sum.paused.take().or(more.paused);
    let mut shares: BTreeMap<WebhookId, SinkShare> =
        std::mem::take(&mut sum.by_webhook).into_iter().collect();
    for (webhook, more) in more.by_webhook {
        let share = shares.entry(webhook).or_default();
        share.pending += more.pending;
        share.held += more.held;
        share.dead += more.dead;
        share.delivered += more.delivered;
        share.discarded += more.discarded;
        share.last_delivered_at = share.last_delivered_at.max(more.last_delivered_at);
    }
    sum.by_webhook = shares.into_iter().collect();
}

pub(super) fn add_webhook(sum: &mut WebhookStats, more: &WebhookStats) {
    let WebhookStats {
        accepted,
        duplicates,
        key_conflicts,
        rejected,
        rejected_dropped,
        suppressed,
        unrouted,
        discarded,
        ledger_dropped,
        last_accepted_at,
    } = more;
    sum.accepted += *accepted;
    sum.duplicates += *duplicates;
    sum.key_conflicts += *key_conflicts;
    sum.rejected += *rejected;
    sum.rejected_dropped += *rejected_dropped;
    sum.suppressed += *suppressed;
    sum.unrouted += *unrouted;
    sum.discarded += *discarded;
    sum.ledger_dropped += *ledger_dropped;
    sum.last_accepted_at = sum.last_accepted_at.max(*last_accepted_at);
}

/// What the checks of all shards say; each problem once, with the number of the first shard that has it. A shard that is away
/// is a problem of its own: the others take leads.
pub(super) fn report(reports: Vec<Result<StoreReport, QueueError>>) -> Result<StoreReport, QueueError> {
    let mut whole = StoreReport::default();
    let mut seen = BTreeSet::new();
    let mut durabilities = BTreeSet::new();
    let mut away = None;
    for (number, report) in reports.into_iter().enumerate() {
        let problems = match report {
            Ok(report) => {
                durabilities.insert(report.durability);
                whole.write_latency = whole.write_latency.max(report.write_latency);
                whole.primary_changes += report.primary_changes;
                whole.room = fuller(whole.room, report.room);
                report.problems
            }
            Err(error) => {
                let problem = error.to_string();
                away = Some(error);
                vec![problem]
            }
        };
        for problem in problems {
            if seen.insert(problem.clone()) {
                whole.problems.push(format!("shard {number}: {problem}"));
            }
        }
    }
    match away {
        Some(error) if durabilities.is_empty() => Err(error),
        _ => {
            whole.durability = durabilities.into_iter().collect::<Vec<_>>().join("; or ");
            Ok(whole)
        }
    }
}

/// Of two stores the one with less room: it is full first.
fn fuller(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    let (Some(a), Some(b)) = (one, other) else {
        return one.or(other);
    };
    let is_fuller = u128::from(b.0) * u128::from(a.1) > u128::from(a.0) * u128::from(b.1);
    Some(if is_fuller { b } else { a })
}

/// How many leads to claim from which shard, beginning with the one whose turn it is.
pub(super) fn shares(max: usize, shards: usize, turn: usize) -> Vec<(usize, usize)> {
    let shards = shards.max(1);
    let share = |place: usize| max / shards + usize::from(place < max % shards);
    (0..shards)
        .map(|place| ((turn % shards + place) % shards, share(place)))
        .collect()
}

/// What was claimed so far.
#[derive(Default)]
pub(super) struct Claimed {
    claims: Vec<Claim>,
    next_due: Option<Duration>,
    failed: Option<QueueError>,
}

impl Claimed {
    pub(super) fn len(&self) -> usize {
        self.claims.len()
    }

    /// Adds what a shard answered to being asked for `most`; whether it may have more.
    pub(super) fn add(&mut self, answer: Result<Claims, QueueError>, most: usize) -> bool {
        match answer {
            Ok(found) => {
                let is_filled = found.claims.len() >= most;
                self.claims.extend(found.claims);
                self.next_due = self.next_due.into_iter().chain(found.next_due).min();
                is_filled
            }
            Err(error) => {
                self.failed = Some(error);
                false
            }
        }
    }

    /// A shard that may have more was not asked, as nothing more was wanted.
    pub(super) fn has_more(&mut self) {
        self.next_due = Some(Duration::ZERO);
    }

    /// Oldest first. What was claimed is leased, so it counts for more than a shard that failed.
    pub(super) fn finish(mut self) -> Result<Claims, QueueError> {
        match self.failed {
            Some(error) if self.claims.is_empty() => Err(error),
            _ => {
                self.claims.sort_by_key(|claim| claim.queued_at);
                Ok(Claims {
                    claims: self.claims,
                    next_due: self.next_due,
                })
            }
        }
    }
}

/// Where each shard's list goes on.
#[derive(Clone)]
pub(super) struct Cursors(Vec<Option<String>>);

impl Cursors {
    /// A text that is no cursor starts at the beginning.
    pub(super) fn parse(text: Option<&str>, shards: usize) -> Self {
        let parsed = text.and_then(|text| serde_json::from_str::<Vec<Option<String>>>(text).ok());
        let mut cursors = parsed.unwrap_or_default();
        cursors.resize(shards, None);
        Self(cursors)
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Option<String>> {
        self.0.iter()
    }

    fn text(&self) -> String {
        serde_json::json!(self.0).to_string()
    }
}

/// The first leads of all pages, each of which is in order, and where each shard's list goes on behind them.
pub(super) fn page(
    set: DeadLetterSet,
    filter: &ListFilter,
    mut cursors: Cursors,
    pages: Vec<DeadLetterPage>,
    cursor_behind: impl Fn(&DeadLetter) -> String,
) -> DeadLetterPage {
    let limit = filter.limit.clamp(1, 1000);
    let (mut rests, nexts): (Vec<VecDeque<DeadLetter>>, Vec<Option<String>>) = pages
        .into_iter()
        .map(|page| (VecDeque::from(page.items), page.next))
        .unzip();
    let mut items: Vec<DeadLetter> = Vec::new();
    while items.len() < limit {
        let heads = rests
            .iter()
            .enumerate()
            .filter_map(|(number, rest)| Some((number, rest.front()?)));
        let first = heads.min_by(|(_, one), (_, other)| order(set, filter.by_acceptance, one, other));
        let Some(number) = first.map(|(number, _)| number) else {
            break;
        };
        if let Some(lead) = rests.get_mut(number).and_then(VecDeque::pop_front) {
            if let Some(cursor) = cursors.0.get_mut(number) {
                *cursor = Some(cursor_behind(&lead));
            }
            items.push(lead);
        }
    }
    let mut has_more = false;
    for ((rest, next), cursor) in rests.iter().zip(nexts).zip(&mut cursors.0) {
        has_more |= !rest.is_empty() || next.is_some();
        // All that it read is told: it knows best where it came to.
        if let (true, Some(next)) = (rest.is_empty(), next) {
            *cursor = Some(next);
        }
    }
    DeadLetterPage {
        items,
        next: has_more.then(|| cursors.text()),
    }
}

/// How a list is ordered.
fn order(set: DeadLetterSet, by_acceptance: bool, one: &DeadLetter, other: &DeadLetter) -> Ordering {
    let due = |lead: &DeadLetter| lead.due.map(|due| due.at);
    match set {
        DeadLetterSet::Pending => one.sink.cmp(&other.sink).then_with(|| due(one).cmp(&due(other))),
        _ if by_acceptance => (&one.id, &one.sink).cmp(&(&other.id, &other.sink)),
        _ => other.dead_lettered_at.cmp(&one.dead_lettered_at),
    }
}

/// Where the entries of a shard go on. Of one millisecond, those of greater shards come first.
pub(super) fn before_in(before: &Before, shard: usize) -> Before {
    let Before::Place(place) = before else {
        return before.clone();
    };
    let (number, key) = split(place);
    match shard.cmp(&number) {
        Ordering::Equal => Before::Place(Place {
            at: place.at,
            key: key.to_owned(),
        }),
        Ordering::Less => Before::Time(place.at.saturating_add(1)),
        Ordering::Greater => Before::Time(place.at),
    }
}

/// The shard of a place, and its key there.
fn split(place: &Place) -> (usize, &str) {
    let parts = place.key.split_once('/');
    let parts = parts.and_then(|(number, key)| Some((number.parse().ok()?, key)));
    parts.unwrap_or((0, &place.key))
}

/// As the whole calls a place in a shard.
fn joined(shard: usize, place: &Place) -> Place {
    Place {
        at: place.at,
        key: format!("{shard}/{}", place.key),
    }
}

/// The first entries of all pages, newest first. What is older than where a shard stopped looking is left for the next page.
pub(super) fn entries(pages: Vec<EntryPage>, limit: usize) -> EntryPage {
    let newer = |(number, at): &(usize, Millis), (than, other): &(usize, Millis)| {
        at.cmp(other).then(number.cmp(than))
    };
    let mut horizon: Option<(usize, Place)> = None;
    let mut rests: Vec<VecDeque<Entry>> = Vec::with_capacity(pages.len());
    for (number, page) in pages.into_iter().enumerate() {
        rests.push(page.items.into());
        let Some(place) = page.next else { continue };
        let is_nearer = horizon
            .as_ref()
            .is_none_or(|(than, other)| newer(&(number, place.at), &(*than, other.at)).is_gt());
        if is_nearer {
            horizon = Some((number, place));
        }
    }
    let mut items = Vec::new();
    loop {
        let heads = rests
            .iter()
            .enumerate()
            .filter_map(|(number, rest)| Some((number, rest.front()?.place.at)));
        let Some((number, at)) = heads.max_by(newer) else {
            break;
        };
        let is_seen = horizon.as_ref().is_none_or(|(shard, place)| {
            // Of its own shard, it is in the page because it was looked at.
            number == *shard || newer(&(number, at), &(*shard, place.at)).is_gt()
        });
        if !is_seen {
            break;
        }
        let Some(mut entry) = rests.get_mut(number).and_then(VecDeque::pop_front) else {
            break;
        };
        entry.place = joined(number, &entry.place);
        let place = entry.place.clone();
        items.push(entry);
        if items.len() == limit {
            let has_more = horizon.is_some() || rests.iter().any(|rest| !rest.is_empty());
            return EntryPage {
                items,
                next: has_more.then_some(place),
            };
        }
    }
    EntryPage {
        items,
        next: horizon.map(|(number, place)| joined(number, &place)),
    }
}

#[cfg(test)]
mod tests;
