//! On the way in: durable, deduplicated, all or none.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use leadgate_receiver::queue::*;

use crate::rig::*;

pub async fn a_lead_comes_out_as_it_went_in(rig: Rig) {
    let mut lead = fresh("ann");
    lead.body = Bytes::from_static(b"\x00\xff12:{}\r\n|\xf0\x9f\x98\x80");
    assert_eq!(rig.accept(lead.clone()).await, Admission::Accepted);
    let claim = rig.claim(10).await.pop().unwrap();
    assert_eq!(
        (claim.id, claim.webhook, claim.contact),
        (lead.id, lead.webhook, lead.contact)
    );
    assert_eq!(claim.body, lead.body);
    assert_eq!((claim.attempt, claim.in_doubt, claim.record), (1, None, None));
    assert_eq!(claim.accepted_at, claim.queued_at);
    let clock = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert!(u128::from(claim.accepted_at).abs_diff(clock.as_millis()) < 60_000);
}

pub async fn empty_and_large_bodies_pass(rig: Rig) {
    for size in [0, 1, 1_000_000, 3_000_000] {
        let mut lead = fresh("ann");
        lead.body = Bytes::from(vec![b'x'; size]);
        assert_eq!(rig.accept(lead).await, Admission::Accepted);
        let claim = rig.claim(1).await.pop().unwrap();
        assert_eq!(claim.body.len(), size);
        rig.settle(&claim, DELIVERED).await;
    }
}

pub async fn no_leads_is_no_error(rig: Rig) {
    assert_eq!(rig.queue.accept(Vec::new()).await.unwrap(), Vec::new());
}

pub async fn a_resend_is_a_duplicate_of_the_first(rig: Rig) {
    let first = lead("ann", "key");
    assert_eq!(rig.accept(first.clone()).await, Admission::Accepted);
    assert_eq!(
        rig.accept(lead("ann", "key")).await,
        Admission::Duplicate(first.id.clone())
    );
    assert_eq!(rig.deliver_all().await, vec![first.id.clone()]);
    // Also after it was delivered.
    assert_eq!(
        rig.accept(lead("ann", "key")).await,
        Admission::Duplicate(first.id)
    );
    assert!(rig.claim(10).await.is_empty());
}

pub async fn a_key_is_free_again_after_its_window(rig: Rig) {
    let mut first = lead("ann", "key");
    first.window = Duration::from_millis(300);
    assert_eq!(rig.accept(first).await, Admission::Accepted);
    tokio::time::sleep(Duration::from_millis(400)).await;
    let again = lead("ann", "key");
    assert_eq!(rig.accept(again.clone()).await, Admission::Accepted);
    assert_eq!(
        rig.accept(lead("ann", "key")).await,
        Admission::Duplicate(again.id)
    );
    assert_eq!(rig.deliver_all().await.len(), 2);
}

pub async fn of_racing_copies_one_is_accepted(rig: Rig) {
    let second = rig.second().await;
    let copies = (0..100).map(|n| {
        let queue = if n % 2 == 0 {
            rig.queue.clone()
        } else {
            second.clone()
        };
        tokio::spawn(async move {
            let copy = lead("ann", "key");
            (copy.id.clone(), queue.accept(vec![copy]).await.unwrap().remove(0))
        })
    });
    let outcomes: Vec<_> = futures::future::join_all(copies)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let winners: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == Admission::Accepted)
        .collect();
    assert_eq!(winners.len(), 1);
    let winner = winners[0].0.clone();
    for (id, outcome) in &outcomes {
        assert!(*id == winner || *outcome == Admission::Duplicate(winner.clone()));
    }
    assert_eq!(rig.deliver_all().await, vec![winner]);
}

pub async fn the_same_call_repeated_is_accepted_once(rig: Rig) {
    let group = vec![fresh("ann"), fresh("bob"), fresh("ann")];
    let first = rig.queue.accept(group.clone()).await.unwrap();
    assert_eq!(first, vec![Admission::Accepted; 3]);
    assert_eq!(rig.queue.accept(group.clone()).await.unwrap(), first);
    assert_eq!(rig.deliver_all().await.len(), 3);
    // Even when they have left the queue meanwhile.
    assert_eq!(rig.queue.accept(group).await.unwrap(), first);
    assert!(rig.claim(10).await.is_empty());
    let counted = rig.queue.webhook_stats(&[form()]).await.unwrap().remove(0);
    assert_eq!((counted.accepted, counted.duplicates), (3, 0));
}

