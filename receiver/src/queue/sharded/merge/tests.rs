use bytes::Bytes;
use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::queue::{DeadLetterReason, EntryOutcome, LeadId, SinkId};

fn dead(id: u32, at: Millis) -> DeadLetter {
    DeadLetter {
        set: DeadLetterSet::Dead,
        id: LeadId::new(format!("{id:08}")),
        webhook: WebhookId::from("shop/form"),
        sink: Some(SinkId::from("shop/crm")),
        contact: None,
        accepted_at: at,
        dead_lettered_at: at,
        expires_at: None,
        due: None,
        attempts: 1,
        overtaken: false,
        why: DeadLetterReason::none(),
        key_missing: false,
        body: Bytes::new(),
    }
}

/// A shard's own list: behind a cursor, which is the number of leads told.
fn shard_page(all: &[DeadLetter], after: Option<&String>, limit: usize) -> DeadLetterPage {
    let start = after.map_or(0, |id| {
        all.iter()
            .position(|lead| lead.id.as_str() == id)
            .map_or(0, |at| at + 1)
    });
    let items: Vec<_> = all[start..].iter().take(limit).cloned().collect();
    let more = start + items.len() < all.len();
    let next = items.last().filter(|_| more).map(|lead| lead.id.to_string());
    DeadLetterPage { items, next }
}

fn entry(id: u32, at: Millis) -> Entry {
    Entry {
        id: LeadId::new(format!("{id:08}")),
        webhook: WebhookId::from("shop/form"),
        outcome: EntryOutcome::Accepted,
        at,
        reason: String::new(),
        people: Vec::new(),
        besides: Vec::new(),
        sinks: Vec::new(),
        events: Vec::new(),
        place: Place {
            at,
            key: format!("{at}-{id:08}"),
        },
    }
}

/// A shard's own entries: it looks at `looks` of them, and those with an even id fit.
fn shard_entries(all: &[Entry], before: &Before, limit: usize, looks: usize) -> EntryPage {
    let is_before = |entry: &Entry| match before {
        Before::Time(at) => entry.place.at < *at,
        Before::Place(place) => entry.place < *place,
    };
    let mut page = EntryPage::default();
    for (looked, entry) in all.iter().filter(|entry| is_before(entry)).enumerate() {
        if page.items.len() == limit || looked == looks {
            break;
        }
        if entry.id.as_str().ends_with(['0', '2', '4', '6', '8']) {
            page.items.push(entry.clone());
        }
        page.next = Some(entry.place.clone());
    }
    let looked_at_all = page.next.as_ref() == all.last().map(|entry| &entry.place);
    page.next = page.next.filter(|_| !looked_at_all);
    page
}

proptest! {
    #[test]
    fn pages_of_all_shards_tell_each_lead_once_newest_first(
        placed in prop::collection::vec((0_usize..4, 0_u64..20), 0..60),
        limit in 1_usize..9,
    ) {
        let mut shards = vec![Vec::new(); 4];
        for (id, (shard, at)) in (0..).zip(&placed) {
            shards[*shard].push(dead(id, *at));
        }
        for shard in &mut shards {
            shard.sort_by_key(|lead| (std::cmp::Reverse(lead.dead_lettered_at), lead.id.clone()));
        }
        let filter = ListFilter { limit, ..ListFilter::default() };
        let (mut told, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let cursors = Cursors::parse(after.as_deref(), 4);
            let read = shards.iter().zip(cursors.each()).map(|(all, after)| shard_page(all, after.as_ref(), limit)).collect();
            let page = page(DeadLetterSet::Dead, &filter, cursors, read, |lead| lead.id.to_string());
            prop_assert!(page.items.len() <= limit);
            told.extend(page.items);
            after = page.next;
            pages += 1;
            prop_assert!(pages < 100);
            if after.is_none() { break; }
        }
        prop_assert_eq!(told.len(), placed.len());
        prop_assert!(told.windows(2).all(|pair| pair[0].dead_lettered_at >= pair[1].dead_lettered_at));
    }

    #[test]
    fn pages_of_entries_tell_each_once_newest_first(
        placed in prop::collection::vec((0_usize..3, 0_u64..15), 0..60),
        limit in 1_usize..6,
        looks in 1_usize..9,
    ) {
        let mut shards = vec![Vec::new(); 3];
        for (id, (shard, at)) in (0..).zip(&placed) {
            shards[*shard].push(entry(id, *at));
        }
        for shard in &mut shards {
            shard.sort_by(|one, other| other.place.cmp(&one.place));
        }
        let (mut told, mut before, mut pages) = (Vec::new(), Before::Time(u64::MAX), 0);
        loop {
            let read = shards.iter().enumerate().map(|(number, all)| {
                shard_entries(all, &before_in(&before, number), limit, looks)
            });
            let page = entries(read.collect(), limit);
            prop_assert!(page.items.len() <= limit);
            told.extend(page.items);
            pages += 1;
            prop_assert!(pages < 300, "it does not end");
            match page.next {
                Some(place) => before = Before::Place(place),
                None => break,
            }
        }
        let expected = (0..placed.len()).filter(|id| id % 2 == 0).count();
        prop_assert_eq!(told.len(), expected);
        prop_assert!(told.windows(2).all(|pair| pair[0].at >= pair[1].at));
        let mut ids: Vec<_> = told.iter().map(|entry| entry.id.clone()).collect();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), expected);
    }

    #[test]
    fn shares_are_what_was_asked_for_beginning_with_whose_turn_it_is(max in 0_usize..50, shards in 1_usize..9, turn in 0_usize..99) {
        let shares = shares(max, shards, turn);
        prop_assert_eq!(shares.iter().map(|(_, share)| share).sum::<usize>(), max);
        prop_assert_eq!(shares[0].0, turn % shards);
        let mut numbers: Vec<usize> = shares.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (0..shards).collect::<Vec<_>>());
    }
}

#[test]
fn a_shard_that_is_away_is_a_problem_and_all_of_them_are_an_error() {
    let well = || StoreReport {
        durability: "on two disks".into(),
        room: Some((1, 10)),
        ..StoreReport::default()
    };
    let fuller = StoreReport {
        problems: vec!["appendfsync is no".into()],
        room: Some((4, 20)),
        ..well()
    };
    let away = || Err(QueueError::Unavailable("gone".into()));
    let whole = report(vec![Ok(well()), away(), Ok(fuller.clone()), Ok(fuller)]).unwrap();
    assert_eq!(
        whole.problems,
        [
            "shard 1: the queue is unavailable: gone",
            "shard 2: appendfsync is no"
        ]
    );
    assert_eq!(
        (whole.durability.as_str(), whole.room),
        ("on two disks", Some((4, 20)))
    );
    assert!(report(vec![away(), away()]).is_err());
}

#[test]
fn what_one_shard_did_is_done_and_a_failure_counts_where_none_did() {
    let failed = || Err(QueueError::Unavailable("gone".into()));
    assert!(any(vec![failed(), Ok(true)]).unwrap());
    assert!(any(vec![Ok(false), failed()]).is_err());
    assert!(!any(vec![Ok(false), Ok(false)]).unwrap());
}