pub async fn a_duplicate_inside_a_group_is_found(rig: Rig) {
    let (one, two) = (lead("ann", "same"), lead("ann", "same"));
    let outcome = rig
        .queue
        .accept(vec![one.clone(), two, fresh("bob")])
        .await
        .unwrap();
    let expected = [
        Admission::Accepted,
        Admission::Duplicate(one.id),
        Admission::Accepted,
    ];
    assert_eq!(outcome, expected);
    assert_eq!(rig.deliver_all().await.len(), 2);
}

/// A lead of `person` that says something of its own under the key `key`.
fn saying(person: &str, key: &str, number: u8) -> NewLead {
    NewLead {
        content: content(number),
        ..lead(person, key)
    }
}

pub async fn a_key_whose_lead_says_something_else_does_not_swallow(mut rig: Rig) {
    // Given a form whose entries count from 1 on each of three sites,
    let entries: Vec<_> = (0..3).map(|n| saying(&format!("person {n}"), "12", n)).collect();
    assert_eq!(rig.accept(entries[0].clone()).await, Admission::Accepted);
    for entry in &entries[1..] {
        assert_eq!(rig.accept(entry.clone()).await, Admission::KeyConflict);
    }
    for crash in [false, true] {
        if crash {
            rig.crash().await;
        }
        for (n, entry) in (0..).zip(&entries) {
            // Then the resend of each is known, under its own id,
            assert_eq!(
                rig.accept(saying("whoever", "12", n)).await,
                Admission::Duplicate(entry.id.clone())
            );
            // and the same call repeated is no resend.
            assert!(rig.accept(entry.clone()).await.is_new());
        }
    }
    let mut delivered = rig.deliver_all().await;
    delivered.sort();
    let mut expected: Vec<_> = entries.into_iter().map(|entry| entry.id).collect();
    expected.sort();
    assert_eq!(delivered, expected);
    let counted = rig.queue.webhook_stats(&[form()]).await.unwrap().remove(0);
    assert_eq!(
        (counted.accepted, counted.key_conflicts, counted.duplicates),
        (3, 2, 6)
    );
}

pub async fn a_resend_is_recognised_by_what_was_posted_or_by_what_it_means(rig: Rig) {
    let first = saying("ann", "key", 1);
    rig.accept(first.clone()).await;
    let known = Admission::Duplicate(first.id.clone());
    // The mapping was changed meanwhile.
    let mut remapped = saying("ann", "key", 1);
    remapped.content.mapped = [9; 8];
    assert_eq!(rig.accept(remapped).await, known);
    // The sender stamps its attempts.
    let mut stamped = saying("ann", "key", 1);
    stamped.content.posted = [9; 8];
    assert_eq!(rig.accept(stamped).await, known);
    // In one group, too.
    let group = vec![
        saying("ann", "k", 1),
        saying("ann", "k", 1),
        saying("bob", "k", 2),
    ];
    let first = group[0].id.clone();
    let expected = [
        Admission::Accepted,
        Admission::Duplicate(first),
        Admission::KeyConflict,
    ];
    assert_eq!(rig.queue.accept(group).await.unwrap(), expected);
}

pub async fn a_key_belongs_to_its_newest_lead(rig: Rig) {
    // Given a lead under another one's key, accepted when that one's time was nearly over,
    let mut first = saying("ann", "key", 1);
    first.window = Duration::from_millis(400);
    rig.accept(first).await;
    let second = saying("bob", "key", 2);
    assert_eq!(rig.accept(second.clone()).await, Admission::KeyConflict);
    // when that time is over, then the later one is known still.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        rig.accept(saying("bob", "key", 2)).await,
        Admission::Duplicate(second.id)
    );
    assert_eq!(
        rig.accept(saying("ann", "key", 1)).await,
        Admission::KeyConflict,
        "the first is forgotten"
    );
}

pub async fn a_lead_that_goes_nowhere_is_kept_as_unrouted(mut rig: Rig) {
    let nowhere = |key| NewLead {
        sinks: Vec::new().into(),
        ..lead("ann", key)
    };
    let first = nowhere("a");
    let group = vec![first.clone(), lead("bob", "b"), nowhere("a")];
    let expected = [
        Admission::Accepted,
        Admission::Accepted,
        Admission::Duplicate(first.id.clone()),
    ];
    assert_eq!(rig.queue.accept(group).await.unwrap(), expected);
    assert_eq!(
        rig.accept(first.clone()).await,
        Admission::Accepted,
        "a repeated call"
    );
    rig.crash().await;
    let kept = rig.listed(DeadLetterSet::Unrouted).await;
    assert_eq!(rig.queue.show(&first.id).await.unwrap(), kept);
    assert_eq!(kept.len(), 1);
    assert_eq!((&kept[0].id, &kept[0].body), (&first.id, &first.body));
    assert_eq!(
        (&kept[0].sink, &kept[0].contact),
        (&None, &Some(first.contact.clone()))
    );
    assert_eq!((kept[0].why.reason.as_str(), kept[0].attempts), ("NoSink", 0));
    assert_eq!(
        u128::from(kept[0].expires_at.unwrap() - kept[0].dead_lettered_at),
        first.keep.as_millis()
    );
    let counted = rig.queue.webhook_stats(&[form()]).await.unwrap().remove(0);
    assert_eq!(
        (counted.accepted, counted.unrouted, counted.duplicates),
        (2, 1, 1)
    );
}

pub async fn a_large_group_is_one(rig: Rig) {
    // More than one script's worth: it must not be split.
    let group: Vec<_> = (0..600).map(|n| fresh(&format!("person {n}"))).collect();
    assert_eq!(
        rig.queue.accept(group).await.unwrap(),
        vec![Admission::Accepted; 600]
    );
    assert_eq!(rig.deliver_all().await.len(), 600);
}

pub async fn groups_in_parallel_keep_their_answers(rig: Rig) {
    let groups = (0..40).map(|n| {
        let queue = rig.queue.clone();
        tokio::spawn(async move {
            let group: Vec<_> = (0..=n % 7).map(|i| lead("ann", &format!("{n}.{i}"))).collect();
            let resend: Vec<_> = (0..=n % 7).map(|i| lead("ann", &format!("{n}.{i}"))).collect();
            assert_eq!(
                queue.accept(group.clone()).await.unwrap(),
                vec![Admission::Accepted; group.len()]
            );
            let expected: Vec<_> = group
                .into_iter()
                .map(|lead| Admission::Duplicate(lead.id))
                .collect();
            assert_eq!(queue.accept(resend).await.unwrap(), expected);
        })
    });
    for group in groups.collect::<Vec<_>>() {
        group.await.unwrap();
    }
    assert_eq!(
        rig.deliver_all().await.len(),
        (0..40).map(|n| n % 7 + 1).sum::<usize>()
    );
}

pub async fn a_lead_for_two_sinks_waits_in_both(rig: Rig) {
    let mut lead = fresh("ann");
    lead.sinks = vec![crm(), other_crm()].into();
    rig.accept(lead.clone()).await;
    for sink in [crm(), other_crm()] {
        let claim = rig.queue.claim(&sink, 10, LONG).await.unwrap().claims.remove(0);
        assert_eq!((claim.id, claim.body), (lead.id.clone(), lead.body.clone()));
    }
}

pub async fn what_was_accepted_survives_a_crash(mut rig: Rig) {
    let mut expected = HashSet::new();
    for n in 0..50 {
        let lead = fresh(&format!("person {}", n % 20));
        expected.insert(lead.id.clone());
        rig.accept(lead).await;
    }
    rig.crash().await;
    let delivered: HashSet<_> = rig.deliver_all().await.into_iter().collect();
    assert_eq!(delivered, expected);
    assert_eq!(rig.stats().await.delivered, 50);
}
